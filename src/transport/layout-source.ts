import { isTareError, TareError } from '../errors/index.ts'
import {
  bareDescriptor,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  type ImageIndex,
  isManifestType,
  type ManifestDocument,
  parseManifestDocument,
} from '../oci/index.ts'
import {
  abortable,
  type ByteSource,
  type ExpectedContent,
  type OperationOptions,
  verifyBytes,
} from '../stream/index.ts'
import { checkSuspect } from './incomplete-archive.ts'
import { checkLayoutFile, MAX_INDEX_BYTES, parseLayoutIndex, pickEntry } from './layout-index.ts'
import { type NamedFiles, readNamedFile } from './named-files.ts'
import type { ImagePick } from './reference-text.ts'
import { type ImageSource, MAX_MANIFEST_BYTES, type ManifestContent, type OpenBlobOptions } from './transport.ts'

/** Entries of a layout that are looked into for referrers. */
const MAX_REFERRER_READS = 1000

/** Path of a blob in a layout. */
export function layoutBlobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`
}

/**
 * Reads the `index.json` of a layout.
 *
 * @param where - the reference, for errors
 * @param otherwise - the transport to suggest where there is a `manifest.json` instead
 * @throws {TareError} `INVALID_ARCHIVE`, `UNSUPPORTED_FORMAT`; {@link InvalidDocumentError}
 */
export async function readLayoutIndex(
  files: NamedFiles,
  where: string,
  otherwise: string | undefined,
): Promise<ImageIndex> {
  const layout = await readNamedFile(files, 'oci-layout', MAX_INDEX_BYTES, where)
  if (layout !== undefined) checkLayoutFile(layout, where)
  const index = await readNamedFile(files, 'index.json', MAX_INDEX_BYTES, where)
  if (index !== undefined) return parseLayoutIndex(index, where)
  const isOther = (await files.sizeOf('manifest.json')) !== undefined
  const reason = isOther ? undefined : await files.whyIncomplete?.('index.json')
  if (reason !== undefined) throw reason
  throw new TareError('INVALID_ARCHIVE', `${where} is not an OCI layout: it has no index.json`, {
    hint: isOther && otherwise !== undefined ? `It has a manifest.json: try ${otherwise}` : undefined,
  })
}

/** Reads one image of an OCI layout, wherever the layout's files are. */
export class LayoutSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #files: NamedFiles
  readonly #pick: ImagePick | undefined
  readonly #otherwise: string | undefined

  /**
   * @param reference - as text, for messages
   * @param options - `otherwise`: the transport to suggest where there is a `manifest.json` instead of an `index.json`
   */
  constructor(
    reference: string,
    pick: ImagePick | undefined,
    files: NamedFiles,
    { otherwise }: { readonly otherwise?: string | undefined } = {},
  ) {
    this.reference = reference
    this.#files = files
    this.#pick = pick
    this.#otherwise = otherwise
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    options.signal?.throwIfAborted()
    const descriptor = pickEntry(
      await readLayoutIndex(this.#files, this.reference, this.#otherwise),
      this.#pick,
      this.reference,
    )
    if (descriptor !== undefined) return { descriptor, bytes: await this.readManifest(descriptor, options) }
    if (this.#pick?.kind === 'digest') return this.#member(this.#pick.digest)
    throw new TareError('INTERNAL', `${this.reference} resolved to nothing`)
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const bytes = await this.#manifestBytes(descriptor.digest)
    if (bytes === undefined) throw await this.#absent(descriptor.digest)
    await this.#verify(bytes, descriptor)
    return bytes
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    options.signal?.throwIfAborted()
    const name = layoutBlobPath(descriptor.digest)
    if ((await this.#files.sizeOf(name)) === undefined) throw await this.#absent(descriptor.digest)
    const open = (offset?: number): ByteSource => abortable(this.#files.open(name, offset), options.signal)
    const reason = await this.#files.whyIncomplete?.(name)
    if (reason !== undefined) await checkSuspect(open(), descriptor, reason)
    return open(options.offset)
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.#files.sizeOf(layoutBlobPath(digest))) === size
  }

  /** Referrers are entries of `index.json`; whether one refers to `digest` is in its manifest. */
  async referrers(digest: Digest, options: OperationOptions = {}): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = []
    const entries = (await readLayoutIndex(this.#files, this.reference, this.#otherwise)).manifests.filter((entry) =>
      isManifestType(entry.mediaType),
    )
    for (const entry of entries.slice(0, MAX_REFERRER_READS)) {
      const manifest = await this.#readEntry(entry, options)
      if (manifest?.kind !== 'manifest' || manifest.subject?.digest !== digest) continue
      const { artifactType, annotations } = manifest
      found.push({
        ...bareDescriptor(entry),
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      })
    }
    return found
  }

  /** An entry that is absent or broken is nobody's referrer, and no reason to fail for one who looks for others. */
  async #readEntry(entry: Descriptor, options: OperationOptions): Promise<ManifestDocument | undefined> {
    try {
      const bytes = await this.readManifest(entry, options)
      return parseManifestDocument(bytes, { subject: `manifest ${entry.digest}`, mediaType: entry.mediaType })
    } catch (error) {
      if (!isTareError(error) || error.category === 'environment') throw error
      return undefined
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  /** A manifest that is no entry of `index.json`, but a member of one, or left behind by a tag that moved. */
  async #member(digest: Digest): Promise<ManifestContent> {
    const bytes = await this.#manifestBytes(digest)
    if (bytes === undefined) throw new TareError('NOT_FOUND', `${this.reference} does not exist`)
    await this.#verify(bytes, { digest })
    const { mediaType } = parseManifestDocument(bytes, { subject: `manifest ${digest}` })
    return { descriptor: bareDescriptor({ mediaType, digest, size: bytes.length }), bytes }
  }

  #manifestBytes(digest: Digest): Promise<Uint8Array | undefined> {
    return readNamedFile(this.#files, layoutBlobPath(digest), MAX_MANIFEST_BYTES, this.reference)
  }

  async #verify(bytes: Uint8Array, expected: ExpectedContent): Promise<void> {
    try {
      verifyBytes(bytes, expected, `manifest ${expected.digest} of ${this.reference}`)
    } catch (error) {
      throw (await this.#files.whyIncomplete?.(layoutBlobPath(expected.digest))) ?? error
    }
  }

  async #absent(digest: Digest): Promise<TareError> {
    const reason = await this.#files.whyIncomplete?.(layoutBlobPath(digest))
    return reason ?? new TareError('BLOB_NOT_FOUND', `${this.reference} has no blob ${digest}`)
  }
}
