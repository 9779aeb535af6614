import { decompress } from '../compress/index.ts'
import { TareError } from '../errors/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import { regenerate } from '../recompress/index.ts'
import { type ByteSource, type OperationOptions, readAllBytes, sliceSource, verified } from '../stream/index.ts'
import { type ImageSource, MAX_MANIFEST_BYTES, type ManifestContent, type OpenBlobOptions } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { BaselineSet } from './baseline-set.ts'
import { applyBlobPatch, type BlobPatchTools } from './blob-patch.ts'
import type { Delta } from './delta.ts'
import { applyPatch } from './patch/apply-patch.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'
import type { SharedBlobs } from './shared-blobs.ts'

type PlainOrigin = Extract<BlobOrigin, { kind: 'baseline-tar' | 'patch' }>

/** What rebuilding takes besides delta and baseline; images of one run share it. */
export interface RebuildTools extends BlobPatchTools {
  readonly kernels: KernelRunner
  readonly shared: SharedBlobs
}

/**
 * The target of a delta as an image to read: every blob comes from the delta, from the baselines, or is rebuilt while
 * it is read. Whatever can copy an image can so apply a delta.
 */
export class RebuiltSource implements ImageSource {
  readonly layerForm = 'stored'
  readonly reference: string
  readonly #delta: Delta
  readonly #baselines: BaselineSet
  readonly #tools: RebuildTools
  readonly #blobs: ReadonlyMap<Digest, PlannedBlob>

  constructor(delta: Delta, baselines: BaselineSet, tools: RebuildTools) {
    this.reference = delta.reference
    this.#delta = delta
    this.#baselines = baselines
    this.#tools = tools
    this.#blobs = new Map(delta.plan.blobs.map((blob) => [blob.digest, blob]))
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    const descriptor = this.#delta.plan.target
    return { descriptor, bytes: await this.readManifest(descriptor, options) }
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    return readAllBytes(
      verified(await this.openBlob(descriptor, options), descriptor, `manifest ${descriptor.digest}`),
      MAX_MANIFEST_BYTES,
      `manifest ${descriptor.digest}`,
    )
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const whole = this.#open(this.#planned(descriptor), options)
    return options.offset === undefined ? whole : sliceSource(whole, options.offset)
  }

  /** The plain tar of a layer, without compressing what the destination would only unpack again. */
  async openPlainLayer(descriptor: Descriptor, options: OperationOptions = {}): Promise<ByteSource> {
    const blob = this.#planned(descriptor)
    const { diffId, from } = blob
    if (diffId !== undefined && this.#baselines.byDiffId(diffId) !== undefined) {
      return this.#baselines.openPlain(diffId, options)
    }
    if (diffId !== undefined && from.kind === 'patch') {
      return this.#tools.shared.open(diffId, () => this.#openPlain(blob, from, options))
    }
    return (await decompress(this.#open(blob, options))).source
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The plain tar of a layer that is made from baseline layers. */
  #openPlain(blob: PlannedBlob, from: PlainOrigin, options: OperationOptions): ByteSource {
    const diffId = blob.diffId ?? blob.digest
    if (from.kind === 'baseline-tar') return this.#baselines.openPlain(diffId, options)
    const { kernels, plainLayers } = this.#tools
    return applyPatch(this.#delta.openPatch(blob, options), {
      kernels,
      signal: options.signal,
      openSource: (source) => plainLayers.open(source.diffId, this.#baselines),
      expected: { digest: diffId },
    })
  }

  #planned(descriptor: Descriptor): PlannedBlob {
    const blob = this.#blobs.get(descriptor.digest)
    if (blob !== undefined) return blob
    throw new TareError('BLOB_NOT_FOUND', `${descriptor.digest} is not in the delta's plan`)
  }

  #open(blob: PlannedBlob, options: OperationOptions): ByteSource {
    const { from, digest, role } = blob
    switch (from.kind) {
      case 'archive': {
        const open = (): ByteSource => this.#delta.openHeld(blob, options)
        return role === 'layer' ? this.#tools.shared.open(digest, open) : open()
      }
      case 'baseline':
        return this.#baselines.openBlob(digest, options)
      case 'baseline-tar':
      case 'patch':
        return this.#tools.shared.open(digest, () => this.#make(blob, from, options))
      case 'blob-patch':
        return this.#tools.shared.open(digest, () =>
          applyBlobPatch(this.#delta, blob, from, this.#baselines, this.#tools, options),
        )
      case 'foreign':
        throw new TareError('BLOB_NOT_FOUND', `${digest} is kept by neither side; its manifest names URLs for it`)
    }
  }

  #make(blob: PlannedBlob, from: PlainOrigin, options: OperationOptions): ByteSource {
    const plain = this.#openPlain(blob, from, options)
    const recipe = this.#delta.recipes.get(blob.digest)
    if (recipe === undefined) return plain
    return regenerate(recipe, plain, {
      kernels: this.#tools.kernels,
      signal: options.signal,
      openBlob: (like) => this.#baselines.openBlob(like, options),
    })
  }
}
