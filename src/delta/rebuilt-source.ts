import { decompress } from '../compress/index.ts'
import { TareError } from '../errors/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import { regenerate } from '../recompress/index.ts'
import {
  type ByteSource,
  type OperationOptions,
  readAllBytes,
  type SpoolDirectory,
  sliceSource,
  verified,
} from '../stream/index.ts'
import {
  type ImageSource,
  MAX_MANIFEST_BYTES,
  type ManifestContent,
  type OpenBlobOptions,
  openVerifiedBlob,
} from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { type BaselineSet, PlainLayerSpool } from './baseline-set.ts'
import type { Delta } from './delta-archive.ts'
import { applyPatch } from './patch/apply-patch.ts'
import { type BlobOrigin, DELTA_MEDIA_TYPE, type PlannedBlob } from './plan.ts'

type PlainOrigin = Extract<BlobOrigin, { kind: 'baseline-tar' | 'patch' }>

/**
 * The target of a delta as an image to read: every blob comes from the delta, from the baselines, or is rebuilt while
 * it is read. Whatever can copy an image can so apply a delta.
 */
export class RebuiltSource implements ImageSource {
  readonly layerForm = 'stored'
  readonly reference: string
  readonly #delta: Delta
  readonly #baselines: BaselineSet
  readonly #kernels: KernelRunner
  readonly #plainLayers: PlainLayerSpool
  readonly #blobs: ReadonlyMap<Digest, PlannedBlob>

  constructor(
    delta: Delta,
    baselines: BaselineSet,
    kernels: KernelRunner,
    spool: SpoolDirectory,
    options: OperationOptions,
  ) {
    this.reference = delta.source.reference
    this.#delta = delta
    this.#baselines = baselines
    this.#kernels = kernels
    this.#plainLayers = new PlainLayerSpool(baselines, spool, options)
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
    if (from.kind === 'patch') return this.#openPlain(blob, from, options)
    return (await decompress(this.#open(blob, options))).source
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plainLayers[Symbol.asyncDispose]()
  }

  /** The plain tar of a layer that is made from baseline layers. */
  #openPlain(blob: PlannedBlob, from: PlainOrigin, options: OperationOptions): ByteSource {
    const diffId = blob.diffId ?? blob.digest
    if (from.kind === 'baseline-tar') return this.#baselines.openPlain(diffId, options)
    const patch = { mediaType: DELTA_MEDIA_TYPE.PATCH, ...from.patch }
    return applyPatch(openVerifiedBlob(this.#delta.source, patch, 'delta', options), {
      kernels: this.#kernels,
      signal: options.signal,
      openSource: (source) => this.#plainLayers.open(source.diffId),
      expected: { digest: diffId },
    })
  }

  #planned(descriptor: Descriptor): PlannedBlob {
    const blob = this.#blobs.get(descriptor.digest)
    if (blob !== undefined) return blob
    throw new TareError('BLOB_NOT_FOUND', `${descriptor.digest} is not in the delta's plan`)
  }

  #open(blob: PlannedBlob, options: OperationOptions): ByteSource {
    const { from, digest } = blob
    switch (from.kind) {
      case 'archive':
        return openVerifiedBlob(this.#delta.source, heldDescriptor(blob), 'delta', options)
      case 'baseline':
        return this.#baselines.openBlob(digest, options)
      case 'baseline-tar':
      case 'patch': {
        const plain = this.#openPlain(blob, from, options)
        const recipe = this.#delta.recipes.get(digest)
        if (recipe === undefined) return plain
        return regenerate(recipe, plain, {
          kernels: this.#kernels,
          signal: options.signal,
          openBlob: (like) => this.#baselines.openBlob(like, options),
        })
      }
      case 'foreign':
        throw new TareError('BLOB_NOT_FOUND', `${digest} is kept by neither side; its manifest names URLs for it`)
    }
  }
}

/** A blob as the delta manifest describes it. */
function heldDescriptor({ role, mediaType, digest, size }: PlannedBlob): Descriptor {
  const isDocument = role === 'manifest' || role === 'index'
  return { mediaType: isDocument ? DELTA_MEDIA_TYPE.DOCUMENT : mediaType, digest, size }
}
