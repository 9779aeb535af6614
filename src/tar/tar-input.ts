import type { ByteFileReader, ByteSource } from '../stream/index.ts'

/** What headers are read from: a stream that can only go on, or a file in which contents are jumped over. */
export interface TarInput {
  /** Bytes of the archive passed so far. */
  readonly position: number
  /** Exactly `length` bytes when they are in memory already. Spares a promise per header. */
  readNow(length: number): Uint8Array | undefined
  /** Up to `length` bytes; fewer only at the end. */
  read(length: number): Promise<Uint8Array>
  /** Like `read`, and stays where it is. */
  peek(length: number): Promise<Uint8Array>
  /** Passes over bytes. @returns how many; fewer than `length` only at the end */
  skip(length: number): Promise<number>
}

const NOTHING = new Uint8Array(0)

/** Reads an archive as it arrives. Holds one chunk of the source at a time. */
export class StreamInput implements TarInput {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = NOTHING
  #position = 0
  #ended = false

  constructor(source: ByteSource) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  get position(): number {
    return this.#position
  }

  readNow(length: number): Uint8Array | undefined {
    return this.#chunk.length < length ? undefined : this.#take(length)
  }

  async read(length: number): Promise<Uint8Array> {
    const first = await this.readChunk(length)
    if (first === undefined || first.length === length) return first ?? NOTHING
    const bytes = new Uint8Array(length)
    bytes.set(first)
    let filled = first.length
    for (let part = await this.readChunk(length - filled); part !== undefined; ) {
      bytes.set(part, filled)
      filled += part.length
      part = filled === length ? undefined : await this.readChunk(length - filled)
    }
    return bytes.subarray(0, filled)
  }

  async peek(length: number): Promise<Uint8Array> {
    const position = this.#position
    const before = this.#chunk
    const bytes = await this.read(length)
    this.#position = position
    this.#chunk = before.length >= length ? before : Buffer.concat([bytes, this.#chunk])
    return bytes
  }

  async skip(length: number): Promise<number> {
    let left = length
    while (left > 0) {
      const part = await this.readChunk(left)
      if (part === undefined) break
      left -= part.length
    }
    return length - left
  }

  /** What is at hand, one byte or more and at most `limit`; `undefined` at the end. */
  async readChunk(limit: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      if (this.#ended) return undefined
      const step = await this.#iterator.next()
      if (step.done === true) this.#ended = true
      else this.#chunk = step.value
    }
    return this.#take(Math.min(limit, this.#chunk.length))
  }

  /** Releases the source unless it has ended. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#iterator.return?.()
  }

  #take(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length)
    this.#chunk = this.#chunk.subarray(length)
    this.#position += length
    return part
  }
}

/** Bytes read at once: a header with its long names, or the headers of a run of small files. */
const WINDOW_BYTES = 32 * 1024

/** Reads an archive in a file by position; contents passed over are not read. */
export class FileInput implements TarInput {
  readonly #file: ByteFileReader
  readonly #sizeBytes: number
  #window: Uint8Array = NOTHING
  #windowOffset = 0
  #position = 0

  constructor(file: ByteFileReader, sizeBytes: number) {
    this.#file = file
    this.#sizeBytes = sizeBytes
  }

  get position(): number {
    return this.#position
  }

  readNow(length: number): Uint8Array | undefined {
    const start = this.#position - this.#windowOffset
    if (start < 0 || start + length > this.#window.length) return undefined
    this.#position += length
    return this.#window.subarray(start, start + length)
  }

  async read(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.#sizeBytes - this.#position)
    if (wanted <= 0) return NOTHING
    const ready = this.readNow(wanted)
    if (ready !== undefined) return ready
    await this.#fill(Math.max(wanted, WINDOW_BYTES))
    return this.readNow(wanted) ?? this.readNow(this.#window.length) ?? NOTHING
  }

  async peek(length: number): Promise<Uint8Array> {
    const position = this.#position
    const bytes = await this.read(length)
    this.#position = position
    return bytes
  }

  async skip(length: number): Promise<number> {
    const passed = Math.min(length, this.#sizeBytes - this.#position)
    this.#position += passed
    return passed
  }

  async #fill(length: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(length, this.#sizeBytes - this.#position))
    this.#window = buffer.subarray(0, await this.#file.read(buffer, this.#position))
    this.#windowOffset = this.#position
  }
}
