import { hasErrorCode, SizeMismatchError, TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type Digest,
  formatReference,
  isSchema1Type,
  parseManifestDocument,
  type Reference,
  withDefaultTag,
} from '../oci/index.ts'
import { RegistryClient, type RegistryClientOptions, type RepositoryClient } from '../registry/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import type {
  BlobOpener,
  CommitResult,
  DestinationContents,
  ImageDestination,
  ImageSource,
  ManifestContent,
  OpenBlobOptions,
  PutBlobOptions,
  PutOutcome,
  RepositoryName,
} from './transport.ts'

/** How a `docker://` reference is reached. Source and destination have their own. */
export interface RegistryTransportOptions extends RegistryClientOptions {
  /** A client to use instead of one of its own; it is left open, and all other settings are its own. */
  readonly client?: RegistryClient | undefined
  /** Upload in requests of at most this many bytes. @default one request for each blob */
  readonly chunkBytes?: number | undefined
}

/**
 * Opens an image in a registry for reading. Nothing is sent yet. With a tag and a digest the digest counts.
 */
export function registrySource(reference: Reference, options: RegistryTransportOptions = {}): ImageSource {
  return new RegistrySource(withDefaultTag(reference), options)
}

/**
 * Opens a place in a registry for writing. Nothing is sent yet. A digest in the reference has to be that of the root,
 * which is checked before anything is put.
 */
export function registryDestination(reference: Reference, options: RegistryTransportOptions = {}): ImageDestination {
  return new RegistryDestination(withDefaultTag(reference), options)
}

/** What source and destination share: the repository, and a client that may be theirs to close. */
abstract class RegistryEnd implements AsyncDisposable {
  readonly layerForm = 'stored'
  readonly reference: string
  readonly repository: RepositoryName
  protected readonly client: RegistryClient
  protected readonly remote: RepositoryClient
  readonly #ownClient: RegistryClient | undefined

  constructor(reference: Reference, actions: readonly ('pull' | 'push')[], options: RegistryTransportOptions) {
    this.reference = `docker://${formatReference(reference)}`
    this.repository = { registry: reference.registry, repository: reference.repository }
    const client = options.client ?? new RegistryClient(reference.registry, options)
    this.#ownClient = options.client === undefined ? client : undefined
    this.client = client
    this.remote = client.repository(reference.repository, actions)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ownClient?.close()
  }
}

class RegistrySource extends RegistryEnd implements ImageSource {
  readonly #pointer: string

  constructor(reference: Reference, options: RegistryTransportOptions) {
    super(reference, ['pull'], options)
    this.#pointer = reference.digest ?? reference.tag ?? 'latest'
  }

  resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    return this.remote.getManifest(this.#pointer, pick(options))
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    try {
      // The digest is proven already; of signed schema 1 it is not that of the bytes.
      const { bytes } = await this.remote.getManifest(descriptor.digest, pick(options))
      if (bytes.length !== descriptor.size) {
        throw new SizeMismatchError(`manifest ${descriptor.digest}`, descriptor.size, bytes.length)
      }
      return bytes
    } catch (cause) {
      if (!hasErrorCode(cause, 'NOT_FOUND')) throw cause
      throw new TareError('BLOB_NOT_FOUND', cause.message, { cause })
    }
  }

  openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    return this.remote.openBlob(descriptor, { ...pick(options), offset: options.offset })
  }

  hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    return this.remote.hasBlob(descriptor, pick(options))
  }

  referrers(digest: Digest, options: OperationOptions = {}): Promise<readonly Descriptor[]> {
    return this.remote.referrers(digest, pick(options))
  }

  async resolveTag(tag: string, options: OperationOptions = {}): Promise<ManifestContent | undefined> {
    try {
      return await this.remote.getManifest(tag, pick(options))
    } catch (error) {
      if (hasErrorCode(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }
}

class RegistryDestination extends RegistryEnd implements ImageDestination {
  readonly #parsed: Reference
  readonly #options: RegistryTransportOptions

  constructor(reference: Reference, options: RegistryTransportOptions) {
    super(reference, ['pull', 'push'], options)
    this.#parsed = reference
    this.#options = options
  }

  checkManifestType(mediaType: string): void {
    if (!isSchema1Type(mediaType)) return
    throw new TareError('UNSUPPORTED_BY_DESTINATION', `${this.reference} cannot take a Docker schema 1 manifest`)
  }

  async prepare({ manifests }: DestinationContents): Promise<void> {
    const root = manifests.at(-1)
    if (root !== undefined) this.#checkRoot(root)
  }

  hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    return this.remote.hasBlob(descriptor, pick(options))
  }

  putBlob(descriptor: Descriptor, open: BlobOpener, options: PutBlobOptions = {}): Promise<PutOutcome> {
    const { mountFrom } = options
    return this.remote.uploadBlob(descriptor, open, {
      ...pick(options),
      mountFrom,
      chunkBytes: this.#options.chunkBytes,
    })
  }

  async hasManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    const head = await this.remote.headManifest(descriptor.digest, pick(options))
    return head !== undefined && (head.size ?? descriptor.size) === descriptor.size
  }

  async putManifest(manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    await this.#put(manifest.descriptor.digest, manifest, options)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    this.#checkRoot(root)
    await this.#put(this.#parsed.tag ?? root.descriptor.digest, root, options)
    return { digest: root.descriptor.digest }
  }

  commitTag(tag: string, manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    return this.#put(tag, manifest, options)
  }

  neighbour(repository: string): ImageSource {
    return registrySource({ registry: this.repository.registry, repository }, { client: this.client })
  }

  async reopen(digest: Digest): Promise<ImageSource> {
    const { tag } = this.#parsed
    const reference = { ...this.#parsed, ...(tag === undefined ? { digest } : { digest: undefined }) }
    return new RegistrySource(reference, { ...this.#options, client: this.client })
  }

  #checkRoot(root: ManifestContent): void {
    const { digest } = this.#parsed
    if (digest === undefined || digest === root.descriptor.digest) return
    throw new TareError('INVALID_ARGUMENT', `${this.reference} names another digest than ${root.descriptor.digest}`, {
      hint: 'Leave the digest out, or copy the image that has it',
    })
  }

  async #put(pointer: string, manifest: ManifestContent, options: OperationOptions): Promise<void> {
    const { mediaType, digest } = manifest.descriptor
    const stored = await this.remote.putManifest(pointer, { mediaType, bytes: manifest.bytes }, pick(options))
    if (stored.digest !== undefined && stored.digest !== digest) {
      throw new TareError('VERIFY_FAILED', `${this.reference}: ${digest} was stored as ${stored.digest}`, {
        hint: 'The registry rewrites manifests; the image cannot keep its digest there',
      })
    }
    if (!stored.keepsReferrers) await this.#announceReferrer(manifest, options)
  }

  /** A registry without the referrers API relies on its clients to keep the list. */
  async #announceReferrer({ descriptor, bytes }: ManifestContent, options: OperationOptions): Promise<void> {
    const { digest, mediaType, size } = descriptor
    const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
    if (document.subject === undefined) return
    const configType = document.kind === 'manifest' ? document.config.mediaType : undefined
    const artifactType = document.artifactType ?? configType
    const { annotations } = document
    await this.remote.addReferrer(
      document.subject.digest,
      {
        mediaType,
        digest,
        size,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      },
      pick(options),
    )
  }
}

/** What a client takes of an operation's options; progress is told by whoever moves the bytes. */
function pick({ signal, logger }: OperationOptions): Pick<OperationOptions, 'signal' | 'logger'> {
  return { signal, logger }
}
