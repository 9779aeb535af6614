import type { DeflateKernel } from './deflate-kernel.ts'

/** How pigz (2.2.4 and later) was run. See `docs/formats/encoders.md`. */
export interface PigzParameters {
  /** 0 to 9. Level 0 is that of `-p 2` and more. */
  readonly level: number
  /** Bytes of input between two borders (`-b`): 131,072 unless set; at least 1. */
  readonly blockBytes: number
  /** `parallel`: each block is a stream of its own with a dictionary. `serial` (`-p 1`): one stream throughout. */
  readonly mode: 'parallel' | 'serial'
  /** No block refers to another (`-i`). */
  readonly isIndependent: boolean
}

/** Bytes before a block that it may refer to. */
export const PIGZ_DICTIONARY_BYTES = 32_768

const ZLIB = 0
const MEMORY_LEVEL = 8
/** Flush modes of `zlib-deflate`. */
const SYNC_FLUSH = 2
const FULL_FLUSH = 3
const PIGZ_BORDER = 7

/**
 * Encodes one block of a `parallel` or independent stream: blocks can be made in any order, on any thread.
 *
 * @param kernel - `zlib-deflate`; whatever stream it was at is given up
 * @param history - the input before the block, of which the last 32,768 bytes count; empty for the first block
 * @param block - `blockBytes` bytes; the last block has fewer, or is empty when the input is
 * @param isLast - whether the input ends here
 * @throws TareError `UNSUPPORTED_FORMAT` when there is no such level
 */
export function encodePigzBlock(
  kernel: DeflateKernel,
  parameters: PigzParameters,
  history: Uint8Array,
  block: Uint8Array,
  isLast: boolean,
): Uint8Array {
  beginZlib(kernel, parameters)
  if (!parameters.isIndependent) kernel.setDictionary(history.subarray(-PIGZ_DICTIONARY_BYTES))
  return Buffer.concat([kernel.write(block), isLast ? kernel.end() : border(kernel, parameters)])
}

/**
 * Writes the deflate stream of pigz on one thread: bit for bit what pigz writes on one or on many. Use: any number of `write`,
 * then `end`. Holds at most 65,536 bytes of input.
 */
export class PigzEncoder {
  readonly #kernel: DeflateKernel
  readonly #parameters: PigzParameters
  /** Input, of which the last 32 KiB are the dictionary of the next block. */
  readonly #history = new Uint8Array(2 * PIGZ_DICTIONARY_BYTES)
  #historyBytes = 0
  #blockBytes = 0

  /**
   * @param kernel - `zlib-deflate`; this encoder's until `end`
   * @throws TareError `UNSUPPORTED_FORMAT` when there is no such level
   */
  constructor(kernel: DeflateKernel, parameters: PigzParameters) {
    if (!Number.isSafeInteger(parameters.blockBytes) || parameters.blockBytes < 1) {
      throw new RangeError(`pigz: a block can't have ${parameters.blockBytes} bytes`)
    }
    this.#kernel = kernel
    this.#parameters = parameters
    beginZlib(kernel, parameters)
  }

  /** Encodes more input, of any size. */
  write(chunk: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = []
    for (let start = 0; start < chunk.length; ) {
      // A border is written only when more follows: a block that the input ends with is final.
      if (this.#blockBytes === this.#parameters.blockBytes) parts.push(this.#startBlock())
      const room = this.#parameters.blockBytes - this.#blockBytes
      const piece = chunk.subarray(start, start + room)
      parts.push(this.#kernel.write(piece))
      this.#remember(piece)
      this.#blockBytes += piece.length
      start += piece.length
    }
    return Buffer.concat(parts)
  }

  /** Ends the stream. */
  end(): Uint8Array {
    return this.#kernel.end()
  }

  #startBlock(): Uint8Array {
    const { mode, isIndependent } = this.#parameters
    const written = border(this.#kernel, this.#parameters)
    if (isIndependent) beginZlib(this.#kernel, this.#parameters)
    else if (mode === 'parallel') {
      beginZlib(this.#kernel, this.#parameters)
      this.#kernel.setDictionary(this.#history.subarray(0, this.#historyBytes).subarray(-PIGZ_DICTIONARY_BYTES))
    }
    this.#blockBytes = 0
    return written
  }

  #remember(piece: Uint8Array): void {
    if (this.#parameters.mode === 'serial' || this.#parameters.isIndependent) return
    const last = piece.subarray(-PIGZ_DICTIONARY_BYTES)
    if (this.#historyBytes + last.length > this.#history.length) {
      this.#history.copyWithin(0, this.#historyBytes - PIGZ_DICTIONARY_BYTES, this.#historyBytes)
      this.#historyBytes = PIGZ_DICTIONARY_BYTES
    }
    this.#history.set(last, this.#historyBytes)
    this.#historyBytes += last.length
  }
}

function beginZlib(kernel: DeflateKernel, parameters: PigzParameters): void {
  kernel.begin({ family: ZLIB, level: parameters.level, parameter: MEMORY_LEVEL })
}

function border(kernel: DeflateKernel, parameters: PigzParameters): Uint8Array {
  if (!parameters.isIndependent) return kernel.flush(PIGZ_BORDER)
  return Buffer.concat([kernel.flush(SYNC_FLUSH), kernel.flush(FULL_FLUSH)])
}
