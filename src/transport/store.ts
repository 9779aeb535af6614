import { hasErrorCode, TareError } from '../errors/index.ts'
import {
  childDescriptors,
  type ContentReader,
  type Descriptor,
  isSchema1Type,
  labelsForChildren,
  parseManifestDocument,
} from '../oci/index.ts'
import {
  DEFAULT_NAMESPACE,
  type ImageRecord,
  type LeasedNamespace,
  Store,
  type StoreNamespace,
  writeBlob,
} from '../store/index.ts'
import { type ByteSource, bytesSource, type OperationOptions, readAllBytes, verifyBytes } from '../stream/index.ts'
import { formatTransportReference, type StoreReference } from './reference-text.ts'
import {
  type BlobOpener,
  type CommitResult,
  type ImageDestination,
  type ImageSource,
  MAX_MANIFEST_BYTES,
  type ManifestContent,
  type OpenBlobOptions,
  type PutOutcome,
} from './transport.ts'

/** Where a `store:` reference is looked up. */
export interface StoreTransportOptions extends OperationOptions {
  /** The directory of the store. */
  readonly storeDirectory?: string | undefined
  /** @default 'default' */
  readonly storeNamespace?: string | undefined
}

function requireDirectory(reference: string, { storeDirectory }: StoreTransportOptions): string {
  if (storeDirectory !== undefined) return storeDirectory
  throw new TareError('INVALID_ARGUMENT', `${reference}: no directory is set for the store`, {
    hint: 'Give one with --store, or as storeDirectory',
  })
}

/**
 * Opens `store:NAME[@DIGEST]` for reading. With a digest that content is read, whatever the name points at.
 *
 * @throws {TareError} `FILE_NOT_FOUND` where there is no store; `UNSUPPORTED_FORMAT`, `STORE_DAMAGED`
 */
export async function openStoreSource(
  reference: StoreReference,
  options: StoreTransportOptions = {},
): Promise<ImageSource> {
  const text = formatTransportReference(reference)
  const store = await Store.open(requireDirectory(text, options), { create: false, signal: options.signal })
  return new StoreSource(reference, store, options.storeNamespace ?? DEFAULT_NAMESPACE)
}

class StoreSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #parsed: StoreReference
  readonly #store: Store
  readonly #namespace: StoreNamespace

  constructor(reference: StoreReference, store: Store, namespace: string) {
    this.reference = formatTransportReference(reference)
    this.#parsed = reference
    this.#store = store
    this.#namespace = store.namespace(namespace)
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    options.signal?.throwIfAborted()
    const { digest } = this.#parsed
    if (digest !== undefined) return this.#byDigest(digest, options)
    const { target } = await this.#record(options)
    return { descriptor: target, bytes: await this.readManifest(target, options) }
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    await using reader = await this.#open(descriptor, options)
    const bytes = await readAllBytes(reader.read(), MAX_MANIFEST_BYTES, `manifest ${descriptor.digest}`)
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest} of ${this.reference}`)
    return bytes
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const reader = await this.#open(descriptor, options)
    return heldRead(reader, options.offset)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  /** The record of the name, or, since records need not have Docker's form, of the text as it was written. */
  async #record(options: OperationOptions): Promise<ImageRecord> {
    const { name, literal } = this.#parsed
    try {
      return await this.#namespace.images.get(name, options)
    } catch (error) {
      if (!hasErrorCode(error, 'NOT_FOUND') || literal === undefined) throw this.#notFound(error)
    }
    return this.#namespace.images.get(literal, options).catch((error: unknown) => {
      throw this.#notFound(error)
    })
  }

  async #byDigest(digest: Descriptor['digest'], options: OperationOptions): Promise<ManifestContent> {
    const reader = await this.#namespace.content.openReader({ digest }, options).catch((error: unknown) => {
      throw hasErrorCode(error, 'BLOB_NOT_FOUND') ? this.#notFound(error) : error
    })
    await using held = reader
    const bytes = await readAllBytes(held.read(), MAX_MANIFEST_BYTES, `manifest ${digest}`)
    verifyBytes(bytes, { digest }, `manifest ${digest} of ${this.reference}`)
    const { mediaType } = parseManifestDocument(bytes, { subject: `manifest ${digest}` })
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes }
  }

  #open(descriptor: Descriptor, options: OperationOptions): Promise<ContentReader> {
    return this.#namespace.content.openReader(descriptor, { signal: options.signal })
  }

  #notFound(cause: unknown): unknown {
    if (!hasErrorCode(cause, 'NOT_FOUND', 'BLOB_NOT_FOUND')) return cause
    return new TareError('NOT_FOUND', `${this.reference} is not in the store`, {
      cause,
      hint: `Bring it there with tare copy docker://… ${this.reference}`,
    })
  }
}

/** Closes the reader with the end of the reading; nothing stays open where nobody reads. */
async function* heldRead(reader: ContentReader, offset: number | undefined): ByteSource {
  await using held = reader
  yield* held.read({ offset })
}

/**
 * Opens `store:NAME[@DIGEST]` for writing; the store is made where there is none. A lease keeps what is written from
 * being collected until the commit, which makes the record, or moves it, at once. A digest in the reference has to be
 * that of the image.
 *
 * @throws {TareError} `UNSUPPORTED_FORMAT`, `STORE_DAMAGED`, `FILE_ACCESS`, `DISK_FULL`
 */
export async function openStoreDestination(
  reference: StoreReference,
  options: StoreTransportOptions = {},
): Promise<ImageDestination> {
  const text = formatTransportReference(reference)
  if (reference.name === '') {
    throw new TareError('INVALID_REFERENCE', `destination ${text} has no name`, { hint: 'Write store:NAME[:TAG]' })
  }
  await using resources = new AsyncDisposableStack()
  const store = resources.use(await Store.open(requireDirectory(text, options), { signal: options.signal }))
  const namespace = store.namespace(options.storeNamespace ?? DEFAULT_NAMESPACE)
  return new StoreDestination(reference, namespace, resources.move())
}

class StoreDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #parsed: StoreReference
  readonly #namespace: StoreNamespace
  readonly #resources: AsyncDisposableStack
  #leased: Promise<LeasedNamespace> | undefined

  constructor(reference: StoreReference, namespace: StoreNamespace, resources: AsyncDisposableStack) {
    this.reference = formatTransportReference(reference)
    this.#parsed = reference
    this.#namespace = namespace
    this.#resources = resources
  }

  checkManifestType(mediaType: string): void {
    if (!isSchema1Type(mediaType)) return
    throw new TareError('UNSUPPORTED_BY_DESTINATION', `${this.reference} does not take a Docker schema 1 manifest`)
  }

  /** Whether the store has it; from now on the lease keeps it. */
  async hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    const { content } = await this.#lease(options)
    const info = await content.info(descriptor.digest, { signal: options.signal }).catch((error: unknown) => {
      if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return undefined
      throw error
    })
    if (info?.sizeBytes !== descriptor.size) return false
    try {
      const writer = await content.openWriter(`keep-${descriptor.digest}`, {
        expected: descriptor,
        signal: options.signal,
      })
      // It went meanwhile.
      await writer.close()
      return false
    } catch (error) {
      if (hasErrorCode(error, 'ALREADY_EXISTS')) return true
      throw error
    }
  }

  /** Takes up what an earlier run left of the blob; the bytes before that are passed over. */
  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    const { content } = await this.#lease(options)
    const expected = { digest: descriptor.digest, size: descriptor.size }
    const ref = `blob-${descriptor.digest}`
    const { isPresent } = await writeBlob(content, ref, open, { expected, signal: options.signal })
    return isPresent ? 'present' : 'written'
  }

  /** Never: what is there may lack its labels, and a manifest is written quickly. */
  async hasManifest(): Promise<boolean> {
    return false
  }

  async putManifest({ descriptor, bytes }: ManifestContent, options: OperationOptions = {}): Promise<void> {
    const { signal } = options
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest}`)
    const { content } = await this.#lease(options)
    const { digest, mediaType } = descriptor
    const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
    const labels = labelsForChildren(childDescriptors(document))
    const expected = { digest, size: descriptor.size }
    const open = (): ByteSource => bytesSource(bytes)
    const { isPresent } = await writeBlob(content, `manifest-${digest}`, open, { expected, labels, signal })
    const paths = Object.keys(labels).map((key) => `labels.${key}`)
    if (isPresent && paths.length > 0) await content.updateLabels(digest, labels, paths, { signal })
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    const { signal } = options
    signal?.throwIfAborted()
    const { name, digest } = this.#parsed
    const { mediaType, digest: actual, size } = root.descriptor
    if (digest !== undefined && digest !== actual) {
      throw new TareError('INVALID_ARGUMENT', `${this.reference} names another digest than ${actual}`, {
        hint: 'Leave the digest out, or copy the image that has it',
      })
    }
    const { images } = await this.#lease(options)
    await images.putAll([{ name, target: { mediaType, digest: actual, size } }], { signal })
    return { digest: actual }
  }

  /** Without a commit what was written stays until the next collection, for another attempt. */
  async [Symbol.asyncDispose](): Promise<void> {
    const leased = await this.#leased?.catch(() => undefined)
    await leased?.[Symbol.asyncDispose]()
    await this.#resources[Symbol.asyncDispose]()
  }

  async #lease(options: OperationOptions): Promise<StoreNamespace> {
    this.#leased ??= this.#namespace.leased({ signal: options.signal }).catch((error: unknown) => {
      this.#leased = undefined
      throw error
    })
    return (await this.#leased).namespace
  }
}
