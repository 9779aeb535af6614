import { decompress } from '../compress/index.ts'
import { hasErrorCode } from '../errors/index.ts'
import type { ContentProvider, ContentReader, Descriptor, Digest, DiffId } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, verified } from '../stream/index.ts'
import type {
  ImageSource,
  LayerForm,
  ManifestContent,
  OpenBlobOptions,
  OpenPlainLayerOptions,
  RepositoryName,
} from '../transport/index.ts'

/** Where {@link NearbySource} looks first. */
export interface NearbyContent {
  readonly content: ContentProvider
  /** A layer that unpacks to this tar; asked for only where plain layers are wanted. */
  findPlain?(diffId: DiffId): Promise<Descriptor | undefined>
}

/**
 * An image whose blobs come from nearer at hand where they are there: from the local store instead of a registry. Which
 * they are is told by their digests, and where plain layers are wanted by their diffIDs; they are verified like all others.
 */
export class NearbySource implements ImageSource {
  readonly reference: string
  readonly layerForm: LayerForm
  readonly repository: RepositoryName | undefined
  readonly #source: ImageSource
  readonly #nearby: NearbyContent
  readonly #nearbyBlobs = new Map<Digest, number>()

  /** @param source - disposed of with this */
  constructor(source: ImageSource, nearby: NearbyContent) {
    this.reference = source.reference
    this.layerForm = source.layerForm
    this.repository = source.repository
    this.#source = source
    this.#nearby = nearby
  }

  /** Bytes of blobs that the source was not asked for. */
  get nearbyBytes(): number {
    return [...this.#nearbyBlobs.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0)
  }

  resolve(options?: OperationOptions): Promise<ManifestContent> {
    return this.#source.resolve(options)
  }

  readManifest(descriptor: Descriptor, options?: OperationOptions): Promise<Uint8Array> {
    return this.#source.readManifest(descriptor, options)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const reader = await this.#find(descriptor, options)
    if (reader === undefined) return this.#source.openBlob(descriptor, options)
    this.#nearbyBlobs.set(descriptor.digest, descriptor.size)
    return heldRead(reader, options.offset)
  }

  /** The plain tar of the layer itself, or of another that unpacks to the same. */
  async openPlainLayer(descriptor: Descriptor, options: OpenPlainLayerOptions = {}): Promise<ByteSource> {
    const { diffId } = options
    const twin = diffId === undefined ? undefined : await this.#nearby.findPlain?.(diffId)
    const reader = twin === undefined ? undefined : await this.#find(twin, options)
    if (twin !== undefined && reader !== undefined) {
      this.#nearbyBlobs.set(descriptor.digest, descriptor.size)
      return (await decompress(verified(heldRead(reader, 0), twin, 'blob'))).source
    }
    const plain = await this.#source.openPlainLayer?.(descriptor, options)
    return plain ?? (await decompress(verified(await this.openBlob(descriptor, options), descriptor, 'blob'))).source
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]()
  }

  async #find(descriptor: Descriptor, { signal }: OperationOptions): Promise<ContentReader | undefined> {
    const reader = await this.#nearby.content.openReader(descriptor, { signal }).catch((error: unknown) => {
      if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return undefined
      throw error
    })
    if (reader === undefined || reader.sizeBytes === descriptor.size) return reader
    await reader[Symbol.asyncDispose]()
    return undefined
  }
}

async function* heldRead(reader: ContentReader, offset: number | undefined): ByteSource {
  await using held = reader
  yield* held.read({ offset })
}
