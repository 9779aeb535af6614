import { CopyError } from '../errors/index.ts'
import { type Descriptor, type DiffId, type Digest, isLayerType, MEDIA_TYPE } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { recordedName, type RecordedBase } from './archive-format.ts'
import { type FetchedImageManifest, fetchManifests } from './fetch-manifests.ts'

/** A layer that the receiver is taken to have. */
export interface BaseLayer {
  readonly descriptor: Descriptor
  readonly diffId?: DiffId | undefined
  /** The first base image that has it. */
  readonly base: RecordedBase
}

/** Base images read at a time. */
const CONCURRENCY = 4

/**
 * The layers of all base images, of every platform: what an incremental archive leaves out. Only manifests are read,
 * unless layers shall be recognised by diffID, which configs name.
 */
export class BaseLayers {
  readonly #byDigest = new Map<Digest, BaseLayer>()
  readonly #byDiffId = new Map<DiffId, BaseLayer[]>()
  /** The base images, in the order given. */
  readonly images: readonly RecordedBase[]

  private constructor(images: readonly RecordedBase[]) {
    this.images = images
  }

  /**
   * Reads the manifests of base images.
   *
   * @param configs - whether to read configs, for diffIDs
   * @throws {CopyError} with the side `baseline`
   */
  static async read(sources: readonly ImageSource[], configs: boolean, options: OperationOptions): Promise<BaseLayers> {
    const read = await mapLimited(
      sources,
      CONCURRENCY,
      async (source, _index, signal) => {
        const root = await source.resolve({ ...options, signal }).catch((error: unknown) => {
          throw CopyError.at('baseline', source.reference, error)
        })
        const manifests = await fetchManifests(source, { ...options, signal, configs, root })
        return { base: { name: recordedName(source.reference), digest: root.descriptor.digest }, manifests }
      },
      options,
    )
    const layers = new BaseLayers(read.map(({ base }) => base))
    for (const { base, manifests } of read) for (const manifest of manifests) layers.#add(base, manifest)
    return layers
  }

  /** The layer of this digest. */
  byDigest(digest: Digest): BaseLayer | undefined {
    return this.#byDigest.get(digest)
  }

  /** Layers of the same content, whatever their compression. */
  byDiffId(diffId: DiffId): readonly BaseLayer[] {
    return this.#byDiffId.get(diffId) ?? []
  }

  #add(base: RecordedBase, { document, diffIds }: FetchedImageManifest): void {
    for (const [at, layer] of document.layers.entries()) {
      const descriptor: Descriptor =
        'size' in layer ? layer : { mediaType: MEDIA_TYPE.DOCKER_LAYER_GZIP, digest: layer.digest, size: 0 }
      const diffId = isLayerType(descriptor.mediaType) ? diffIds?.[at] : undefined
      const known = this.#byDigest.get(descriptor.digest)
      if (known !== undefined && (known.diffId !== undefined || diffId === undefined)) continue
      const added: BaseLayer = { descriptor, diffId, base: known?.base ?? base }
      this.#byDigest.set(descriptor.digest, added)
      if (diffId === undefined) continue
      const same = this.#byDiffId.get(diffId)
      if (same === undefined) this.#byDiffId.set(diffId, [added])
      else same.push(added)
    }
  }
}
