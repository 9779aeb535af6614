import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TareError } from '../errors/index.ts'
import {
  bareDescriptor,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  isSchema1Type,
  manifestMediaType,
  schema1Payload,
} from '../oci/index.ts'
import {
  abortable,
  AtomicFile,
  type ByteSource,
  bytesSource,
  digestOf,
  type OperationOptions,
  removeAbandoned,
  TEMPORARY_TOKEN_PATTERN,
  tokenOfTemporary,
  verified,
  verifyBytes,
  writeAt,
  writeFileAtomically,
} from '../stream/index.ts'
import { makeDirectories, namesIn, removeEmpty } from './directory.ts'
import { holdsContent } from './held-content.ts'
import { DirectoryFiles, fileSize, readNamedFile } from './named-files.ts'
import { type DirectoryReference, formatTransportReference } from './reference-text.ts'
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

const MANIFEST_FILE = 'manifest.json'
const VERSION_FILE = 'version'
const VERSION_PATTERN = /^Directory Transport Version: (\d+)\.(\d+)\n$/
/** Files that an unfinished run leaves in a `dir:`, temporary ones included. */
const OWN_NAME_PATTERN = new RegExp(
  `^\\.?(?:version|(?:sha512-)?[0-9a-f]{64,128}(?:\\.manifest\\.json)?)(?:\\.${TEMPORARY_TOKEN_PATTERN}\\.tmp)?$`,
)

/** Name of a blob; as containers/image has it, only sha256 goes without saying. */
function blobName(digest: Digest): string {
  return digestAlgorithm(digest) === 'sha256' ? digestHex(digest) : `${digestAlgorithm(digest)}-${digestHex(digest)}`
}

/** Name of a manifest that is not the root. */
function memberName(digest: Digest): string {
  return `${blobName(digest)}.manifest.json`
}

/**
 * Opens `dir:DIRECTORY` for reading, as skopeo writes it: `manifest.json` is the image, blobs are named by their hex.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`
 */
export async function openDirectorySource(reference: DirectoryReference): Promise<ImageSource> {
  return new DirectorySource(reference, await DirectoryFiles.open(reference.path, `oci-archive:${reference.path}`))
}

class DirectorySource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #files: DirectoryFiles

  constructor(reference: DirectoryReference, files: DirectoryFiles) {
    this.reference = formatTransportReference(reference)
    this.#files = files
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    options.signal?.throwIfAborted()
    await this.#checkVersion()
    const bytes = await this.#read(MANIFEST_FILE)
    if (bytes === undefined) throw await this.#notADirectoryImage()
    const subject = `manifest.json of ${this.reference}`
    const mediaType = manifestMediaType(bytes, subject)
    const hashed = isSchema1Type(mediaType) ? schema1Payload(bytes, subject) : bytes
    return { descriptor: bareDescriptor({ mediaType, digest: digestOf(hashed), size: bytes.length }), bytes }
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const member = await this.#read(memberName(descriptor.digest))
    if (member !== undefined) {
      verifyBytes(member, descriptor, `manifest ${descriptor.digest} of ${this.reference}`)
      return member
    }
    const root = await this.#read(MANIFEST_FILE)
    if (root !== undefined && digestOf(root, digestAlgorithm(descriptor.digest)) === descriptor.digest) return root
    throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no manifest ${descriptor.digest}`)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    options.signal?.throwIfAborted()
    // Version 1.1 named sha512 blobs by their bare hex too.
    for (const name of new Set([blobName(descriptor.digest), digestHex(descriptor.digest)])) {
      if ((await this.#files.sizeOf(name)) !== undefined) {
        return abortable(this.#files.open(name, options.offset), options.signal)
      }
    }
    throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no blob ${descriptor.digest}`)
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    const sizes = await Promise.all([blobName(digest), digestHex(digest)].map((name) => this.#files.sizeOf(name)))
    return sizes.includes(size)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  #read(name: string): Promise<Uint8Array | undefined> {
    return readNamedFile(this.#files, name, MAX_MANIFEST_BYTES, this.reference)
  }

  /** A directory without the file is read too: other writers leave it out. */
  async #checkVersion(): Promise<void> {
    const bytes = await this.#read(VERSION_FILE)
    const version = bytes === undefined ? undefined : VERSION_PATTERN.exec(Buffer.from(bytes).toString('latin1'))
    if (version === undefined || version === null || version[1] === '1') return
    throw new TareError(
      'UNSUPPORTED_FORMAT',
      `${this.reference} has version ${version[1]}.${version[2]}; Tare reads 1.x`,
    )
  }

  async #notADirectoryImage(): Promise<TareError> {
    const isLayout = (await this.#files.sizeOf('index.json')) !== undefined
    return new TareError('INVALID_ARCHIVE', `${this.reference} holds no image: it has no ${MANIFEST_FILE}`, {
      hint: isLayout ? `It has an index.json: try oci:${this.#files.path}` : undefined,
    })
  }
}

/** Options of {@link openDirectoryDestination}. */
export interface DirectoryDestinationOptions {
  /** Allows a directory that holds files; those that an image needs are replaced, the others stay. @default false */
  readonly force?: boolean | undefined
  /** An image that the directory may hold already. */
  readonly mayHold?: Digest | undefined
}

/**
 * Opens `dir:DIRECTORY` for writing. What an unfinished run left there is taken up. The image appears with its
 * `manifest.json`, last.
 *
 * @throws {TareError} `DESTINATION_EXISTS` when the directory is not empty and `force` is not set
 */
export async function openDirectoryDestination(
  reference: DirectoryReference,
  options: DirectoryDestinationOptions = {},
): Promise<ImageDestination> {
  const names = await namesIn(reference.path, `oci-archive:${reference.path}`)
  const others = names.filter((name) => !OWN_NAME_PATTERN.test(name))
  const isTaken = others.length > 0 && !(await holdsOnly(reference.path, others, options.mayHold))
  if (options.force !== true && isTaken) {
    throw new TareError('DESTINATION_EXISTS', `${reference.path} is not empty`, {
      hint: 'Choose another directory, or use --force to replace the image in it; other files stay',
    })
  }
  return new DirectoryDestination(reference)
}

/** Whether what is in the way is the image itself. */
async function holdsOnly(path: string, others: readonly string[], digest: Digest | undefined): Promise<boolean> {
  if (digest === undefined || others.join() !== MANIFEST_FILE) return false
  const files = await DirectoryFiles.open(path, path)
  const bytes = await readNamedFile(files, MANIFEST_FILE, MAX_MANIFEST_BYTES, path)
  return bytes !== undefined && digestOf(bytes, digestAlgorithm(digest)) === digest
}

class DirectoryDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #path: string
  readonly #manifests = new Map<Digest, ManifestContent>()
  readonly #createdFiles = new Set<string>()
  /** Directories that had to be made, the deepest first. */
  #made: readonly string[] = []
  #prepared: Promise<void> | undefined
  #hasOtherDigests = false
  #committed = false

  constructor(reference: DirectoryReference) {
    this.reference = formatTransportReference(reference)
    this.#path = reference.path
  }

  /** A directory holds anything. */
  checkManifestType(_mediaType: string): void {}

  async hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()
    this.#note(descriptor.digest)
    return holdsContent(join(this.#path, blobName(descriptor.digest)), descriptor, options.signal)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    if (await this.hasBlob(descriptor, options)) return 'present'
    await this.#prepare()
    const path = join(this.#path, blobName(descriptor.digest))
    const isNew = (await fileSize(path)) === undefined
    await using file = await AtomicFile.create(path)
    await writeAt(file.handle, path, 0, verified(abortable(await open(), options.signal), descriptor, 'blob'))
    await file.commit()
    if (isNew) this.#createdFiles.add(path)
    return 'written'
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#manifests.has(descriptor.digest)
  }

  /** Keeps the bytes until the commit tells which one is the root. **Buffers** all manifests of the image. */
  async putManifest(manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    verifyBytes(manifest.bytes, manifest.descriptor, `manifest ${manifest.descriptor.digest}`)
    this.#note(manifest.descriptor.digest)
    this.#manifests.set(manifest.descriptor.digest, manifest)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    options.signal?.throwIfAborted()
    await this.#prepare()
    for (const { descriptor, bytes } of this.#manifests.values()) {
      if (descriptor.digest !== root.descriptor.digest) await this.#write(memberName(descriptor.digest), bytes)
    }
    const version = `Directory Transport Version: ${this.#hasOtherDigests ? '1.2' : '1.1'}\n`
    await this.#write(VERSION_FILE, Buffer.from(version))
    await this.#write(MANIFEST_FILE, root.bytes)
    this.#committed = true
    return { digest: root.descriptor.digest }
  }

  reopen(): Promise<ImageSource> {
    return openDirectorySource({ transport: 'dir', path: this.#path })
  }

  /** Without a commit: removes the files that were made here; those that were there before stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed || this.#prepared === undefined) return
    await this.#prepared.catch(() => {})
    for (const path of this.#createdFiles) await rm(path, { force: true })
    await removeEmpty(this.#made)
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#path, name)
    const isNew = (await fileSize(path)) === undefined
    await writeFileAtomically(path, bytesSource(bytes))
    if (isNew) this.#createdFiles.add(path)
  }

  #note(digest: Digest): void {
    this.#hasOtherDigests ||= digestAlgorithm(digest) !== 'sha256'
  }

  #prepare(): Promise<void> {
    this.#prepared ??= this.#makeDirectory()
    return this.#prepared
  }

  async #makeDirectory(): Promise<void> {
    this.#made = await makeDirectories(this.#path)
    await removeAbandoned(this.#path, (name) => tokenOfTemporary(name))
  }
}
