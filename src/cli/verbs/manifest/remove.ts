import type { Command } from 'commander'
import { parseDigest } from '../../../oci/index.ts'
import { examples } from '../../help.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute } from '../../run.ts'
import { listResult } from './list-report.ts'

/** `tare manifest remove LIST DIGEST` */
export function defineManifestRemove(group: Command, execute: Execute): void {
  group
    .command('remove')
    .summary('take a member off a list')
    .description('Takes a member off a list. The image stays where it is.')
    .argument('<list>', 'name or ID of the list')
    .argument('<digest>', 'digest of the member')
    .addHelpText('after', examples([['By its digest', 'tare manifest remove app:v1 sha256:…']]))
    .action((name: string, text: string) =>
      execute(async (run) => {
        const digest = parseDigest(text)
        const { editList } = await import('../../../manifest-list/index.ts')
        const { signal } = run
        await using opened = await openLists(run)
        const { id, output } = await editList(
          opened.lists,
          name,
          (list) => {
            list.remove(digest)
            return list
          },
          { signal },
        )
        return listResult(id, output)
      }),
    )
}
