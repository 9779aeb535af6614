import {
  type AccessRequest,
  Authenticator,
  type Authorization,
  CATALOG_SCOPE,
  type CredentialProvider,
  type RepositoryAction,
  type Scope,
  SharedFlight,
} from '../../auth/index.ts'
import { hasErrorCode, TareError } from '../../errors/index.ts'
import {
  HttpClient,
  type HttpClientOptions,
  type HttpRequest,
  type HttpResponse,
  HttpStatusError,
} from '../../http/index.ts'
import type { OperationOptions } from '../../stream/index.ts'
import { nextPage, readNames } from './paging.ts'
import { RepositoryClient } from './repository-client.ts'

/** Settings of a {@link RegistryClient}: those of its HTTP client, and who it is. */
export interface RegistryClientOptions extends HttpClientOptions {
  /** Finds credentials. @default everybody is anonymous */
  readonly credentials?: CredentialProvider | undefined
}

/** A request to a registry; it is authorized on the way. */
export interface RegistryRequest extends Omit<HttpRequest, 'url'> {
  /** A path under `/v2/`, with its query, or a URL that the registry gave. */
  readonly target: string | URL
  /** Chooses the credentials. */
  readonly repository?: string | undefined
  readonly scopes: readonly Scope[]
}

/** How far a list is read. */
export interface ListOptions extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** Entries asked for at a time; the registry may send fewer. @default 1000 */
  readonly pageSize?: number | undefined
}

/** The host that serves Docker Hub's API. */
const API_HOSTS: ReadonlyMap<string, string> = new Map([['docker.io', 'registry-1.docker.io']])
/** Times one request is sent while the registry changes its mind about what it takes to get in. */
const MAX_AUTHORIZATION_ROUNDS = 3
const NO_AUTHORIZATION: Authorization = { header: undefined, isFresh: false }

/**
 * A client of one registry. The first request finds out how the registry is reached and what it wants; dispose to close
 * the connections.
 *
 * With `tlsVerify: false` HTTPS is tried first, without checking the certificate, then plain HTTP, as containers' tools
 * do. Otherwise HTTPS is the only way.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
export class RegistryClient implements AsyncDisposable {
  /** Host and port as users write it; Docker Hub is `docker.io`. */
  readonly host: string
  readonly http: HttpClient
  readonly #authenticator: Authenticator
  #base: SharedFlight<URL> | undefined

  constructor(host: string, options: RegistryClientOptions = {}) {
    const { credentials = async () => ({ kind: 'anonymous' }), timing } = options
    this.host = host
    this.http = new HttpClient({ clientCertificateHost: apiHost(host), ...options })
    this.#authenticator = new Authenticator({ http: this.http, registry: host, credentials, timing })
  }

  /**
   * Checks that the host is a registry and lets us in.
   *
   * @throws {TareError} `AUTH_REQUIRED`, `REGISTRY_PROTOCOL`, `NETWORK`, `TLS`, …
   */
  async ping(options: Pick<OperationOptions, 'signal' | 'logger'> = {}): Promise<void> {
    const response = await this.request({ method: 'GET', target: '', scopes: [], ...options })
    const isWebPage = (response.header('content-type') ?? '').includes('text/html')
    if (response.status !== 200 || isWebPage) throw await HttpStatusError.read(response, this.host, 'REGISTRY_PROTOCOL')
    await response.discard()
  }

  /** A repository, and what will be done there: tokens are fetched for just that. */
  repository(name: string, actions: readonly RepositoryAction[] = ['pull']): RepositoryClient {
    return new RepositoryClient(this, name, actions)
  }

  /**
   * Names of all repositories, page by page. Many registries keep that list to themselves.
   *
   * @throws {TareError} `REGISTRY_REFUSED`, `AUTH_REQUIRED`, `REGISTRY_PROTOCOL`, …
   */
  async *catalog(options: ListOptions = {}): AsyncGenerator<string, void, undefined> {
    const { pageSize = 1000, ...operation } = options
    let target: string | URL | undefined = `_catalog?n=${pageSize}`
    for (let page = 1; target !== undefined; page++) {
      const request: RegistryRequest = { method: 'GET', target, scopes: [CATALOG_SCOPE], ...operation }
      const { response, bytes } = await this.fetch(request, `catalog of ${this.host}`, 'REGISTRY_REFUSED')
      yield* readNames(bytes, 'repositories', `catalog of ${this.host}`)
      target = nextPage(response, page)
    }
  }

  /**
   * Sends a request and gives the answer, whatever its status. The authorization goes to the registry's own origin and
   * to no other.
   *
   * @throws {TareError} `NETWORK`, `TLS`, `AUTH_REQUIRED`, …
   */
  async request(request: RegistryRequest): Promise<HttpResponse> {
    const { target, repository, scopes, ...http } = request
    const base = await this.#connect(request)
    const url = typeof target === 'string' ? new URL(target, base) : target
    if (url.origin !== base.origin) return this.http.request({ ...http, url })
    let access: AccessRequest | undefined = { repository, scopes, signal: request.signal, logger: request.logger }
    for (let round = 1; ; round++) {
      const authorization: Authorization = await this.#authenticator.authorize(base, access)
      const { header } = authorization
      const headers = { ...http.headers, ...(header === undefined ? {} : { authorization: header }) }
      const response = await this.http.request({ ...http, url, headers })
      const isOwnAnswer = response.url.origin === base.origin
      if (response.status !== 401 || !isOwnAnswer || round === MAX_AUTHORIZATION_ROUNDS) return response
      access = this.#authenticator.learn(response.headerValues('www-authenticate'), authorization, access)
      if (access === undefined) return response
      await response.discard()
    }
  }

  /**
   * Fetches a small document. **Buffers**, at most `maxBytes`; starts over when the body is cut off.
   *
   * @param subject - what is fetched, for errors
   * @param notFound - the code for 404
   */
  async fetch(
    request: RegistryRequest,
    subject: string,
    notFound: 'NOT_FOUND' | 'BLOB_NOT_FOUND' | 'REGISTRY_REFUSED',
    maxBytes: number = MAX_DOCUMENT_BYTES,
  ): Promise<FetchedDocument> {
    for (let tries = 1; ; tries++) {
      const response = await this.request(request)
      if (response.status !== 200) throw await HttpStatusError.read(response, subject, notFound)
      try {
        return { response, bytes: await response.bytes(maxBytes) }
      } catch (error) {
        if (!hasErrorCode(error, 'NETWORK')) throw error
        if (!(await this.http.retryPolicy.pauseBefore(tries, request.signal))) throw error
      }
    }
  }

  /**
   * A location that the registry gave, made safe to follow: it stays with TLS if the registry has it.
   *
   * @throws {TareError} `REGISTRY_PROTOCOL`
   */
  async locate(response: HttpResponse, subject: string): Promise<URL> {
    const base = await this.#connect({})
    const text = response.header('location')
    const location = text === undefined ? null : URL.parse(text, response.url.href)
    if (location === null || (location.protocol !== 'http:' && location.protocol !== 'https:')) {
      throw new TareError('REGISTRY_PROTOCOL', `${subject}: the answer has no usable location`)
    }
    if (location.protocol === 'http:' && base.protocol === 'https:') {
      // A registry behind a proxy that ends TLS often does not know that it is reached by https.
      if (location.host === base.host) location.protocol = 'https:'
      else if (this.http.tlsVerify) throw new TareError('REGISTRY_PROTOCOL', `${subject}: the location is plain http`)
    }
    location.username = ''
    location.password = ''
    return location
  }

  close(): Promise<void> {
    return this.http.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #connect({ signal: callerSignal, logger }: Pick<OperationOptions, 'signal' | 'logger'>): Promise<URL> {
    let flight = this.#base
    if (flight === undefined || flight.isAbandoned) {
      flight = new SharedFlight((signal) => this.#probe({ signal, logger }))
      this.#base = flight
    }
    try {
      return await flight.join(callerSignal)
    } catch (error) {
      // The registry may be back for the next request.
      if (callerSignal?.aborted !== true && this.#base === flight) this.#base = undefined
      throw error
    }
  }

  /** Finds the scheme, and on the way what the registry wants to see. */
  async #probe(options: Pick<OperationOptions, 'signal' | 'logger'>): Promise<URL> {
    const base = apiUrl('https', this.host)
    if (this.http.tlsVerify) return this.#greet(base, 'all', options)
    try {
      return await this.#greet(base, 'answers', options)
    } catch (error) {
      if (!hasErrorCode(error, 'NETWORK', 'TLS', 'REGISTRY_PROTOCOL')) throw error
      return this.#greet(apiUrl('http', this.host), 'all', options)
    }
  }

  async #greet(
    base: URL,
    retry: 'all' | 'answers',
    options: Pick<OperationOptions, 'signal' | 'logger'>,
  ): Promise<URL> {
    const { signal, logger } = options
    const response = await this.http.request({ method: 'GET', url: base, retry, redirect: 'manual', signal, logger })
    if (response.status === 401) {
      this.#authenticator.learn(response.headerValues('www-authenticate'), NO_AUTHORIZATION, { scopes: [] })
    }
    await response.discard()
    return base
  }
}

/** A document and the answer it came with, whose body is spent. */
export interface FetchedDocument {
  readonly response: HttpResponse
  readonly bytes: Uint8Array
}

/** No larger document is fetched; registries commonly refuse manifests of more than 4 MiB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024

function apiHost(host: string): string {
  return API_HOSTS.get(host) ?? host
}

function apiUrl(scheme: 'http' | 'https', host: string): URL {
  return new URL(`${scheme}://${apiHost(host)}/v2/`)
}
