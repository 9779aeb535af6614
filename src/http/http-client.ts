import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { hasErrorCode, TareError } from '../errors/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import { CertificateDirectory } from './certificates.ts'
import { HttpResponse } from './http-response.ts'
import { networkError } from './network-error.ts'
import { printableUrl } from './printable-url.ts'
import { type Environment, proxyFor } from './proxy.ts'
import { isRetryableStatus, type RetryOptions, RetryPolicy } from './retry.ts'
import { SYSTEM_TIMING, type Timing } from './timing.ts'

/** Settings of an {@link HttpClient}. */
export interface HttpClientOptions extends RetryOptions {
  /** Check certificates. `false` also lets redirects lead from https to http. @default true */
  readonly tlsVerify?: boolean | undefined
  /** Directory of authorities and a client certificate, see {@link CertificateDirectory}. */
  readonly certDir?: string | undefined
  /** Certificates that have been read already, instead of `certDir`. */
  readonly certificates?: CertificateDirectory | undefined
  /** A Unix socket that all connections go to, whatever the URL's host; there is no proxy then. */
  readonly socketPath?: string | undefined
  /** The only host (name and port) that the client certificate is shown to; all when left out. */
  readonly clientCertificateHost?: string | undefined
  /** Proxy variables. @default none: direct connections */
  readonly environment?: Environment | undefined
  /** @default 'tare' */
  readonly userAgent?: string | undefined
  /** Milliseconds. @default 30000 */
  readonly connectTimeoutMs?: number | undefined
  /** Longest wait for an answer after the request was sent, in milliseconds. @default 120000 */
  readonly headersTimeoutMs?: number | undefined
  /** Longest silence within a body, in milliseconds. @default 60000 */
  readonly bodyTimeoutMs?: number | undefined
  /** Connections to one origin at a time; further requests wait. @default 16 */
  readonly connectionsPerOrigin?: number | undefined
  readonly timing?: Timing | undefined
}

/** A body that is made anew for each try. */
export interface StreamedBody {
  readonly sizeBytes: number
  /** Starts the body from its beginning; its errors pass through the request unchanged. */
  readonly open: () => Promise<ByteSource>
}

/** One request. */
export interface HttpRequest extends Pick<OperationOptions, 'signal' | 'logger'> {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  /** Names in lower case. `authorization` is not sent to any other origin that a redirect leads to. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | StreamedBody | undefined
  /**
   * What is tried again: `all` failed connections and answers that ask for patience, `answers` only the latter, or
   * `nothing`. @default 'all', but 'nothing' for a streamed body, whose sender knows better what arrived
   */
  readonly retry?: 'all' | 'answers' | 'nothing' | undefined
  /** @default 'follow' */
  readonly redirect?: 'follow' | 'manual' | undefined
  /** Overrides the client's. */
  readonly headersTimeoutMs?: number | undefined
}

/** Redirects followed for one request. */
const MAX_REDIRECTS = 10
const SECRET_HEADERS: ReadonlySet<string> = new Set(['authorization', 'cookie'])

/**
 * Sends requests: a pool per origin, proxies, TLS settings, timeouts, retries and redirects. Connections are opened on
 * demand and undici is loaded with the first; dispose to close them.
 */
export class HttpClient implements AsyncDisposable {
  readonly retryPolicy: RetryPolicy
  readonly tlsVerify: boolean
  readonly #options: HttpClientOptions
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>()
  #certificates: Promise<CertificateDirectory> | undefined
  #isClosed = false

  constructor(options: HttpClientOptions = {}) {
    this.#options = options
    this.tlsVerify = options.tlsVerify ?? true
    this.retryPolicy = new RetryPolicy(options, options.timing ?? SYSTEM_TIMING)
  }

  /**
   * Sends a request and gives the answer, whatever its status, once its headers are here.
   *
   * @throws {TareError} `NETWORK`, `TLS` when there is no answer; `REGISTRY_PROTOCOL` for redirects that lead nowhere
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const { signal, logger } = request
    const retry = request.retry ?? (isStreamed(request.body) ? 'nothing' : 'all')
    for (let tries = 1; ; tries++) {
      let response: HttpResponse
      try {
        response = await this.#follow(request)
      } catch (error) {
        const isWorthRetrying = retry === 'all' && hasErrorCode(error, 'NETWORK')
        if (!isWorthRetrying || !(await this.retryPolicy.pauseBefore(tries, signal))) throw error
        logger?.debug(`${error.message}; trying again`)
        continue
      }
      if (retry === 'nothing' || !isRetryableStatus(response.status)) return response
      const delayMs = this.retryPolicy.delayBefore(tries, response.header('retry-after'))
      if (delayMs === undefined) return response
      logger?.debug(`${response.subject}: answered ${response.status}; trying again in ${Math.ceil(delayMs)} ms`)
      await response.discard()
      await this.retryPolicy.timing.sleep(delayMs, signal)
    }
  }

  /** Closes all connections; what is under way on them fails. */
  async close(): Promise<void> {
    this.#isClosed = true
    const dispatchers = await Promise.allSettled(this.#dispatchers.values())
    this.#dispatchers.clear()
    const made = dispatchers.filter((outcome) => outcome.status === 'fulfilled')
    await Promise.all(made.map((outcome) => outcome.value.destroy()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
    let { url, headers = {} } = request
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(request, url, headers)
      if (request.redirect === 'manual' || !isRedirect(response.status, request.method)) return response
      const next = this.#redirectTarget(response, redirects)
      await response.discard()
      if (next.origin !== url.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADERS.has(name)))
      }
      url = next
    }
  }

  #redirectTarget(response: HttpResponse, redirects: number): URL {
    const refuse = (why: string): TareError => new TareError('REGISTRY_PROTOCOL', `${response.subject}: ${why}`)
    if (redirects >= MAX_REDIRECTS) throw refuse(`more than ${MAX_REDIRECTS} redirects`)
    const location = response.header('location')
    const next = location === undefined ? null : URL.parse(location, response.url.href)
    if (next === null || (next.protocol !== 'https:' && next.protocol !== 'http:')) {
      throw refuse(`redirect (${response.status}) without a usable location`)
    }
    if (next.protocol === 'http:' && response.url.protocol === 'https:' && this.tlsVerify) {
      throw refuse(`redirect from https to plain http at ${next.host}`)
    }
    return next
  }

  async #send(request: HttpRequest, url: URL, headers: Readonly<Record<string, string>>): Promise<HttpResponse> {
    const { signal, logger, body } = request
    signal?.throwIfAborted()
    const dispatcher = await this.#dispatcher(url)
    const upload = isStreamed(body) ? new Upload(body) : undefined
    try {
      const answer = await dispatcher.request({
        // A proxy's dispatcher serves any origin and needs to be told.
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: {
          'user-agent': this.#options.userAgent ?? 'tare',
          // A compressed transfer would have neither the length nor the ranges of the content.
          'accept-encoding': 'identity',
          ...headers,
          ...(upload === undefined ? {} : { 'content-length': String(upload.sizeBytes) }),
        },
        body: upload?.readable ?? (body instanceof Uint8Array ? body : null),
        signal: signal ?? null,
        headersTimeout: request.headersTimeoutMs ?? this.#options.headersTimeoutMs ?? 120_000,
        bodyTimeout: this.#options.bodyTimeoutMs ?? 60_000,
      })
      logger?.debug(`${request.method} ${printableUrl(url)}: ${answer.statusCode}`)
      return new HttpResponse(answer.statusCode, url, answer.headers, answer.body, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (upload?.failure !== undefined) throw upload.failure.error
      throw networkError(url, error)
    }
  }

  #dispatcher(url: URL): Promise<Dispatcher> {
    if (this.#isClosed) throw new TypeError('the HTTP client is closed')
    let made = this.#dispatchers.get(url.origin)
    if (made === undefined) {
      made = this.#makeDispatcher(url)
      this.#dispatchers.set(url.origin, made)
    }
    return made
  }

  async #makeDispatcher(url: URL): Promise<Dispatcher> {
    const { certDir, clientCertificateHost, socketPath, environment = {}, connectTimeoutMs = 30_000 } = this.#options
    const { Pool, ProxyAgent } = await import('undici')
    if (certDir !== undefined) this.#certificates ??= CertificateDirectory.read(certDir)
    const certificates = this.#options.certificates ?? (await this.#certificates)
    const showsClient = clientCertificateHost === undefined || clientCertificateHost === url.host
    const tls = {
      rejectUnauthorized: this.tlsVerify,
      ...(certificates === undefined ? {} : { secureContext: certificates.secureContext(showsClient) }),
    }
    const pool = { connections: this.#options.connectionsPerOrigin ?? 16, allowH2: false }
    if (socketPath !== undefined) {
      return new Pool(url.origin, { ...pool, socketPath, connect: { timeout: connectTimeoutMs } })
    }
    const proxy = proxyFor(url, environment)
    if (proxy === undefined) {
      return new Pool(url.origin, { ...pool, connect: { ...tls, timeout: connectTimeoutMs } })
    }
    return new ProxyAgent({ ...pool, uri: proxy.href, requestTls: tls, connectTimeout: connectTimeoutMs })
  }
}

/** A streamed body on its way out; remembers its own failure, which undici would present as one of the connection. */
class Upload {
  readonly sizeBytes: number
  readonly readable: Readable
  failure: { readonly error: unknown } | undefined

  constructor(body: StreamedBody) {
    this.sizeBytes = body.sizeBytes
    const iterator = this.#read(body)
    // Without `throw`: undici's own errors would be thrown into the source and come back looking like the source's.
    const next = (): Promise<IteratorResult<Uint8Array>> => iterator.next()
    const stop = (): Promise<IteratorResult<Uint8Array>> => iterator.return()
    this.readable = Readable.from({ [Symbol.asyncIterator]: () => ({ next, return: stop }) })
  }

  /** Opens the source only when the connection wants bytes, so that one that never comes up leaves nothing open. */
  async *#read(body: StreamedBody): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* await body.open()
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }
}

function isStreamed(body: HttpRequest['body']): body is StreamedBody {
  return body !== undefined && !(body instanceof Uint8Array)
}

/** 301 to 303 turn other methods into GET, which no registry means; those are left to the caller as errors. */
function isRedirect(status: number, method: HttpRequest['method']): boolean {
  if (status === 307 || status === 308) return true
  return (status === 301 || status === 302 || status === 303) && (method === 'GET' || method === 'HEAD')
}
