import { DigestMismatchError, hasErrorCode, SizeMismatchError, TareError } from '../../errors/index.ts'
import { type HttpResponse, HttpStatusError, isRetryableStatus } from '../../http/index.ts'
import { type Descriptor, digestAlgorithm } from '../../oci/index.ts'
import { type ByteSource, Digester, type OperationOptions, sliceSource } from '../../stream/index.ts'
import { ByteCursor } from './byte-cursor.ts'
import type { RegistryClient, RegistryRequest } from './registry-client.ts'

/** How a blob is sent. */
export interface UploadBlobOptions extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** Repositories of the same registry to mount it from; the first few are tried in order. */
  readonly mountFrom?: readonly string[] | undefined
  /**
   * Send it in requests of at most this many bytes (a registry may ask for more). @default one request for all,
   * which fewer things can go wrong with
   */
  readonly chunkBytes?: number | undefined
}

/** What a blob is uploaded with. */
export interface UploadTarget {
  readonly registry: RegistryClient
  /** `namespace/name`. */
  readonly repository: string
  /** Makes a request of the repository, with its scopes. */
  readonly request: (request: Omit<RegistryRequest, 'scopes' | 'repository'>) => Promise<HttpResponse>
}

/** A registry hashes a blob before it answers; large ones take a while. */
const COMMIT_TIMEOUT_MS = 15 * 60_000
/** Longest wait for a session to be given up, after something else has failed already. */
const CANCEL_TIMEOUT_MS = 5_000

/** Thrown when the registry no longer knows a session; never leaves this file. */
class SessionGone extends Error {}

/**
 * Sends one blob through an upload session: whole or in chunks, resumed where the session stopped if it still lives,
 * else from the start in a new one. The source is opened again each time, and its digest is checked before its last
 * bytes go out, so that wrong content is never complete anywhere.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
 */
export class BlobUpload {
  readonly #target: UploadTarget
  readonly #descriptor: Descriptor
  readonly #open: () => Promise<ByteSource>
  readonly #options: UploadBlobOptions
  #chunkBytes: number | undefined
  #location: URL | undefined
  #offset = 0
  #isResumed = false
  #sourceFailure: { readonly error: unknown } | undefined

  /**
   * @param open - starts the content from its beginning; its errors pass unchanged
   * @throws {RangeError} when `chunkBytes` is less than 1
   */
  constructor(
    target: UploadTarget,
    descriptor: Descriptor,
    open: () => Promise<ByteSource>,
    options: UploadBlobOptions = {},
  ) {
    const { chunkBytes } = options
    if (chunkBytes !== undefined && !(chunkBytes >= 1)) {
      throw new RangeError(`chunkBytes must be 1 or more, got ${chunkBytes}`)
    }
    this.#target = target
    this.#descriptor = descriptor
    this.#open = open
    this.#options = options
    this.#chunkBytes = chunkBytes
  }

  get #subject(): string {
    return `upload of ${this.#descriptor.digest}`
  }

  /**
   * @param session - the answer that opened a session already (a mount that was not done); one is started otherwise
   * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH` for the content; `NETWORK`, `REGISTRY_REFUSED`, …
   */
  async run(session?: HttpResponse): Promise<void> {
    const { retryPolicy } = this.#target.registry.http
    const { signal, logger } = this.#options
    let failures = 0
    let furthest = 0
    let next = session
    for (;;) {
      if (this.#location === undefined) await this.#begin(next ?? (await this.#start()))
      next = undefined
      try {
        await this.#transfer()
        return
      } catch (error) {
        signal?.throwIfAborted()
        if (this.#sourceFailure !== undefined || !this.#isRecoverable(error)) {
          await this.#cancel()
          throw this.#sourceFailure === undefined ? error : this.#sourceFailure.error
        }
        failures = this.#offset > furthest ? 1 : failures + 1
        const retryAfter = error instanceof HttpStatusError ? error.retryAfter : undefined
        if (!(await retryPolicy.pauseBefore(failures, signal, retryAfter))) {
          throw error instanceof SessionGone ? this.#sessionsKeepEnding() : error
        }
        if (await this.#recover(error)) return
        if (this.#offset > furthest) failures = 0
        furthest = Math.max(furthest, this.#offset)
        logger?.debug(`${this.#subject}: goes on from byte ${this.#offset}`)
      }
    }
  }

  async #start(): Promise<HttpResponse> {
    const { repository } = this.#target
    const response = await this.#request({ method: 'POST', target: `${repository}/blobs/uploads/` })
    if (response.status !== 202) throw await HttpStatusError.read(response, `${this.#subject} to ${repository}`)
    return response
  }

  async #begin(response: HttpResponse): Promise<void> {
    const minimum = Number(response.header('oci-chunk-min-length') ?? 0)
    if (this.#chunkBytes !== undefined && minimum > this.#chunkBytes) this.#chunkBytes = minimum
    this.#location = await this.#target.registry.locate(response, this.#subject)
    this.#offset = 0
    this.#isResumed = false
    await response.discard()
  }

  async #transfer(): Promise<void> {
    const { size } = this.#descriptor
    if (this.#offset === 0 && this.#chunkBytes === undefined) {
      return this.#close({ sizeBytes: size, open: async () => this.#content() })
    }
    let cursor: ByteCursor | undefined
    try {
      while (this.#offset < size) {
        const start = this.#offset
        const sizeBytes = Math.min(this.#chunkBytes ?? size, size - start)
        const open = async (): Promise<ByteSource> => {
          // Not where the source is when the registry kept less than was sent, or wants the chunk once more.
          if (cursor?.position !== start) {
            await cursor?.[Symbol.asyncDispose]()
            cursor = new ByteCursor(sliceSource(this.#content(), start), start)
          }
          return cursor.take(sizeBytes)
        }
        await this.#sendChunk(start, sizeBytes, open)
      }
    } finally {
      await cursor?.[Symbol.asyncDispose]()
    }
    await this.#close()
  }

  async #sendChunk(start: number, sizeBytes: number, open: () => Promise<ByteSource>): Promise<void> {
    const response = await this.#request({
      method: 'PATCH',
      target: this.#session(),
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `${start}-${start + sizeBytes - 1}`,
      },
      body: { sizeBytes, open },
    })
    if (response.status !== 202) throw await this.#refusal(response)
    await this.#update(response, start + sizeBytes)
    if (this.#offset <= start) {
      throw new TareError('REGISTRY_PROTOCOL', `${this.#subject}: the registry took a chunk and kept nothing of it`)
    }
  }

  /** The request that makes the blob visible, with the whole content or after all of it. */
  async #close(body?: { readonly sizeBytes: number; readonly open: () => Promise<ByteSource> }): Promise<void> {
    const url = new URL(this.#session())
    // Appended as text: parsing the query could respell what a signature covers.
    url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(this.#descriptor.digest)}`
    const response = await this.#request({
      method: 'PUT',
      target: url,
      headers: { 'content-type': 'application/octet-stream' },
      headersTimeoutMs: COMMIT_TIMEOUT_MS,
      retry: 'nothing',
      ...(body === undefined ? {} : { body }),
    })
    if (response.status !== 201 && response.status !== 204) throw await this.#refusal(response)
    await response.discard()
  }

  /** @returns true when the blob turns out to be there: the closing request arrived, its answer did not */
  async #recover(error: unknown): Promise<boolean> {
    const session = this.#session()
    const isRefused = error instanceof SessionGone || (error instanceof HttpStatusError && error.status === 400)
    if (isRefused) {
      this.#location = undefined
      return this.#isStored()
    }
    const response = await this.#request({ method: 'GET', target: session })
    if (response.status === 204 || response.status === 200 || response.status === 202) {
      // The Range of an empty session and of one with a single byte look the same: `0-0`.
      const kept = storedBytes(response)
      if (kept !== undefined && kept > 1 && kept <= this.#descriptor.size) {
        this.#offset = kept
        this.#isResumed = true
        await this.#update(response, kept)
        return false
      }
      await response.discard()
      await this.#cancel()
      return false
    }
    await response.discard()
    this.#location = undefined
    return response.status === 404 && (await this.#isStored())
  }

  async #isStored(): Promise<boolean> {
    const target = `${this.#target.repository}/blobs/${this.#descriptor.digest}`
    const response = await this.#request({ method: 'HEAD', target })
    await response.discard()
    return response.status === 200 && (response.contentLength ?? this.#descriptor.size) === this.#descriptor.size
  }

  /** Takes over the session's next location and how much it holds. */
  async #update(response: HttpResponse, expectedOffset: number): Promise<void> {
    if (response.header('location') !== undefined) {
      this.#location = await this.#target.registry.locate(response, this.#subject)
    }
    this.#offset = Math.min(storedBytes(response) ?? expectedOffset, this.#descriptor.size)
    await response.discard()
  }

  async #refusal(response: HttpResponse): Promise<Error> {
    if (response.status === 404) {
      await response.discard()
      return new SessionGone()
    }
    return HttpStatusError.read(response, this.#subject)
  }

  #isRecoverable(error: unknown): boolean {
    if (error instanceof SessionGone || hasErrorCode(error, 'NETWORK')) return true
    if (!(error instanceof HttpStatusError)) return false
    // After a resumption a refusal may mean that the registry counts differently; from the start it means what it says.
    return isRetryableStatus(error.status) || error.status === 416 || (error.status === 400 && this.#isResumed)
  }

  /** Tells the registry to forget the session. It would do so by itself in time, so a failure changes nothing. */
  async #cancel(): Promise<void> {
    if (this.#location === undefined) return
    const target = this.#location
    this.#location = undefined
    const timeout = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
    const { signal = timeout } = this.#options
    const bounded = AbortSignal.any([signal, timeout])
    try {
      const response = await this.#target.request({ method: 'DELETE', target, retry: 'nothing', signal: bounded })
      await response.discard()
    } catch {
      // see above
    }
  }

  /** The content from its first byte on, proven before its last chunk is handed out. */
  async *#content(): ByteSource {
    const { digest, size } = this.#descriptor
    try {
      const digester = new Digester(digestAlgorithm(digest))
      const prove = (): void => {
        const actual = digester.digest()
        if (actual !== digest) throw new DigestMismatchError('blob', digest, actual)
      }
      if (size === 0) prove()
      for await (const chunk of await this.#open()) {
        digester.update(chunk)
        if (digester.sizeBytes > size) throw new SizeMismatchError('blob', size, digester.sizeBytes)
        if (digester.sizeBytes === size) prove()
        // The socket may still hold the chunk when the source is asked for the next one and makes its buffer new.
        yield Buffer.from(chunk)
      }
      if (digester.sizeBytes < size) throw new SizeMismatchError('blob', size, digester.sizeBytes)
    } catch (error) {
      this.#sourceFailure = { error }
      throw error
    }
  }

  #request(request: Omit<RegistryRequest, 'scopes' | 'repository' | 'signal' | 'logger'>): Promise<HttpResponse> {
    const { signal, logger } = this.#options
    return this.#target.request({ ...request, signal, logger })
  }

  #session(): URL {
    if (this.#location === undefined) throw new TareError('INTERNAL', `${this.#subject}: no session`)
    return this.#location
  }

  #sessionsKeepEnding(): TareError {
    return new TareError('REGISTRY_REFUSED', `${this.#subject}: the registry keeps losing the upload session`, {
      hint: 'If several registries share the address, they must share their storage and secret too',
    })
  }
}

/** Bytes that a session holds by its `Range` field (`0-41`, some write `bytes=0-41`); `undefined` when it says nothing. */
function storedBytes(response: HttpResponse): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.header('range')?.trim() ?? '')?.[1]
  return last === undefined ? undefined : Number(last) + 1
}
