import { createInflateRaw } from 'node:zlib'
import { TareError } from '../errors/index.ts'
import { type ByteSource, type FileRange, readAllBytes } from '../stream/index.ts'
import { type GzipHeader, parseGzipHeader } from './gzip-header.ts'

/** One member of a gzip file, by offsets into the file. */
export interface GzipMember {
  readonly offset: number
  readonly header: GzipHeader
  /** The header's exact bytes. */
  readonly headerBytes: Uint8Array
  readonly deflateOffset: number
  readonly deflateBytes: number
  /** Where the member's content begins in the unpacked whole. */
  readonly plainOffset: number
  readonly plainBytes: number
  /** The eight bytes behind the deflate stream, or what there is of them. */
  readonly trailerBytes: Uint8Array
}

/** Reads stretches of a file. */
export type RangeOpener = (range: FileRange) => ByteSource

/** Headers with names and extra fields longer than this are not looked at. */
const MAX_HEADER_BYTES = 128 * 1024
const TRAILER_BYTES = 8
const FIRST_READ_BYTES = 4 * 1024
const LARGEST_READ_BYTES = 4 * 1024 * 1024

/**
 * Finds the members of a gzip file by unpacking it. Stops before what is not a member: bytes behind the last one are
 * the caller's to keep.
 *
 * @throws {TareError} `CORRUPT_GZIP` when a member's deflate stream is damaged or cut off
 */
export async function* gzipMembers(open: RangeOpener, sizeBytes: number): AsyncGenerator<GzipMember, void, undefined> {
  let offset = 0
  let plainOffset = 0
  while (offset < sizeBytes) {
    const start = await readStart(open, offset, sizeBytes)
    const header = parseGzipHeader(start)
    if (header === undefined) return
    const deflateOffset = offset + header.sizeBytes
    const { deflateBytes, plainBytes } = await measureDeflate(open, deflateOffset, sizeBytes)
    const trailerOffset = deflateOffset + deflateBytes
    const trailerBytes = await take(open, trailerOffset, Math.min(TRAILER_BYTES, sizeBytes - trailerOffset))
    const headerBytes = start.slice(0, header.sizeBytes)
    yield { offset, header, headerBytes, deflateOffset, deflateBytes, plainOffset, plainBytes, trailerBytes }
    offset = trailerOffset + trailerBytes.length
    plainOffset += plainBytes
  }
}

/** Unpacks one deflate stream to learn where it ends. */
async function measureDeflate(
  open: RangeOpener,
  offset: number,
  sizeBytes: number,
): Promise<{ readonly deflateBytes: number; readonly plainBytes: number }> {
  const inflate = createInflateRaw()
  let plainBytes = 0
  const drained = (async () => {
    for await (const chunk of inflate) plainBytes += (chunk as Uint8Array).length
  })()
  // Awaited below; a failure before that must not count as unhandled.
  drained.catch(() => {})
  try {
    for await (const chunk of readGrowing(open, offset, sizeBytes)) {
      // A write that holds the end of the stream is never called back.
      const taken = new Promise<void>((resolve) => inflate.write(chunk, () => resolve()))
      await Promise.race([taken, drained])
      if (inflate.readableEnded) break
    }
    if (!inflate.readableEnded) inflate.end()
    await drained
  } catch (cause) {
    throw new TareError('CORRUPT_GZIP', `gzip member at ${offset} is damaged or cut off`, { cause })
  } finally {
    inflate.destroy()
  }
  // What the engine took: it stops at the end of the stream, whatever was written to it.
  return { deflateBytes: inflate.bytesWritten, plainBytes }
}

/** Members are often small and there are many of them, so reading begins with little. */
async function* readGrowing(open: RangeOpener, offset: number, sizeBytes: number): ByteSource {
  let length = FIRST_READ_BYTES
  for (
    let position = offset;
    position < sizeBytes;
    position += length, length = Math.min(length * 4, LARGEST_READ_BYTES)
  ) {
    yield* open({ offset: position, length: Math.min(length, sizeBytes - position) })
  }
}

async function readStart(open: RangeOpener, offset: number, sizeBytes: number): Promise<Uint8Array> {
  const start = await take(open, offset, Math.min(FIRST_READ_BYTES, sizeBytes - offset))
  if (start[0] !== 0x1f || parseGzipHeader(start) !== undefined) return start
  return take(open, offset, Math.min(MAX_HEADER_BYTES, sizeBytes - offset))
}

async function take(open: RangeOpener, offset: number, length: number): Promise<Uint8Array> {
  return length <= 0 ? new Uint8Array(0) : readAllBytes(open({ offset, length }), length, 'gzip header')
}
