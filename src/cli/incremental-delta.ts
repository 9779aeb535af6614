import { TareError } from '../errors/index.ts'
import { isDelta } from '../delta/index.ts'
import { isManifestType, parseManifestDocument } from '../oci/index.ts'
import {
  type ImageDestination,
  LayoutImages,
  type LayoutReference,
  type OpenContext,
  openDestination,
} from '../transport/index.ts'
import type { TargetOptionValues } from './target-options.ts'

/** Whether a file is a delta rather than an archive of images: its only manifest says so. */
export async function isDeltaFile(reference: LayoutReference, context: OpenContext): Promise<boolean> {
  await using layout = await LayoutImages.open(reference, context)
  const [entry, ...others] = layout.index.manifests
  if (entry === undefined || others.length > 0 || !isManifestType(entry.mediaType)) return false
  const bytes = await layout.read(entry.digest)
  if (bytes === undefined) return false
  const document = parseManifestDocument(bytes, { subject: `manifest ${entry.digest}`, mediaType: entry.mediaType })
  return document.kind === 'manifest' && isDelta(document)
}

/**
 * The destination of a delta's target.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for options that only archives of images understand
 */
export async function deltaTarget(
  destination: string | undefined,
  values: TargetOptionValues,
  context: OpenContext,
): Promise<ImageDestination> {
  const { map, overlay, platform } = values
  const unfit = [map && '--map', overlay && '--overlay', platform && '--platform'].find((option) => option)
  if (unfit !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `${unfit} does not go with a delta`, {
      hint: 'A delta makes one image, whole: give its destination',
    })
  }
  if (destination !== undefined) return openDestination(destination, context)
  throw new TareError('INVALID_ARGUMENT', 'a delta takes a destination', {
    hint: 'Give where its target goes: docker://mirror.example/app:v2',
  })
}
