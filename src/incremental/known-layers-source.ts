import { TareError } from '../errors/index.ts'
import { type Descriptor, type DiffId, type Digest, isSchema1Type, MEDIA_TYPE, type Platform } from '../oci/index.ts'
import { type ByteSource, bytesSource, digestOf, type OperationOptions, sliceSource } from '../stream/index.ts'
import type { ImageSource, ManifestContent, OpenBlobOptions } from '../transport/index.ts'

/** A layer of which digests are known. */
export interface KnownLayer {
  readonly descriptor: Descriptor
  readonly diffId?: DiffId | undefined
}

/** A manifest of which no more is known than its layers. */
export interface KnownManifest {
  readonly descriptor: Descriptor
  readonly platform?: Platform | undefined
  readonly layers: readonly KnownLayer[]
}

/** What a {@link KnownLayersSource} is made of. */
export interface KnownImage {
  /** What to call it, for messages and records. */
  readonly reference: string
  /** What the reference points at: the only manifest, or an index of them. */
  readonly root: Descriptor
  readonly manifests: readonly KnownManifest[]
  /** Opens a layer; left out, only digests are known. */
  readonly openLayer?: ((descriptor: Descriptor, options: OpenBlobOptions) => Promise<ByteSource>) | undefined
}

/**
 * An image of which digests are known and documents are not, such as one of an inventory. Manifests and configs are made
 * up so that they name just the layers; they keep the digests of the real ones, and are not to be copied anywhere.
 */
export class KnownLayersSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly holdsLayers: boolean
  readonly #root: ManifestContent
  readonly #manifests = new Map<Digest, Uint8Array>()
  readonly #configs = new Map<Digest, Uint8Array>()
  readonly #layers: ReadonlySet<Digest>
  readonly #openLayer: KnownImage['openLayer']

  constructor({ reference, root, manifests, openLayer }: KnownImage) {
    this.reference = reference
    this.holdsLayers = openLayer !== undefined
    this.#openLayer = openLayer
    this.#layers = new Set(manifests.flatMap(({ layers }) => layers).map(({ descriptor }) => descriptor.digest))
    for (const manifest of manifests) this.#manifests.set(manifest.descriptor.digest, this.#manifestBytes(manifest))
    const own = this.#manifests.get(root.digest)
    this.#root = {
      descriptor: { ...root, mediaType: presentType(root.mediaType) },
      bytes: own ?? encode({ schemaVersion: 2, manifests: manifests.map(memberOf) }),
    }
  }

  async resolve(): Promise<ManifestContent> {
    return this.#root
  }

  async readManifest({ digest }: Descriptor): Promise<Uint8Array> {
    const bytes = digest === this.#root.descriptor.digest ? this.#root.bytes : this.#manifests.get(digest)
    if (bytes !== undefined) return bytes
    throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no manifest ${digest}`)
  }

  /** @throws {TareError} `BASELINE_LACKS_BLOB` where only digests are known */
  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const config = this.#configs.get(descriptor.digest)
    if (config !== undefined) return sliceSource(bytesSource(config), options.offset ?? 0)
    if (this.#openLayer !== undefined) return this.#openLayer(descriptor, options)
    throw new TareError(
      'BASELINE_LACKS_BLOB',
      `${this.reference} tells that there is a layer ${descriptor.digest}, but does not hold it`,
      { hint: 'An inventory serves to leave whole layers out; patches of their content need the layers themselves' },
    )
  }

  async hasBlob(descriptor: Descriptor, _options?: OperationOptions): Promise<boolean> {
    return this.#configs.has(descriptor.digest) || (this.holdsLayers && this.#layers.has(descriptor.digest))
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #manifestBytes({ platform, layers }: KnownManifest): Uint8Array {
    const { os = '', architecture = '', variant } = platform ?? {}
    // As many diffIDs as layers, or none: what can't be matched up would say nothing.
    const diffIds = layers.map((layer) => layer.diffId).filter((diffId) => diffId !== undefined)
    const rootfs = { type: 'layers', diff_ids: diffIds.length === layers.length ? diffIds : [] }
    const config = encode({ os, architecture, variant, rootfs })
    const descriptor = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: digestOf(config), size: config.length }
    this.#configs.set(descriptor.digest, config)
    const listed = layers.map(({ descriptor: { mediaType, digest, size } }) => ({ mediaType, digest, size }))
    return encode({ schemaVersion: 2, config: descriptor, layers: listed })
  }
}

function memberOf({ descriptor, platform }: KnownManifest): Descriptor {
  const { digest, size } = descriptor
  return { mediaType: presentType(descriptor.mediaType), digest, size, ...(platform === undefined ? {} : { platform }) }
}

/** Documents are made up as present-day ones, whatever the real ones are. */
function presentType(mediaType: string): string {
  return isSchema1Type(mediaType) ? MEDIA_TYPE.OCI_MANIFEST : mediaType
}

function encode(document: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document))
}
