import type { Digest } from '../oci/index.ts'
import type { BlobOrigin, DeltaPlan, PlannedRole } from './plan.ts'

/** What a delta ships of one blob of the target, and how. */
export interface BlobSavings {
  readonly role: PlannedRole
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly origin: BlobOrigin['kind']
  /** Bytes of the blob, or of its patch and recipe, in the delta; 0 where the baseline has it. */
  readonly shippedBytes: number
  /** Bytes of the recipe that compresses the layer again; absent where none is needed. */
  readonly recipeBytes?: number | undefined
  /** For a patch: the baseline layers it reads from, by diffID; for a patch between whole blobs the blob. */
  readonly sources: readonly Digest[]
}

/** How the blobs of some targets travel, each counted once. */
export interface BlobTotals {
  /** Blobs that the delta holds as they are. */
  readonly wholeCount: number
  readonly wholeBytes: number
  /** Blobs that it holds a patch of, or a recipe alone. */
  readonly patchCount: number
  /** Bytes of these patches and recipes. */
  readonly patchBytes: number
  /** Bytes of the blobs that they make. */
  readonly patchedBytes: number
  /** Blobs that it holds nothing of. */
  readonly leftOutCount: number
  readonly leftOutBytes: number
}

/** The savings of every blob of a plan, in its order. */
export function savingsOf(plan: DeltaPlan): readonly BlobSavings[] {
  return plan.blobs.map(({ role, digest, mediaType, size, from }) => ({
    role,
    digest,
    mediaType,
    sizeBytes: size,
    origin: from.kind,
    shippedBytes: shippedBytes(from, size),
    recipeBytes: recipeBytes(from),
    sources: from.kind === 'patch' ? from.sources : from.kind === 'blob-patch' ? [from.source] : [],
  }))
}

/** Bytes that a delta holds of a blob. @param size - of the blob */
export function shippedBytes(from: BlobOrigin, size: number): number {
  switch (from.kind) {
    case 'archive':
      return size
    case 'patch':
      return from.patch.size + (recipeBytes(from) ?? 0)
    case 'blob-patch':
      return from.patch.size
    case 'baseline-tar':
      return recipeBytes(from) ?? 0
    case 'baseline':
    case 'foreign':
      return 0
  }
}

function recipeBytes(from: BlobOrigin): number | undefined {
  const place = from.kind === 'patch' || from.kind === 'baseline-tar' ? from.recipe : undefined
  return place?.kind === 'inline' ? place.recipe.length : place?.size
}

/** Bytes of some blobs, and what an archive holds of them, each counted once also where several images have it. */
export function countSavings(plans: readonly DeltaPlan[]): {
  readonly targetBytes: number
  readonly shippedBytes: number
} {
  const target = new Map<Digest, number>()
  const shipped = new Map<string, number>()
  for (const { blobs } of plans) {
    for (const { digest, size, from } of blobs) {
      target.set(digest, size)
      const made = from.kind === 'patch' ? from.patch.digest : digest
      const key = from.kind === 'baseline-tar' ? `recipe of ${digest}` : made
      shipped.set(key, Math.max(shipped.get(key) ?? 0, shippedBytes(from, size)))
    }
  }
  const sum = (sizes: ReadonlyMap<unknown, number>): number =>
    [...sizes.values()].reduce((total, size) => total + size, 0)
  return { targetBytes: sum(target), shippedBytes: sum(shipped) }
}

/** Counts the blobs of some plans by how they travel; one that several images have counts as where it takes most. */
export function countBlobs(plans: readonly DeltaPlan[]): BlobTotals {
  const blobs = new Map<Digest, BlobSavings>()
  for (const blob of plans.flatMap(savingsOf)) {
    const known = blobs.get(blob.digest)
    if (known === undefined || known.shippedBytes < blob.shippedBytes) blobs.set(blob.digest, blob)
  }
  const groups = Object.groupBy(blobs.values(), ({ origin, shippedBytes }) =>
    origin === 'archive' ? 'whole' : shippedBytes > 0 ? 'patch' : 'leftOut',
  )
  const { whole = [], patch = [], leftOut = [] } = groups
  const sum = (some: readonly BlobSavings[], pick: (blob: BlobSavings) => number): number =>
    some.reduce((total, blob) => total + pick(blob), 0)
  return {
    wholeCount: whole.length,
    wholeBytes: sum(whole, (blob) => blob.sizeBytes),
    patchCount: patch.length,
    patchBytes: sum(patch, (blob) => blob.shippedBytes),
    patchedBytes: sum(patch, (blob) => blob.sizeBytes),
    leftOutCount: leftOut.length,
    leftOutBytes: sum(leftOut, (blob) => blob.sizeBytes),
  }
}
