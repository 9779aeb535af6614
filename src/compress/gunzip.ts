import { createGunzip } from 'node:zlib'
import { CorruptStreamError } from './corrupt-stream-error.ts'
import type { ByteSource } from '../stream/index.ts'
import { OUTPUT_CHUNK_BYTES, throughCodec } from './codec-stream.ts'
import { type DecodeOptions, withinLimits } from './decode-options.ts'

/**
 * Decodes a gzip stream: all its members, with their header and content checksums and lengths checked. Zero bytes
 * after the last member are let pass, as gzip itself and pigz do; Go's reader refuses them like any other bytes, and
 * so do we refuse the others.
 *
 * @throws {TareError} `CORRUPT_GZIP` when damaged, cut off, empty or followed by something else; `LIMIT_EXCEEDED`
 * @see https://www.rfc-editor.org/rfc/rfc1952
 */
export function gunzip(source: ByteSource, options: DecodeOptions = {}): ByteSource {
  const subject = options.subject ?? 'gzip stream'
  return withinLimits(source, (bounded) => decodeMembers(bounded, subject), subject, options)
}

async function* decodeMembers(source: ByteSource, subject: string): ByteSource {
  // Node's decoder goes on to the next member by itself, and stops before a zero byte between members.
  const codec = createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES })
  yield* throughCodec(source, codec, {
    onSurplus: (bytes) => {
      if (bytes.some((byte) => byte !== 0)) throw corruptGzip(subject, 'is followed by bytes that are no gzip member')
    },
    codecError: (cause) => {
      if (!isZlibError(cause)) return cause
      const isCutOff = 'code' in cause && cause.code === 'Z_BUF_ERROR'
      return corruptGzip(subject, `is damaged: ${cause.message}`, { cause, isCutOff })
    },
  })
  // Node takes no input at all for an empty output.
  if (codec.bytesWritten === 0) throw corruptGzip(subject, 'is empty', { isCutOff: true })
}

function corruptGzip(
  subject: string,
  problem: string,
  facts: { readonly isCutOff?: boolean; readonly cause?: unknown } = {},
): CorruptStreamError {
  return new CorruptStreamError('CORRUPT_GZIP', `${subject} ${problem}`, facts)
}

/** Bad data and input that ends too soon; a want of memory is not the stream's fault. */
function isZlibError(error: unknown): error is Error {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'Z_DATA_ERROR' || error.code === 'Z_BUF_ERROR' || error.code === 'Z_NEED_DICT'
}
