import { decompress } from '../compress/index.ts'
import { CopyError, TareError } from '../errors/index.ts'
import { type ImageTree, manifestBlobs, manifestsOf, readImageTree } from '../image/index.ts'
import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, type SpoolDirectory, verified } from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import { PlainLayer } from './patch/plain-layer.ts'

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
  /** Image layers with a diffID, lowest first, each diffID once. */
  readonly plainLayers: readonly BaselineLayer[]
  readonly #byDigest: ReadonlyMap<Digest, BaselineLayer>
  readonly #byDiffId: ReadonlyMap<Digest, BaselineLayer>

  private constructor(images: readonly BaselineImage[]) {
    this.images = images
    const byDigest = new Map<Digest, BaselineLayer>()
    const byDiffId = new Map<Digest, BaselineLayer>()
    for (const { source, tree } of images) {
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
    this.plainLayers = [...byDiffId.values()]
  }

  /** Reads the trees of all baselines. */
  static async read(sources: readonly ImageSource[], options: OperationOptions): Promise<BaselineSet> {
    const images: BaselineImage[] = []
    for (const source of sources) {
      images.push({ source, tree: await readImageTree(source, { ...options, side: 'baseline' }) })
    }
    return new BaselineSet(images)
  }

  byDigest(digest: Digest): BaselineLayer | undefined {
    return this.#byDigest.get(digest)
  }

  byDiffId(diffId: Digest): BaselineLayer | undefined {
    return this.#byDiffId.get(diffId)
  }

  /** Opens a blob the baseline holds; reading it to the end verifies it. */
  openBlob(digest: Digest, options: OperationOptions): ByteSource {
    return openLayerBlob(this.byDigest(digest) ?? missing(digest), options)
  }

  /** Opens the plain tar of a layer, decompressed where it must be; reading it to the end verifies it. */
  openPlain(diffId: Digest, options: OperationOptions): ByteSource {
    return openPlainLayer(this.byDiffId(diffId) ?? missing(diffId), diffId, options)
  }
}

/** Plain tars of baseline layers, each spooled once, when it is first asked for. */
export class PlainLayerSpool implements AsyncDisposable {
  readonly #baselines: BaselineSet
  readonly #directory: SpoolDirectory
  readonly #options: OperationOptions
  readonly #layers = new Map<Digest, Promise<PlainLayer>>()

  constructor(baselines: BaselineSet, directory: SpoolDirectory, options: OperationOptions) {
    this.#baselines = baselines
    this.#directory = directory
    this.#options = options
  }

  open(diffId: Digest): Promise<PlainLayer> {
    const known = this.#layers.get(diffId)
    if (known !== undefined) return known
    const layer = this.#spool(diffId)
    this.#layers.set(diffId, layer)
    return layer
  }

  async #spool(diffId: Digest): Promise<PlainLayer> {
    const file = await this.#directory.write('baseline', this.#baselines.openPlain(diffId, this.#options))
    return PlainLayer.open(file, diffId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of await Promise.allSettled(this.#layers.values())) {
      if (layer.status === 'fulfilled') await layer.value[Symbol.asyncDispose]()
    }
  }
}

async function* openPlainLayer(layer: BaselineLayer, diffId: Digest, options: OperationOptions): ByteSource {
  try {
    const { source } = await decompress(openLayerBlob(layer, options))
    yield* verified(source, { digest: diffId }, `layer ${layer.descriptor.digest} uncompressed`)
  } catch (error) {
    throw CopyError.at('baseline', layer.descriptor.digest, error)
  }
}

function openLayerBlob(layer: BaselineLayer, options: OperationOptions): ByteSource {
  return openVerifiedBlob(layer.source, layer.descriptor, 'baseline', options)
}

function missing(digest: Digest): never {
  throw new TareError('BASELINE_LACKS_BLOB', `the baseline does not have ${digest}`)
}

/** What a baseline is called in a delta: a registry's or engine's full reference, of a path the last part alone. */
export function baselineName(reference: string): string {
  const full = /^(?:docker:\/\/|docker-daemon:|containerd:|store:)(.*)$/.exec(reference)?.[1]
  return full ?? reference.replace(/^[a-z-]+:/, '').replace(/^.*\//, '')
}
