import { decompress } from '../compress/index.ts'
import { CopyError, TareError } from '../errors/index.ts'
import { type ImageTree, manifestBlobs, manifestsOf, readImageTree } from '../image/index.ts'
import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, type SpoolDirectory, verified } from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import { PlainLayer } from './patch/plain-layer.ts'
import type { SharedBlobs } from './shared-blobs.ts'

/** A layer, or another blob, of one of the baselines. */
export interface BaselineLayer {
  readonly source: ImageSource
  readonly descriptor: Descriptor
  readonly diffId?: DiffId | undefined
}

/** A baseline image with its tree. */
export interface BaselineImage {
  readonly source: ImageSource
  readonly tree: ImageTree
}

/**
 * Everything the receiver has: all blobs of all baselines, of every platform, by digest and by diffID. Which transport
 * a layer comes from, and whether it is compressed there, makes no difference to who asks by diffID.
 */
export class BaselineSet {
  readonly images: readonly BaselineImage[]
  /** Image layers with a diffID that can be read, lowest first, each diffID once. */
  readonly plainLayers: readonly BaselineLayer[]
  readonly #byDigest: ReadonlyMap<Digest, BaselineLayer>
  readonly #byDiffId: ReadonlyMap<Digest, BaselineLayer>
  readonly #shared: SharedBlobs | undefined

  private constructor(images: readonly BaselineImage[], shared: SharedBlobs | undefined) {
    this.images = images
    this.#shared = shared
    const byDigest = new Map<Digest, BaselineLayer>()
    const byDiffId = new Map<Digest, BaselineLayer>()
    // A layer of which only digests are known is left out as any other; what patches read is one that can be read.
    const readable = images.filter(({ source }) => source.holdsLayers !== false)
    for (const { source, tree } of [...readable, ...images.filter((image) => !readable.includes(image))]) {
      for (const manifest of manifestsOf(tree)) {
        for (const { descriptor, diffId } of manifestBlobs(manifest)) {
          const layer: BaselineLayer = { source, descriptor, diffId }
          if (!byDigest.has(descriptor.digest)) byDigest.set(descriptor.digest, layer)
          if (diffId !== undefined && !byDiffId.has(diffId)) byDiffId.set(diffId, layer)
        }
      }
    }
    this.#byDigest = byDigest
    this.#byDiffId = byDiffId
    this.plainLayers = [...byDiffId.values()].filter(({ source }) => source.holdsLayers !== false)
  }

  /**
   * Reads the trees of all baselines.
   *
   * @param shared - keeps blobs that are read more than once
   */
  static async read(
    sources: readonly ImageSource[],
    options: OperationOptions,
    shared?: SharedBlobs,
  ): Promise<BaselineSet> {
    const images: BaselineImage[] = []
    for (const source of sources) {
      images.push({ source, tree: await readImageTree(source, { ...options, side: 'baseline' }) })
    }
    return new BaselineSet(images, shared)
  }

  byDigest(digest: Digest): BaselineLayer | undefined {
    return this.#byDigest.get(digest)
  }

  byDiffId(diffId: Digest): BaselineLayer | undefined {
    return this.#byDiffId.get(diffId)
  }

  /** Whether {@link BaselineSet.openBlob} can give a blob: it is there, or it is plain and its layer is. */
  hasBlob(digest: Digest): boolean {
    return this.#byDigest.has(digest) || this.#byDiffId.has(digest)
  }

  /**
   * Opens a blob the baseline holds, a plain one also where its layer is compressed there; reading it to the end
   * verifies it.
   */
  openBlob(digest: Digest, options: OperationOptions): ByteSource {
    const layer = this.byDigest(digest)
    return layer === undefined ? this.openPlain(digest, options) : this.#open(layer, options)
  }

  /** Opens the plain tar of a layer, decompressed where it must be; reading it to the end verifies it. */
  openPlain(diffId: Digest, options: OperationOptions): ByteSource {
    return this.#openPlain(this.byDiffId(diffId) ?? missing(diffId), diffId, options)
  }

  async *#openPlain(layer: BaselineLayer, diffId: Digest, options: OperationOptions): ByteSource {
    try {
      const { source } = await decompress(this.#open(layer, options))
      yield* verified(source, { digest: diffId }, `layer ${layer.descriptor.digest} uncompressed`)
    } catch (error) {
      throw CopyError.at('baseline', layer.descriptor.digest, error)
    }
  }

  #open({ source, descriptor }: BaselineLayer, options: OperationOptions): ByteSource {
    const open = (): ByteSource => openVerifiedBlob(source, descriptor, 'baseline', options)
    return this.#shared === undefined ? open() : this.#shared.open(descriptor.digest, open)
  }
}

/** Plain tars of baseline layers, each spooled once, when it is first asked for. */
export class PlainLayerSpool implements AsyncDisposable {
  readonly #spool: Pick<SpoolDirectory, 'write'>
  readonly #options: OperationOptions
  readonly #layers = new Map<Digest, Promise<PlainLayer>>()

  constructor(spool: Pick<SpoolDirectory, 'write'>, options: OperationOptions) {
    this.#spool = spool
    this.#options = options
  }

  /** @param baseline - has the layer, also where it lies in the spool already */
  open(diffId: Digest, baseline: BaselineSet): Promise<PlainLayer> {
    const known = this.#layers.get(diffId)
    if (known !== undefined) return known
    const layer = this.#unpack(diffId, baseline)
    this.#layers.set(diffId, layer)
    // A layer that one baseline holds damaged another may hold sound.
    layer.catch(() => this.#layers.delete(diffId))
    return layer
  }

  async #unpack(diffId: Digest, baseline: BaselineSet): Promise<PlainLayer> {
    const file = await this.#spool.write('baseline', baseline.openPlain(diffId, this.#options))
    return PlainLayer.open(file, diffId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of await Promise.allSettled(this.#layers.values())) {
      if (layer.status === 'fulfilled') await layer.value[Symbol.asyncDispose]()
    }
  }
}

function missing(digest: Digest): never {
  throw new TareError('BASELINE_LACKS_BLOB', `the baseline does not have ${digest}`)
}

/** What a baseline is called in a delta: a registry's, engine's or inventory's full reference, of a path the last part. */
export function baselineName(reference: string): string {
  const full = /^(?:docker:\/\/|docker-daemon:|containerd:|store:|inventory:)(.*)$/.exec(reference)?.[1]
  return full ?? reference.replace(/^[a-z-]+:/, '').replace(/^.*\//, '')
}
