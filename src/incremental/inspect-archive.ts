import { isTareError } from '../errors/index.ts'
import {
  type ImageVerification,
  isFetchedElsewhere,
  offeredPlatforms,
  readImageTree,
  verifyImage,
  type VerifyImageOptions,
  type VerifyProblem,
} from '../image/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { RecordedBase } from './archive-format.ts'
import type { ArchivedBlob, ArchivedOutcome } from './pull.ts'
import type { IncrementalArchive } from './read-archive.ts'

/** An image of an incremental archive. */
export interface ArchivedImageReport {
  readonly name?: string | undefined
  readonly digest: Digest
  readonly mediaType: string
  readonly platforms: readonly string[]
  /** Images whose layers are left out, as far as that is recorded. */
  readonly bases: readonly RecordedBase[]
  readonly blobs: readonly ArchivedBlob[]
  readonly referrers: readonly Digest[]
}

/** What {@link inspectIncremental} tells. */
export interface ArchiveReport {
  readonly archive: string
  readonly images: readonly ArchivedImageReport[]
  /** Whether nothing is left out. */
  readonly isComplete: boolean
  readonly imageBytes: number
  readonly carriedBytes: number
  readonly omittedBytes: number
}

/** Tells what an archive holds, what it leaves out, and for which base; no layer is read. */
export async function inspectIncremental(
  archive: IncrementalArchive,
  options: OperationOptions = {},
): Promise<ArchiveReport> {
  const seen = new Map<Digest, ArchivedBlob>()
  const images: ArchivedImageReport[] = []
  for (const image of archive.images) {
    const tree = await readImageTree(image.source, { ...options, configs: 'parse' })
    const blobs: ArchivedBlob[] = []
    for (const { descriptor, role } of tree.blobs) {
      const { digest, mediaType, size } = descriptor
      const blob = { digest, mediaType, role, sizeBytes: size, outcome: await outcomeOf(archive, descriptor) }
      blobs.push(blob)
      seen.set(digest, blob)
    }
    images.push({
      name: image.name,
      digest: image.entry.digest,
      mediaType: image.entry.mediaType,
      platforms: offeredPlatforms(tree.root),
      bases: image.bases,
      blobs,
      referrers: image.referrers.map(({ descriptor }) => descriptor.digest),
    })
  }
  const bytesOf = (isCounted: (blob: ArchivedBlob) => boolean): number =>
    [...seen.values()].reduce((sum, blob) => (isCounted(blob) ? sum + blob.sizeBytes : sum), 0)
  const omitted = (blob: ArchivedBlob): boolean => blob.outcome === 'omitted' || blob.outcome === 'matched'
  return {
    archive: archive.reference,
    images,
    isComplete: ![...seen.values()].some(omitted),
    imageBytes: bytesOf(() => true),
    carriedBytes: bytesOf((blob) => blob.outcome === 'carried'),
    omittedBytes: bytesOf(omitted),
  }
}

async function outcomeOf(archive: IncrementalArchive, descriptor: Descriptor): Promise<ArchivedOutcome> {
  if (await archive.hasBlob(descriptor)) return 'carried'
  if (isFetchedElsewhere(descriptor)) return 'foreign'
  return archive.recipes.has(descriptor.digest) ? 'matched' : 'omitted'
}

/** What {@link verifyIncremental} found. */
export interface ArchiveVerification {
  readonly reference: string
  readonly images: readonly (ImageVerification & { readonly name?: string | undefined })[]
  /** Of all images; empty where everything that the archive holds is as it should be. */
  readonly problems: readonly VerifyProblem[]
}

/**
 * Reads a whole archive and holds every byte against its digest, and what layers unpack to against their configs. Layers
 * that it leaves out are no fault; absent configs and manifests are.
 *
 * @throws {CopyError} where manifests or configs can't be read; a damaged layer is told in the result
 */
export async function verifyIncremental(
  archive: IncrementalArchive,
  options: Omit<VerifyImageOptions, 'mayLack'> = {},
): Promise<ArchiveVerification> {
  const images: (ImageVerification & { readonly name?: string | undefined })[] = []
  for (const { source, name } of archive.images) {
    const found = await verifyImage(source, { ...options, mayLack: ({ role }) => role === 'layer' })
    images.push({ name, ...found })
  }
  const recipes: VerifyProblem[] = []
  for (const recipe of archive.recipes.values()) {
    await archive.readRecipe(recipe).catch((error: unknown) => {
      if (!isTareError(error) || error.category !== 'content') throw error
      recipes.push({ digest: recipe.digest, code: error.code, message: error.message })
    })
  }
  return { reference: archive.reference, images, problems: [...images.flatMap((image) => image.problems), ...recipes] }
}
