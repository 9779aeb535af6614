import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib'
import { TareError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import { OUTPUT_CHUNK_BYTES, throughCodec } from './codec-stream.ts'
import { type DecodeOptions, withinLimits } from './decode-options.ts'
import {
  corruptZstd,
  ZSTD_BLOCK_MAX_BYTES,
  type ZstdEvent,
  type ZstdFrame,
  type ZstdFrameHeader,
  ZstdWalker,
} from './zstd-walker.ts'

/** Bounds of {@link unzstd}. */
export interface UnzstdOptions extends DecodeOptions {
  /**
   * Most memory a frame may ask the decoder to look back into, a power of two. The default is what the `zstd` tool
   * accepts without being told otherwise (`--long=27`). @default 134217728
   */
  readonly maxWindowBytes?: number | undefined
}

const DEFAULT_MAX_WINDOW_BYTES = 128 * 1024 * 1024

/** Frames that take and give no more than this are decoded at once: a decoder stream for each costs more than they do. */
const SMALL_INPUT_BYTES = 1024 * 1024
const SMALL_BLOCK_COUNT = 16

/**
 * Decodes a Zstandard stream: all its frames, with their checksums; skippable frames are passed over. Frames are walked
 * by {@link ZstdWalker}, since the decoder of `node:zlib` stops silently at the end of the first one.
 *
 * @throws {TareError} `CORRUPT_ZSTD` when damaged, cut off, empty or followed by something else; `LIMIT_EXCEEDED`, also
 *   for a frame with too large a window; `UNSUPPORTED_FORMAT` for a frame that needs a dictionary
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export function unzstd(source: ByteSource, options: UnzstdOptions = {}): ByteSource {
  const subject = options.subject ?? 'zstd stream'
  const maxWindowBytes = options.maxWindowBytes ?? DEFAULT_MAX_WINDOW_BYTES
  return withinLimits(source, (bounded) => decodeFrames(bounded, subject, maxWindowBytes), subject, options)
}

/**
 * Lists the frames of a Zstandard stream without decoding them, each when it has gone by. Buffers one frame header.
 *
 * @param subject - what is read, for errors
 * @throws {TareError} `CORRUPT_ZSTD` when cut off, empty, or not made of frames
 */
export async function* zstdFrames(source: ByteSource, subject = 'zstd stream'): AsyncGenerator<ZstdFrame, void> {
  for await (const event of walk(source, subject)) if (event.kind === 'end') yield event.frame
}

async function* walk(source: ByteSource, subject: string): AsyncGenerator<ZstdEvent, void> {
  const walker = new ZstdWalker(subject)
  for await (const chunk of source) yield* walker.push(chunk)
  walker.finish()
}

async function* decodeFrames(source: ByteSource, subject: string, maxWindowBytes: number): ByteSource {
  const events = walk(source, subject)
  try {
    for (let step = await events.next(); step.done !== true; step = await events.next()) {
      // Between frames every event begins one: its own events are taken below, up to its end.
      if (step.value.kind === 'begin') yield* decodeFrame(step.value.header, events, subject, maxWindowBytes)
    }
  } finally {
    await events.return()
  }
}

async function* decodeFrame(
  header: ZstdFrameHeader,
  events: AsyncGenerator<ZstdEvent, void>,
  subject: string,
  maxWindowBytes: number,
): ByteSource {
  if (header.kind === 'skippable') return
  if (header.dictionaryId !== 0) {
    throw new TareError('UNSUPPORTED_FORMAT', `${subject}: frame needs dictionary ${header.dictionaryId}`)
  }
  if (header.windowBytes > maxWindowBytes) {
    const problem = `frame asks for a window of ${header.windowBytes} bytes, more than ${maxWindowBytes}`
    throw new TareError('LIMIT_EXCEEDED', `${subject}: ${problem}`)
  }
  const parts: Uint8Array[] = []
  let partsBytes = 0
  let end: ZstdFrame | undefined
  while (end === undefined && partsBytes <= SMALL_INPUT_BYTES) {
    const event = await nextEvent(events)
    if (event.kind === 'end') end = event.frame
    if (event.kind !== 'bytes') continue
    parts.push(event.bytes)
    partsBytes += event.bytes.length
  }
  if (end !== undefined && end.blockCount <= SMALL_BLOCK_COUNT) {
    const bytes = decodeSmall(Buffer.concat(parts, partsBytes), end, subject, maxWindowBytes)
    if (bytes.length > 0) yield bytes
    return
  }
  yield* throughCodec(frameBytes(parts, events, end !== undefined), createDecoder(maxWindowBytes), {
    onSurplus: () => {
      throw corruptZstd(subject, `has a frame at byte ${header.offset} that ends before its last block`)
    },
    codecError: (cause) => zstdDecoderError(cause, subject, header.offset),
  })
}

/** The bytes of the frame under way: those at hand, then what comes until its end. */
async function* frameBytes(
  parts: readonly Uint8Array[],
  events: AsyncGenerator<ZstdEvent, void>,
  isComplete: boolean,
): ByteSource {
  yield* parts
  if (isComplete) return
  for (let event = await nextEvent(events); event.kind !== 'end'; event = await nextEvent(events)) {
    if (event.kind === 'bytes') yield event.bytes
  }
}

/** The walk throws when it is cut off inside a frame, so inside a frame there is a next event. */
async function nextEvent(events: AsyncGenerator<ZstdEvent, void>): Promise<ZstdEvent> {
  const step = await events.next()
  if (step.done === true) throw new TareError('INTERNAL', 'the walk over Zstandard frames ended inside one')
  return step.value
}

function decodeSmall(bytes: Uint8Array, frame: ZstdFrame, subject: string, maxWindowBytes: number): Uint8Array {
  try {
    return zstdDecompressSync(bytes, {
      chunkSize: Math.max(64, Math.min(frame.contentBytes ?? OUTPUT_CHUNK_BYTES, OUTPUT_CHUNK_BYTES)),
      maxOutputLength: frame.blockCount * ZSTD_BLOCK_MAX_BYTES,
      params: windowParameter(maxWindowBytes),
    })
  } catch (error) {
    throw zstdDecoderError(error, subject, frame.offset)
  }
}

function createDecoder(maxWindowBytes: number): ReturnType<typeof createZstdDecompress> {
  return createZstdDecompress({
    chunkSize: OUTPUT_CHUNK_BYTES,
    params: windowParameter(maxWindowBytes),
  })
}

/** libzstd takes the bound as a power of two, and none below 2^10. */
function windowParameter(maxWindowBytes: number): Readonly<Record<number, number>> {
  return { [constants.ZSTD_d_windowLogMax]: Math.max(10, Math.ceil(Math.log2(maxWindowBytes))) }
}

/** Turns an error that libzstd reports of its input into ours. @param offset - where the frame begins */
export function zstdDecoderError(cause: unknown, subject: string, offset: number): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return cause
  const isBadData = cause.code.startsWith('ZSTD_error_') || cause.code === 'Z_BUF_ERROR'
  if (!isBadData || cause.code === 'ZSTD_error_memory_allocation') return cause
  return corruptZstd(subject, `has a damaged frame at byte ${offset}: ${cause.message}`, cause)
}
