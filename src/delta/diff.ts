import { type Compression, DETECTION_BYTES, detectCompression } from '../compress/index.ts'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { type IndexFate, isFetchedElsewhere, narrowTree, readImageTree, type TreeBlob } from '../image/index.ts'
import { bareDescriptor, type Digest, isLayerType, type Platform, statedCompression } from '../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  type OperationOptions,
  readAllBytes,
  SpoolDirectory,
  type SpoolFile,
  sliceSource,
} from '../stream/index.ts'
import { type ImageDestination, type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import type { CodecRunner } from '../workers/index.ts'
import { baselineName, type BaselineLayer, BaselineSet, PlainLayerSpool } from './baseline-set.ts'
import { type DeltaContents, writeDelta } from './delta-archive.ts'
import { BaselineIndex } from './match/baseline-index.ts'
import { planPatch } from './match/plan-patch.ts'
import { applyPatch } from './patch/apply-patch.ts'
import { PlainLayer } from './patch/plain-layer.ts'
import { writePatch } from './patch/write-patch.ts'
import type { BlobOrigin, DeltaPlan, NeededLayer, PlannedBlob } from './plan.ts'
import { checkFreeSpace, spoolEstimate } from './spool-space.ts'
import { type BlobSavings, savingsOf } from './savings.ts'

/** Options of {@link diffImages}. */
export interface DiffOptions extends OperationOptions {
  /** Runs the codecs; the caller disposes it. */
  readonly codecs: CodecRunner
  /** Members of an index to keep; none diffs it whole. */
  readonly platforms?: readonly Platform[] | undefined
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** What made the delta: recorded in the plan. */
  readonly tool: string
  /** Seconds since 1970 for the `created` annotation; left out, there is none. */
  readonly createdSeconds?: number | undefined
}

/** What {@link diffImages} made, or with {@link planDiff} would make. */
export interface DiffReport {
  /** Digest of the delta manifest; absent in a dry run. */
  readonly digest?: Digest | undefined
  readonly target: { readonly reference: string; readonly digest: Digest; readonly mediaType: string }
  readonly baselines: readonly { readonly reference: string; readonly digest: Digest }[]
  readonly index: IndexFate
  readonly blobs: readonly BlobSavings[]
  /** Bytes of all blobs of the target, each counted once. */
  readonly targetBytes: number
  /** Bytes the delta holds of them. */
  readonly shippedBytes: number
  /** Scratch space needed, about. */
  readonly spoolBytes: number
}

/**
 * Makes a delta: everything of `target` that the baselines lack, as small as can be. Each patch is proven by applying
 * it before it is shipped; one that fails is replaced by the whole blob, with a warning.
 *
 * @param destination - an OCI archive or whatever else holds an artifact
 * @throws {CopyError} with the code of its cause and the side that failed
 */
export async function diffImages(
  baselines: readonly ImageSource[],
  target: ImageSource,
  destination: ImageDestination,
  options: DiffOptions,
): Promise<DiffReport> {
  const survey = await surveyImages(baselines, target, options)
  await checkFreeSpace(options.workdir, survey.spoolBytes)
  await using spool = await SpoolDirectory.create(options.workdir)
  await using patcher = new LayerPatcher(survey, target, spool, options)
  const origins = new Map<Digest, BlobOrigin>()
  for (const blob of survey.tree.blobs) origins.set(blob.descriptor.digest, await patcher.originOf(blob))
  const plan = makePlan(survey, origins, options.tool)
  const digest = await writeDelta(destination, deltaContents(plan, survey, target, patcher, options), options)
  return { ...reportOf(plan, survey, target, baselines), digest }
}

/**
 * Says what {@link diffImages} would do, from manifests and configs alone: no layer is read, so a patch is announced
 * with the size of its layer as the upper bound.
 */
export async function planDiff(
  baselines: readonly ImageSource[],
  target: ImageSource,
  options: Omit<DiffOptions, 'codecs'>,
): Promise<DiffReport> {
  const survey = await surveyImages(baselines, target, options)
  const origins = new Map(
    survey.tree.blobs.map((blob) => [blob.descriptor.digest, expectedOrigin(blob, survey, target)]),
  )
  return reportOf(makePlan(survey, origins, options.tool), survey, target, baselines)
}

interface Survey {
  readonly tree: Awaited<ReturnType<typeof readImageTree>>
  readonly index: IndexFate
  readonly baseline: BaselineSet
  readonly spoolBytes: number
}

async function surveyImages(
  baselines: readonly ImageSource[],
  target: ImageSource,
  options: Omit<DiffOptions, 'codecs'>,
): Promise<Survey> {
  options.signal?.throwIfAborted()
  const whole = await readImageTree(target, { ...options, side: 'target' })
  const { tree, index } = narrowTree(whole, options.platforms ?? [])
  const baseline = await BaselineSet.read(baselines, options)
  const patched = tree.blobs.filter((blob) => expectedOrigin(blob, { baseline }, target).kind === 'patch')
  return { tree, index, baseline, spoolBytes: spoolEstimate(patched, baseline) }
}

/** Origins that follow from digests alone. */
function knownOrigin(blob: TreeBlob, baseline: BaselineSet): BlobOrigin | undefined {
  const { descriptor, role, diffId } = blob
  // Documents and configs always travel: without them a delta could not even be inspected.
  if (role === 'config') return { kind: 'archive' }
  if (baseline.byDigest(descriptor.digest) !== undefined) return { kind: 'baseline' }
  if (diffId === descriptor.digest && baseline.byDiffId(diffId) !== undefined) return { kind: 'baseline-tar' }
  return isLayerType(descriptor.mediaType) ? undefined : { kind: 'archive' }
}

function expectedOrigin(blob: TreeBlob, survey: { readonly baseline: BaselineSet }, target: ImageSource): BlobOrigin {
  const known = knownOrigin(blob, survey.baseline)
  if (known !== undefined) return known
  const isPlain = target.layerForm === 'plain' || statedCompression(blob.descriptor.mediaType) === 'none'
  const { digest, size } = blob.descriptor
  return isPlain ? { kind: 'patch', patch: { digest, size }, sources: [] } : { kind: 'archive' }
}

/** Looks into the layers that the baseline lacks, and makes patches for those it can. */
class LayerPatcher implements AsyncDisposable {
  readonly #survey: Survey
  readonly #target: ImageSource
  readonly #spool: SpoolDirectory
  readonly #options: DiffOptions
  readonly #plainLayers: PlainLayerSpool
  readonly #patches = new Map<Digest, SpoolFile>()
  #index: Promise<BaselineIndex> | undefined

  constructor(survey: Survey, target: ImageSource, spool: SpoolDirectory, options: DiffOptions) {
    this.#survey = survey
    this.#target = target
    this.#spool = spool
    this.#options = options
    this.#plainLayers = new PlainLayerSpool(survey.baseline, spool, options)
  }

  /** The bytes of a patch made before. */
  openPatch(digest: Digest): ByteSource {
    const file = this.#patches.get(digest)
    if (file === undefined) throw new TareError('INTERNAL', `patch ${digest} was never made`)
    return file.read()
  }

  async originOf(blob: TreeBlob): Promise<BlobOrigin> {
    const known = knownOrigin(blob, this.#survey.baseline)
    if (known !== undefined) return known
    const compression = await this.#compressionOf(blob)
    if (compression === undefined) return { kind: 'foreign' }
    // Compressed layers whose bytes can't be made again are shipped whole; exact recompression will end that here.
    if (compression !== 'none') return { kind: 'archive' }
    const { digest, size } = blob.descriptor
    this.#progress(blob, 0, 'started')
    const file = await this.#spool.write('target', this.#openTarget(blob))
    await using layer = await PlainLayer.open(file, digest)
    const origin = await this.#patch(blob, layer)
    this.#progress(blob, size, 'done')
    return origin
  }

  /**
   * What the layer's bytes say; media types of Docker's archives are not to be believed. Undefined for a foreign layer
   * that the target leaves to its URLs.
   */
  async #compressionOf(blob: TreeBlob): Promise<Compression | undefined> {
    try {
      const start = sliceSource(this.#openTarget(blob), 0, DETECTION_BYTES)
      return detectCompression(await readAllBytes(start, DETECTION_BYTES, 'start of layer'))
    } catch (error) {
      if (isFetchedElsewhere(blob.descriptor) && hasErrorCode(error, 'BLOB_NOT_FOUND')) return undefined
      throw error
    }
  }

  #openTarget({ descriptor }: TreeBlob): ByteSource {
    return openVerifiedBlob(this.#target, descriptor, 'target', { signal: this.#options.signal })
  }

  async #patch(blob: TreeBlob, layer: PlainLayer): Promise<BlobOrigin> {
    const { size } = blob.descriptor
    const { signal, codecs } = this.#options
    this.#index ??= this.#indexBaselines()
    const index = await this.#index
    const frames = await planPatch(layer, index, signal)
    const digester = new Digester()
    const patch = writePatch(layer, index.layers, frames, {
      codecs,
      signal,
      onTargetBytes: (doneBytes) => this.#progress(blob, doneBytes, 'running'),
    })
    const file = await this.#spool.write('patch', digesting(patch, digester))
    const patchDigest = digester.digest()
    if (file.sizeBytes >= size) return { kind: 'archive' }
    const sources = await this.#prove(blob, file, index)
    if (sources === undefined) return { kind: 'archive' }
    this.#patches.set(patchDigest, file)
    return { kind: 'patch', patch: { digest: patchDigest, size: file.sizeBytes }, sources }
  }

  /** Applies the patch as a receiver would. Gives its sources, or undefined when it does not make the layer. */
  async #prove(blob: TreeBlob, patch: SpoolFile, index: BaselineIndex): Promise<readonly Digest[] | undefined> {
    const { digest, size } = blob.descriptor
    const { signal, codecs, logger } = this.#options
    const sources: Digest[] = []
    const openSource = async ({ diffId }: { readonly diffId: Digest }): Promise<PlainLayer> => {
      sources.push(diffId)
      const layer = index.layers.find((candidate) => candidate.diffId === diffId)
      if (layer === undefined) throw new TareError('INTERNAL', `patch source ${diffId} is not in the baseline`)
      return layer
    }
    try {
      const made = applyPatch(patch.read(), { codecs, signal, openSource, expected: { digest, sizeBytes: size } })
      for await (const chunk of made) void chunk
      return sources
    } catch (error) {
      signal?.throwIfAborted()
      logger?.warn(`layer ${digest}: its patch does not make it again, so it is shipped whole (${String(error)})`)
      return undefined
    }
  }

  async #indexBaselines(): Promise<BaselineIndex> {
    const layers: PlainLayer[] = []
    for (const { diffId, descriptor } of this.#survey.baseline.plainLayers) {
      if (diffId === undefined) continue
      this.#step(descriptor.digest, 'started', 0, descriptor.size)
      layers.push(await this.#plainLayers.open(diffId))
      this.#step(descriptor.digest, 'done', descriptor.size, descriptor.size)
    }
    return BaselineIndex.build(layers, this.#options.signal)
  }

  #progress(blob: TreeBlob, doneBytes: number, state: 'started' | 'running' | 'done'): void {
    const { digest, size } = blob.descriptor
    this.#options.onProgress?.({ kind: 'blob', id: digest, label: 'patch layer', doneBytes, totalBytes: size, state })
  }

  #step(id: Digest, state: 'started' | 'done', doneBytes: number, totalBytes: number): void {
    this.#options.onProgress?.({ kind: 'blob', id, label: 'read baseline', doneBytes, totalBytes, state })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plainLayers[Symbol.asyncDispose]()
  }
}

async function* digesting(source: ByteSource, digester: Digester): ByteSource {
  for await (const chunk of source) {
    digester.update(chunk)
    yield chunk
  }
}

function makePlan(survey: Survey, origins: ReadonlyMap<Digest, BlobOrigin>, tool: string): DeltaPlan {
  const { tree, baseline } = survey
  const documents = tree.documents.toReversed().map(
    (node): PlannedBlob => ({
      role: node.kind,
      ...bareDescriptor(node.descriptor),
      from: { kind: 'archive' },
    }),
  )
  const blobs = tree.blobs.map(
    (blob): PlannedBlob => ({
      role: blob.role,
      ...bareDescriptor(blob.descriptor),
      diffId: blob.diffId,
      from: origins.get(blob.descriptor.digest) ?? { kind: 'archive' },
    }),
  )
  return {
    schemaVersion: 1,
    tool,
    target: bareDescriptor(tree.root.descriptor),
    baselines: baseline.images.map((image) => ({
      name: baselineName(image.source.reference),
      descriptor: bareDescriptor(image.tree.root.descriptor),
    })),
    needs: neededLayers(blobs, baseline),
    blobs: [...documents, ...blobs],
  }
}

function neededLayers(blobs: readonly PlannedBlob[], baseline: BaselineSet): readonly NeededLayer[] {
  const needed = new Map<Digest, NeededLayer>()
  const add = (layer: BaselineLayer | undefined): void => {
    if (layer === undefined) return
    const { digest, size } = layer.descriptor
    needed.set(digest, { digest, diffId: layer.diffId, size })
  }
  for (const { digest, diffId, from } of blobs) {
    if (from.kind === 'baseline') add(baseline.byDigest(digest))
    else if (from.kind === 'baseline-tar' && diffId !== undefined) add(baseline.byDiffId(diffId))
    else if (from.kind === 'patch') for (const source of from.sources) add(baseline.byDiffId(source))
  }
  return [...needed.values()]
}

function deltaContents(
  plan: DeltaPlan,
  survey: Survey,
  target: ImageSource,
  patcher: LayerPatcher,
  options: DiffOptions,
): DeltaContents {
  const documents = new Map(survey.tree.documents.map((node) => [node.descriptor.digest, node.bytes]))
  return {
    plan,
    createdSeconds: options.createdSeconds,
    openPatch: (digest) => patcher.openPatch(digest),
    openBlob: (blob, signal) => {
      const bytes = documents.get(blob.digest)
      if (bytes !== undefined) return bytesSource(bytes)
      return openVerifiedBlob(target, blob, 'target', { signal })
    },
  }
}

function reportOf(plan: DeltaPlan, survey: Survey, target: ImageSource, baselines: readonly ImageSource[]): DiffReport {
  const blobs = savingsOf(plan)
  const total = (pick: (blob: BlobSavings) => number): number => blobs.reduce((sum, blob) => sum + pick(blob), 0)
  const { digest, mediaType } = survey.tree.root.descriptor
  return {
    target: { reference: target.reference, digest, mediaType },
    baselines: survey.baseline.images.map((image, index) => ({
      reference: baselines[index]?.reference ?? '',
      digest: image.tree.root.descriptor.digest,
    })),
    index: survey.index,
    blobs,
    targetBytes: total((blob) => blob.sizeBytes),
    shippedBytes: total((blob) => blob.shippedBytes),
    spoolBytes: survey.spoolBytes,
  }
}
