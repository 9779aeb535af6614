import type { DeflateKernel } from './deflate-kernel.ts'

/** How pgzip was run. See `docs/formats/encoders.md`. */
export interface PgzipParameters {
  /** Family of klauspost's encoder. */
  readonly family: number
  /** Level of klauspost's encoder: pgzip's default is 5. */
  readonly level: number
  /** Bytes of input in a block: 1,048,576 unless set; more than 16,384. */
  readonly blockBytes: number
}

/** Bytes before a block that it may refer to. */
export const PGZIP_DICTIONARY_BYTES = 16_384

const SYNC_FLUSH = 0

/**
 * What pgzip lets a block refer to.
 *
 * @param previous - the block before, or its last 16,385 bytes; empty for the first block
 * @returns a view of its last 16,384 bytes; nothing of a block that has no more
 */
export function pgzipDictionary(previous: Uint8Array): Uint8Array {
  return previous.subarray(previous.length > PGZIP_DICTIONARY_BYTES ? -PGZIP_DICTIONARY_BYTES : previous.length)
}

/**
 * Encodes one block: blocks can be made in any order, on any thread.
 *
 * @param kernel - `klauspost-deflate`; whatever stream it was at is given up
 * @param dictionary - what `pgzipDictionary` gives for the block before
 * @param block - `blockBytes` bytes; the last block has fewer, none when the input is a multiple of `blockBytes`
 * @param isLast - whether the input ends here
 * @throws TareError `UNSUPPORTED_FORMAT` when the family has no such level
 */
export function encodePgzipBlock(
  kernel: DeflateKernel,
  parameters: PgzipParameters,
  dictionary: Uint8Array,
  block: Uint8Array,
  isLast: boolean,
): Uint8Array {
  beginBlock(kernel, parameters, dictionary)
  const parts = [kernel.write(block), kernel.flush(SYNC_FLUSH)]
  if (isLast) parts.push(kernel.end())
  return Buffer.concat(parts)
}

/**
 * Writes the deflate stream of pgzip on one thread: bit for bit what pgzip writes on any number of them. Use: any number of
 * `write` and `flush`, then `end`. Holds at most 16,385 bytes of input.
 */
export class PgzipEncoder {
  readonly #kernel: DeflateKernel
  readonly #parameters: PgzipParameters
  /** The end of the block being written: one byte more than a dictionary shows that it is long enough for one. */
  readonly #tail = new Uint8Array(PGZIP_DICTIONARY_BYTES + 1)
  #tailBytes = 0
  #blockBytes = 0

  /**
   * @param kernel - `klauspost-deflate`; this encoder's until `end`
   * @throws TareError `UNSUPPORTED_FORMAT` when the family has no such level
   */
  constructor(kernel: DeflateKernel, parameters: PgzipParameters) {
    if (!Number.isSafeInteger(parameters.blockBytes) || parameters.blockBytes <= PGZIP_DICTIONARY_BYTES) {
      throw new RangeError(`pgzip: a block can't have ${parameters.blockBytes} bytes`)
    }
    this.#kernel = kernel
    this.#parameters = parameters
    beginBlock(kernel, parameters, new Uint8Array(0))
  }

  /** Encodes more input, of any size. */
  write(chunk: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = []
    for (let start = 0; start < chunk.length; ) {
      const room = this.#parameters.blockBytes - this.#blockBytes
      const piece = chunk.subarray(start, start + room)
      parts.push(this.#kernel.write(piece))
      this.#remember(piece)
      this.#blockBytes += piece.length
      start += piece.length
      if (this.#blockBytes === this.#parameters.blockBytes) parts.push(this.flush())
    }
    return Buffer.concat(parts)
  }

  /** Ends the block here, as pgzip does when it is flushed, even if the block is empty. */
  flush(): Uint8Array {
    const written = this.#kernel.flush(SYNC_FLUSH)
    beginBlock(this.#kernel, this.#parameters, pgzipDictionary(this.#tail.subarray(0, this.#tailBytes)))
    this.#tailBytes = 0
    this.#blockBytes = 0
    return written
  }

  /** Ends the stream. */
  end(): Uint8Array {
    return Buffer.concat([this.#kernel.flush(SYNC_FLUSH), this.#kernel.end()])
  }

  #remember(piece: Uint8Array): void {
    const last = piece.subarray(-this.#tail.length)
    const excess = this.#tailBytes + last.length - this.#tail.length
    if (excess > 0) {
      this.#tail.copyWithin(0, excess, this.#tailBytes)
      this.#tailBytes -= excess
    }
    this.#tail.set(last, this.#tailBytes)
    this.#tailBytes += last.length
  }
}

function beginBlock(kernel: DeflateKernel, parameters: PgzipParameters, dictionary: Uint8Array): void {
  kernel.begin({ family: parameters.family, level: parameters.level, parameter: 0 })
  if (dictionary.length > 0) kernel.setDictionary(dictionary)
}
