import type { Command } from 'commander'
import { hasErrorCode, type TareError } from '../../../errors/index.ts'
import type { ListStore } from '../../../store/index.ts'
import { examples } from '../../help.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute, Run } from '../../run.ts'

interface RemovedLists {
  readonly untagged: string[]
  readonly deleted: string[]
}

/** `tare manifest rm LIST...` */
export function defineManifestRm(group: Command, execute: Execute): void {
  group
    .command('rm')
    .summary('remove lists; their members stay')
    .description(
      'Removes lists. A name alone is taken off a list that has others; with its last name a list goes. The images stay.',
    )
    .argument('<list...>', 'names or IDs of lists')
    .option('-i, --ignore', 'pass over lists that do not exist')
    .addHelpText('after', examples([['Two lists', 'tare manifest rm app:v1 app:v2']]))
    .action((names: readonly string[], values: { readonly ignore?: boolean }) =>
      execute(async (run) => {
        await using opened = await openLists(run)
        const { lists } = opened
        const removed: RemovedLists = { untagged: [], deleted: [] }
        const absent: TareError[] = []
        for (const name of names) {
          try {
            await removeList(lists, name, removed, run)
          } catch (error) {
            if (!hasErrorCode(error, 'NOT_FOUND')) throw error
            if (values.ignore !== true) absent.push(error)
          }
        }
        const [first] = absent
        if (first !== undefined && absent.length === names.length) throw first
        for (const { message } of absent) run.logger.warn(message)
        const lines = [
          ...removed.untagged.map((name) => `Untagged: ${name}\n`),
          ...removed.deleted.map((id) => `Deleted: ${id}\n`),
        ]
        return { kind: 'summary', report: removed, text: lines.join(''), isPartial: absent.length > 0 }
      }),
    )
}

async function removeList(lists: ListStore, text: string, removed: RemovedLists, { signal }: Run): Promise<void> {
  const { findList } = await import('../../../manifest-list/index.ts')
  const { id, names } = await findList(lists, text, { signal })
  const isId = id.startsWith(text.replace(/^sha256:/, ''))
  const [name, ...others] = isId ? names : await namesMeant(text, names)
  if (!isId && name !== undefined && names.length > 1) {
    await lists.removeName(name, { signal })
    removed.untagged.push(name)
    return
  }
  await lists.remove(id, { signal })
  removed.untagged.push(...[name, ...others].filter((one) => one !== undefined))
  removed.deleted.push(id)
}

/** The one of a list's names that was written in short. */
async function namesMeant(text: string, names: readonly string[]): Promise<readonly string[]> {
  const { normalizeListName } = await import('../../../manifest-list/index.ts')
  const candidates = [normalizeListName(text), normalizeListName(`docker.io/${text}`)]
  return names.filter((name) => candidates.includes(name))
}
