import type { Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageDestination } from '../transport/index.ts'
import { memoryOfThreads } from '../workers/index.ts'
import type { BaselineLayer, BaselineSet } from './baseline-set.ts'
import { blobPatchMemory } from './blob-patch.ts'
import type { Delta } from './delta.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'
import { type BlobSavings, savingsOf } from './savings.ts'
import { plainEstimate } from './spool-space.ts'

/** What applying a delta to one image takes. */
export interface ApplyPlan {
  readonly name: string
  readonly delta: { readonly reference: string; readonly digest: Digest }
  readonly target: { readonly digest: Digest; readonly mediaType: string }
  readonly blobs: readonly BlobSavings[]
  /** Bytes of all blobs of the target. */
  readonly targetBytes: number
  /** Bytes read from the delta. */
  readonly deltaBytes: number
  /** Bytes of baseline layers that are read, each once. */
  readonly baselineBytes: number
  /** What crosses the network. */
  readonly wire: {
    /** Of {@link ApplyPlan.baselineBytes}, those of baselines in a registry. */
    readonly baselineBytes: number
    /** Sent to a registry, at most: in a dry run blobs that are there already are left out. 0 for other destinations. */
    readonly destinationBytes: number
  }
  /** Bytes of blobs that are written, at most, as for {@link ApplyPlan.wire}. */
  readonly writtenBytes: number
  /** Scratch space needed, about. */
  readonly spoolBytes: number
  /** Memory needed, at most, with the threads that were asked about. */
  readonly memoryBytes: number
}

/** Options of {@link planOf}. */
export interface PlanOfOptions extends OperationOptions {
  /** Worker threads that the run has. @default 1 */
  readonly threads?: number | undefined
}

/**
 * Adds up what an image takes.
 *
 * @param asks - look for blobs that the destination has already
 */
export async function planOf(
  delta: Delta,
  baseline: BaselineSet,
  destination: ImageDestination,
  asks: boolean,
  options: PlanOfOptions,
): Promise<ApplyPlan> {
  const { plan } = delta
  const blobs = savingsOf(plan)
  const total = (pick: (blob: BlobSavings) => number): number => blobs.reduce((sum, blob) => sum + pick(blob), 0)
  const read = layersRead(plan.blobs, baseline)
  const bytesOf = (layers: Iterable<BaselineLayer>): number =>
    [...layers].reduce((sum, layer) => sum + layer.descriptor.size, 0)
  const remote = [...read.values()].filter((layer) => layer.source.repository !== undefined)
  const sources = new Set(blobs.flatMap((blob) => (blob.origin === 'patch' ? blob.sources : [])))
  const dictionaries = new Set(blobs.flatMap((blob) => (blob.origin === 'blob-patch' ? blob.sources : [])))
  const unpacked = [...dictionaries].filter((source) => baseline.byDigest(source) === undefined)
  const writtenBytes = await bytesToWrite(plan.blobs, destination, asks, options)
  return {
    name: delta.name,
    delta: { reference: delta.reference, digest: delta.descriptor.digest },
    target: { digest: plan.target.digest, mediaType: plan.target.mediaType },
    blobs,
    targetBytes: total((blob) => blob.sizeBytes),
    deltaBytes: total((blob) => blob.shippedBytes),
    baselineBytes: bytesOf(read.values()),
    wire: {
      baselineBytes: bytesOf(remote),
      destinationBytes: destination.repository === undefined ? 0 : writtenBytes,
    },
    writtenBytes,
    // Sizes as the baseline has them: those of the plan are foreign.
    spoolBytes: [...sources, ...unpacked].reduce((sum, diffId) => sum + plainEstimate(baseline.byDiffId(diffId)), 0),
    memoryBytes: Math.max(
      memoryOfThreads(sources.size === 0 ? 0 : (options.threads ?? 1)),
      ...plan.blobs.map((blob) => blobPatchMemory(blob, baseline)),
    ),
  }
}

/** Baseline layers that the blobs of a target are taken or made from, each once. */
function layersRead(blobs: readonly PlannedBlob[], baseline: BaselineSet): ReadonlyMap<Digest, BaselineLayer> {
  const read = new Map<Digest, BaselineLayer>()
  for (const blob of blobs) {
    for (const layer of layersOf(blob, baseline)) if (layer !== undefined) read.set(layer.descriptor.digest, layer)
  }
  return read
}

function layersOf(
  { digest, diffId, from }: PlannedBlob,
  baseline: BaselineSet,
): readonly (BaselineLayer | undefined)[] {
  switch (from.kind) {
    case 'archive':
    case 'foreign':
      return []
    case 'baseline':
      return [baseline.byDigest(digest) ?? baseline.byDiffId(diffId ?? digest)]
    case 'baseline-tar':
      return [baseline.byDiffId(diffId ?? digest), ...readsOf(from).map((read) => baseline.byDigest(read))]
    case 'blob-patch':
      return [baseline.byDigest(from.source) ?? baseline.byDiffId(from.source)]
    case 'patch':
      return [
        ...from.sources.map((source) => baseline.byDiffId(source)),
        ...readsOf(from).map((read) => baseline.byDigest(read)),
      ]
  }
}

/** Baseline blobs whose compressed bytes a recipe reads. */
function readsOf(from: BlobOrigin): readonly Digest[] {
  return from.kind === 'patch' || from.kind === 'baseline-tar' ? (from.recipe?.reads ?? []) : []
}

async function bytesToWrite(
  blobs: readonly PlannedBlob[],
  destination: ImageDestination,
  asks: boolean,
  options: OperationOptions,
): Promise<number> {
  let bytes = 0
  for (const { role, mediaType, digest, size, from } of blobs) {
    if (role === 'manifest' || role === 'index' || from.kind === 'foreign') continue
    const isLayerOfPlain = destination.layerForm === 'plain' && role === 'layer'
    if (asks && !isLayerOfPlain && (await destination.hasBlob({ mediaType, digest, size }, options))) continue
    bytes += size
  }
  return bytes
}
