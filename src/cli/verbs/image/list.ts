import type { Command } from 'commander'
import { formatSize } from '../../format/size.ts'
import { formatTable } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { labelsText, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'
import { surveyOrWarn } from '../../survey-or-warn.ts'

/** `tare image ls` */
export function defineImageList(group: Command, execute: Execute): void {
  group
    .command('ls')
    .alias('list')
    .summary('list images')
    .description(
      'Lists images: name, digest, size of all their blobs, platforms, labels. A size with a star says that some are ' +
        'not there. With --quiet the names alone.',
    )
    .argument('[filters...]', "containerd's filters; an image is listed when any of them picks it")
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['All', 'tare image ls'],
        ['Those of a repository', "tare image ls 'name~=^registry.example/app:'"],
        ['Those with a label, their names', "tare image ls -q 'labels.team==web'"],
      ]),
    )
    .action((filters: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { signal, settings } = run
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const records = await images.list(filters, { signal })
        if (settings.quiet && !settings.json) {
          return { kind: 'answer', report: undefined, text: records.map(({ name }) => `${name}\n`).join('') }
        }
        const report: ListedImage[] = []
        for (const record of records) {
          const { name, target, labels, createdAt, updatedAt } = record
          const survey = await surveyOrWarn(opened.namespace, record, run)
          const { mediaType, digest } = target
          report.push({
            name,
            mediaType,
            digest,
            sizeBytes: survey?.totalBytes,
            platforms: survey?.platforms ?? [],
            isComplete: survey?.missingCount === 0,
            labels,
            createdAt,
            updatedAt,
          })
        }
        return { kind: 'answer', report, text: listText(report) }
      }),
    )
}

interface ListedImage {
  readonly name: string
  readonly mediaType: string
  readonly digest: string
  /** Undefined where its documents can't be read. */
  readonly sizeBytes: number | undefined
  readonly platforms: readonly string[]
  readonly isComplete: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly createdAt: Date
  readonly updatedAt: Date
}

function listText(images: readonly ListedImage[]): string {
  return formatTable(
    [
      { title: 'name' },
      { title: 'digest' },
      { title: 'size', align: 'right' },
      { title: '' },
      { title: 'platforms' },
      { title: 'labels' },
    ],
    images.map(({ name, digest, sizeBytes, isComplete, platforms, labels }) => [
      name,
      digest,
      sizeBytes === undefined ? '-' : formatSize(sizeBytes),
      isComplete ? '' : '*',
      platforms.length === 0 ? '-' : platforms.join(','),
      labelsText(labels),
    ]),
  )
}
