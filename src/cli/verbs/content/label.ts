import type { Command } from 'commander'
import { examples } from '../../help.ts'
import { labelsText, namespaceOption, openStore, parseLabels, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

/** `tare content label DIGEST [KEY=VALUE…]` */
export function defineContentLabel(group: Command, execute: Execute): void {
  group
    .command('label')
    .summary('show or change the labels of a blob')
    .description('Sets labels of a blob and prints all it has. KEY alone sets true, KEY= takes the label away.')
    .argument('<digest>', 'digest of the blob')
    .argument('[labels...]', 'KEY=VALUE')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Keep it', 'tare content label sha256:… containerd.io/gc.root=yes']]))
    .action((wanted: string, texts: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { parseDigest } = await import('../../../oci/index.ts')
        const digest = parseDigest(wanted)
        const labels = parseLabels(texts)
        const { signal } = run
        await using opened = await openStore(run, values)
        const { content } = opened.namespace
        const paths = Object.keys(labels).map((key) => `labels.${key}`)
        const info =
          paths.length === 0
            ? await content.info(digest, { signal })
            : await content.updateLabels(digest, labels, paths, { signal })
        return { kind: 'answer', report: { digest, labels: info.labels }, text: `${labelsText(info.labels)}\n` }
      }),
    )
}
