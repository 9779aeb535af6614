import type { BaselineSet } from './baseline-set.ts'
import type { Delta } from './delta.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'

/** Origins that make a blob of something in the baseline. */
const MADE: ReadonlySet<BlobOrigin['kind']> = new Set(['baseline-tar', 'patch', 'blob-patch'])

/**
 * The delta for a certain baseline: a blob that it has itself is taken as it is, not made. The producer's baseline may
 * have had the layer compressed in another way; and in a bundle of diffah a blob is patched from the baseline of one
 * image, while another image has it all along and may lack that source.
 */
export function fitToBaseline(delta: Delta, baseline: BaselineSet): Delta {
  const blobs = delta.plan.blobs.map((blob) =>
    isMade(blob) && baseline.hasBlob(blob.digest) ? takenFromBaseline(blob) : blob,
  )
  return { ...delta, plan: { ...delta.plan, blobs } }
}

/** Whether a blob is made of something in the baseline. */
export function isMade({ from }: PlannedBlob): boolean {
  return MADE.has(from.kind)
}

/** The blob as one that the baseline has itself. */
export function takenFromBaseline(blob: PlannedBlob): PlannedBlob {
  return { ...blob, from: { kind: 'baseline' } }
}
