import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, digestAlgorithm } from '../oci/index.ts'
import {
  abortable,
  AtomicFile,
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
import { withFileLock } from './file-lock.ts'
import {
  checkLayoutFile,
  destinationName,
  LAYOUT_FILE_CONTENT,
  MAX_INDEX_BYTES,
  parseLayoutIndex,
  rootDescriptor,
  updatedLayoutIndex,
} from './layout-index.ts'
import { LayoutSource, layoutBlobPath } from './layout-source.ts'
import { holdsContent } from './held-content.ts'
import { DirectoryFiles, fileSize, readNamedFile } from './named-files.ts'
import { formatTransportReference, type LayoutReference } from './reference-text.ts'
import type {
  BlobOpener,
  CommitResult,
  ImageDestination,
  ImageSource,
  ManifestContent,
  PutOutcome,
} from './transport.ts'

const LOCK_FILE = '.tare.lock'
/** What there may be before there is an `oci-layout` file. */
const OWN_NAME_PATTERN = new RegExp(
  `^(?:blobs|index\\.json|\\.(?:oci-layout|index\\.json)\\.${TEMPORARY_TOKEN_PATTERN}\\.tmp)$`,
)

/**
 * Opens `oci:DIRECTORY` for reading.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`
 */
export async function openLayoutSource(reference: LayoutReference): Promise<ImageSource> {
  const files = await DirectoryFiles.open(reference.path, `oci-archive:${reference.path}`)
  return new LayoutSource(formatTransportReference(reference), reference.pick, files, {
    otherwise: `dir:${reference.path}`,
  })
}

/** Options of {@link openLayoutDestination}. */
export interface LayoutDestinationOptions {
  /** Allows a directory that holds other files; they stay. @default false */
  readonly force?: boolean | undefined
}

/**
 * Opens `oci:DIRECTORY` for writing: a layout that exists gains or moves a name, else one is made. Nothing is written
 * before the first blob.
 *
 * @throws {TareError} `INVALID_REFERENCE`; `DESTINATION_EXISTS` when the directory holds something else;
 * `INVALID_ARCHIVE`, `INVALID_DOCUMENT` when the layout in it is broken
 */
export async function openLayoutDestination(
  reference: LayoutReference,
  options: LayoutDestinationOptions = {},
): Promise<ImageDestination> {
  const destination = new LayoutDestination(reference)
  await destination.inspect(options.force === true)
  return destination
}

class LayoutDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #path: string
  readonly #name: string | undefined
  #prepared: Promise<void> | undefined
  /** Directories that had to be made, the deepest first. */
  #made: readonly string[] = []
  #createdLayoutFile = false
  #committed = false

  constructor(reference: LayoutReference) {
    this.reference = formatTransportReference(reference)
    this.#path = reference.path
    this.#name = destinationName(reference.pick, this.reference)
  }

  async inspect(force: boolean): Promise<void> {
    const names = await namesIn(this.#path, `oci-archive:${this.#path}`)
    if (names.length === 0) return
    const files = await DirectoryFiles.open(this.#path, `oci-archive:${this.#path}`)
    const layout = await readNamedFile(files, 'oci-layout', MAX_INDEX_BYTES, this.reference)
    const index = await readNamedFile(files, 'index.json', MAX_INDEX_BYTES, this.reference)
    if (layout === undefined && !force && !names.every((name) => OWN_NAME_PATTERN.test(name))) {
      throw new TareError('DESTINATION_EXISTS', `${this.#path} is not empty and not an OCI layout`, {
        hint: 'Choose another directory, or use --force to make a layout of it; its files stay',
      })
    }
    if (layout !== undefined) checkLayoutFile(layout, this.reference)
    if (index !== undefined) parseLayoutIndex(index, this.reference)
  }

  /** A layout holds anything. */
  checkManifestType(_mediaType: string): void {}

  async hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()
    return holdsContent(this.#blobPath(descriptor), descriptor, options.signal)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    if (await this.hasBlob(descriptor, options)) return 'present'
    await this.#prepare()
    const path = this.#blobPath(descriptor)
    await using file = await AtomicFile.create(path)
    await writeAt(file.handle, path, 0, verified(abortable(await open(), options.signal), descriptor, 'blob'))
    await file.commit()
    return 'written'
  }

  async hasManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    if (!(await this.hasBlob(descriptor, options))) return false
    const files = await DirectoryFiles.open(this.#path, this.reference)
    const bytes = await readNamedFile(files, layoutBlobPath(descriptor.digest), descriptor.size, this.reference)
    return bytes !== undefined && hasDigest(bytes, descriptor)
  }

  async putManifest({ descriptor, bytes }: ManifestContent, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest}`)
    await this.#prepare()
    await writeFileAtomically(this.#blobPath(descriptor), bytesSource(bytes))
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    options.signal?.throwIfAborted()
    await this.#prepare()
    const files = await DirectoryFiles.open(this.#path, this.reference)
    await withFileLock(
      join(this.#path, LOCK_FILE),
      async (lock) => {
        const existing = await readNamedFile(files, 'index.json', MAX_INDEX_BYTES, this.reference)
        if (existing !== undefined) parseLayoutIndex(existing, this.reference)
        await this.#ensureLayoutFile()
        const updated = updatedLayoutIndex(existing, rootDescriptor(root), this.#name)
        const path = join(this.#path, 'index.json')
        await using file = await AtomicFile.create(path)
        await writeAt(file.handle, path, 0, bytesSource(updated))
        await lock.confirm()
        await file.commit()
      },
      options,
    )
    this.#committed = true
    return { digest: root.descriptor.digest }
  }

  reopen(digest: Digest): Promise<ImageSource> {
    const pick =
      this.#name === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'name', name: this.#name } as const)
    return openLayoutSource({ transport: 'oci', path: this.#path, pick })
  }

  /** Without a commit: removes a layout that was made here and got no blob. Blobs stay, for the next attempt. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed || this.#prepared === undefined) return
    await this.#prepared.catch(() => {})
    await removeEmpty(['blobs/sha256', 'blobs/sha512', 'blobs'].map((name) => join(this.#path, name)))
    if (!this.#createdLayoutFile || (await namesIn(this.#path, `oci-archive:${this.#path}`)).join() !== 'oci-layout')
      return
    await rm(join(this.#path, 'oci-layout'))
    await removeEmpty(this.#made)
  }

  #blobPath(descriptor: Descriptor): string {
    return join(this.#path, layoutBlobPath(descriptor.digest))
  }

  #prepare(): Promise<void> {
    this.#prepared ??= this.#makeLayout()
    return this.#prepared
  }

  async #makeLayout(): Promise<void> {
    this.#made = await makeDirectories(this.#path)
    for (const name of ['', 'blobs/sha256', 'blobs/sha512']) {
      await removeAbandoned(join(this.#path, name), (name) => tokenOfTemporary(name))
    }
    this.#createdLayoutFile = await this.#ensureLayoutFile()
  }

  /** @returns whether the file had to be made */
  async #ensureLayoutFile(): Promise<boolean> {
    const path = join(this.#path, 'oci-layout')
    if ((await fileSize(path)) !== undefined) return false
    await writeFileAtomically(path, bytesSource(Buffer.from(LAYOUT_FILE_CONTENT)))
    return true
  }
}

function hasDigest(bytes: Uint8Array, descriptor: Descriptor): boolean {
  return digestOf(bytes, digestAlgorithm(descriptor.digest)) === descriptor.digest
}
