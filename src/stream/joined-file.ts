import type { ByteSource } from './byte-source.ts'
import { type ByteFile, type ByteFileReader, readByteFile } from './byte-file.ts'
import type { FileRange } from './file.ts'

interface Part {
  readonly file: ByteFile
  /** Where it begins in the whole. */
  readonly offset: number
}

/** Files one after the other, read as the one they make up. Nothing is copied. */
export class JoinedFile implements ByteFile {
  readonly path: string
  readonly sizeBytes: number
  readonly #parts: readonly Part[]

  /** @param path - how errors name the whole */
  constructor(path: string, files: readonly ByteFile[]) {
    this.path = path
    let offset = 0
    const parts: Part[] = []
    for (const file of files) {
      // An empty one has no byte to be found at.
      if (file.sizeBytes > 0) parts.push({ file, offset })
      offset += file.sizeBytes
    }
    this.#parts = parts
    this.sizeBytes = offset
  }

  read(range: FileRange = {}): ByteSource {
    return readByteFile(this, range)
  }

  async open(): Promise<ByteFileReader> {
    return new JoinedReader(this.#parts)
  }
}

/** Keeps one file open at a time: reads mostly go on where the last one ended. */
class JoinedReader implements ByteFileReader {
  readonly #parts: readonly Part[]
  #current: { readonly part: Part; readonly reader: ByteFileReader } | undefined

  constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < buffer.length) {
      const at = position + filled
      const part = this.#partAt(at)
      if (part === undefined) break
      const wanted = Math.min(buffer.length - filled, part.offset + part.file.sizeBytes - at)
      const reader = await this.#readerOf(part)
      const bytesRead = await reader.read(buffer.subarray(filled, filled + wanted), at - part.offset)
      filled += bytesRead
      // Cut since its size was looked up: what follows would not be at its place.
      if (bytesRead < wanted) break
    }
    return filled
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current?.reader[Symbol.asyncDispose]()
    this.#current = undefined
  }

  #partAt(position: number): Part | undefined {
    let [low, high] = [0, this.#parts.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const part = this.#parts[middle]
      if (part !== undefined && part.offset + part.file.sizeBytes <= position) low = middle + 1
      else high = middle
    }
    return this.#parts[low]
  }

  async #readerOf(part: Part): Promise<ByteFileReader> {
    if (this.#current?.part === part) return this.#current.reader
    await this[Symbol.asyncDispose]()
    const reader = await part.file.open()
    this.#current = { part, reader }
    return reader
  }
}
