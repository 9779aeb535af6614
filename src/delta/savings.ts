import type { Digest } from '../oci/index.ts'
import type { BlobOrigin, DeltaPlan, PlannedRole } from './plan.ts'

/** What a delta ships of one blob of the target, and how. */
export interface BlobSavings {
  readonly role: PlannedRole
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly origin: BlobOrigin['kind']
  /** Bytes of the blob or of its patch in the delta; 0 where the baseline has it. */
  readonly shippedBytes: number
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
    sources: from.kind === 'patch' ? from.sources : [],
  }))
}

function shippedBytes(from: BlobOrigin, size: number): number {
  switch (from.kind) {
    case 'archive':
      return size
    case 'patch':
      return from.patch.size
    case 'baseline':
    case 'baseline-tar':
    case 'foreign':
      return 0
  }
}
