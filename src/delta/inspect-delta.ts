import type { Descriptor, Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import type { Delta, DeltaFormat, DeltaSet } from './delta.ts'
import type { NeededLayer, PlannedBaseline } from './plan.ts'
import { readDeltas } from './read-delta.ts'
import { type BlobSavings, type BlobTotals, countBlobs, countSavings, savingsOf } from './savings.ts'

/** What {@link inspectDelta} tells. */
export interface DeltaSummary {
  readonly reference: string
  readonly digest: Digest
  readonly format: DeltaFormat
  /** Whether it was made as a bundle. */
  readonly isBundle: boolean
  /** What made it. */
  readonly tool: string
  /** When it was made, as it says itself: RFC 3339. */
  readonly createdAt?: string | undefined
  /** What platform its images are for, as it says itself; archives of diffah do. */
  readonly platform?: string | undefined
  /** In the order of the archive. */
  readonly images: readonly ImageSummary[]
  /** Bytes of all blobs of all targets, each counted once. */
  readonly targetBytes: number
  /** Bytes the delta holds of them, each counted once. */
  readonly shippedBytes: number
  readonly totals: BlobTotals
}

/** One image of a delta. */
export interface ImageSummary {
  readonly name: string
  readonly target: Descriptor
  readonly baselines: readonly PlannedBaseline[]
  /** Baseline layers that must be there to apply the delta. */
  readonly needs: readonly NeededLayer[]
  readonly blobs: readonly BlobSavings[]
  readonly targetBytes: number
  readonly shippedBytes: number
  /** Layers of the target in the order of its manifests, each once. */
  readonly layers: readonly LayerRow[]
  readonly waste: readonly WasteEntry[]
  /** The ten layers that save most, the largest saving first. */
  readonly topSavings: readonly TopSaving[]
  readonly histogram: readonly HistogramBucket[]
}

/** How a layer travels: whole, as a patch (or a mere recipe), or not at all because the baseline has it. */
export type LayerKind = 'full' | 'patch' | 'baseline' | 'foreign'

/** One layer of a target. */
export interface LayerRow {
  readonly digest: Digest
  readonly kind: LayerKind
  readonly mediaType: string
  readonly targetBytes: number
  /** Bytes in the delta. */
  readonly shippedBytes: number
  readonly savedBytes: number
  /** Shipped ÷ target; 0 where nothing is shipped. */
  readonly ratio: number
  /** The baseline layers a patch reads, by diffID; for a patch between whole blobs by digest. */
  readonly patchFrom: readonly Digest[]
}

/** Bytes in the delta that do not pay. */
export interface WasteEntry {
  /** `patch-oversized`: a patch as large as its layer. `unused-blob`: a blob that nothing takes. */
  readonly kind: 'patch-oversized' | 'unused-blob'
  readonly digest: Digest
  readonly shippedBytes: number
  /** 0 for an unused blob. */
  readonly targetBytes: number
}

/** A layer that saves much. */
export interface TopSaving {
  readonly digest: Digest
  readonly savedBytes: number
  /** Saved ÷ target. */
  readonly savedRatio: number
}

/** Layers of a range of sizes. */
export interface HistogramBucket {
  /** `<1MiB`, `1-10MiB`, `10-100MiB`, `100MiB-1GiB`, `>=1GiB`; the lower end belongs to it. */
  readonly label: string
  readonly count: number
}

const TOP_SAVINGS = 10
const MIB = 2 ** 20
/** Upper ends, each the lower end of the next. */
const BUCKETS: readonly (readonly [label: string, below: number])[] = [
  ['<1MiB', MIB],
  ['1-10MiB', 10 * MIB],
  ['10-100MiB', 100 * MIB],
  ['100MiB-1GiB', 1024 * MIB],
  ['>=1GiB', Number.POSITIVE_INFINITY],
]

/**
 * Tells what a delta ships, how, and what that saves, from its manifests and plans alone.
 *
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_FORMAT`
 */
export async function inspectDelta(
  delta: ImageSource | DeltaSet,
  options: OperationOptions = {},
): Promise<DeltaSummary> {
  const set = 'deltas' in delta ? delta : await readDeltas(delta, options)
  const plans = set.deltas.map((one) => one.plan)
  return {
    reference: set.reference,
    digest: set.descriptor.digest,
    format: set.format,
    isBundle: set.isBundle,
    tool: plans[0]?.tool ?? '',
    createdAt: set.createdAt,
    platform: set.platform,
    images: set.deltas.map(summarise),
    ...countSavings(plans),
    totals: countBlobs(plans),
  }
}

function summarise({ name, plan, unused }: Delta): ImageSummary {
  const blobs = savingsOf(plan)
  const layers = blobs.filter((blob) => blob.role === 'layer').map(layerRow)
  return {
    name,
    target: plan.target,
    baselines: plan.baselines,
    needs: plan.needs,
    blobs,
    ...countSavings([plan]),
    layers,
    waste: [...oversized(layers), ...unused.map(unusedBlob)],
    topSavings: topSavings(layers),
    histogram: histogram(layers),
  }
}

const KINDS: Readonly<Record<BlobSavings['origin'], LayerKind>> = {
  archive: 'full',
  baseline: 'baseline',
  'baseline-tar': 'patch',
  patch: 'patch',
  'blob-patch': 'patch',
  foreign: 'foreign',
}

function layerRow({ digest, origin, mediaType, sizeBytes, shippedBytes, sources }: BlobSavings): LayerRow {
  // Without a recipe the baseline's tar is the layer itself.
  const kind = origin === 'baseline-tar' && shippedBytes === 0 ? 'baseline' : KINDS[origin]
  return {
    digest,
    kind,
    mediaType,
    targetBytes: sizeBytes,
    shippedBytes,
    savedBytes: sizeBytes - shippedBytes,
    ratio: sizeBytes === 0 ? 0 : shippedBytes / sizeBytes,
    patchFrom: sources,
  }
}

function oversized(layers: readonly LayerRow[]): readonly WasteEntry[] {
  return layers
    .filter((layer) => layer.kind === 'patch' && layer.shippedBytes >= layer.targetBytes)
    .map(({ digest, shippedBytes, targetBytes }) => ({ kind: 'patch-oversized', digest, shippedBytes, targetBytes }))
}

function unusedBlob({ digest, size }: Descriptor): WasteEntry {
  return { kind: 'unused-blob', digest, shippedBytes: size, targetBytes: 0 }
}

function topSavings(layers: readonly LayerRow[]): readonly TopSaving[] {
  return layers
    .filter((layer) => layer.savedBytes > 0)
    .toSorted((a, b) => b.savedBytes - a.savedBytes || (a.digest < b.digest ? -1 : 1))
    .slice(0, TOP_SAVINGS)
    .map(({ digest, savedBytes, targetBytes }) => ({ digest, savedBytes, savedRatio: savedBytes / targetBytes }))
}

function histogram(layers: readonly LayerRow[]): readonly HistogramBucket[] {
  let lower = 0
  return BUCKETS.map(([label, below]) => {
    const count = layers.filter(({ targetBytes }) => targetBytes >= lower && targetBytes < below).length
    lower = below
    return { label, count }
  })
}
