import { dirname } from 'node:path'
import { hasErrorCode, TareError } from '../errors/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  exactly,
  type ExpectedContent,
  Mutex,
  type OperationOptions,
  type OutputFile,
  readHandleRange,
  ResumableFile,
  verified,
} from '../stream/index.ts'
import { createWholeFile, type OutputFactory } from './archive-output.ts'
import { makeDirectories, removeEmpty } from './directory.ts'
import { BLOCK_BYTES, paddingLength, TAR_TRAILER, tarHeader, tarPadding } from '../tar/index.ts'

/** The place of one file in an archive that is being written. */
export interface TarRegion {
  readonly name: string
  readonly sizeBytes: number
  readonly offset: number
}

/**
 * Writes a tar file whose bytes depend on names and contents alone: places are reserved beforehand and may then be
 * filled in parallel; files of unknown size are appended one after the other. The file appears with
 * {@link TarWriter.commit}; disposing without it leaves nothing.
 */
export class TarWriter implements AsyncDisposable {
  readonly #path: string
  readonly #unfilled = new Set<TarRegion>()
  readonly #appending = new Mutex()
  #endOffset = 0
  #isReserving = true

  readonly #createFile: OutputFactory
  #file: Promise<OutputFile> | undefined
  /** Directories that had to be made, the deepest first. */
  #made: readonly string[] = []

  /**
   * Nothing is made before the first write.
   *
   * @param createFile - makes what is written to; one file when left out
   */
  constructor(path: string, createFile: OutputFactory = createWholeFile) {
    this.#path = path
    this.#createFile = createFile
  }

  /** Adds a directory entry. Comes before anything is appended. */
  async directory(name: string): Promise<void> {
    const header = tarHeader({ path: name, type: 'directory' })
    await this.#write(this.#take(header.length), bytesSource(header))
  }

  /** Sets a place aside; it has to be filled before the commit. Comes before anything is appended. */
  reserve(name: string, sizeBytes: number): TarRegion {
    const region = { name, sizeBytes, offset: this.#take(entryLength(name, sizeBytes)) }
    this.#unfilled.add(region)
    return region
  }

  /**
   * Writes the content of a reserved place; after a failure it can be filled anew.
   *
   * @throws {SizeMismatchError}; the source's own errors pass unchanged
   */
  async fill(region: TarRegion, source: ByteSource): Promise<void> {
    const { name, sizeBytes, offset } = region
    const header = fileHeader(name, sizeBytes)
    await this.#write(offset + header.length, exactly(source, sizeBytes, name))
    await this.#finish(offset, header, sizeBytes)
    this.#unfilled.delete(region)
  }

  /**
   * Whether an earlier attempt filled a reserved place with the expected content, which is read to prove it. If so the
   * place needs no filling.
   */
  async holds(region: TarRegion, expected: ExpectedContent, signal?: AbortSignal): Promise<boolean> {
    const file = await this.#open()
    if (!(file instanceof ResumableFile) || !file.isResumed) return false
    const { name, sizeBytes, offset } = region
    const header = fileHeader(name, sizeBytes)
    const range = { offset: offset + header.length, length: sizeBytes }
    try {
      const before = Buffer.alloc(header.length)
      await file.handle.read(before, 0, before.length, offset)
      if (!before.equals(header)) return false
      const content = abortable(readHandleRange(file.handle, this.#path, range), signal)
      for await (const chunk of verified(content, expected, name)) void chunk
    } catch (error) {
      if (hasErrorCode(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH')) return false
      throw error
    }
    await this.#write(offset + header.length + sizeBytes, bytesSource(tarPadding(sizeBytes)))
    this.#unfilled.delete(region)
    return true
  }

  /** Adds a file of any size at the end, after those being added. A failed one leaves no trace. @returns its size */
  append(name: string, source: ByteSource): Promise<number> {
    this.#isReserving = false
    return this.#appending.run(async () => {
      const offset = this.#endOffset
      const sizeBytes = await this.#write(offset + fileHeader(name, 0).length, source)
      await this.#finish(offset, fileHeader(name, sizeBytes), sizeBytes)
      this.#endOffset = offset + entryLength(name, sizeBytes)
      return sizeBytes
    })
  }

  /** Ends the archive and makes it visible, in place of a file that had its name. @returns its bytes */
  async commit(options: OperationOptions = {}): Promise<number> {
    const [missing] = this.#unfilled
    if (missing !== undefined) throw new TareError('INTERNAL', `${missing.name} was announced but never written`)
    await this.#write(this.#endOffset, bytesSource(TAR_TRAILER))
    // A file whose appending failed may have left bytes behind the end.
    const file = await this.#open()
    const sizeBytes = this.#endOffset + TAR_TRAILER.length
    await file.truncate(sizeBytes)
    await file.commit(options)
    this.#made = []
    return sizeBytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = await this.#file?.catch(() => undefined)
    await file?.[Symbol.asyncDispose]()
    await removeEmpty(this.#made)
  }

  #take(byteLength: number): number {
    if (!this.#isReserving) throw new TareError('INTERNAL', `${this.#path}: reserved after appending`)
    const offset = this.#endOffset
    this.#endOffset += byteLength
    return offset
  }

  async #finish(offset: number, header: Uint8Array, sizeBytes: number): Promise<void> {
    await this.#write(offset, bytesSource(header))
    await this.#write(offset + header.length + sizeBytes, bytesSource(tarPadding(sizeBytes)))
  }

  async #write(position: number, source: ByteSource): Promise<number> {
    return (await this.#open()).write(position, source)
  }

  #open(): Promise<OutputFile> {
    this.#file ??= this.#create()
    return this.#file
  }

  async #create(): Promise<OutputFile> {
    this.#made = await makeDirectories(dirname(this.#path))
    return this.#createFile(this.#path)
  }
}

function entryLength(name: string, sizeBytes: number): number {
  return fileHeader(name, 0).length + sizeBytes + paddingLength(sizeBytes)
}

/** The most that eleven octal digits hold. */
const MAX_OCTAL_SIZE = 0o777_7777_7777
const SIZE_FIELD = { start: 124, end: 136 } as const
const CHECKSUM_FIELD = { start: 148, end: 156 } as const

/**
 * A header whose length depends on the name alone, so that it can be written when the size is known at last: sizes
 * beyond 8 GiB are written in base 256, as GNU tar does, where `tarHeader` would put a PAX header before it.
 */
export function fileHeader(path: string, sizeBytes: number): Uint8Array {
  if (sizeBytes <= MAX_OCTAL_SIZE) return tarHeader({ path, sizeBytes })
  const bytes = Buffer.from(tarHeader({ path }))
  const block = bytes.subarray(-BLOCK_BYTES)
  block.fill(0, SIZE_FIELD.start, SIZE_FIELD.end)
  block[SIZE_FIELD.start] = 0x80
  block.writeBigUInt64BE(BigInt(sizeBytes), SIZE_FIELD.end - 8)
  block.fill(' ', CHECKSUM_FIELD.start, CHECKSUM_FIELD.end)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_FIELD.start, 'latin1')
  return bytes
}
