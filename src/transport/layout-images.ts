import {
  type Descriptor,
  type Digest,
  IMAGE_NAME_ANNOTATION,
  type ImageIndex,
  REF_NAME_ANNOTATION,
} from '../oci/index.ts'
import { readAllBytes } from '../stream/index.ts'
import { LayoutSource, layoutBlobPath, readLayoutIndex } from './layout-source.ts'
import { DirectoryFiles, type NamedFiles } from './named-files.ts'
import { formatTransportReference, type LayoutReference } from './reference-text.ts'
import { TarArchive, type TarArchiveOptions } from './tar-archive.ts'
import { type ImageSource, MAX_MANIFEST_BYTES } from './transport.ts'

/** Where a layout lies. */
type LayoutPlace = Pick<LayoutReference, 'transport' | 'path'>

/** All images of an OCI layout or archive, and its blobs, over files that are opened once. */
export class LayoutImages implements AsyncDisposable {
  /** The reference without a pick, as text. */
  readonly reference: string
  /** The `index.json`: an entry for each image. */
  readonly index: ImageIndex
  readonly #place: LayoutPlace
  readonly #files: NamedFiles

  private constructor(place: LayoutPlace, files: NamedFiles, index: ImageIndex) {
    this.reference = formatTransportReference(place)
    this.#place = place
    this.#files = files
    this.index = index
  }

  /**
   * Opens a layout for reading, whatever its reference picks.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, …
   */
  static async open(reference: LayoutReference, options: TarArchiveOptions = {}): Promise<LayoutImages> {
    const { transport, path } = reference
    const isArchive = transport === 'oci-archive'
    const files = isArchive
      ? await TarArchive.open(path, { ...options, otherwise: `oci:${path}` })
      : await DirectoryFiles.open(path, `oci-archive:${path}`)
    try {
      return await LayoutImages.in({ transport, path }, files)
    } catch (error) {
      await files[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The images of a layout in files that are open. @param files - disposed with this object */
  static async in({ transport, path }: LayoutPlace, files: NamedFiles): Promise<LayoutImages> {
    const otherwise = transport === 'oci-archive' ? `docker-archive:${path}` : `dir:${path}`
    const place = { transport, path }
    return new LayoutImages(place, files, await readLayoutIndex(files, formatTransportReference(place), otherwise))
  }

  /** An image of the layout, by its entry or any other manifest in there; valid as long as this object. */
  image({ digest }: Pick<Descriptor, 'digest'>): ImageSource {
    const pick = { kind: 'digest', digest } as const
    return new LayoutSource(formatTransportReference({ ...this.#place, pick }), pick, borrowed(this.#files))
  }

  /** Bytes of a blob that the layout holds; undefined where it does not. */
  sizeOf(digest: Digest): Promise<number | undefined> {
    return this.#files.sizeOf(layoutBlobPath(digest))
  }

  /** Reads a small blob whole. **Buffers**, at most `maxBytes`; not verified. @returns undefined where there is none */
  async read(digest: Digest, maxBytes: number = MAX_MANIFEST_BYTES): Promise<Uint8Array | undefined> {
    if ((await this.sizeOf(digest)) === undefined) return undefined
    return readAllBytes(this.#files.open(layoutBlobPath(digest)), maxBytes, `${digest} of ${this.reference}`)
  }

  /**
   * Makes sure that what is not there was left out, and not lost: that the archive has an end.
   *
   * @throws {TareError} `FILE_INCOMPLETE`
   */
  async checkEnd(): Promise<void> {
    const reason = await this.#files.whyCutOff?.()
    if (reason !== undefined) throw reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }
}

/** The name of an entry of `index.json`: the full one that containerd and Docker write, else the reference name. */
export function entryName(entry: Descriptor): string | undefined {
  return entry.annotations?.[IMAGE_NAME_ANNOTATION] || entry.annotations?.[REF_NAME_ANNOTATION] || undefined
}

function borrowed(files: NamedFiles): NamedFiles {
  return {
    sizeOf: (name) => files.sizeOf(name),
    open: (name, offset) => files.open(name, offset),
    whyIncomplete: async (name) => files.whyIncomplete?.(name),
    async [Symbol.asyncDispose]() {},
  }
}
