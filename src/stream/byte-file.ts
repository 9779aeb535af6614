import { type FileHandle, open, stat } from 'node:fs/promises'
import { fileError, SizeMismatchError } from '../errors/index.ts'
import type { ByteSource } from './byte-source.ts'
import { CHUNK_BYTES, type FileRange } from './file.ts'

/** Bytes of known length that are read from any place: a file, or what stands for one. */
export interface ByteFile {
  /** How people know it: a path, or `standard input`. */
  readonly path: string
  readonly sizeBytes: number
  /**
   * The bytes of a range in order. What is behind them is opened with the first read and closed with the last.
   *
   * @throws {SizeMismatchError} when the file ends before the range does
   */
  read(range?: FileRange): ByteSource
  /** Opens it for reads here and there. @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS` */
  open(): Promise<ByteFileReader>
}

/** An open {@link ByteFile}. One read at a time. */
export interface ByteFileReader extends AsyncDisposable {
  /** Fills `buffer` with what lies at `position`. @returns bytes read; fewer than wanted only at the end of the file */
  read(buffer: Uint8Array, position: number): Promise<number>
}

/** A file on disk as a {@link ByteFile}. */
export class DiskFile implements ByteFile {
  readonly path: string
  readonly sizeBytes: number
  readonly #location: string

  private constructor(path: string, sizeBytes: number, location: string) {
    this.path = path
    this.sizeBytes = sizeBytes
    this.#location = location
  }

  /**
   * Looks up the size; nothing stays open.
   *
   * @param shownPath - how errors name it, where that is not where it lies
   * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`
   */
  static async at(location: string, shownPath: string = location): Promise<DiskFile> {
    const found = await stat(location).catch((error: unknown) => {
      throw fileError(shownPath, 'read', error)
    })
    return new DiskFile(shownPath, found.size, location)
  }

  read(range: FileRange = {}): ByteSource {
    return readByteFile(this, range)
  }

  async open(): Promise<ByteFileReader> {
    const handle = await open(this.#location, 'r').catch((error: unknown) => {
      throw fileError(this.path, 'read', error)
    })
    return new HandleReader(handle, this.path)
  }
}

class HandleReader implements ByteFileReader {
  readonly #handle: FileHandle
  readonly #path: string

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle
        .read(buffer, filled, buffer.length - filled, position + filled)
        .catch((error: unknown) => {
          throw fileError(this.#path, 'read', error)
        })
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

/** {@link ByteFile.read} by means of {@link ByteFile.open}. */
export async function* readByteFile(file: ByteFile, range: FileRange): ByteSource {
  const offset = range.offset ?? 0
  const length = range.length ?? Math.max(0, file.sizeBytes - offset)
  if (length === 0) return
  await using reader = await file.open()
  for (let done = 0; done < length; ) {
    // A fresh buffer each time: the chunk belongs to the consumer.
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - done))
    const bytesRead = await reader.read(buffer, offset + done)
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
    done += bytesRead
    if (bytesRead < buffer.length) throw new SizeMismatchError(`${file.path} at ${offset}`, length, done)
  }
}
