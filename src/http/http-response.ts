import { type ByteSource, readAllBytes } from '../stream/index.ts'
import { networkError } from './network-error.ts'
import { printableUrl } from './printable-url.ts'

/** Header fields, names in lower case, as undici gives them. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** A body that can be thrown away without being read; undici's readables are that. */
export interface DisposableBody extends AsyncIterable<Uint8Array> {
  dump(options: { limit: number; signal?: AbortSignal }): Promise<void>
  destroy(): unknown
}

/** Rests of bodies up to this size are read so that the connection can be used again; longer ones cost it. */
const DISCARD_BYTES = 64 * 1024
/** Some servers announce a body with an error and never send it; that must not hold anybody up. */
const DISCARD_TIMEOUT_MS = 2_000

/**
 * An answer whose body is still on its way. Take the body once, by {@link HttpResponse.body} or
 * {@link HttpResponse.bytes}, or {@link HttpResponse.discard} it; until then it holds a connection.
 */
export class HttpResponse {
  readonly status: number
  /** Where the answer came from, after redirects. */
  readonly url: URL
  readonly #headers: ResponseHeaders
  readonly #body: DisposableBody
  readonly #signal: AbortSignal | undefined

  constructor(status: number, url: URL, headers: ResponseHeaders, body: DisposableBody, signal?: AbortSignal) {
    this.status = status
    this.url = url
    this.#headers = headers
    this.#body = body
    this.#signal = signal
  }

  /** Where the answer came from, for messages: no query, no user info. */
  get subject(): string {
    return printableUrl(this.url)
  }

  /** A header field; several of one name are joined by commas. */
  header(name: string): string | undefined {
    const values = this.headerValues(name)
    return values.length === 0 ? undefined : values.join(', ')
  }

  /** All fields of one name, as they were sent. */
  headerValues(name: string): readonly string[] {
    const value = this.#headers[name.toLowerCase()]
    if (value === undefined) return []
    return typeof value === 'string' ? [value] : value
  }

  /** The stated length of the body, when there is one and it makes sense. */
  get contentLength(): number | undefined {
    const text = this.header('content-length')
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  /**
   * The body as it arrives. Ending the iteration early closes the connection.
   *
   * @throws {TareError} `NETWORK` when it is cut off
   */
  async *body(): ByteSource {
    try {
      for await (const chunk of this.#body) yield chunk
    } catch (error) {
      this.#signal?.throwIfAborted()
      throw networkError(this.url, error)
    }
  }

  /**
   * The whole body. **Buffers.**
   *
   * @throws {TareError} `LIMIT_EXCEEDED` beyond `maxBytes`, `NETWORK`
   */
  bytes(maxBytes: number): Promise<Uint8Array> {
    return readAllBytes(this.body(), maxBytes, this.subject)
  }

  /** Lets go of the body. Never fails: what is thrown away need not arrive. */
  async discard(): Promise<void> {
    try {
      await this.#body.dump({ limit: DISCARD_BYTES, signal: AbortSignal.timeout(DISCARD_TIMEOUT_MS) })
    } catch {
      this.#body.destroy()
    }
  }
}
