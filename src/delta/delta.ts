import { TareError } from '../errors/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import type { Recipe } from '../recompress/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import type { DeltaPlan, PlannedBlob } from './plan.ts'

/** One image of an archive: how each of its blobs is obtained, and what the archive holds of them. */
export interface Delta {
  /** `default` where the archive gives none. */
  readonly name: string
  /** Where the archive lies, for messages. */
  readonly reference: string
  /** The delta manifest; of an archive of diffah its `diffah.json`. */
  readonly descriptor: Descriptor
  readonly plan: DeltaPlan
  /** Recipes of the target's blobs, by the blob's digest. */
  readonly recipes: ReadonlyMap<Digest, Recipe>
  /** Blobs that the archive stores for this image although nothing takes them. */
  readonly unused: readonly Descriptor[]
  /** A blob that comes from the archive as it is; reading it to the end verifies it. */
  openHeld(blob: PlannedBlob, options: OperationOptions): ByteSource
  /** The patch of a blob that is made by one; verified where the format gives it a digest. */
  openPatch(blob: PlannedBlob, options: OperationOptions): ByteSource
}

/** How an archive of deltas is written. */
export type DeltaFormat = 'tare' | 'diffah'

/** An opened archive: one delta, or a bundle of several. */
export interface DeltaSet {
  readonly format: DeltaFormat
  /** Where it lies, for messages. */
  readonly reference: string
  /** Its root: delta manifest, index of delta manifests, or `diffah.json`. Signatures cover its digest. */
  readonly descriptor: Descriptor
  /** When it was made, as it says itself: RFC 3339. */
  readonly createdAt?: string | undefined
  /** What platform its images are for, as it says itself; archives of diffah do. */
  readonly platform?: string | undefined
  /** Whether it was made as a bundle; of its own name a single image then makes use too. */
  readonly isBundle: boolean
  /** In the order of the archive, each name once. */
  readonly deltas: readonly Delta[]
}

/**
 * The delta of one image.
 *
 * @param name - may be left out where there is only one
 * @throws {TareError} `UNKNOWN_IMAGE_NAME`, `IMAGE_NAME_REQUIRED` with the names there are
 */
export function pickDelta(set: DeltaSet, name?: string): Delta {
  const names = set.deltas.map((delta) => delta.name).join(', ')
  const [only, second] = set.deltas
  if (name === undefined) {
    if (only !== undefined && second === undefined) return only
    throw new TareError('IMAGE_NAME_REQUIRED', `${set.reference} holds ${set.deltas.length} images: ${names}`, {
      hint: 'Pick one with --image NAME, or apply several with tare unbundle',
    })
  }
  const found = set.deltas.find((delta) => delta.name === name)
  if (found !== undefined) return found
  throw new TareError('UNKNOWN_IMAGE_NAME', `${set.reference} has no image named ${name}`, {
    hint: `It has ${names}`,
  })
}
