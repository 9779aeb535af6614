import { type OpenedBaselines, openWantedBaselines } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import {
  applyArchive,
  type ArchivedImage,
  type IncrementalArchive,
  layersLeftOut,
  vetArchive,
} from '../incremental/index.ts'
import type { LocalBaseline } from '../image/index.ts'
import type { ImageDestination, ImageSource, OpenContext } from '../transport/index.ts'
import { startCodecs } from './delta-tools.ts'
import { formatSize } from './format/size.ts'
import { formatFields } from './format/table.ts'
import { pickedFields } from './render/delta-text.ts'
import type { Run, VerbResult } from './run.ts'

/** Images that lend their layers: named, or picked among those that are here. */
export interface ChosenBaselines {
  readonly sources: readonly ImageSource[]
  readonly picked?: readonly LocalBaseline[] | undefined
}

/** Completes an image of an incremental archive with the layers of its base: what `tare apply` does of a delta. */
export async function applyIncremental(
  archive: IncrementalArchive,
  openBaselines: (find: () => Promise<OpenedBaselines>) => Promise<ChosenBaselines>,
  destination: ImageDestination,
  values: { readonly image?: string; readonly dryRun?: boolean },
  context: OpenContext,
  run: Run,
): Promise<VerbResult> {
  const { signal, logger, onProgress, settings } = run
  const image = pickImage(archive, values.image)
  const { digest, mediaType } = image.entry
  const { sources: baselines, picked } = await openBaselines(async () => {
    const wanted = await layersLeftOut(archive, image, destination.layerForm, { signal, logger })
    const hint = `It was pulled against ${image.bases.map(({ name, digest: base }) => name || base).join(', ') || 'an unknown base'}`
    return openWantedBaselines(() => wanted, context, hint)
  })
  const summary = { archive: archive.reference, image: image.name, target: { digest, mediaType }, picked }
  if (values.dryRun === true) {
    await vetArchive(archive, image, baselines, destination.layerForm, { signal, logger })
    const text = formatFields([
      ['archive', archive.reference],
      ['target', 'not written (dry run)'],
      ['digest', digest],
      ...pickedFields(picked),
      ['complete', 'yes: nothing is missing'],
    ])
    return { kind: 'summary', report: summary, text }
  }
  await using resources = new AsyncDisposableStack()
  const kernels = archive.recipes.size === 0 ? undefined : resources.use(await startCodecs(run))
  const options = { kernels, concurrency: settings.jobs, signal, logger, onProgress }
  const copy = await applyArchive(archive, image, baselines, destination, options)
  const text = formatFields([
    ['archive', archive.reference],
    ['target', copy.destination],
    ['digest', copy.digest],
    ...pickedFields(picked),
    ['written', formatSize(copy.writtenBytes)],
    ['there already', copy.savedBytes === 0 ? undefined : formatSize(copy.savedBytes)],
  ])
  return { kind: 'summary', report: { ...summary, copy }, text }
}

function pickImage({ images, reference }: IncrementalArchive, name: string | undefined): ArchivedImage {
  const [only, second] = images
  if (name === undefined && only !== undefined && second === undefined) return only
  const names = images.map((image) => image.name ?? image.entry.digest).join(', ')
  if (name === undefined) {
    throw new TareError('IMAGE_NAME_REQUIRED', `${reference} holds ${images.length} images: ${names}`, {
      hint: 'Pick one with --image NAME',
    })
  }
  const found = images.find((image) => image.name === name || image.entry.digest === name)
  if (found !== undefined) return found
  throw new TareError('UNKNOWN_IMAGE_NAME', `${reference} has no image named ${name}`, { hint: `It has ${names}` })
}
