import { TareError } from '../errors/index.ts'
import type { CopyReport } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { ApplyPlan } from './apply-plan.ts'
import { ApplyRun, type ImageJob, type ImageTask } from './apply-run.ts'
import { type Delta, type DeltaSet, pickDelta } from './delta.ts'
import type { PreflightResult } from './preflight.ts'
import { readDeltas } from './read-delta.ts'

/** Options of {@link planApply}, {@link planUnbundle} and {@link preflight}. */
export interface ApplyPlanOptions extends OperationOptions {
  /** Memory that decoding may take; what needs more is refused before any work. */
  readonly memoryBytes?: number | undefined
  /** Worker threads that the run would have. @default 1 */
  readonly threads?: number | undefined
}

/** Options of {@link applyDelta}. */
export interface ApplyOptions extends ApplyPlanOptions {
  /** Runs the kernels; the caller disposes it. */
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Blobs rebuilt at a time. @default 6 */
  readonly concurrency?: number | undefined
  /** Which image of a bundle; may be left out where there is only one. */
  readonly image?: string | undefined
}

/** Options of {@link applyBundle}. */
export interface ApplyBundleOptions extends Omit<ApplyOptions, 'image'> {
  /**
   * `strict`: nothing is written unless every image can be rebuilt, and the first failure ends the run. `partial`:
   * images that can't be rebuilt are left out, the others are done. @default 'strict'
   */
  readonly mode?: 'strict' | 'partial' | undefined
}

/** What {@link applyDelta} did. */
export interface ApplyReport extends ApplyPlan {
  readonly copy: CopyReport
}

/**
 * What became of one image. `failed-compose`: it could not be rebuilt or written. `failed-invariant`: what was written
 * reads back differently. `skipped-preflight`: preflight found that it could not be rebuilt. `not-started`: the run
 * ended before its turn.
 */
export type ApplyImageStatus = 'ok' | 'failed-compose' | 'failed-invariant' | 'skipped-preflight' | 'not-started'

/** One image of an {@link ApplyBundleReport}. */
export interface ApplyImageResult {
  readonly name: string
  readonly status: ApplyImageStatus
  /** Where it was to be written; absent where no destination was given. */
  readonly destination?: string | undefined
  readonly preflight: PreflightResult
  /** Absent where preflight failed. */
  readonly plan?: ApplyPlan | undefined
  /** Only where it was written. */
  readonly copy?: CopyReport | undefined
  readonly error?: TareError | undefined
}

/** What {@link applyBundle} did. */
export interface ApplyBundleReport {
  readonly delta: { readonly reference: string; readonly digest: Digest }
  readonly mode: 'strict' | 'partial'
  readonly total: number
  readonly successful: number
  /** In the order of the bundle, whatever was done when. */
  readonly images: readonly ApplyImageResult[]
}

/** What {@link planUnbundle} found out about one image. */
export interface PlannedImage {
  readonly name: string
  readonly destination?: string | undefined
  readonly preflight: PreflightResult
  /** Absent where preflight failed. */
  readonly plan?: ApplyPlan | undefined
}

/**
 * Rebuilds the target of a delta: every digest is the target's own. All missing pieces of the baseline are reported at
 * once, before anything is written; what was written is read back.
 *
 * @param delta - where the delta lies, or an opened one
 * @throws {TareError} `BASELINE_LACKS_BLOB`, `NOT_A_DELTA`, `IMAGE_NAME_REQUIRED`, `VERIFY_FAILED`, …; {@link CopyError}
 *   for what happens on the way
 */
export async function applyDelta(
  delta: ImageSource | DeltaSet,
  baselines: readonly ImageSource[],
  destination: ImageDestination,
  options: ApplyOptions,
): Promise<ApplyReport> {
  const { opened, task } = await single(delta, baselines, destination, options)
  await using run = new ApplyRun([{ delta: opened, task }], options)
  await run.preflight()
  const [result] = await run.apply('strict', options.kernels)
  if (result?.error !== undefined) throw result.error
  if (result?.plan !== undefined && result.copy !== undefined) return { ...result.plan, copy: result.copy }
  throw new TareError('INTERNAL', `${opened.name} was neither applied nor refused`)
}

/**
 * Says what {@link applyDelta} would read, write and need, and whether it would work.
 *
 * @throws {TareError} as {@link applyDelta} would before writing
 */
export async function planApply(
  delta: ImageSource | DeltaSet,
  baselines: readonly ImageSource[],
  destination: ImageDestination,
  options: ApplyPlanOptions & Pick<ApplyOptions, 'image'> = {},
): Promise<ApplyPlan> {
  const { opened, task } = await single(delta, baselines, destination, options)
  await using run = new ApplyRun([{ delta: opened, task }], options)
  const [result] = await run.preflight()
  if (result?.error !== undefined) throw result.error
  const [planned] = await run.plans({ asksDestinations: true })
  if (planned?.plan !== undefined) return planned.plan
  throw new TareError('INTERNAL', `${opened.name} was neither planned nor refused`)
}

/**
 * Rebuilds several images of a bundle. Each is checked against its own baselines before a byte is written; blobs that
 * several have are read, decoded and unpacked once. One image after the other is done, the blobs of each in parallel.
 *
 * @param tasks - one for each image that is wanted, in any order
 * @returns the report, also of failures; its order is that of the bundle
 * @throws {TareError} `NOT_A_DELTA`, `UNKNOWN_IMAGE_NAME`, `DUPLICATE_IMAGE_NAME`; the signal's reason
 */
export async function applyBundle(
  delta: ImageSource | DeltaSet,
  tasks: readonly ImageTask[],
  options: ApplyBundleOptions,
): Promise<ApplyBundleReport> {
  const set = await opening(delta, options)
  const { mode = 'strict' } = options
  await using run = new ApplyRun(matchTasks(set, tasks, mode), options)
  await run.preflight()
  const images = await run.apply(mode, options.kernels)
  return {
    delta: { reference: set.reference, digest: set.descriptor.digest },
    mode,
    total: images.length,
    successful: images.filter((image) => image.status === 'ok').length,
    images,
  }
}

/**
 * Says what {@link applyBundle} would do with each image.
 *
 * @throws {TareError} as {@link applyBundle}
 */
export async function planUnbundle(
  delta: ImageSource | DeltaSet,
  tasks: readonly ImageTask[],
  options: ApplyPlanOptions & Pick<ApplyBundleOptions, 'mode'> = {},
): Promise<readonly PlannedImage[]> {
  const set = await opening(delta, options)
  await using run = new ApplyRun(matchTasks(set, tasks, options.mode ?? 'strict'), options)
  await run.preflight()
  return await run.plans({ asksDestinations: true })
}

/**
 * Checks each image of a delta against its baselines. Nothing is written, no layer is read.
 *
 * @returns one result for each image of the delta that has a task, in the order of the delta
 * @throws {TareError} as {@link applyBundle}
 */
export async function preflight(
  delta: ImageSource | DeltaSet,
  tasks: readonly ImageTask[],
  options: ApplyPlanOptions = {},
): Promise<readonly PreflightResult[]> {
  await using run = new ApplyRun(matchTasks(await opening(delta, options), tasks, 'partial'), options)
  return await run.preflight()
}

async function opening(delta: ImageSource | DeltaSet, options: OperationOptions): Promise<DeltaSet> {
  options.signal?.throwIfAborted()
  return 'deltas' in delta ? delta : readDeltas(delta, options)
}

async function single(
  delta: ImageSource | DeltaSet,
  baselines: readonly ImageSource[],
  destination: ImageDestination,
  options: OperationOptions & Pick<ApplyOptions, 'image'>,
): Promise<{ readonly opened: Delta; readonly task: ImageTask }> {
  const opened = pickDelta(await opening(delta, options), options.image)
  return { opened, task: { name: opened.name, baselines: async () => baselines, destination: async () => destination } }
}

/**
 * Gives each image its task.
 *
 * @param mode - strict wants a task for every image
 */
function matchTasks(set: DeltaSet, tasks: readonly ImageTask[], mode: 'strict' | 'partial'): readonly ImageJob[] {
  const byName = new Map<string, ImageTask>()
  for (const task of tasks) {
    const { name } = set.deltas.length === 1 && task.name === 'default' ? pickDelta(set) : pickDelta(set, task.name)
    if (byName.has(name)) throw new TareError('DUPLICATE_IMAGE_NAME', `image ${name} is asked for twice`)
    byName.set(name, task)
  }
  const without = set.deltas.filter((delta) => !byName.has(delta.name))
  if (mode === 'strict' && without.length > 0) {
    const names = without.map((delta) => delta.name).join(', ')
    throw new TareError('BASELINE_REQUIRED', `no baseline and destination for ${names}`, {
      hint: 'Give them too, or leave images out on purpose: without --strict',
    })
  }
  return set.deltas.map((delta) => ({ delta, task: byName.get(delta.name) ?? untold(delta) }))
}

/** An image that nobody asked for is left out, which the report says. */
function untold({ name }: Delta): ImageTask {
  const refuse = async (): Promise<never> => {
    throw new TareError('BASELINE_REQUIRED', `image ${name} got no baseline and no destination`)
  }
  return { name, baselines: refuse, destination: refuse }
}
