import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { TareError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import { throughCodec } from './codec-stream.ts'
import type { Compression } from './decompress.ts'

/** How {@link compress} packs. */
export interface CompressOptions {
  /** 1 to 9 for gzip, 1 to 22 for zstd; higher is smaller and slower. @default 6 for gzip, 3 for zstd */
  readonly level?: number | undefined
}

const LEVELS: Readonly<Record<Exclude<Compression, 'none'>, { readonly usual: number; readonly highest: number }>> = {
  gzip: { usual: 6, highest: 9 },
  zstd: { usual: 3, highest: 22 },
}

/** Place of the operating system in a gzip header, and what says that it is not known. */
const GZIP_SYSTEM_OFFSET = 9
const GZIP_SYSTEM_UNKNOWN = 0xff

/**
 * Compresses a source. One build of Node makes equal bytes of equal bytes: a gzip stream has neither time nor name nor
 * system, a zstd frame has its checksum. `none` passes bytes through.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a level that the format does not have
 */
export function compress(source: ByteSource, format: Compression, options: CompressOptions = {}): ByteSource {
  if (format === 'none') return source
  const { usual, highest } = LEVELS[format]
  const { level = usual } = options
  if (!Number.isInteger(level) || level < 1 || level > highest) {
    throw new TareError('INVALID_ARGUMENT', `${format} has no level ${level}`, { hint: `Give 1 to ${highest}` })
  }
  switch (format) {
    case 'gzip':
      return withoutSystem(throughCodec(source, createGzip({ level }), HOOKS))
    case 'zstd': {
      const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
      return throughCodec(source, createZstdCompress({ params }), HOOKS)
    }
  }
}

/** An encoder takes all it is given, and fails only where memory does. */
const HOOKS = { onSurplus() {}, codecError: (cause: unknown) => cause }

async function* withoutSystem(gzip: ByteSource): ByteSource {
  let position = 0
  for await (const chunk of gzip) {
    const at = GZIP_SYSTEM_OFFSET - position
    position += chunk.length
    if (at < 0 || at >= chunk.length) yield chunk
    else yield chunk.with(at, GZIP_SYSTEM_UNKNOWN)
  }
}
