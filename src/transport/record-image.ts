import { hasErrorCode, TareError } from '../errors/index.ts'
import {
  childDescriptors,
  type ContentIngester,
  type ContentManager,
  type ContentProvider,
  type ContentReader,
  type Descriptor,
  isSchema1Type,
  labelsForChildren,
  parseManifestDocument,
} from '../oci/index.ts'
import { type NewImage, writeBlob } from '../store/index.ts'
import { type ByteSource, bytesSource, type OperationOptions, readAllBytes, verifyBytes } from '../stream/index.ts'
import { heldImage } from './held-members.ts'
import type { RecordName } from './record-name.ts'
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

/** Blobs, and records that name images among them: a namespace of the local store, or of containerd. */
export interface RecordNamespace {
  readonly content: ContentProvider & ContentIngester & Pick<ContentManager, 'info' | 'updateLabels'>
  readonly images: RecordImages
  /** The same under a lease, which ends with the result's disposal. */
  leased(options: Pick<OperationOptions, 'signal'>): Promise<LeasedRecords>
}

/** What {@link RecordNamespace.leased} gives. */
export interface LeasedRecords extends AsyncDisposable {
  readonly namespace: RecordNamespace
}

/** As much of image records as copying takes. */
export interface RecordImages {
  /** @throws {TareError} `NOT_FOUND` */
  get(name: string, options: Pick<OperationOptions, 'signal'>): Promise<Pick<NewImage, 'target'>>
  /** Makes records, or moves them and keeps their labels. */
  putAll(images: readonly NewImage[], options: Pick<OperationOptions, 'signal'>): Promise<unknown>
}

/** A namespace, and what has to be let go of with it. */
export interface RecordPlace {
  readonly namespace: RecordNamespace
  /** What messages call it: `the store`. */
  readonly subject: string
  readonly resources: AsyncDisposable
}

/** Reads the image of a record: of the local store, of containerd. */
export class RecordSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #name: RecordName
  readonly #place: RecordPlace

  constructor(reference: string, name: RecordName, place: RecordPlace) {
    this.reference = reference
    this.#name = name
    this.#place = place
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    options.signal?.throwIfAborted()
    const root = await this.#root(options)
    const blobs = {
      has: (descriptor: Descriptor) => this.#has(descriptor, options),
      readManifest: (descriptor: Descriptor) => this.readManifest(descriptor, options),
    }
    return heldImage(this.reference, root, blobs, options)
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

  async hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    return this.#has(descriptor, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place.resources[Symbol.asyncDispose]()
  }

  async #root(options: OperationOptions): Promise<ManifestContent> {
    const { digest } = this.#name
    if (digest !== undefined) return this.#byDigest(digest, options)
    const { target } = await this.#record(options)
    return { descriptor: target, bytes: await this.readManifest(target, options) }
  }

  async #has({ digest }: Descriptor, { signal }: OperationOptions): Promise<boolean> {
    try {
      await this.#place.namespace.content.info(digest, { signal })
      return true
    } catch (error) {
      if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return false
      throw error
    }
  }

  /** The record of the name, or, since records need not have Docker's form, of the text as it was written. */
  async #record(options: OperationOptions): Promise<Pick<NewImage, 'target'>> {
    const { name, literal } = this.#name
    try {
      return await this.#place.namespace.images.get(name, options)
    } catch (error) {
      if (!hasErrorCode(error, 'NOT_FOUND') || literal === undefined) throw this.#notFound(error)
    }
    return this.#place.namespace.images.get(literal, options).catch((error: unknown) => {
      throw this.#notFound(error)
    })
  }

  async #byDigest(digest: Descriptor['digest'], options: OperationOptions): Promise<ManifestContent> {
    const reader = await this.#place.namespace.content.openReader({ digest }, options).catch((error: unknown) => {
      throw hasErrorCode(error, 'BLOB_NOT_FOUND') ? this.#notFound(error) : error
    })
    await using held = reader
    const bytes = await readAllBytes(held.read(), MAX_MANIFEST_BYTES, `manifest ${digest}`)
    verifyBytes(bytes, { digest }, `manifest ${digest} of ${this.reference}`)
    const { mediaType } = parseManifestDocument(bytes, { subject: `manifest ${digest}` })
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes }
  }

  #open(descriptor: Descriptor, options: OperationOptions): Promise<ContentReader> {
    return this.#place.namespace.content.openReader(descriptor, { signal: options.signal })
  }

  #notFound(cause: unknown): unknown {
    if (!hasErrorCode(cause, 'NOT_FOUND', 'BLOB_NOT_FOUND')) return cause
    return new TareError('NOT_FOUND', `${this.reference} is not in ${this.#place.subject}`, {
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
 * Writes an image and the record that names it. A lease keeps what is written from being collected until the commit,
 * which makes the record, or moves it, at once.
 */
export class RecordDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #name: RecordName
  readonly #place: RecordPlace
  #leased: Promise<LeasedRecords> | undefined

  constructor(reference: string, name: RecordName, place: RecordPlace) {
    this.reference = reference
    this.#name = name
    this.#place = place
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

  async reopen(): Promise<ImageSource> {
    // The connection stays this destination's own.
    const resources = { async [Symbol.asyncDispose](): Promise<void> {} }
    return new RecordSource(this.reference, this.#name, { ...this.#place, resources })
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
    const { name, digest } = this.#name
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
    await this.#place.resources[Symbol.asyncDispose]()
  }

  async #lease(options: OperationOptions): Promise<RecordNamespace> {
    this.#leased ??= this.#place.namespace.leased({ signal: options.signal }).catch((error: unknown) => {
      this.#leased = undefined
      throw error
    })
    return (await this.#leased).namespace
  }
}
