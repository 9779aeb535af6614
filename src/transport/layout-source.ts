import { TareError } from '../errors/index.ts'
import {
  bareDescriptor,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  type ImageIndex,
  parseManifestDocument,
} from '../oci/index.ts'
import { abortable, type ByteSource, type OperationOptions, verifyBytes } from '../stream/index.ts'
import { checkLayoutFile, MAX_INDEX_BYTES, parseLayoutIndex, pickEntry } from './layout-index.ts'
import { type NamedFiles, readNamedFile } from './named-files.ts'
import type { ImagePick } from './reference-text.ts'
import { type ImageSource, MAX_MANIFEST_BYTES, type ManifestContent, type OpenBlobOptions } from './transport.ts'

/** Path of a blob in a layout. */
export function layoutBlobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`
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
    const descriptor = pickEntry(await this.#index(), this.#pick, this.reference)
    if (descriptor !== undefined) return { descriptor, bytes: await this.readManifest(descriptor, options) }
    if (this.#pick?.kind === 'digest') return this.#member(this.#pick.digest)
    throw new TareError('INTERNAL', `${this.reference} resolved to nothing`)
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const bytes = await this.#manifestBytes(descriptor.digest)
    if (bytes === undefined) throw this.#absent(descriptor.digest)
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest} of ${this.reference}`)
    return bytes
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    options.signal?.throwIfAborted()
    const name = layoutBlobPath(descriptor.digest)
    if ((await this.#files.sizeOf(name)) === undefined) throw this.#absent(descriptor.digest)
    return abortable(this.#files.open(name, options.offset), options.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  async #index(): Promise<ImageIndex> {
    const layout = await readNamedFile(this.#files, 'oci-layout', MAX_INDEX_BYTES, this.reference)
    if (layout !== undefined) checkLayoutFile(layout, this.reference)
    const index = await readNamedFile(this.#files, 'index.json', MAX_INDEX_BYTES, this.reference)
    if (index !== undefined) return parseLayoutIndex(index, this.reference)
    const isOther = (await this.#files.sizeOf('manifest.json')) !== undefined
    throw new TareError('INVALID_ARCHIVE', `${this.reference} is not an OCI layout: it has no index.json`, {
      hint: isOther && this.#otherwise !== undefined ? `It has a manifest.json: try ${this.#otherwise}` : undefined,
    })
  }

  /** A manifest that is no entry of `index.json`, but a member of one, or left behind by a tag that moved. */
  async #member(digest: Digest): Promise<ManifestContent> {
    const bytes = await this.#manifestBytes(digest)
    if (bytes === undefined) throw new TareError('NOT_FOUND', `${this.reference} does not exist`)
    verifyBytes(bytes, { digest }, `manifest ${digest} of ${this.reference}`)
    const { mediaType } = parseManifestDocument(bytes, { subject: `manifest ${digest}` })
    return { descriptor: bareDescriptor({ mediaType, digest, size: bytes.length }), bytes }
  }

  #manifestBytes(digest: Digest): Promise<Uint8Array | undefined> {
    return readNamedFile(this.#files, layoutBlobPath(digest), MAX_MANIFEST_BYTES, this.reference)
  }

  #absent(digest: Digest): TareError {
    return new TareError('BLOB_NOT_FOUND', `${this.reference} has no blob ${digest}`)
  }
}
