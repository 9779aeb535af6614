import type { ByteSource } from '../stream/index.ts'
import { gunzip } from './gunzip.ts'
import { unzstd, type UnzstdOptions } from './unzstd.ts'

/** How bytes are compressed, as far as Tare decodes it. */
export type Compression = 'gzip' | 'zstd' | 'none'

/** Bytes that {@link detectCompression} needs; with fewer the answer is `none`. */
export const DETECTION_BYTES: number = 4

/** Tells the compression by the first bytes. A zstd stream may begin with a skippable frame. */
export function detectCompression(firstBytes: Uint8Array): Compression {
  const [a, b, c, d] = firstBytes
  if (a === 0x1f && b === 0x8b && c === 0x08) return 'gzip'
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd'
  if (a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd'
  return 'none'
}

/** What {@link decompress} found. */
export interface Decompressed {
  readonly compression: Compression
  /** The decoded bytes, or the source itself where it is not compressed. Read it, or the input stays open. */
  readonly source: ByteSource
}

/**
 * Decodes what its first bytes say it is; anything else passes through as it is.
 *
 * @throws {TareError} while reading: as `gunzip` and `unzstd` do; bounds hold for them only
 */
export async function decompress(source: ByteSource, options: UnzstdOptions = {}): Promise<Decompressed> {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let length = 0
  while (length < DETECTION_BYTES) {
    const step = await iterator.next()
    if (step.done === true) break
    chunks.push(step.value)
    length += step.value.length
  }
  const whole = resumed(chunks, iterator)
  const compression = detectCompression(Buffer.concat(chunks, Math.min(length, DETECTION_BYTES)))
  return { compression, source: decoderFor(compression)(whole, options) }
}

/** The decoder for a compression that is known, from a media type for one. `none` passes bytes through. */
export function decoderFor(compression: Compression): (source: ByteSource, options?: UnzstdOptions) => ByteSource {
  switch (compression) {
    case 'gzip':
      return gunzip
    case 'zstd':
      return unzstd
    case 'none':
      return (source) => source
  }
}

/** A source that was begun: the chunks already taken, then the rest. */
async function* resumed(chunks: readonly Uint8Array[], iterator: AsyncIterator<Uint8Array>): ByteSource {
  let isDone = false
  try {
    yield* chunks
    for (let step = await iterator.next(); ; step = await iterator.next()) {
      if (step.done === true) {
        isDone = true
        return
      }
      yield step.value
    }
  } finally {
    if (!isDone) await iterator.return?.()
  }
}
