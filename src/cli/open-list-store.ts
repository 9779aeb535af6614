import { join } from 'node:path'
import type { ListStore } from '../manifest-list/index.ts'
import type { Run } from './run.ts'

/**
 * Where lists are kept between runs: in `lists` of the local store, whose place is `TARE_STORE`, else in the user's data
 * directory as the XDG base directory specification has it. The one place that decides it.
 */
export async function openListStore({ host }: Run): Promise<ListStore> {
  const { DirectoryListStore } = await import('../manifest-list/index.ts')
  const { env, homeDirectory } = host
  // An empty variable counts as none.
  const store =
    env['TARE_STORE'] || join(env['XDG_DATA_HOME'] || join(homeDirectory, '.local', 'share'), 'tare', 'store')
  return new DirectoryListStore(join(store, 'lists'))
}
