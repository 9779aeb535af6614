import { TareError } from '../errors/index.ts'
import { type CopyReport, copyImage } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { type OperationOptions, SpoolDirectory } from '../stream/index.ts'
import type { ImageDestination, ImageSource, LayerForm } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { BaselineSet } from './baseline-set.ts'
import { type Delta, readDelta } from './delta-archive.ts'
import type { BlobOrigin, NeededLayer } from './plan.ts'
import { RebuiltSource } from './rebuilt-source.ts'
import { type BlobSavings, savingsOf } from './savings.ts'
import { checkFreeSpace, plainEstimate } from './spool-space.ts'

/** Options of {@link applyDelta}. */
export interface ApplyOptions extends OperationOptions {
  /** Runs the kernels; the caller disposes it. */
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Blobs rebuilt at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** What applying a delta takes. */
export interface ApplyPlan {
  readonly delta: { readonly reference: string; readonly digest: Digest }
  readonly target: { readonly digest: Digest; readonly mediaType: string }
  readonly blobs: readonly BlobSavings[]
  /** Bytes of all blobs of the target. */
  readonly targetBytes: number
  /** Bytes read from the delta. */
  readonly deltaBytes: number
  /** Bytes of baseline layers that are read: what crosses the wire when the baseline is remote. */
  readonly baselineBytes: number
  /** Scratch space needed, about. */
  readonly spoolBytes: number
}

/** What {@link applyDelta} did. */
export interface ApplyReport extends ApplyPlan {
  readonly copy: CopyReport
}

/**
 * Rebuilds the target of a delta: every digest is the target's own. All missing pieces of the baseline are reported at
 * once, before anything is written.
 *
 * @param delta - where the delta lies
 * @throws {TareError} `BASELINE_LACKS_BLOB`, `NOT_A_DELTA`, …; {@link CopyError} for what happens on the way
 */
export async function applyDelta(
  delta: ImageSource,
  baselines: readonly ImageSource[],
  destination: ImageDestination,
  options: ApplyOptions,
): Promise<ApplyReport> {
  const { plan, opened, baseline } = await prepare(delta, baselines, destination.layerForm, options)
  await checkFreeSpace(options.workdir, plan.spoolBytes, options.logger)
  await using spool = await SpoolDirectory.create(options.workdir)
  await using rebuilt = new RebuiltSource(opened, baseline, options.kernels, spool, options)
  const copy = await copyImage(rebuilt, destination, options)
  if (destination.layerForm === 'stored' && copy.digest !== plan.target.digest) {
    throw new TareError(
      'VERIFY_FAILED',
      `${destination.reference} resolves to ${copy.digest}, not ${plan.target.digest}`,
    )
  }
  return { ...plan, copy }
}

/**
 * Preflight alone: says what {@link applyDelta} would read from where.
 *
 * @param layerForm - how the destination keeps layers
 * @throws {TareError} as {@link applyDelta} would before writing
 */
export async function planApply(
  delta: ImageSource,
  baselines: readonly ImageSource[],
  layerForm: LayerForm,
  options: OperationOptions,
): Promise<ApplyPlan> {
  return (await prepare(delta, baselines, layerForm, options)).plan
}

async function prepare(
  source: ImageSource,
  baselines: readonly ImageSource[],
  layerForm: LayerForm,
  options: OperationOptions,
): Promise<{ readonly plan: ApplyPlan; readonly opened: Delta; readonly baseline: BaselineSet }> {
  options.signal?.throwIfAborted()
  const opened = await readDelta(source, options)
  const baseline = await BaselineSet.read(baselines, options)
  checkBaseline(opened, baseline, layerForm)
  const blobs = savingsOf(opened.plan)
  const patchSources = new Set(blobs.flatMap((blob) => blob.sources))
  const spooled = opened.plan.needs.filter(({ diffId }) => diffId !== undefined && patchSources.has(diffId))
  const total = (pick: (blob: BlobSavings) => number): number => blobs.reduce((sum, blob) => sum + pick(blob), 0)
  const plan: ApplyPlan = {
    delta: { reference: source.reference, digest: opened.descriptor.digest },
    target: opened.plan.target,
    blobs,
    targetBytes: total((blob) => blob.sizeBytes),
    deltaBytes: total((blob) => blob.shippedBytes),
    baselineBytes: opened.plan.needs.reduce((sum, need) => sum + (layerOf(need, baseline)?.descriptor.size ?? 0), 0),
    // Sizes as the baseline has them: those of the plan are foreign.
    spoolBytes: spooled.reduce((sum, need) => sum + plainEstimate(layerOf(need, baseline)), 0),
  }
  return { plan, opened, baseline }
}

function layerOf(need: NeededLayer, baseline: BaselineSet): ReturnType<BaselineSet['byDigest']> {
  return baseline.byDigest(need.digest) ?? (need.diffId === undefined ? undefined : baseline.byDiffId(need.diffId))
}

/**
 * Everything the plan takes from the baseline is there, in a form that serves.
 *
 * @throws {TareError} `BASELINE_LACKS_BLOB` naming every missing digest
 */
function checkBaseline({ plan }: Delta, baseline: BaselineSet, layerForm: LayerForm): void {
  const missing = new Set<Digest>()
  for (const { digest, diffId, from } of plan.blobs) {
    if (from.kind === 'baseline') {
      const plainWillDo = layerForm === 'plain' && diffId !== undefined && baseline.byDiffId(diffId) !== undefined
      if (baseline.byDigest(digest) === undefined && !plainWillDo) missing.add(digest)
    } else if (from.kind === 'baseline-tar') {
      if (baseline.byDiffId(diffId ?? digest) === undefined) missing.add(diffId ?? digest)
    } else if (from.kind === 'patch') {
      for (const source of from.sources) if (baseline.byDiffId(source) === undefined) missing.add(source)
    }
  }
  // Destinations that keep plain tars have no use for recipes.
  const compressed = layerForm === 'plain' ? [] : plan.blobs.flatMap(({ from }) => readBlobs(from))
  for (const digest of compressed) if (baseline.byDigest(digest) === undefined) missing.add(digest)
  if (missing.size === 0) return
  const names = plan.baselines.map(({ name, descriptor }) => `${name} (${descriptor.digest})`).join(', ')
  throw new TareError(
    'BASELINE_LACKS_BLOB',
    `the baseline lacks ${missing.size === 1 ? 'a layer' : `${missing.size} layers`} the delta builds on: ${[...missing].join(', ')}`,
    { hint: names === '' ? 'The delta was made without a baseline' : `The delta was made against ${names}` },
  )
}

/** Baseline blobs whose compressed bytes are read. */
function readBlobs(from: BlobOrigin): readonly Digest[] {
  return from.kind === 'patch' || from.kind === 'baseline-tar' ? (from.recipe?.reads ?? []) : []
}
