import type { ByteSource } from './byte-source.ts'

/** Takes a stated number of bytes at a time from a source. Buffers at most what was asked for, and one chunk. */
export class ByteReader implements AsyncDisposable {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #ended = false

  constructor(source: ByteSource) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** Up to `length` bytes; fewer only at the end of the source. */
  async read(length: number): Promise<Uint8Array> {
    if (this.#chunk.length === 0) await this.#next()
    if (this.#chunk.length >= length) return this.#take(length)
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length && !(await this.isAtEnd())) {
      const part = this.#take(Math.min(length - filled, this.#chunk.length))
      bytes.set(part, filled)
      filled += part.length
    }
    return bytes.subarray(0, filled)
  }

  /** Whether nothing is left. */
  async isAtEnd(): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#ended) await this.#next()
    return this.#chunk.length === 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.#iterator.return?.()
    this.#ended = true
  }

  #take(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length)
    this.#chunk = this.#chunk.subarray(length)
    return part
  }

  async #next(): Promise<void> {
    if (this.#ended) return
    const { done, value } = await this.#iterator.next()
    if (done === true) this.#ended = true
    else this.#chunk = value
  }
}
