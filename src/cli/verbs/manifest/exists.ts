import type { Command } from 'commander'
import { hasErrorCode } from '../../../errors/index.ts'
import { examples } from '../../help.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute } from '../../run.ts'

/** `tare manifest exists LIST` */
export function defineManifestExists(group: Command, execute: Execute): void {
  group
    .command('exists')
    .summary('tell by the exit code whether a list exists')
    .description('Exits with 0 where the list exists, with 1 where it does not. Prints nothing.')
    .argument('<list>', 'name or ID of the list')
    .addHelpText('after', examples([['In a script', 'tare manifest exists app:v1 || tare manifest create app:v1']]))
    .action((name: string) =>
      execute(async (run) => {
        const { findList, ManifestList } = await import('../../../manifest-list/index.ts')
        await using opened = await openLists(run)
        const { lists } = opened
        try {
          const { id } = await findList(lists, name, { signal: run.signal })
          // What bears the name may be an image, which is neither yes nor no.
          await ManifestList.loadFromImage(lists, id, { signal: run.signal })
          return { kind: 'answer', report: { exists: true, id }, text: '' }
        } catch (error) {
          if (!hasErrorCode(error, 'NOT_FOUND')) throw error
          return { kind: 'answer', report: { exists: false }, text: '', isNegative: true }
        }
      }),
    )
}
