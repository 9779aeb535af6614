import { constants, createZstdCompress } from 'node:zlib'
import { TareError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import { OUTPUT_CHUNK_BYTES, throughCodec } from './codec-stream.ts'

/** How {@link zstd} compresses. */
export interface ZstdOptions {
  /** 1 to 19. @default 3 */
  readonly level?: number | undefined
}

const DEFAULT_LEVEL = 3
const MAX_LEVEL = 19

/**
 * Compresses a source into one Zstandard frame with a checksum, by the libzstd that this Node.js has. Another release of
 * it may choose other bytes for the same content: where they have to be the same, keep the blob.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a level that is none
 */
export function zstd(source: ByteSource, { level = DEFAULT_LEVEL }: ZstdOptions = {}): ByteSource {
  if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) {
    throw new TareError('INVALID_ARGUMENT', `zstd level ${level} is none from 1 to ${MAX_LEVEL}`)
  }
  const encoder = createZstdCompress({
    chunkSize: OUTPUT_CHUNK_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  })
  // An encoder takes all it is given, and fails only where memory does.
  return throughCodec(source, encoder, { onSurplus() {}, codecError: (cause) => cause })
}
