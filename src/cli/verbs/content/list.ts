import type { Command } from 'commander'
import type { ContentInfo } from '../../../oci/index.ts'
import { formatSize } from '../../format/size.ts'
import { formatTable } from '../../format/table.ts'
import { formatTime } from '../../format/time.ts'
import { examples } from '../../help.ts'
import { labelsText, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

/** `tare content ls` */
export function defineContentList(group: Command, execute: Execute): void {
  group
    .command('ls')
    .alias('list')
    .summary('list blobs')
    .description('Lists blobs: digest, size, when they came, labels. With --quiet the digests alone.')
    .argument('[filters...]', "containerd's filters; a blob is listed when any of them picks it")
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Those with a label', "tare content ls 'labels.team==web'"]]))
    .action((filters: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { signal, settings } = run
        await using opened = await openStore(run, values)
        const report: ContentInfo[] = []
        for await (const info of opened.namespace.content.list(filters, { signal })) report.push(info)
        const quiet = report.map(({ digest }) => `${digest}\n`).join('')
        return { kind: 'answer', report, text: settings.quiet ? quiet : listText(report) }
      }),
    )
}

function listText(blobs: readonly ContentInfo[]): string {
  return formatTable(
    [{ title: 'digest' }, { title: 'size', align: 'right' }, { title: 'created' }, { title: 'labels' }],
    blobs.map(({ digest, sizeBytes, createdAt, labels }) => [
      digest,
      formatSize(sizeBytes),
      formatTime(createdAt),
      labelsText(labels),
    ]),
  )
}
