import { manifestBlobs, manifestsOf, readImageTree } from '../image/index.ts'
import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'

/** A layer that can be read from an image. */
export interface HeldLayer {
  readonly source: ImageSource
  readonly descriptor: Descriptor
}

/** The layers of images that can be read, by digest and by content. */
export class HeldLayers {
  readonly #byDigest = new Map<Digest, HeldLayer>()
  readonly #byDiffId = new Map<DiffId, HeldLayer>()

  /** Reads manifests and configs. @throws {CopyError} with the side `baseline` */
  static async read(sources: readonly ImageSource[], options: OperationOptions): Promise<HeldLayers> {
    const layers = new HeldLayers()
    for (const source of sources) {
      const tree = await readImageTree(source, { ...options, side: 'baseline' })
      for (const { descriptor, diffId } of manifestsOf(tree).flatMap(manifestBlobs)) {
        const layer = { source, descriptor }
        if (!layers.#byDigest.has(descriptor.digest)) layers.#byDigest.set(descriptor.digest, layer)
        if (diffId !== undefined && !layers.#byDiffId.has(diffId)) layers.#byDiffId.set(diffId, layer)
      }
    }
    return layers
  }

  /** The layer of this digest. */
  byDigest(digest: Digest): HeldLayer | undefined {
    return this.#byDigest.get(digest)
  }

  /** A layer of this content, whatever its compression. */
  byDiffId(diffId: DiffId): HeldLayer | undefined {
    return this.#byDiffId.get(diffId)
  }
}
