import { TareError } from '../errors/index.ts'
import { type Descriptor, isForeignLayerType } from '../oci/index.ts'
import { bytesSource, type OperationOptions, verifyBytes } from '../stream/index.ts'
import { STANDARD_STREAM } from './archive-input.ts'
import type { ArchiveOutputOptions } from './archive-output.ts'
import { destinationName, rootDescriptor, updatedLayoutIndex } from './layout-index.ts'
import { LayoutSource } from './layout-source.ts'
import type { NamedFiles } from './named-files.ts'
import { OciArchiveWriter } from './oci-archive-writer.ts'
import { formatTransportReference, type LayoutReference } from './reference-text.ts'
import { TarArchive, type TarArchiveOptions } from './tar-archive.ts'
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
  return new ArchiveDestination(reference, name, await OciArchiveWriter.create(reference.path, options))
}

class ArchiveDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #path: string
  readonly #name: string | undefined
  readonly #writer: OciArchiveWriter

  constructor(reference: LayoutReference, name: string | undefined, writer: OciArchiveWriter) {
    this.reference = formatTransportReference(reference)
    this.#path = reference.path
    this.#name = name
    this.#writer = writer
  }

  /** An archive holds anything. */
  checkManifestType(_mediaType: string): void {}

  async prepare(contents: DestinationContents, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    const documents = contents.manifests.map((manifest) => manifest.descriptor).toReversed()
    const root = contents.manifests.at(-1)
    if (root === undefined) return
    // A layer that has URLs may be absent from its source; it gets its place when it comes.
    const blobs = contents.blobs.filter((blob) => !isForeignLayerType(blob.mediaType))
    const index = updatedLayoutIndex(undefined, rootDescriptor(root), this.#name)
    await this.#writer.layOut(index.length, [...documents, ...blobs])
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#writer.has(descriptor.digest)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    return (await this.#writer.put(descriptor, open, options)) === 'present' ? 'present' : 'written'
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
    if (!this.#writer.has(root.descriptor.digest)) {
      throw new TareError('INTERNAL', `${this.reference}: root ${root.descriptor.digest} was never put`)
    }
    await this.#writer.commit(updatedLayoutIndex(undefined, rootDescriptor(root), this.#name), options)
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
}
