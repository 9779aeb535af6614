import { constants, createZstdCompress, createZstdDecompress, type ZstdOptions } from 'node:zlib'
import { SizeMismatchError, TareError } from '../errors/index.ts'
import { type ByteSource, exactly } from '../stream/index.ts'
import { OUTPUT_CHUNK_BYTES, throughCodec } from './codec-stream.ts'
import type { PatchDictionary } from './patch-dictionary.ts'
import { zstdDecoderError } from './unzstd.ts'
import { corruptZstd, type ZstdFrameHeader, ZstdWalker } from './zstd-walker.ts'

/** What {@link decodeZstdPatch} must know. */
export interface ZstdPatchTarget {
  /** Bytes of the target. */
  readonly sizeBytes: number
  /** Which patch, for errors: `patch of layer sha256:…`. */
  readonly subject: string
}

/** How {@link encodeZstdPatch} works. */
export interface ZstdPatchOptions extends ZstdPatchTarget {
  /**
   * 1 to 22. Levels below 5 are taken for 5: their matchers see no more than the first 16 MiB of a dictionary, and are
   * no faster with a large one.
   */
  readonly level: number
  /**
   * log2 of the bytes that a decoder has to keep, 10 to 31. Beyond them the target no longer refers to the dictionary.
   * @default what covers the target
   */
  readonly windowLog?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const MIN_WINDOW_LOG = 10
const MAX_WINDOW_LOG = 31
/** A window that no encoder is refused, however little it encodes: what `--long` means without a number. */
const USUAL_WINDOW_BYTES = 128 * 1024 * 1024
/** Buffers of a codec besides those that grow with the input, roughly. */
const CODEC_OVERHEAD_BYTES = 16 * 1024 * 1024

/**
 * Rebuilds a target from a patch: one Zstandard frame whose history begins with the dictionary, as `zstd --patch-from`
 * makes it. Its checksum is verified where there is one; a digest of the target is the caller's to check.
 *
 * @throws {TareError} `CORRUPT_ZSTD` when damaged, cut off, empty, followed by anything, or made against other bytes;
 *   `LIMIT_EXCEEDED` for a window out of all proportion; `UNSUPPORTED_FORMAT` for a frame that names a dictionary
 * @throws {SizeMismatchError} when it makes, or says it makes, another size; no more than that is ever given
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export function decodeZstdPatch(patch: ByteSource, dictionary: PatchDictionary, target: ZstdPatchTarget): ByteSource {
  return exactly(decodeFrame(patch, dictionary, target), target.sizeBytes, target.subject)
}

async function* decodeFrame(patch: ByteSource, dictionary: PatchDictionary, target: ZstdPatchTarget): ByteSource {
  const { subject } = target
  const decoder = createZstdDecompress({
    chunkSize: OUTPUT_CHUNK_BYTES,
    dictionary: dictionary.forDecoder(),
    // The header is held against a closer bound before any of it gets here.
    params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  })
  yield* throughCodec(onlyFrame(patch, dictionary.sizeBytes, target), decoder, {
    onSurplus: () => {
      throw corruptZstd(subject, 'has a frame that ends before its last block')
    },
    codecError: (cause) => zstdDecoderError(cause, subject, 0),
  })
}

/** Passes the bytes of a stream that consists of a single frame, whose header has been looked at. */
async function* onlyFrame(patch: ByteSource, dictionaryBytes: number, target: ZstdPatchTarget): ByteSource {
  const walker = new ZstdWalker(target.subject)
  let hasBegun = false
  for await (const chunk of patch) {
    for (const event of walker.push(chunk)) {
      if (event.kind === 'bytes') yield event.bytes
      if (event.kind !== 'begin') continue
      if (hasBegun) throw corruptZstd(target.subject, `has a second frame at byte ${event.header.offset}`)
      hasBegun = true
      checkHeader(event.header, dictionaryBytes, target)
    }
  }
  walker.finish()
}

function checkHeader(header: ZstdFrameHeader, dictionaryBytes: number, target: ZstdPatchTarget): void {
  const { sizeBytes, subject } = target
  const { kind, dictionaryId, contentBytes, windowBytes } = header
  if (kind === 'skippable') throw corruptZstd(subject, 'begins with a skippable frame')
  if (dictionaryId !== 0) {
    throw new TareError('UNSUPPORTED_FORMAT', `${subject} needs the trained dictionary ${dictionaryId}`)
  }
  if (contentBytes !== undefined && contentBytes !== sizeBytes) {
    throw new SizeMismatchError(subject, sizeBytes, contentBytes)
  }
  // Encoders round up to a power of two what covers the larger of dictionary and target.
  const bound = Math.max(USUAL_WINDOW_BYTES, 2 * Math.max(dictionaryBytes, sizeBytes))
  if (windowBytes > bound) {
    const made = `although it makes no more than ${sizeBytes}`
    throw new TareError('LIMIT_EXCEEDED', `${subject} asks for a window of ${windowBytes} bytes, ${made}`)
  }
}

/**
 * Makes the patch that {@link decodeZstdPatch} and `zstd --decompress --patch-from` take: one frame with its content
 * size and a checksum. Equal inputs and options give equal bytes, however the source is cut into chunks.
 *
 * Memory: see {@link patchEncodingMemoryBytes}; the tables for the dictionary are made before the first byte comes out,
 * which takes its time.
 *
 * @throws {RangeError} for a level or window that there is not
 * @throws {SizeMismatchError} when the source has another size than announced
 * @throws {TareError} `MEMORY_LIMIT` when the system has no room for the tables
 */
export async function* encodeZstdPatch(
  target: ByteSource,
  dictionary: PatchDictionary,
  options: ZstdPatchOptions,
): ByteSource {
  const { sizeBytes, subject, signal } = options
  signal?.throwIfAborted()
  const encoder = createZstdCompress({
    chunkSize: OUTPUT_CHUNK_BYTES,
    dictionary: dictionary.forEncoder(),
    pledgedSrcSize: sizeBytes,
    params: encoderParameters(tuningOf(options, dictionary.sizeBytes)),
  })
  const stop = (): void => void encoder.destroy()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    yield* throughCodec(exactly(target, sizeBytes, subject), encoder, {
      onSurplus: () => {
        throw new TareError('INTERNAL', `${subject}: the encoder did not take all of its input`)
      },
      codecError: (cause) => (signal?.aborted === true ? signal.reason : encoderError(cause, subject)),
    })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function encoderError(cause: unknown, subject: string): unknown {
  const isMemory = cause instanceof Error && 'code' in cause && cause.code === 'ZSTD_error_memory_allocation'
  return isMemory ? new TareError('MEMORY_LIMIT', `${subject}: no memory for the encoder`, { cause }) : cause
}

interface Tuning {
  readonly level: number
  readonly windowLog: number
  readonly hashLog: number
  readonly chainLog: number
}

/** From this level on the matcher is a tree, with a table that others do not have. */
const TREE_LEVEL = 13

/**
 * Tables have to be large, or most of the dictionary is never looked at: long-distance matching, which helps the
 * `zstd` tool, does not see a dictionary here. A quarter of its positions is enough beyond 64 MiB.
 */
function tuningOf(options: Omit<ZstdPatchOptions, 'subject'>, dictionaryBytes: number): Tuning {
  const { level, sizeBytes, windowLog = clamp(log2Above(sizeBytes), MIN_WINDOW_LOG, MAX_WINDOW_LOG) } = options
  checkRange('level', level, 1, 22)
  checkRange('windowLog', windowLog, MIN_WINDOW_LOG, MAX_WINDOW_LOG)
  const dictionaryLog = log2Above(dictionaryBytes)
  const hashLog = clamp(Math.max(Math.min(dictionaryLog, 24), dictionaryLog - 2), 10, 28)
  return { level: Math.max(5, level), windowLog, hashLog, chainLog: hashLog + 1 }
}

function encoderParameters({ level, windowLog, hashLog, chainLog }: Tuning): NonNullable<ZstdOptions['params']> {
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: windowLog,
    [constants.ZSTD_c_hashLog]: hashLog,
    [constants.ZSTD_c_chainLog]: chainLog,
    [constants.ZSTD_c_checksumFlag]: 1,
  }
}

/** Memory that decoding a patch takes, about: the dictionary, the decoder's copy of it, and the window. */
export function patchMemoryBytes(dictionaryBytes: number, targetBytes: number): number {
  return 2 * dictionaryBytes + Math.min(targetBytes, 2 ** MAX_WINDOW_LOG) + CODEC_OVERHEAD_BYTES
}

/** Memory that {@link encodeZstdPatch} takes, about, with the dictionary: its tables exist twice. */
export function patchEncodingMemoryBytes(
  dictionaryBytes: number,
  options: Pick<ZstdPatchOptions, 'level' | 'sizeBytes' | 'windowLog'>,
): number {
  const { level, windowLog, hashLog, chainLog } = tuningOf(options, dictionaryBytes)
  const tableBytes = 4 * (2 ** hashLog * 1.25 + (level < TREE_LEVEL ? 0 : 2 ** chainLog))
  return 2 * dictionaryBytes + Math.min(options.sizeBytes, 2 ** windowLog) + 2 * tableBytes + CODEC_OVERHEAD_BYTES
}

function log2Above(value: number): number {
  return Math.ceil(Math.log2(Math.max(1, value)))
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

function checkRange(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return
  throw new RangeError(`${name} must be a whole number from ${low} to ${high}, got ${value}`)
}
