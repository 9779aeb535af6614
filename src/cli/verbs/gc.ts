import type { Command } from 'commander'
import type { CollectionReport } from '../../store/index.ts'
import { formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { examples } from '../help.ts'
import { openStore } from '../open-store.ts'
import type { Execute } from '../run.ts'

interface GcOptionValues {
  readonly dryRun?: boolean
}

/** `tare gc` */
export function defineGc(program: Command, execute: Execute): void {
  program
    .command('gc')
    .summary('free what no image of the local store needs')
    .description(
      'Removes blobs that no image, list, lease or label keeps, leases that have ended and writes that were given up, in all ' +
        'namespaces of the store. Nobody is held up meanwhile.',
    )
    .option('--dry-run', 'say what would go and remove nothing; with --quiet the digests alone')
    .addHelpText(
      'after',
      examples([
        ['What would go?', 'tare gc --dry-run'],
        ['For a timer', 'tare gc --quiet'],
      ]),
    )
    .action((values: GcOptionValues) =>
      execute(async (run) => {
        const { signal, settings } = run
        await using opened = await openStore(run, {})
        const report = await opened.store.collect({ signal, dryRun: values.dryRun === true })
        if (values.dryRun !== true) return { kind: 'summary', report, text: summaryText(report) }
        const digests = report.blobs.map(({ digest }) => `${digest}\n`).join('')
        return { kind: 'answer', report, text: settings.quiet ? digests : blobsText(report) + summaryText(report) }
      }),
    )
}

function summaryText({ blobs, leases, images, ingests, orphanCount, freedBytes, isDryRun }: CollectionReport): string {
  const counted = (count: number): string | undefined => (count === 0 ? undefined : String(count))
  return formatFields([
    [isDryRun ? 'would free' : 'freed', formatSize(freedBytes)],
    ['blobs', String(blobs.length)],
    ['images that expired', counted(images.length)],
    ['leases that ended', counted(leases.length)],
    ['writes given up', counted(ingests.length)],
    ['files without an entry', counted(orphanCount)],
  ])
}

function blobsText({ blobs }: CollectionReport): string {
  if (blobs.length === 0) return ''
  const rows = blobs.map(({ digest, sizeBytes, namespace }) => [digest, formatSize(sizeBytes), namespace])
  return `${formatTable([{ title: 'blob' }, { title: 'size', align: 'right' }, { title: 'namespace' }], rows)}\n`
}
