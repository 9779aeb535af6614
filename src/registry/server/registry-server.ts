import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { TareError } from '../../errors/index.ts'
import { type ByteSource, type Logger, SILENT_LOGGER } from '../../stream/index.ts'
import { type Authorize, checkAuthorized, neededAccess, type RegistryRequest } from './authorization.ts'
import { handleBlob } from './blobs.ts'
import type { Call, Service } from './call.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import { handleCatalog, handleReferrers, handleTags } from './listings.ts'
import { handleManifest } from './manifests.ts'
import { MemoryRegistryStorage } from './memory-storage.ts'
import { refusalOf, refuse, refuseMethod } from './refusal.ts'
import { jsonReply, type Reply } from './reply.ts'
import { type Route, routeOf } from './route.ts'
import type { RegistryStorage } from './storage.ts'
import { handleUpload, handleUploads } from './uploads.ts'

/** Bytes of a refused body that are read and dropped, so that the client gets to see the answer. */
const MAX_DRAINED_BYTES = 8 * 1024 * 1024

/** How often unfinished uploads are looked through. */
const EXPIRY_INTERVAL_MS = 60 * 60 * 1000

/** Settings of {@link startRegistry}. */
export interface RegistryOptions {
  /** @default '127.0.0.1' */
  readonly host?: string | undefined
  /** 0 picks a free one. @default 0 */
  readonly port?: number | undefined
  /** PEM texts; with them the registry speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
  /** Where content is kept. @default a new {@link MemoryRegistryStorage} */
  readonly storage?: RegistryStorage | undefined
  /** Decides over each request; everybody may do everything when left out. */
  readonly authorize?: Authorize | undefined
  /**
   * Sees each request first, also those to paths that are no endpoint: records, delays, injects faults, serves a token
   * endpoint. When it has sent a response, or destroyed the connection, the registry leaves the request alone.
   */
  readonly onRequest?: RequestHook | undefined
  /** Refuse whatever would change content, with 405. @default false */
  readonly readOnly?: boolean | undefined
  /** Whether tags, manifests and blobs can be deleted; 405 when not. @default true */
  readonly deletes?: boolean | undefined
  /** Larger manifests get 413; clients may expect 4 MiB to work. @default 4 MiB */
  readonly maxManifestBytes?: number | undefined
  /** What becomes of a manifest that names blobs or manifests which the repository lacks. @default 'refuse' */
  readonly missingReferences?: 'refuse' | 'accept' | undefined
  /** Most repositories or referrers in one answer. Tags come whole unless the client asks for pages. @default 1000 */
  readonly pageSize?: number | undefined
  /** A connection on which nothing moves for so long is closed. @default 120 000 */
  readonly idleTimeoutMs?: number | undefined
  /** Upload sessions that get no bytes for so long are dropped. @default 24 hours */
  readonly uploadExpiryMs?: number | undefined
  /** Hears of failures that are the registry's own. */
  readonly logger?: Logger | undefined
}

/** @see {@link RegistryOptions.onRequest} */
export type RequestHook = (
  request: RegistryRequest,
  exchange: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
) => void | Promise<void>

/** A registry that listens. Disposing is closing. */
export interface RunningRegistry extends AsyncDisposable {
  /** `http://127.0.0.1:40123`, without a final slash. */
  readonly url: string
  /** `127.0.0.1:40123`: the registry part of references. */
  readonly address: string
  readonly host: string
  readonly port: number
  readonly storage: RegistryStorage
  /** Stops listening, cuts open connections and waits for what is under way. Idempotent. */
  close(): Promise<void>
}

/**
 * Starts a container registry in this process. Bodies are streamed, content is verified before anybody can see it, and
 * uploads can be resumed.
 *
 * @throws {TareError} `NETWORK` when the address cannot be listened on
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md version 1.1
 *
 * @example
 * ```ts
 * import { startRegistry } from 'tare/registry'
 *
 * await using registry = await startRegistry()
 * console.log(registry.url)
 * ```
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const host = options.host ?? '127.0.0.1'
  const front = new Front(options)
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls)
  const underWay = new Set<Promise<void>>()
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const work = front.serve(incoming, outgoing).finally(() => underWay.delete(work))
    underWay.add(work)
  }
  server.on('request', serve)
  // Without this listener Node would invite a body before anything is known about the request.
  server.on('checkContinue', serve)
  // An upload may take hours; what must not happen is that nothing moves.
  server.requestTimeout = 0
  server.setTimeout(options.idleTimeoutMs ?? 120_000)
  const port = await listen(server, host, options.port ?? 0)

  const uploadExpiryMs = options.uploadExpiryMs ?? 24 * 60 * 60 * 1000
  const expiry = setInterval(() => void front.expireUploads(uploadExpiryMs), EXPIRY_INTERVAL_MS)
  expiry.unref()
  await front.expireUploads(uploadExpiryMs)

  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= (async () => {
      clearInterval(expiry)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await Promise.all(underWay)
    })()
    return closing
  }
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${address}`,
    address,
    host,
    port,
    storage: front.storage,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (cause) {
    throw new TareError('NETWORK', `registry cannot listen on ${host}:${port}`, {
      cause,
      hint: 'Choose another port, or stop what uses this one',
    })
  }
  // listen() with host and port gives a TCP address, never a pipe
  return (server.address() as AddressInfo).port
}

/** Between HTTP and the handlers: hooks, authorization, dispatch, answers. */
class Front {
  readonly #service: Service
  readonly #authorize: Authorize | undefined
  readonly #onRequest: RequestHook | undefined
  readonly #logger: Logger

  constructor(options: RegistryOptions) {
    this.#service = {
      storage: options.storage ?? new MemoryRegistryStorage(),
      readOnly: options.readOnly ?? false,
      deletes: options.deletes ?? true,
      maxManifestBytes: options.maxManifestBytes ?? 4 * 1024 * 1024,
      missingReferences: options.missingReferences ?? 'refuse',
      pageSize: options.pageSize ?? 1000,
      uploads: new KeyedMutex(),
    }
    this.#authorize = options.authorize
    this.#onRequest = options.onRequest
    this.#logger = options.logger ?? SILENT_LOGGER
  }

  get storage(): RegistryStorage {
    return this.#service.storage
  }

  async expireUploads(idleMs: number): Promise<void> {
    try {
      await this.storage.expireUploads(idleMs)
    } catch (error) {
      this.#logger.warn(`registry: cannot drop unfinished uploads: ${String(error)}`)
    }
  }

  /** Answers one request. Never rejects. */
  async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const reply = await this.#reply(incoming, outgoing)
      if (reply === undefined || outgoing.destroyed) return
      // Together: once an answer is out, Node takes an unread body over, and reading it would wait for ever.
      await Promise.all([send(reply, outgoing), incoming.complete ? undefined : drain(incoming)])
    } catch (error) {
      // The head is gone already, or the client is: cutting the connection is the only way left to say so.
      if (!incoming.destroyed) this.#logger.warn(`registry: ${incoming.method} ${incoming.url}: ${String(error)}`)
      outgoing.destroy()
    }
  }

  /** @returns undefined when a hook has dealt with the request */
  async #reply(incoming: IncomingMessage, outgoing: ServerResponse): Promise<Reply | undefined> {
    try {
      const method = incoming.method ?? 'GET'
      const [path = '', query = ''] = splitTarget(incoming.url ?? '/')
      const unrouted = { method, path, query: new URLSearchParams(query), headers: incoming.headers }
      let route: Route | undefined
      let malformed: unknown
      try {
        route = routeOf(path)
      } catch (error) {
        malformed = error
      }
      const request: RegistryRequest = { ...unrouted, route }
      await this.#onRequest?.(request, { incoming, outgoing })
      if (outgoing.headersSent || outgoing.destroyed) return undefined
      if (malformed !== undefined) throw malformed
      if (route === undefined) throw refuse(404, 'NAME_UNKNOWN', 'no such endpoint')
      await checkAuthorized(this.#authorize, request, neededAccess(route, method))
      if (this.#service.readOnly && method !== 'GET' && method !== 'HEAD') {
        throw refuseMethod(method, ['GET', 'HEAD'], 'is not possible: the registry is read-only')
      }
      return await dispatch(this.#service, this.#call(request, incoming, outgoing), route)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== undefined) return refusal.toReply()
      if (incoming.destroyed) throw error
      this.#logger.warn(`registry: ${incoming.method} ${incoming.url}: ${String(error)}`)
      return jsonReply(500, { errors: [{ code: 'UNKNOWN', message: 'the registry failed' }] })
    }
  }

  #call(request: RegistryRequest, incoming: IncomingMessage, outgoing: ServerResponse): Call {
    return {
      request,
      body: () => requestBody(incoming, outgoing),
      isAllowed: async (access) => ((await this.#authorize?.(request, [access])) ?? { kind: 'allow' }).kind === 'allow',
    }
  }
}

async function dispatch(service: Service, call: Call, route: Route): Promise<Reply> {
  switch (route.kind) {
    case 'base':
      return jsonReply(200, {})
    case 'catalog':
      return handleCatalog(service, call)
    case 'tags':
      return handleTags(service, call, route)
    case 'referrers':
      return handleReferrers(service, call, route)
    case 'manifest':
      return handleManifest(service, call, route)
    case 'blob':
      return handleBlob(service, call, route)
    case 'uploads':
      return handleUploads(service, call, route)
    case 'upload':
      return handleUpload(service, call, route)
  }
}

function splitTarget(target: string): readonly string[] {
  const mark = target.indexOf('?')
  return mark === -1 ? [target] : [target.slice(0, mark), target.slice(mark + 1)]
}

async function* requestBody(incoming: IncomingMessage, outgoing: ServerResponse): ByteSource {
  if (incoming.headers.expect !== undefined) outgoing.writeContinue()
  yield* requestChunks(incoming)
}

/** Iterates without destroying the request at the end: that would take the connection with it, and the answer. */
function requestChunks(incoming: IncomingMessage): ByteSource {
  return incoming.iterator({ destroyOnReturn: false })
}

async function send({ status, headers, body }: Reply, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, { 'Docker-Distribution-API-Version': 'registry/2.0', ...headers })
  if (body === undefined || body instanceof Uint8Array) outgoing.end(body)
  else await pipeline(body, outgoing)
}

/** Reads on what is left of a body that nobody wanted, up to a limit, then cuts the connection. */
async function drain(incoming: IncomingMessage): Promise<void> {
  // Once the answer is out, Node no longer tells the request that its connection is gone.
  const abandon = (): void => void incoming.destroy()
  incoming.socket.once('close', abandon)
  try {
    let drainedBytes = 0
    for await (const chunk of requestChunks(incoming)) {
      drainedBytes += chunk.length
      if (drainedBytes > MAX_DRAINED_BYTES) incoming.destroy()
    }
  } finally {
    incoming.socket.off('close', abandon)
  }
}
