import type { Command } from 'commander'
import type { Digest } from '../../../oci/index.ts'
import { formatSize } from '../../format/size.ts'
import { formatFields, formatTable } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'
import { surveyOrWarn } from '../../survey-or-warn.ts'

/** What an image takes up. */
interface ImageUsage {
  readonly name: string
  readonly presentBytes: number
  /** Bytes that other images have too. */
  readonly sharedBytes: number
  /** Bytes that would be free without it. */
  readonly uniqueBytes: number
  readonly missingCount: number
}

/** `tare image usage` */
export function defineImageUsage(group: Command, execute: Execute): void {
  group
    .command('usage')
    .summary('show what images take up')
    .description(
      'Shows what images take up in the store: in all, what other images have too, and what would be free ' +
        'without them. Two names of one image share all of it.',
    )
    .argument('[filters...]', "containerd's filters; an image is shown when any of them picks it")
    .addOption(namespaceOption())
    .addHelpText('after', examples([['All', 'tare image usage']]))
    .action((filters: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { signal } = run
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const picked = new Set((await images.list(filters, { signal })).map(({ name }) => name))
        const holders = new Map<Digest, number>()
        const sizes = new Map<Digest, number>()
        const surveyed: { readonly name: string; readonly held: readonly Digest[]; readonly missingCount: number }[] =
          []
        for (const record of await images.list([], { signal })) {
          const { name } = record
          const survey = await surveyOrWarn(opened.namespace, record, run)
          if (survey === undefined) continue
          const { blobs, missingCount } = survey
          const present = [...blobs.values()].filter(({ isPresent }) => isPresent)
          for (const { descriptor } of present) {
            holders.set(descriptor.digest, (holders.get(descriptor.digest) ?? 0) + 1)
            sizes.set(descriptor.digest, descriptor.size)
          }
          surveyed.push({ name, held: present.map(({ descriptor }) => descriptor.digest), missingCount })
        }
        const bytesOf = (digests: readonly Digest[]): number =>
          digests.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0)
        const usages = surveyed
          .filter(({ name }) => picked.has(name))
          .map(({ name, held, missingCount }): ImageUsage => {
            const presentBytes = bytesOf(held)
            const uniqueBytes = bytesOf(held.filter((digest) => holders.get(digest) === 1))
            return { name, presentBytes, sharedBytes: presentBytes - uniqueBytes, uniqueBytes, missingCount }
          })
        const report = { images: usages, totalBytes: bytesOf([...sizes.keys()]) }
        return { kind: 'answer', report, text: usageText(usages, report.totalBytes) }
      }),
    )
}

function usageText(images: readonly ImageUsage[], totalBytes: number): string {
  const table = formatTable(
    [
      { title: 'name' },
      { title: 'size', align: 'right' },
      { title: 'shared', align: 'right' },
      { title: 'alone', align: 'right' },
    ],
    images.map(({ name, presentBytes, sharedBytes, uniqueBytes }) => [
      name,
      formatSize(presentBytes),
      formatSize(sharedBytes),
      formatSize(uniqueBytes),
    ]),
  )
  return `${table}\n${formatFields([['all images', formatSize(totalBytes)]])}`
}
