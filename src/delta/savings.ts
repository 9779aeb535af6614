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
  /** For a patch: the diffIDs of the baseline layers it reads from. */
  readonly sources: readonly Digest[]
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
    sources: from.kind === 'patch' ? from.sources : [],
  }))
}

function shippedBytes(from: BlobOrigin, size: number): number {
  switch (from.kind) {
    case 'archive':
      return size
    case 'patch':
      return from.patch.size + (recipeBytes(from) ?? 0)
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
