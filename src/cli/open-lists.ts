import { hasErrorCode } from '../errors/index.ts'
import type { ListStore } from '../store/index.ts'
import { openStore } from './open-store.ts'
import type { Run } from './run.ts'

/** The lists of the local store, which is open. */
export interface OpenedLists extends AsyncDisposable {
  readonly lists: ListStore
}

/**
 * Where lists are kept between runs: in the local store. The one place that decides it.
 *
 * @param mayCreate - make the store where there is none; else that is one without lists
 */
export async function openLists(run: Run, mayCreate = false): Promise<OpenedLists> {
  try {
    const opened = await openStore(run, {}, mayCreate)
    return { lists: opened.namespace.lists, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  } catch (error) {
    if (mayCreate || !hasErrorCode(error, 'FILE_NOT_FOUND')) throw error
    const { MemoryListStore } = await import('../store/index.ts')
    return { lists: new MemoryListStore(), async [Symbol.asyncDispose]() {} }
  }
}
