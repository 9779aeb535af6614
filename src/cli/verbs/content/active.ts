import type { Command } from 'commander'
import { formatSize } from '../../format/size.ts'
import { formatTable } from '../../format/table.ts'
import { formatTime } from '../../format/time.ts'
import { examples } from '../../help.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

/** `tare content active` */
export function defineContentActive(group: Command, execute: Execute): void {
  group
    .command('active')
    .summary('list writes that have not ended')
    .description('Lists writes that are under way, or were left and can be gone on with. With --quiet the refs alone.')
    .argument('[filters...]', "containerd's filters on the field ref; a write is listed when any of them picks it")
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Layers', "tare content active 'ref~=^blob-'"]]))
    .action((filters: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { signal, settings } = run
        await using opened = await openStore(run, values)
        const report = await opened.namespace.content.listStatuses(filters, { signal })
        const table = formatTable(
          [
            { title: 'ref' },
            { title: 'size', align: 'right' },
            { title: 'of', align: 'right' },
            { title: 'begun' },
            { title: 'written' },
          ],
          report.map(({ ref, offsetBytes, totalBytes, startedAt, updatedAt }) => [
            ref,
            formatSize(offsetBytes),
            totalBytes === 0 ? '-' : formatSize(totalBytes),
            formatTime(startedAt),
            formatTime(updatedAt),
          ]),
        )
        return { kind: 'answer', report, text: settings.quiet ? report.map(({ ref }) => `${ref}\n`).join('') : table }
      }),
    )
}
