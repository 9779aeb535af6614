import type { Transform } from 'node:stream'
import type { ByteSource } from '../stream/index.ts'

/** Size of the chunks that decoders give; smaller ones cost a trip to the thread pool each. */
export const OUTPUT_CHUNK_BYTES: number = 128 * 1024

/** A transform of `node:zlib`: counts the input it has used. */
export type Codec = Transform & { readonly bytesWritten: number }

/** What {@link throughCodec} leaves to the format. */
export interface CodecHooks {
  /** Gets what the decoder did not use because its stream had ended, and all that follows. Throws to refuse it. */
  readonly onSurplus: (bytes: Uint8Array) => void
  /** Turns an error of the decoder into one of ours. */
  readonly codecError: (cause: unknown) => unknown
}

/**
 * Sends a source through a decoder of `node:zlib`. Each write waits for its callback: zstd loses or adds bytes when
 * writes are queued, and nothing piles up before a slow consumer. Ending early frees the decoder and ends the source.
 * Errors of the source pass unchanged.
 */
export async function* throughCodec(source: ByteSource, codec: Codec, hooks: CodecHooks): ByteSource {
  let failure: { readonly error: unknown } | undefined
  const feeding = feed(source, codec, hooks.onSurplus).catch((error: unknown) => {
    failure = { error }
    codec.destroy()
  })
  try {
    for await (const chunk of codec) yield chunk as Uint8Array // not in object mode, so it gives buffers only
    await feeding
  } catch (error) {
    failure ??= { error: hooks.codecError(error) }
  } finally {
    codec.destroy()
    await feeding
  }
  if (failure !== undefined) throw failure.error
}

async function feed(source: ByteSource, codec: Codec, onSurplus: CodecHooks['onSurplus']): Promise<void> {
  // A codec that is destroyed, or has ended, may never call back for the write under way.
  let wake: (() => void) | undefined
  codec.once('close', () => wake?.())
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      codec.write(chunk, () => resolve())
    })

  let fedBytes = 0
  let hasEnded = false
  for await (const chunk of source) {
    if (hasEnded) {
      onSurplus(chunk)
      continue
    }
    await write(chunk)
    // Failed, or the consumer left: the reading side knows why.
    if (codec.destroyed && !codec.readableEnded) return
    fedBytes += chunk.length
    const surplusBytes = fedBytes - codec.bytesWritten
    if (surplusBytes === 0) continue
    hasEnded = true
    onSurplus(chunk.subarray(chunk.length - surplusBytes))
  }
  if (!hasEnded) codec.end()
}
