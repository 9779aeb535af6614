import type { Command } from 'commander'
import { hasErrorCode } from '../../../errors/index.ts'
import { examples } from '../../help.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

/** `tare content rm DIGEST…` */
export function defineContentRemove(group: Command, execute: Execute): void {
  group
    .command('rm')
    .aliases(['remove', 'delete', 'del'])
    .summary('remove blobs')
    .description(
      'Removes blobs, whether images need them or not, and prints those that went. What is not there is passed over. The ' +
        'space is free after the next collection.',
    )
    .argument('<digests...>', 'digests of the blobs')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['One', 'tare content rm sha256:…']]))
    .action((texts: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { parseDigest } = await import('../../../oci/index.ts')
        const digests = texts.map(parseDigest)
        const { signal } = run
        await using opened = await openStore(run, values)
        const removed: string[] = []
        for (const digest of digests) {
          try {
            await opened.namespace.content.delete(digest, { signal })
            removed.push(digest)
          } catch (error) {
            if (!hasErrorCode(error, 'BLOB_NOT_FOUND')) throw error
          }
        }
        return { kind: 'summary', report: { removed }, text: removed.map((digest) => `${digest}\n`).join('') }
      }),
    )
}
