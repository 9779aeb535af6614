import { crc32 } from 'node:zlib'
import type { EncoderSpec } from '../kernels/index.ts'
import type { ByteSource } from '../stream/index.ts'
import type { KernelRunner } from '../workers/index.ts'

/** What {@link gzip} works with. */
export interface GzipOptions {
  readonly kernels: KernelRunner
  /** Whose bytes to write. @default Go's compress/gzip at its default level, 6 */
  readonly encoder?: EncoderSpec | undefined
  readonly signal?: AbortSignal | undefined
}

/** Docker, containerd and BuildKit compress layers so. */
export const DEFAULT_GZIP_ENCODER: EncoderSpec = { kind: 'go', level: 6 }

/**
 * Compresses a source into one gzip member, byte for byte as a known encoder does, on every machine the same. The header
 * has neither name nor time.
 *
 * @throws {TareError} `UNSUPPORTED_FORMAT` for settings that no kernel knows
 * @see docs/formats/encoders.md
 */
export async function* gzip(source: ByteSource, options: GzipOptions): ByteSource {
  const { kernels, encoder = DEFAULT_GZIP_ENCODER, signal } = options
  let crc = 0
  let plainBytes = 0
  async function* counted(): ByteSource {
    for await (const chunk of source) {
      crc = crc32(chunk, crc)
      plainBytes += chunk.length
      yield chunk
    }
  }
  yield gzipHeader(encoder)
  for await (const { deflate } of kernels.deflateStream({ spec: encoder, flushes: [] }, counted(), signal)) {
    if (deflate.length > 0) yield deflate
  }
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc >>> 0, 0)
  trailer.writeUInt32LE(plainBytes % 2 ** 32, 4)
  yield trailer
}

const UNIX = 3
const UNKNOWN_SYSTEM = 255
/** What pgzip makes of a time that is not set. */
const PGZIP_TIME = 0x886e0900

/** The header as the software writes it that has the encoder. @see https://www.rfc-editor.org/rfc/rfc1952#section-2.3 */
function gzipHeader(encoder: EncoderSpec): Uint8Array {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, extraFlags(encoder.level), UNKNOWN_SYSTEM])
  switch (encoder.kind) {
    case 'go':
    case 'klauspost':
      break
    case 'pgzip':
      header.writeUInt32LE(PGZIP_TIME, 4)
      break
    case 'zlib':
    case 'gzip':
    case 'pigz':
      header[9] = UNIX
  }
  return header
}

function extraFlags(level: number): number {
  if (level === 9) return 2
  return level === 1 ? 4 : 0
}
