import process from 'node:process'
import type { Command } from 'commander'
import type { ImageCheck } from '../../../image/index.ts'
import { formatSize } from '../../format/size.ts'
import { formatTable } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

interface CheckOptionValues extends StoreOptionValues {
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
}

/** How an image is. */
interface CheckedImage {
  readonly name: string
  readonly digest: string
  readonly status: 'complete' | 'incomplete' | 'unavailable' | 'error'
  readonly requiredCount: number
  readonly presentCount: number
  readonly requiredBytes: number
  readonly presentBytes: number
  readonly missing: readonly string[]
  readonly message?: string | undefined
}

/** `tare image check` */
export function defineImageCheck(group: Command, execute: Execute): void {
  group
    .command('check')
    .summary('look whether images are complete')
    .description(
      'Looks whether config and layers of images are there, for the platform of this machine. Exit code 4 when one is ' +
        'not. With --quiet the names of the complete ones alone.',
    )
    .argument('[filters...]', "containerd's filters; an image is looked at when any of them picks it")
    .addOption(platformOption('look for the best of these platforms'))
    .option('--all-platforms', 'look for whatever platform comes first')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['One image', 'tare image check name==docker.io/library/app:v2']]))
    .action((filters: readonly string[], values: CheckOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const [{ checkImage }, oci] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../oci/index.ts'),
        ])
        const host = oci.platformOfHost(process.platform, process.arch)
        const wanted = platforms.length === 0 ? oci.onlyPlatform(host) : oci.orderedPlatforms(...platforms)
        const matcher = values.allPlatforms === true ? undefined : wanted
        const { signal, settings } = run
        await using opened = await openStore(run, values)
        const { images, content } = opened.namespace
        const report: CheckedImage[] = []
        for (const { name, target } of await images.list(filters, { signal })) {
          try {
            const check = await checkImage(content, target, matcher, { signal })
            report.push({ name, digest: target.digest, ...summaryOf(check) })
          } catch (error) {
            signal.throwIfAborted()
            const message = error instanceof Error ? error.message : String(error)
            report.push({ name, digest: target.digest, ...NOTHING, status: 'error', message })
          }
        }
        const complete = report.filter(({ status }) => status === 'complete')
        const text = settings.quiet ? complete.map(({ name }) => `${name}\n`).join('') : checkText(report)
        return { kind: 'answer', report, text, unwell: complete.length < report.length ? 'content' : undefined }
      }),
    )
}

const NOTHING = { requiredCount: 0, presentCount: 0, requiredBytes: 0, presentBytes: 0, missing: [] } as const

function summaryOf({ isAvailable, required, present, missing }: ImageCheck): Omit<CheckedImage, 'name' | 'digest'> {
  const bytesOf = (blobs: ImageCheck['required']): number => blobs.reduce((sum, { size }) => sum + size, 0)
  return {
    status: !isAvailable ? 'unavailable' : missing.length === 0 ? 'complete' : 'incomplete',
    requiredCount: required.length,
    presentCount: present.length,
    requiredBytes: bytesOf(required),
    presentBytes: bytesOf(present),
    missing: missing.map(({ digest }) => digest),
  }
}

function checkText(images: readonly CheckedImage[]): string {
  return formatTable(
    [{ title: 'name' }, { title: 'status' }, { title: 'blobs', align: 'right' }, { title: 'size', align: 'right' }],
    images.map((image) => [
      image.name,
      image.message === undefined ? image.status : `${image.status}: ${image.message}`,
      image.status === 'unavailable' ? `${image.presentCount}/?` : `${image.presentCount}/${image.requiredCount}`,
      image.status === 'complete'
        ? formatSize(image.presentBytes)
        : `${formatSize(image.presentBytes)}/${image.status === 'incomplete' ? formatSize(image.requiredBytes) : '?'}`,
    ]),
  )
}
