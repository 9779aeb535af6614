import { isTareError, TareError } from '../errors/index.ts'
import { copyImage, repositoriesToMountFrom } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { mapLimited, type OperationOptions, SpoolDirectory } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { planOf } from './apply-plan.ts'
import type { ApplyImageResult, ApplyImageStatus, PlannedImage } from './apply.ts'
import { BaselineSet, PlainLayerSpool } from './baseline-set.ts'
import { checkWritten } from './check-written.ts'
import type { Delta } from './delta.ts'
import { fitToBaseline } from './fit-to-baseline.ts'
import { MemoryGate } from './memory-gate.ts'
import { failedPreflight, type PreflightOptions, preflightDelta, type PreflightResult } from './preflight.ts'
import { RebuiltSource } from './rebuilt-source.ts'
import { SharedBlobs } from './shared-blobs.ts'
import { checkFreeSpace } from './spool-space.ts'

/** An image to rebuild. What its openers give belongs to the caller, who disposes it when the run is over. */
export interface ImageTask {
  readonly name: string
  /** Called once, for the preflight. */
  readonly baselines: () => Promise<readonly ImageSource[]>
  /**
   * Called once, for the preflight.
   *
   * @param target - digest of what will be written
   */
  readonly destination: (target: Digest) => Promise<ImageDestination>
}

/** A delta and what to do with it. */
export interface ImageJob {
  readonly delta: Delta
  readonly task: ImageTask
}

/** Images looked at by preflight at a time. */
const PREFLIGHT_CONCURRENCY = 4
/** Memory for patches between blobs that are under way together, where no bound is given. */
const PATCH_MEMORY_BYTES = 2 ** 31

interface RunOptions extends PreflightOptions {
  readonly threads?: number | undefined
  readonly workdir?: string | undefined
  readonly concurrency?: number | undefined
}

/** An image with what was opened for it. */
interface ImageState {
  readonly delta: Delta
  readonly preflight: PreflightResult
  readonly destinationReference?: string | undefined
  /** Only where preflight passed. */
  readonly ready?: { readonly baseline: BaselineSet; readonly destination: ImageDestination } | undefined
}

/** One run over images of a delta: preflight of all first, then one after the other. */
export class ApplyRun implements AsyncDisposable {
  readonly #jobs: readonly ImageJob[]
  readonly #options: RunOptions
  readonly #shared: SharedBlobs
  readonly #plainLayers: PlainLayerSpool
  readonly #memory: MemoryGate
  readonly #expectedSources = new Set<Digest>()
  #states: readonly ImageState[] = []

  /** Made with the first write: looking at images leaves no trace. */
  #spool: Promise<SpoolDirectory> | undefined

  constructor(jobs: readonly ImageJob[], options: RunOptions) {
    this.#jobs = jobs
    this.#options = options
    const spool: Pick<SpoolDirectory, 'write'> = {
      write: async (label, source) => {
        this.#spool ??= SpoolDirectory.create(options.workdir)
        return (await this.#spool).write(label, source)
      },
    }
    this.#shared = new SharedBlobs(spool)
    this.#plainLayers = new PlainLayerSpool(spool, options)
    this.#memory = new MemoryGate(options.memoryBytes ?? PATCH_MEMORY_BYTES)
  }

  /** Looks at every image before anything is written; what one lacks does not keep it from the others. */
  async preflight(): Promise<readonly PreflightResult[]> {
    const look = (job: ImageJob, _at: number, signal: AbortSignal): Promise<ImageState> =>
      this.#look(job, { ...this.#options, signal })
    this.#states = await mapLimited(this.#jobs, PREFLIGHT_CONCURRENCY, look, this.#options)
    this.#states = withNeighbours(this.#states)
    return this.#states.map((state) => state.preflight)
  }

  /** What each image takes; comes after {@link ApplyRun.preflight}. */
  async plans({ asksDestinations }: { readonly asksDestinations: boolean }): Promise<readonly PlannedImage[]> {
    const images: PlannedImage[] = []
    for (const { delta, preflight, destinationReference: destination, ready } of this.#states) {
      const plan =
        ready === undefined
          ? undefined
          : await planOf(delta, ready.baseline, ready.destination, asksDestinations, this.#options)
      images.push({ name: delta.name, destination, preflight, plan })
    }
    return images
  }

  /** Rebuilds the images; comes after {@link ApplyRun.preflight}. */
  async apply(mode: 'strict' | 'partial', kernels: KernelRunner): Promise<readonly ApplyImageResult[]> {
    const plans = await this.plans({ asksDestinations: false })
    const isRefused = mode === 'strict' && this.#states.some((state) => state.preflight.status !== 'ok')
    if (!isRefused) {
      await SpoolDirectory.sweep(this.#options.workdir)
      await checkFreeSpace(this.#options.workdir, spoolBytesOf(plans), this.#options.logger)
      for (const { delta, ready } of this.#states) {
        if (ready !== undefined) this.#expectBlobs(delta, ready.baseline, ready.destination)
      }
    }
    const written: ImageDestination[] = []
    const results: ApplyImageResult[] = []
    let hasFailed = isRefused
    for (const [position, state] of this.#states.entries()) {
      const { delta, preflight, destinationReference: destination, ready } = state
      const base = { name: delta.name, destination, preflight, plan: plans[position]?.plan }
      if (ready === undefined) results.push({ ...base, status: 'skipped-preflight', error: preflight.error })
      else if (hasFailed) results.push({ ...base, status: 'not-started' })
      else {
        const outcome = await this.#applyOne(delta, ready, kernels, written)
        results.push({ ...base, ...outcome })
        if (outcome.status === 'ok') written.push(ready.destination)
        else hasFailed = mode === 'strict'
      }
    }
    return results
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plainLayers[Symbol.asyncDispose]()
    const spool = await this.#spool?.catch(() => undefined)
    await spool?.[Symbol.asyncDispose]()
  }

  async #look({ delta: made, task }: ImageJob, options: RunOptions): Promise<ImageState> {
    let delta = made
    let destination: ImageDestination | undefined
    try {
      const baseline = await BaselineSet.read(await task.baselines(), options, this.#shared)
      delta = fitToBaseline(made, baseline)
      destination = await task.destination(delta.plan.target.digest)
      destination.checkManifestType(delta.plan.target.mediaType)
      const preflight = await preflightDelta(delta, baseline, { ...options, layerForm: destination.layerForm })
      const ready = preflight.status === 'ok' ? { baseline, destination } : undefined
      return { delta, preflight, destinationReference: destination.reference, ready }
    } catch (error) {
      const preflight = failedPreflight(delta, error, options)
      return { delta, preflight, destinationReference: destination?.reference }
    }
  }

  async #applyOne(
    delta: Delta,
    { baseline, destination }: NonNullable<ImageState['ready']>,
    kernels: KernelRunner,
    written: readonly ImageDestination[],
  ): Promise<Pick<ApplyImageResult, 'status' | 'copy' | 'error'>> {
    const options: OperationOptions & Pick<RunOptions, 'concurrency'> = this.#options
    let status: ApplyImageStatus = 'failed-compose'
    try {
      const tools = { kernels, plainLayers: this.#plainLayers, shared: this.#shared, memory: this.#memory }
      await using rebuilt = new RebuiltSource(delta, baseline, tools)
      const copy = await copyImage(rebuilt, destination, { ...options, mountFrom: siblings(destination, written) })
      status = 'failed-invariant'
      await using result = await destination.reopen(copy.digest, options)
      if (result !== undefined) await checkWritten(delta, result, options)
      return { status: 'ok', copy }
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isTareError(error)) throw error
      return { status, error }
    }
  }

  /** Announces every reading, so that what is read more than once is kept. */
  #expectBlobs({ plan }: Delta, baseline: BaselineSet, destination: ImageDestination): void {
    const isPlain = destination.layerForm === 'plain'
    for (const { role, digest, diffId, from } of plan.blobs) {
      if (role !== 'layer') continue
      const known = diffId === undefined ? undefined : baseline.byDiffId(diffId)
      if (from.kind === 'baseline') this.#expect((baseline.byDigest(digest) ?? known)?.descriptor.digest)
      else if (isPlain && known !== undefined) this.#expect(known.descriptor.digest)
      else this.#expect(isPlain && from.kind === 'patch' ? (diffId ?? digest) : digest)
      if (from.kind === 'baseline-tar' && !isPlain) this.#expect(baseline.byDiffId(diffId ?? digest)?.descriptor.digest)
      if (from.kind === 'patch') for (const source of from.sources) this.#expectSource(source, baseline)
      if (from.kind !== 'blob-patch') continue
      if (baseline.byDigest(from.source) === undefined) this.#expectSource(from.source, baseline)
      else this.#expect(from.source)
    }
  }

  /** A patch source is unpacked to the spool once for all. */
  #expectSource(diffId: Digest, baseline: BaselineSet): void {
    if (this.#expectedSources.has(diffId)) return
    this.#expectedSources.add(diffId)
    this.#expect(baseline.byDiffId(diffId)?.descriptor.digest)
  }

  #expect(digest: Digest | undefined): void {
    if (digest !== undefined) this.#shared.expect(digest)
  }
}

/** Repositories of the same registry that images of this run went to: what those have is mounted. */
function siblings(destination: ImageDestination, written: readonly ImageDestination[]): readonly string[] {
  const repositories = written.map(({ repository }) => repository)
  return [...new Set(repositoriesToMountFrom(repositories, destination))].slice(-3)
}

/** Scratch space of images that share their sources: the largest plan stands for what others have too. */
function spoolBytesOf(plans: readonly PlannedImage[]): number {
  const sources = new Map<string, number>()
  for (const { plan } of plans) {
    const key =
      plan?.blobs
        .flatMap((blob) => blob.sources)
        .toSorted()
        .join() ?? ''
    sources.set(key, Math.max(sources.get(key) ?? 0, plan?.spoolBytes ?? 0))
  }
  return [...sources.values()].reduce((sum, bytes) => sum + bytes, 0)
}

/** Tells of an image whose baseline does have what another lacks. */
function withNeighbours(states: readonly ImageState[]): readonly ImageState[] {
  return states.map((state): ImageState => {
    const { preflight } = state
    const missing = [...preflight.missingPatchSources, ...preflight.missingReuseLayers]
    if (missing.length === 0 || preflight.error === undefined) return state
    const helper = states.find(
      ({ ready }) => ready !== undefined && missing.every((digest) => ready.baseline.hasBlob(digest)),
    )
    if (helper === undefined) return state
    const { code, message, hint } = preflight.error
    const extra = `the baseline given for ${helper.delta.name} has ${missing.length === 1 ? 'it' : 'them'}`
    const error = new TareError(code, message, { cause: preflight.error, hint: `${hint ?? ''}; ${extra}` })
    return { ...state, preflight: { ...preflight, error } }
  })
}
