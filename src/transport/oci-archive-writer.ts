import type { Descriptor, Digest } from '../oci/index.ts'
import { abortable, type ByteSource, bytesSource, type OperationOptions, verified } from '../stream/index.ts'
import { archiveOutput, type ArchiveOutputOptions } from './archive-output.ts'
import { LAYOUT_FILE_CONTENT } from './layout-index.ts'
import { layoutBlobPath } from './layout-source.ts'
import { type TarRegion, TarWriter } from './tar-writer.ts'
import type { BlobOpener } from './transport.ts'

/** How a blob got into an archive. */
export type ArchivePutOutcome =
  | 'written'
  /** It was put before. */
  | 'present'
  /** An earlier attempt wrote it. */
  | 'resumed'

/**
 * Writes an OCI archive of any number of images straight into its file: blobs go to the places that were laid out for
 * them, in parallel, and the bytes depend on the contents alone. The file appears with {@link OciArchiveWriter.commit}.
 */
export class OciArchiveWriter implements AsyncDisposable {
  readonly #writer: TarWriter
  readonly #regions = new Map<string, TarRegion>()
  readonly #written = new Map<Digest, Promise<void>>()
  #started: Promise<void> | undefined

  private constructor(writer: TarWriter) {
    this.#writer = writer
  }

  /** Nothing is made before the first write. @throws {TareError} as {@link archiveOutput} */
  static async create(path: string, options: ArchiveOutputOptions = {}): Promise<OciArchiveWriter> {
    return new OciArchiveWriter(new TarWriter(path, await archiveOutput(path, options)))
  }

  /**
   * Lays out the file: `index.json` of that many bytes, then the blobs in their order. What is put without a place comes
   * at the end.
   */
  async layOut(indexBytes: number, blobs: readonly Pick<Descriptor, 'digest' | 'size'>[]): Promise<void> {
    await this.#start()
    this.#reserve('index.json', indexBytes)
    for (const { digest, size } of blobs) this.#reserve(layoutBlobPath(digest), size)
  }

  /** Whether a blob was put, or is being put. */
  has(digest: Digest): boolean {
    return this.#written.has(digest)
  }

  /**
   * Writes a blob, verified, once.
   *
   * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`, …; `open`'s own errors pass unchanged
   */
  async put(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<ArchivePutOutcome> {
    options.signal?.throwIfAborted()
    const underWay = this.#written.get(descriptor.digest)
    if (underWay !== undefined) {
      await underWay
      return 'present'
    }
    let isResumed = false
    const writing = (async () => {
      await this.#start()
      const name = layoutBlobPath(descriptor.digest)
      const region = this.#regions.get(name)
      isResumed = region !== undefined && (await this.#writer.holds(region, descriptor, options.signal))
      if (isResumed) return
      await this.#place(name, verified(abortable(await open(), options.signal), descriptor, 'blob'))
    })()
    this.#written.set(descriptor.digest, writing)
    try {
      await writing
    } catch (error) {
      this.#written.delete(descriptor.digest)
      throw error
    }
    return isResumed ? 'resumed' : 'written'
  }

  /** Ends the archive with its `index.json` and makes it visible, in place of what had its name. @returns its bytes */
  async commit(index: Uint8Array, options: OperationOptions = {}): Promise<number> {
    options.signal?.throwIfAborted()
    await this.#start()
    await this.#place('index.json', bytesSource(index))
    return this.#writer.commit(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]()
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
