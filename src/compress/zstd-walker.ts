import { TareError } from '../errors/index.ts'
import { CorruptStreamError } from './corrupt-stream-error.ts'

/** A block gives at most this many bytes. */
export const ZSTD_BLOCK_MAX_BYTES: number = 128 * 1024

/** What the header of a frame says. */
export interface ZstdFrameHeader {
  readonly kind: 'frame' | 'skippable'
  /** Where the frame begins in the stream. */
  readonly offset: number
  /** Memory a decoder needs to look back into; 0 for skippable frames. */
  readonly windowBytes: number
  /** Bytes the frame decodes to, where stated; 0 for skippable frames. */
  readonly contentBytes: number | undefined
  readonly hasChecksum: boolean
  /** 0 for none. */
  readonly dictionaryId: number
}

/** A frame that has gone by. */
export interface ZstdFrame extends ZstdFrameHeader {
  /** Bytes of the whole frame, header and checksum included. */
  readonly sizeBytes: number
  readonly blockCount: number
}

/** A step of the walk: a frame begins, has some more bytes (its header among them), ends. */
export type ZstdEvent =
  | { readonly kind: 'begin'; readonly header: ZstdFrameHeader }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly frame: ZstdFrame }

const MAGIC = 0xfd2fb528
/** The last four bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50
const CHECKSUM_BYTES = 4
const BLOCK_HEADER_BYTES = 3
/** Magic 4, descriptor 1, window 1, dictionary 4, content size 8. */
const MAX_HEADER_BYTES = 18

const RLE_BLOCK = 1
const RESERVED_BLOCK = 3

/**
 * Follows a Zstandard stream from frame to frame without decoding it. Keeps at most one header.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1
 */
export class ZstdWalker {
  readonly #subject: string
  /** What has come of the frame or block header under way. */
  readonly #pending = new Uint8Array(MAX_HEADER_BYTES)
  #pendingBytes = 0
  #phase: 'frame-header' | 'block-header' | 'body' = 'frame-header'
  /** What is to come of a block or a skippable frame, with the checksum after the last block. */
  #bodyLeftBytes = 0
  #isLastBody = false
  #frame: ZstdFrameHeader | undefined
  #blockCount = 0
  #frameCount = 0
  /** Bytes of the stream before the chunk under way. */
  #chunkOffset = 0

  constructor(subject: string) {
    this.#subject = subject
  }

  /** Takes the next bytes; chunks may be cut anywhere. @throws {TareError} `CORRUPT_ZSTD` */
  *push(chunk: Uint8Array): Generator<ZstdEvent, void> {
    let at = 0
    /** Bytes up to here have been given, or are in a frame header that is not complete. */
    let given = 0
    while (at < chunk.length) {
      if (this.#phase === 'body') {
        const length = Math.min(this.#bodyLeftBytes, chunk.length - at)
        this.#bodyLeftBytes -= length
        at += length
      } else {
        this.#pending[this.#pendingBytes++] = chunk[at++] ?? 0
        if (this.#phase === 'block-header') this.#takeBlockHeader()
        else {
          given = at
          const header = this.#takeFrameHeader(this.#chunkOffset + at)
          if (header === undefined) continue
          yield { kind: 'begin', header }
          yield { kind: 'bytes', bytes: this.#pending.slice(0, this.#pendingBytes) }
          this.#pendingBytes = 0
        }
      }
      if (this.#phase !== 'body' || this.#bodyLeftBytes > 0) continue
      if (!this.#isLastBody) {
        this.#phase = 'block-header'
        continue
      }
      if (at > given) yield { kind: 'bytes', bytes: chunk.subarray(given, at) }
      given = at
      yield { kind: 'end', frame: this.#endFrame(this.#chunkOffset + at) }
    }
    if (given < at) yield { kind: 'bytes', bytes: chunk.subarray(given) }
    this.#chunkOffset += chunk.length
  }

  /** Says that nothing follows. @throws {TareError} `CORRUPT_ZSTD` when the stream is empty or its last frame cut off */
  finish(): void {
    const isCutOff = true
    if (this.#frame !== undefined || this.#pendingBytes > 0) {
      throw corruptZstd(this.#subject, `is cut off at byte ${this.#chunkOffset}`, { isCutOff })
    }
    if (this.#frameCount === 0) throw corruptZstd(this.#subject, 'is empty', { isCutOff })
  }

  #takeFrameHeader(end: number): ZstdFrameHeader | undefined {
    const length = this.#pendingBytes
    if (length < 4) return undefined
    const offset = end - length
    const view = new DataView(this.#pending.buffer)
    const magic = view.getUint32(0, true)
    if ((magic & ~0xf) === SKIPPABLE_MAGIC) {
      if (length < 8) return undefined
      const header = { offset, windowBytes: 0, contentBytes: 0, hasChecksum: false, dictionaryId: 0 }
      return this.#beginFrame({ kind: 'skippable', ...header }, view.getUint32(4, true))
    }
    if (magic !== MAGIC) throw this.#corrupt('has no frame', offset)
    const header = parseFrameHeader(view, length, offset)
    if (header === 'reserved') throw this.#corrupt('has a frame of an unknown kind', offset)
    return header && this.#beginFrame(header)
  }

  /** @param skippedBytes - content of a skippable frame; other frames begin with a block header */
  #beginFrame(header: ZstdFrameHeader, skippedBytes?: number): ZstdFrameHeader {
    this.#frame = header
    this.#blockCount = 0
    this.#phase = skippedBytes === undefined ? 'block-header' : 'body'
    this.#bodyLeftBytes = skippedBytes ?? 0
    this.#isLastBody = skippedBytes !== undefined
    return header
  }

  #takeBlockHeader(): void {
    if (this.#pendingBytes < BLOCK_HEADER_BYTES) return
    const [low = 0, middle = 0, high = 0] = this.#pending
    const bits = low | (middle << 8) | (high << 16)
    const type = (bits >> 1) & 3
    const sizeBytes = bits >> 3
    if (type === RESERVED_BLOCK || sizeBytes > ZSTD_BLOCK_MAX_BYTES) {
      throw this.#corrupt('has a malformed block in the frame', this.#frame?.offset ?? 0)
    }
    this.#pendingBytes = 0
    this.#blockCount++
    this.#isLastBody = (bits & 1) === 1
    this.#bodyLeftBytes = type === RLE_BLOCK ? 1 : sizeBytes
    if (this.#isLastBody && this.#frame?.hasChecksum === true) this.#bodyLeftBytes += CHECKSUM_BYTES
    this.#phase = 'body'
  }

  #endFrame(end: number): ZstdFrame {
    const header = this.#frame
    if (header === undefined) throw new TareError('INTERNAL', 'a Zstandard frame ended before it began')
    this.#frame = undefined
    this.#frameCount++
    this.#phase = 'frame-header'
    return { ...header, sizeBytes: end - header.offset, blockCount: this.#blockCount }
  }

  #corrupt(problem: string, offset: number): CorruptStreamError {
    return corruptZstd(this.#subject, `${problem} at byte ${offset}`)
  }
}

/** An error that says what is wrong with a stream. */
export function corruptZstd(
  subject: string,
  problem: string,
  facts: { readonly isCutOff?: boolean; readonly cause?: unknown } = {},
): CorruptStreamError {
  return new CorruptStreamError('CORRUPT_ZSTD', `${subject} ${problem}`, facts)
}

/** @returns `undefined` when more bytes are needed, `reserved` when a bit is set that has no meaning yet */
function parseFrameHeader(view: DataView, length: number, offset: number): ZstdFrameHeader | 'reserved' | undefined {
  if (length < 5) return undefined
  const descriptor = view.getUint8(4)
  if ((descriptor & 0x08) !== 0) return 'reserved'
  const isSingleSegment = (descriptor & 0x20) !== 0
  const contentSizeFlag = descriptor >> 6
  const dictionaryAt = isSingleSegment ? 5 : 6
  const dictionaryLength = [0, 1, 2, 4][descriptor & 3] ?? 0
  const contentSizeAt = dictionaryAt + dictionaryLength
  const contentSizeLength = contentSizeFlag === 0 ? Number(isSingleSegment) : 1 << contentSizeFlag
  if (length < contentSizeAt + contentSizeLength) return undefined
  // Two-byte sizes start where those of one byte end.
  const base = contentSizeLength === 2 ? 256 : 0
  const contentBytes =
    contentSizeLength === 0 ? undefined : readLittleEndian(view, contentSizeAt, contentSizeLength) + base
  return {
    kind: 'frame',
    offset,
    windowBytes: isSingleSegment ? (contentBytes ?? 0) : windowSize(view.getUint8(5)),
    contentBytes,
    hasChecksum: (descriptor & 0x04) !== 0,
    dictionaryId: readLittleEndian(view, dictionaryAt, dictionaryLength),
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

function readLittleEndian(view: DataView, offset: number, length: number): number {
  let value = 0
  for (let at = offset + length - 1; at >= offset; at--) value = value * 256 + view.getUint8(at)
  return value
}
