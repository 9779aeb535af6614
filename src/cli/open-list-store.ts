import { join } from 'node:path'
import type { ListStore } from '../manifest-list/index.ts'
import type { Run } from './run.ts'

/** Where lists are kept between runs, as the XDG base directory specification says. The one place that decides it. */
export async function openListStore({ host }: Run): Promise<ListStore> {
  const { DirectoryListStore } = await import('../manifest-list/index.ts')
  const { env, homeDirectory } = host
  const data = env['XDG_DATA_HOME']
  const root = data === undefined || data === '' ? join(homeDirectory, '.local', 'share') : data
  return new DirectoryListStore(join(root, 'tare', 'lists'))
}
