import { setTimeout as wait } from 'node:timers/promises'
import { hasErrorCode, SizeMismatchError } from '../errors/index.ts'
import type { ContentIngester, ContentWriter, Digest, Labels, WriterOptions } from '../oci/index.ts'
import { abortable, type ByteSource, sliceSource } from '../stream/index.ts'

/** Options of {@link writeBlob}. */
export interface WriteBlobOptions extends WriterOptions {
  /** Labels that a new blob gets. */
  readonly labels?: Labels | undefined
}

/** What {@link writeBlob} wrote, or found. */
export interface WrittenBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Whether it was there already. */
  readonly isPresent: boolean
}

const FIRST_PAUSE_MS = 16
const LONGEST_PAUSE_MS = 2_000

/**
 * Like `openWriter`, but waits as long as somebody else writes under the ref.
 *
 * @throws {TareError} as `openWriter` does, but for `UNAVAILABLE`
 */
export async function openWriterPatiently(
  content: ContentIngester,
  ref: string,
  options: WriterOptions = {},
): Promise<ContentWriter> {
  const { signal } = options
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await content.openWriter(ref, options)
    } catch (error) {
      if (!hasErrorCode(error, 'UNAVAILABLE')) throw error
    }
    await wait(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}

/**
 * Writes a whole blob, and goes on where an earlier write under the same ref ended. A blob that is there already, before
 * or after, is as good as one that was written. What an earlier write left may be damaged: then it begins anew, once.
 *
 * @param open - starts reading at the beginning; may be called again
 * @throws {TareError} as writers do; `open`'s own errors pass unchanged
 */
export async function writeBlob(
  content: ContentIngester,
  ref: string,
  open: () => ByteSource | Promise<ByteSource>,
  options: WriteBlobOptions = {},
): Promise<WrittenBlob> {
  const present = presentBlob(options)
  for (let mayBeginAnew = true; ; mayBeginAnew = false) {
    let writer: ContentWriter
    try {
      writer = await openWriterPatiently(content, ref, options)
    } catch (error) {
      if (present !== undefined && hasErrorCode(error, 'ALREADY_EXISTS')) return present
      throw error
    }
    const resumedBytes = writer.status().offsetBytes
    try {
      await using held = writer
      return await fill(held, open, resumedBytes, options)
    } catch (error) {
      if (hasErrorCode(error, 'ALREADY_EXISTS')) return present ?? presentAs(writer)
      const isDamaged = resumedBytes > 0 && hasErrorCode(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH')
      if (!isDamaged || !mayBeginAnew) throw error
    }
    await content.abort(ref).catch((error: unknown) => {
      if (!hasErrorCode(error, 'NOT_FOUND')) throw error
    })
  }
}

async function fill(
  writer: ContentWriter,
  open: () => ByteSource | Promise<ByteSource>,
  resumedBytes: number,
  { expected, labels, signal }: WriteBlobOptions,
): Promise<WrittenBlob> {
  const sizeBytes = expected?.size
  if (resumedBytes === 0 || resumedBytes !== sizeBytes) {
    let written = resumedBytes
    for await (const chunk of abortable(sliceSource(await open(), resumedBytes), signal)) {
      written += chunk.length
      if (sizeBytes !== undefined && written > sizeBytes) {
        throw new SizeMismatchError(`blob ${expected?.digest ?? writer.ref}`, sizeBytes, written)
      }
      await writer.write(chunk)
    }
  }
  const info = await writer.commit({ sizeBytes, digest: expected?.digest, labels, signal })
  return { digest: info.digest, sizeBytes: info.sizeBytes, isPresent: false }
}

function presentBlob({ expected }: WriteBlobOptions): WrittenBlob | undefined {
  const { digest, size } = expected ?? {}
  return digest === undefined || size === undefined ? undefined : { digest, sizeBytes: size, isPresent: true }
}

/** After a commit that found the blob: what the writer took is what there is. */
function presentAs(writer: ContentWriter): WrittenBlob {
  return { digest: writer.digest(), sizeBytes: writer.status().offsetBytes, isPresent: true }
}
