import { crc32 } from 'node:zlib'
import type { EncoderSpec } from '../kernels/index.ts'
import { klauspostFamily } from './encoder-names.ts'
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

/** The release of klauspost/compress that the present containers/image is built with. */
const KLAUSPOST_RELEASE = '1.18.6'
/** What klauspost/compress takes for its default compression. */
const KLAUSPOST_LEVEL = 5
const PGZIP_BLOCK_BYTES = 1024 * 1024

/** How containers/image is built and told to compress. */
export interface ContainersImageOptions {
  /** Of klauspost/compress: releases differ in their bytes. @default '1.18.6' */
  readonly klauspostRelease?: string | undefined
  /** 1 to 9. @default 5 */
  readonly level?: number | undefined
}

/** podman, buildah and skopeo compress layers so: pgzip, in blocks of 1 MiB. @throws {RangeError} for an unknown release */
export function containersImageEncoder(
  options: ContainersImageOptions = {},
): Extract<EncoderSpec, { readonly kind: 'pgzip' }> {
  const { klauspostRelease = KLAUSPOST_RELEASE, level = KLAUSPOST_LEVEL } = options
  const family = klauspostFamily(klauspostRelease)
  if (family === undefined) throw new RangeError(`klauspost/compress ${klauspostRelease} is not known`)
  return { kind: 'pgzip', family, level, blockBytes: PGZIP_BLOCK_BYTES }
}

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
