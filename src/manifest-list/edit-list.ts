import type { ListRecord, ListStore, ListStoreOptions } from '../store/index.ts'
import { findList } from './list-names.ts'
import { ManifestList } from './manifest-list.ts'

/**
 * Runs `work` while no other process changes a stored list.
 *
 * @param idOrName - an ID, an unambiguous beginning of one, or a name
 * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`
 */
export async function lockList<Output>(
  store: ListStore,
  idOrName: string,
  work: (record: ListRecord) => Promise<Output>,
  options: ListStoreOptions = {},
): Promise<Output> {
  const record = await findList(store, idOrName, options)
  return store.lock(record.id, () => work(record), options)
}

/**
 * Changes a stored list: locks, loads, changes, saves. Where `change` throws, the list is as it was.
 *
 * @param change - quick, and without waiting for a network: others wait meanwhile
 * @returns the ID, and what `change` gave
 * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`, `NOT_A_LIST`
 */
export async function editList<Output>(
  store: ListStore,
  idOrName: string,
  change: (list: ManifestList) => Output | Promise<Output>,
  options: ListStoreOptions = {},
): Promise<{ readonly id: string; readonly output: Output }> {
  return lockList(
    store,
    idOrName,
    async ({ id }) => {
      const { list } = await ManifestList.loadFromImage(store, id, options)
      const output = await change(list)
      await list.saveToImage(store, { id, signal: options.signal })
      return { id, output }
    },
    options,
  )
}
