import type { Readable } from 'node:stream'
import { SizeMismatchError, TareError } from '../errors/index.ts'

/**
 * Bytes in order: the currency of Tare. A chunk belongs to the consumer until it asks for the next one; neither side
 * changes a chunk it got. Ending the iteration early releases what is behind the source.
 */
export type ByteSource = AsyncIterable<Uint8Array>

/** Everything that functions accept where they want bytes. */
export type ByteInput = Uint8Array | ReadableStream<Uint8Array> | Readable | ByteSource

/** Makes a {@link ByteSource} of any {@link ByteInput}. Does not read yet. */
export function toByteSource(input: ByteInput): ByteSource {
  if (input instanceof Uint8Array) return bytesSource(input)
  return input as ByteSource
}

/** A source of the given chunks; empty ones are left out. */
export async function* bytesSource(...chunks: readonly Uint8Array[]): ByteSource {
  for (const chunk of chunks) if (chunk.length > 0) yield chunk
}

/**
 * Reads a source to its end into one array. **Buffers.**
 *
 * @param maxBytes - more than this is refused
 * @param subject - what is read, for the error
 * @throws {TareError} `LIMIT_EXCEEDED`
 */
export async function readAllBytes(source: ByteSource, maxBytes: number, subject: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of source) {
    length += chunk.length
    if (length > maxBytes) throw new TareError('LIMIT_EXCEEDED', `${subject} is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length)
}

/**
 * Passes exactly `sizeBytes` bytes and fails when there are fewer or more.
 *
 * @throws {SizeMismatchError}
 */
export async function* exactly(source: ByteSource, sizeBytes: number, subject: string): ByteSource {
  let seen = 0
  for await (const chunk of source) {
    seen += chunk.length
    if (seen > sizeBytes) throw new SizeMismatchError(subject, sizeBytes, seen)
    yield chunk
  }
  if (seen !== sizeBytes) throw new SizeMismatchError(subject, sizeBytes, seen)
}

/** The bytes from `offset` on, at most `length` of them; reads no further than it must. */
export async function* sliceSource(
  source: ByteSource,
  offset: number,
  length: number = Number.POSITIVE_INFINITY,
): ByteSource {
  let skip = offset
  let left = length
  if (left <= 0) return
  for await (const chunk of source) {
    if (skip >= chunk.length) {
      skip -= chunk.length
      continue
    }
    const part = chunk.subarray(skip, Math.min(chunk.length, skip + left))
    skip = 0
    left -= part.length
    yield part
    if (left <= 0) return
  }
}

/** Passes the source through and calls `onChunk` with each chunk's length. */
export async function* counted(source: ByteSource, onChunk: (byteLength: number) => void): ByteSource {
  for await (const chunk of source) {
    onChunk(chunk.length)
    yield chunk
  }
}

/** Ends with the signal's reason as soon as it aborts, at the latest with the next chunk. */
export async function* abortable(source: ByteSource, signal: AbortSignal | undefined): ByteSource {
  signal?.throwIfAborted()
  for await (const chunk of source) {
    signal?.throwIfAborted()
    yield chunk
  }
}
