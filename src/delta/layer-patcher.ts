import { type Compression, DETECTION_BYTES, detectCompression } from '../compress/index.ts'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { isFetchedElsewhere, type TreeBlob } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import {
  type ByteSource,
  Digester,
  type OperationOptions,
  readAllBytes,
  type SpoolDirectory,
  type SpoolFile,
  sliceSource,
} from '../stream/index.ts'
import { openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { PlainLayerSpool } from './baseline-set.ts'
import { BaselineIndex } from './match/baseline-index.ts'
import { planPatch } from './match/plan-patch.ts'
import { applyPatch } from './patch/apply-patch.ts'
import { PlainLayer } from './patch/plain-layer.ts'
import { writePatch } from './patch/write-patch.ts'
import type { BlobOrigin } from './plan.ts'
import { knownOrigin, type Survey } from './survey.ts'

/** Options of {@link LayerPatcher}. */
export interface LayerPatcherOptions extends OperationOptions {
  readonly codecs: KernelRunner
}

/** Looks into the layers that the baseline lacks, and makes patches for those it can. */
export class LayerPatcher implements AsyncDisposable {
  readonly #survey: Survey
  readonly #spool: SpoolDirectory
  readonly #options: LayerPatcherOptions
  readonly #plainLayers: PlainLayerSpool
  readonly #patches = new Map<Digest, SpoolFile>()
  #index: Promise<BaselineIndex> | undefined

  constructor(survey: Survey, spool: SpoolDirectory, options: LayerPatcherOptions) {
    this.#survey = survey
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
    return openVerifiedBlob(this.#survey.target, descriptor, 'target', { signal: this.#options.signal })
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
