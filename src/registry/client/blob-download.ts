import { hasErrorCode, TareError } from '../../errors/index.ts'
import { type HttpResponse, HttpStatusError, type RetryPolicy } from '../../http/index.ts'
import type { Descriptor } from '../../oci/index.ts'
import { type ByteSource, sliceSource } from '../../stream/index.ts'

/** How {@link openBlobDownload} asks for a blob and how patient it is. */
export interface BlobDownloadOptions {
  /** Sends the GET with these headers besides its own; retries by itself until there is an answer. */
  readonly get: (headers: Readonly<Record<string, string>>) => Promise<HttpResponse>
  readonly retryPolicy: RetryPolicy
  /** First byte wanted. @default 0 */
  readonly offset?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Starts a download. When the connection is cut, it goes on from the byte where it stopped; each byte is handed out
 * once and in order. The bytes are not verified.
 *
 * @throws {TareError} `BLOB_NOT_FOUND`, `AUTH_REQUIRED`, `NETWORK`, …; while reading also `REGISTRY_PROTOCOL`
 */
export async function openBlobDownload(descriptor: Descriptor, options: BlobDownloadOptions): Promise<ByteSource> {
  const { offset = 0 } = options
  // There is no last byte to ask for; a range beyond the end is an error to a server.
  if (offset > 0 && offset >= descriptor.size) return noBytes()
  return new BlobDownload(descriptor, options, offset, await openRange(descriptor, options, offset))
}

async function* noBytes(): ByteSource {}

/** A download under way; the first answer is let go of even if it is never read. */
class BlobDownload implements AsyncIterable<Uint8Array> {
  readonly #descriptor: Descriptor
  readonly #options: BlobDownloadOptions
  #position: number
  #body: ByteSource | undefined

  constructor(descriptor: Descriptor, options: BlobDownloadOptions, offset: number, body: ByteSource | undefined) {
    this.#descriptor = descriptor
    this.#options = options
    this.#position = offset
    this.#body = body
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const { retryPolicy, signal } = this.#options
    let failures = 0
    while (this.#body !== undefined) {
      const start = this.#position
      try {
        for await (const chunk of this.#body) {
          this.#position += chunk.length
          yield chunk
        }
        // A body that ended too soon although its server was content: ask for the rest as long as that helps. What is
        // missing in the end is found by whoever verifies.
        if (this.#position >= this.#descriptor.size || this.#position === start) return
      } catch (error) {
        if (!hasErrorCode(error, 'NETWORK')) throw error
        if (this.#position >= this.#descriptor.size) return
        failures = this.#position > start ? 1 : failures + 1
        if (!(await retryPolicy.pauseBefore(failures, signal))) throw error
      }
      this.#body = await openRange(this.#descriptor, this.#options, this.#position)
    }
  }
}

/** The bytes from `offset` on; `undefined` when the blob ends there. */
async function openRange(
  descriptor: Descriptor,
  options: BlobDownloadOptions,
  offset: number,
): Promise<ByteSource | undefined> {
  const response = await options.get(offset === 0 ? {} : { range: `bytes=${offset}-` })
  switch (response.status) {
    case 200:
      // A server may ignore the range; then the part that is here already is skipped.
      return offset === 0 ? response.body() : sliceSource(response.body(), offset)
    case 206: {
      const start = /^bytes (\d{1,15})-/.exec(response.header('content-range') ?? '')?.[1]
      if (start !== undefined && Number(start) <= offset) {
        return Number(start) === offset ? response.body() : sliceSource(response.body(), offset - Number(start))
      }
      await response.discard()
      throw new TareError(
        'REGISTRY_PROTOCOL',
        `blob ${descriptor.digest}: asked from byte ${offset}, got another range`,
      )
    }
    case 416:
      await response.discard()
      return undefined
    default:
      throw await HttpStatusError.read(response, `blob ${descriptor.digest}`, 'BLOB_NOT_FOUND')
  }
}
