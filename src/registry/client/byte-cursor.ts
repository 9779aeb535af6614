import type { ByteSource } from '../../stream/index.ts'

/** Hands a source out in parts, each a source of its own, and knows how far it is. */
export class ByteCursor implements AsyncDisposable {
  readonly #iterator: AsyncIterator<Uint8Array>
  #rest: Uint8Array | undefined
  #position: number

  /** @param position - what the first byte of `source` counts as */
  constructor(source: ByteSource, position = 0) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#position = position
  }

  /** Where the next byte lies. */
  get position(): number {
    return this.#position
  }

  /** The next `sizeBytes` bytes, fewer if the source ends. The next part may be taken when this one was read. */
  async *take(sizeBytes: number): ByteSource {
    let left = sizeBytes
    while (left > 0) {
      const chunk = this.#rest ?? (await this.#next())
      if (chunk === undefined) return
      const part = chunk.subarray(0, left)
      this.#rest = part.length < chunk.length ? chunk.subarray(part.length) : undefined
      this.#position += part.length
      left -= part.length
      yield part
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator.return?.()
  }

  async #next(): Promise<Uint8Array | undefined> {
    const result = await this.#iterator.next()
    return result.done === true ? undefined : result.value
  }
}
