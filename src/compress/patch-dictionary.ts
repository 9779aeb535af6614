import { TareError } from '../errors/index.ts'
import { type ByteSource, exactly } from '../stream/index.ts'

/** The largest dictionary: more than the `zstd` tool takes, nobody could decode a patch against. */
export const MAX_DICTIONARY_BYTES: number = 2 ** 31

/** First bytes of a trained dictionary. @see https://www.rfc-editor.org/rfc/rfc8878#section-5 */
const TRAINED_MAGIC = Buffer.of(0x37, 0xa4, 0x30, 0xec)

/**
 * The bytes that a patch refers back to, in memory.
 *
 * libzstd takes a dictionary that begins with a certain magic for a trained one and would not use the bytes as they
 * are; Node offers no way to tell it. References count backwards from the end, so one byte more in front changes
 * nothing for a decoder, and one byte less only takes one byte away from an encoder; either hides the magic.
 */
export class PatchDictionary {
  readonly sizeBytes: number
  /** Whether the bytes begin with the magic. Releases of the `zstd` tool up to 1.5.4 fail to decode with those. */
  readonly looksTrained: boolean
  /** One spare byte, then the content. */
  readonly #padded: Uint8Array

  private constructor(padded: Uint8Array) {
    this.#padded = padded
    this.sizeBytes = padded.length - 1
    this.looksTrained = TRAINED_MAGIC.equals(padded.subarray(1, 5))
  }

  /**
   * Reads a dictionary. **Buffers.**
   *
   * @throws {TareError} `LIMIT_EXCEEDED` beyond 2 GiB; {@link SizeMismatchError}; the source's own errors
   */
  static async read(source: ByteSource, sizeBytes: number, subject: string): Promise<PatchDictionary> {
    if (sizeBytes > MAX_DICTIONARY_BYTES) {
      const limit = `the limit for patching against it is ${MAX_DICTIONARY_BYTES}`
      throw new TareError('LIMIT_EXCEEDED', `${subject} has ${sizeBytes} bytes; ${limit}`)
    }
    // Not from the pool: this one is large, and zeros it does not need.
    const padded = Buffer.allocUnsafeSlow(sizeBytes + 1)
    padded[0] = 0
    let filled = 1
    for await (const chunk of exactly(source, sizeBytes, subject)) {
      padded.set(chunk, filled)
      filled += chunk.length
    }
    return new PatchDictionary(padded)
  }

  /** What to give a decoder. */
  forDecoder(): Uint8Array {
    return this.looksTrained ? this.#padded : this.#padded.subarray(1)
  }

  /** What to give an encoder. */
  forEncoder(): Uint8Array {
    return this.#padded.subarray(this.looksTrained ? 2 : 1)
  }
}
