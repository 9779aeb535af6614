import type { Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { readDelta } from './delta-archive.ts'
import type { NeededLayer, PlannedBaseline } from './plan.ts'
import { type BlobSavings, savingsOf } from './savings.ts'

/** What {@link inspectDelta} tells. */
export interface DeltaSummary {
  readonly reference: string
  readonly digest: Digest
  readonly tool: string
  readonly target: { readonly digest: Digest; readonly mediaType: string }
  readonly baselines: readonly PlannedBaseline[]
  /** Baseline layers that must be there to apply the delta. */
  readonly needs: readonly NeededLayer[]
  readonly blobs: readonly BlobSavings[]
  /** Bytes of all blobs of the target, each counted once. */
  readonly targetBytes: number
  /** Bytes the delta holds of them. */
  readonly shippedBytes: number
}

/**
 * Tells what a delta ships, how, and what that saves, from its manifest and plan alone.
 *
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_FORMAT`
 */
export async function inspectDelta(source: ImageSource, options: OperationOptions = {}): Promise<DeltaSummary> {
  const { descriptor, plan } = await readDelta(source, options)
  const blobs = savingsOf(plan)
  return {
    reference: source.reference,
    digest: descriptor.digest,
    tool: plan.tool,
    target: plan.target,
    baselines: plan.baselines,
    needs: plan.needs,
    blobs,
    targetBytes: blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0),
    shippedBytes: blobs.reduce((sum, blob) => sum + blob.shippedBytes, 0),
  }
}
