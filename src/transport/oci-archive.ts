import { TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, isForeignLayerType } from '../oci/index.ts'
import {
  abortable,
  bytesSource,
  type ByteSource,
  type OperationOptions,
  verified,
  verifyBytes,
} from '../stream/index.ts'
import { STANDARD_STREAM } from './archive-input.ts'
import { archiveOutput, type ArchiveOutputOptions } from './archive-output.ts'
import { destinationName, LAYOUT_FILE_CONTENT, updatedLayoutIndex } from './layout-index.ts'
import { LayoutSource, layoutBlobPath } from './layout-source.ts'
import type { NamedFiles } from './named-files.ts'
import { formatTransportReference, type LayoutReference } from './reference-text.ts'
import { TarArchive, type TarArchiveOptions } from './tar-archive.ts'
import { type TarRegion, TarWriter } from './tar-writer.ts'
import type {
  BlobOpener,
  CommitResult,
  DestinationContents,
  ImageDestination,
  ImageSource,
  ManifestContent,
  PutOutcome,
} from './transport.ts'

/**
 * Opens `oci-archive:FILE` for reading, straight from the tar. An archive wrapped in gzip or zstd is unwrapped to the
 * working directory once.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, …
 */
export async function openArchiveSource(
  reference: LayoutReference,
  options: TarArchiveOptions = {},
): Promise<ImageSource> {
  return archiveSourceIn(
    reference,
    await TarArchive.open(reference.path, { ...options, otherwise: `oci:${reference.path}` }),
  )
}

/** An image of a layout in files that are open. @param files - disposed with the source */
export function archiveSourceIn(reference: LayoutReference, files: NamedFiles): ImageSource {
  return new LayoutSource(formatTransportReference(reference), reference.pick, files, {
    otherwise: `docker-archive:${reference.path}`,
  })
}

/**
 * Opens `oci-archive:FILE` for writing. The file, or its volumes, are made anew and replace old ones at the commit. Its
 * bytes are the same for the same contents and name: entries are in the order of `prepare`, with the root first and blobs last.
 *
 * @throws {TareError} `INVALID_REFERENCE`, `DESTINATION_EXISTS` for a directory or a device, `FILE_ACCESS`
 */
export async function openArchiveDestination(
  reference: LayoutReference,
  options: ArchiveOutputOptions = {},
): Promise<ImageDestination> {
  const name = destinationName(reference.pick, formatTransportReference(reference))
  const createFile = await archiveOutput(reference.path, options)
  return new ArchiveDestination(reference, name, new TarWriter(reference.path, createFile))
}

class ArchiveDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #path: string
  readonly #name: string | undefined
  readonly #writer: TarWriter
  readonly #regions = new Map<string, TarRegion>()
  readonly #written = new Map<Digest, Promise<void>>()
  #started: Promise<void> | undefined

  constructor(reference: LayoutReference, name: string | undefined, writer: TarWriter) {
    this.reference = formatTransportReference(reference)
    this.#path = reference.path
    this.#name = name
    this.#writer = writer
  }

  /** An archive holds anything. */
  checkManifestType(_mediaType: string): void {}

  async prepare(contents: DestinationContents, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    await this.#start()
    const documents = contents.manifests.map((manifest) => manifest.descriptor).toReversed()
    const [root] = documents
    if (root !== undefined) this.#reserve('index.json', updatedLayoutIndex(undefined, root, this.#name).length)
    // A layer that has URLs may be absent from its source; it gets its place when it comes.
    const blobs = contents.blobs.filter((blob) => !isForeignLayerType(blob.mediaType))
    for (const { digest, size } of [...documents, ...blobs]) this.#reserve(layoutBlobPath(digest), size)
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#written.has(descriptor.digest)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    options.signal?.throwIfAborted()
    const underWay = this.#written.get(descriptor.digest)
    if (underWay !== undefined) {
      await underWay
      return 'present'
    }
    const writing = this.#write(descriptor, async () => abortable(await open(), options.signal))
    this.#written.set(descriptor.digest, writing)
    try {
      await writing
    } catch (error) {
      this.#written.delete(descriptor.digest)
      throw error
    }
    return 'written'
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.hasBlob(descriptor)
  }

  async putManifest({ descriptor, bytes }: ManifestContent, options: OperationOptions = {}): Promise<void> {
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest}`)
    await this.putBlob(descriptor, async () => bytesSource(bytes), options)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    options.signal?.throwIfAborted()
    if (!this.#written.has(root.descriptor.digest)) {
      throw new TareError('INTERNAL', `${this.reference}: root ${root.descriptor.digest} was never put`)
    }
    await this.#place('index.json', bytesSource(updatedLayoutIndex(undefined, root.descriptor, this.#name)))
    await this.#writer.commit(options)
    return { digest: root.descriptor.digest }
  }

  async reopen(): Promise<ImageSource | undefined> {
    return this.#path === STANDARD_STREAM
      ? undefined
      : openArchiveSource({ transport: 'oci-archive', path: this.#path })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]()
  }

  async #write(descriptor: Descriptor, open: BlobOpener): Promise<void> {
    await this.#start()
    await this.#place(layoutBlobPath(descriptor.digest), verified(await open(), descriptor, 'blob'))
  }

  /** Into its reserved place; at the end where nothing was announced. */
  async #place(name: string, source: ByteSource): Promise<void> {
    const region = this.#regions.get(name)
    if (region === undefined) await this.#writer.append(name, source)
    else await this.#writer.fill(region, source)
  }

  #reserve(name: string, sizeBytes: number): void {
    if (!this.#regions.has(name)) this.#regions.set(name, this.#writer.reserve(name, sizeBytes))
  }

  #start(): Promise<void> {
    this.#started ??= this.#begin()
    return this.#started
  }

  async #begin(): Promise<void> {
    for (const name of ['blobs/', 'blobs/sha256/']) await this.#writer.directory(name)
    const content = Buffer.from(LAYOUT_FILE_CONTENT)
    await this.#writer.fill(this.#writer.reserve('oci-layout', content.length), bytesSource(content))
  }
}
