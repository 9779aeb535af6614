import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import {
  CertificateDirectory,
  HttpClient,
  type HttpRequest,
  type HttpResponse,
  printableText,
  type StreamedBody,
} from '../http/index.ts'
import { type Digest, isDigest, isJsonObject, type JsonObject, parseJson } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, readAllBytes, sliceSource } from '../stream/index.ts'
import { DEFAULT_DOCKER_HOST, type DockerAddress, parseDockerHost } from './docker-host.ts'
import { engineConnectionError, type EngineHints } from './engine-error.ts'
import { engineMessages, type EngineMessage } from './json-messages.ts'

/** Where an engine with Docker's API is, and how it is spoken to. */
export interface DockerEngineOptions {
  /** As in `DOCKER_HOST`. @default 'unix:///var/run/docker.sock' */
  readonly host?: string | undefined
  /** Directory with `ca.pem`, `cert.pem` and `key.pem`; given, TCP is TLS. */
  readonly certificateDirectory?: string | undefined
  /** @default 'tare' */
  readonly userAgent?: string | undefined
}

/**
 * What an engine keeps of an image: `layers` unpacked, so that it gives plain tars by diffID and a manifest made up for
 * them; or all `blobs` as they came, as Docker does with its containerd image store, the default from 29 on.
 */
export type EngineStorage = 'layers' | 'blobs'

/** An image as its engine describes it. */
export interface EngineImage {
  /** Digest of the config; where blobs are kept, of the manifest or index. */
  readonly id: Digest
  /** Names with their tags. */
  readonly tags: readonly string[]
  /** Plain layers, lowest first; empty where the engine does not tell. */
  readonly diffIds: readonly Digest[]
  /** What the engine says of the image's size, unpacked or not. */
  readonly sizeBytes: number
}

/** The newest API that this client was tried with; engines speak older ones too. */
const NEWEST_API: ApiVersion = [1, 52]
/** Docker 1.12 and podman 2 speak it. */
const OLDEST_API: ApiVersion = [1, 24]
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024
/** Saving and loading are silent while the engine works on its disk. */
const PATIENCE_MS = 60 * 60 * 1000

const HINTS: EngineHints = {
  absent:
    'Start the engine, or name its socket with --docker-host or DOCKER_HOST, such as unix:///run/podman/podman.sock',
  forbidden:
    'Only root and the group of the socket may use it; join the group, or name the socket of a rootless engine',
}

type ApiVersion = readonly [major: number, minor: number]

/**
 * A client of Docker's Engine API, which podman speaks too: as much of it as moving images takes. Dispose to close its
 * connections.
 *
 * @see https://docs.docker.com/reference/api/engine/
 */
export class DockerEngine implements AsyncDisposable {
  /** The engine and its address, for messages. */
  readonly subject: string
  readonly isPodman: boolean
  readonly storage: EngineStorage
  readonly #client: HttpClient
  readonly #origin: URL
  readonly #version: string

  private constructor(connection: Connection, greeting: Greeting, storage: EngineStorage) {
    this.subject = connection.subject
    this.isPodman = greeting.isPodman
    this.storage = storage
    this.#client = connection.client
    this.#origin = connection.origin
    this.#version = greeting.version
  }

  /**
   * Greets the engine, agrees on a version of the API, and asks how it keeps images.
   *
   * @throws {TareError} `INVALID_ARGUMENT` for the address, `ENGINE_UNREACHABLE`, `ENGINE_REFUSED`, `ENGINE_PROTOCOL`, `TLS`
   */
  static async connect(options: DockerEngineOptions = {}, operation: OperationOptions = {}): Promise<DockerEngine> {
    await using resources = new AsyncDisposableStack()
    const connection = await openConnection(options)
    resources.use(connection.client)
    const greeting = await greet(connection, operation)
    const plain = new DockerEngine(connection, greeting, 'layers')
    const storage = greeting.isPodman ? 'layers' : storageOf(await plain.#document('info', operation))
    resources.move()
    return new DockerEngine(connection, greeting, storage)
  }

  /** An image by name or ID; undefined where there is none. */
  async findImage(name: string, options: OperationOptions = {}): Promise<EngineImage | undefined> {
    try {
      return imageOf(await this.#document(`images/${name}/json`, options), this.subject)
    } catch (error) {
      if (hasErrorCode(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  /** IDs of all images, the newest first. */
  async imageIds(options: OperationOptions = {}): Promise<readonly Digest[]> {
    const document = await this.#json('images/json', options)
    if (!Array.isArray(document)) throw this.#malformed('images/json')
    const ids = document.map((image: unknown) => (isJsonObject(image) ? image['Id'] : undefined))
    return ids.filter((id) => typeof id === 'string').filter(isDigest)
  }

  /**
   * The tar that `docker save` makes of an image. An error of the engine after its first byte stands, as JSON, where
   * the tar breaks off.
   *
   * @throws {TareError} `NOT_FOUND`, `ENGINE_REFUSED`, `NETWORK`
   */
  async saveImage(name: string, options: OperationOptions = {}): Promise<ByteSource> {
    const response = await this.#answer({ method: 'GET', path: `images/${name}/get` }, options)
    return this.#body(response)
  }

  /**
   * Gives the engine a tar to load, and what it says meanwhile to `onMessage`.
   *
   * @throws {TareError} `ENGINE_REFUSED` with the engine's words, `NETWORK`; the body's own errors pass unchanged
   */
  async loadImages(
    body: StreamedBody,
    options: OperationOptions & { readonly onMessage?: ((message: EngineMessage) => void) | undefined } = {},
  ): Promise<void> {
    const subject = `${this.subject}, loading`
    const headers = { 'content-type': 'application/x-tar' }
    // Not quiet: what it tells of its progress shows that it is alive.
    const response = await this.#answer({ method: 'POST', path: 'images/load?quiet=0', headers, body }, options)
    for await (const message of engineMessages(this.#body(response), subject)) options.onMessage?.(message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  async #document(path: string, options: OperationOptions): Promise<JsonObject> {
    const document = await this.#json(path, options)
    if (isJsonObject(document)) return document
    throw this.#malformed(path)
  }

  async #json(path: string, options: OperationOptions): Promise<unknown> {
    const response = await this.#answer({ method: 'GET', path }, options)
    const bytes = await readAllBytes(this.#body(response), MAX_DOCUMENT_BYTES, `${this.subject}: ${path}`)
    try {
      return parseJson(bytes, path, MAX_DOCUMENT_BYTES)
    } catch (cause) {
      throw this.#malformed(path, cause)
    }
  }

  /** Sends a request; an answer that is none becomes an error with the engine's words. */
  async #answer(
    request: Pick<HttpRequest, 'method' | 'headers' | 'body'> & { readonly path: string },
    { signal, logger }: OperationOptions,
  ): Promise<HttpResponse> {
    const { path, ...rest } = request
    const url = new URL(`/v${this.#version}/${path}`, this.#origin)
    const response = await this.#send({ ...rest, url, retry: 'nothing', redirect: 'manual', signal, logger })
    if (response.status >= 200 && response.status < 300) return response
    throw await refusal(response, `${this.subject}: ${path.replace(/\?.*$/, '')}`)
  }

  async #send(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#client.request(request)
    } catch (error) {
      request.signal?.throwIfAborted()
      throw engineConnectionError(this.subject, error, HINTS)
    }
  }

  async *#body(response: HttpResponse): ByteSource {
    try {
      yield* response.body()
    } catch (error) {
      throw engineConnectionError(this.subject, error, HINTS)
    }
  }

  #malformed(path: string, cause?: unknown): TareError {
    return new TareError('ENGINE_PROTOCOL', `${this.subject}: its answer for ${path} is not what the API says`, {
      cause,
    })
  }
}

interface Connection {
  readonly client: HttpClient
  /** The URL that paths are put to; of a socket it names nobody. */
  readonly origin: URL
  readonly subject: string
}

async function openConnection(options: DockerEngineOptions): Promise<Connection> {
  const { certificateDirectory, userAgent } = options
  const host = options.host ?? DEFAULT_DOCKER_HOST
  const address = parseDockerHost(host, { isTls: certificateDirectory !== undefined })
  const certificates =
    certificateDirectory === undefined || address.kind === 'unix'
      ? undefined
      : await CertificateDirectory.readDocker(certificateDirectory)
  const client = new HttpClient({
    userAgent,
    certificates,
    socketPath: address.kind === 'unix' ? address.path : undefined,
    headersTimeoutMs: PATIENCE_MS,
    bodyTimeoutMs: PATIENCE_MS,
  })
  return {
    client,
    origin: address.kind === 'unix' ? new URL('http://localhost') : address.url,
    subject: `engine at ${addressText(address)}`,
  }
}

function addressText(address: DockerAddress): string {
  return address.kind === 'unix' ? `unix://${address.path}` : `tcp://${address.url.host}`
}

interface Greeting {
  readonly version: string
  readonly isPodman: boolean
}

/** Asks for the newest API that both sides speak; the engine refuses by itself what has become too old for it. */
async function greet({ client, origin, subject }: Connection, { signal, logger }: OperationOptions): Promise<Greeting> {
  const url = new URL('/_ping', origin)
  const response = await client
    .request({ method: 'GET', url, retry: 'nothing', redirect: 'manual', headersTimeoutMs: 30_000, signal, logger })
    .catch((error: unknown) => {
      signal?.throwIfAborted()
      throw engineConnectionError(subject, error, HINTS)
    })
  if (response.status !== 200) throw await refusal(response, `${subject}: greeting`)
  const spoken = parseVersion(response.header('api-version'))
  await response.discard()
  if (spoken === undefined || isOlder(spoken, OLDEST_API)) {
    const found = spoken === undefined ? 'it names no version of its API' : `it speaks API ${spoken.join('.')}`
    throw new TareError('ENGINE_PROTOCOL', `${subject} is no engine that Tare can use: ${found}`, {
      hint: `Docker and podman speak ${OLDEST_API.join('.')} or newer`,
    })
  }
  const version = (isOlder(spoken, NEWEST_API) ? spoken : NEWEST_API).join('.')
  return { version, isPodman: response.header('libpod-api-version') !== undefined }
}

function parseVersion(text: string | undefined): ApiVersion | undefined {
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})$/.exec(text ?? '') ?? []
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)]
}

function isOlder([major, minor]: ApiVersion, than: ApiVersion): boolean {
  return major === than[0] ? minor < than[1] : major < than[0]
}

/** Docker's two kinds of image store tell themselves apart in the driver's status alone. */
function storageOf(info: JsonObject): EngineStorage {
  const rows = info['DriverStatus']
  if (!Array.isArray(rows)) return 'layers'
  const isContainerd = rows.some(
    (row: unknown) => Array.isArray(row) && row[0] === 'driver-type' && row[1] === 'io.containerd.snapshotter.v1',
  )
  return isContainerd ? 'blobs' : 'layers'
}

function imageOf(document: JsonObject, subject: string): EngineImage {
  const id = document['Id']
  if (typeof id !== 'string' || !isDigest(id)) {
    throw new TareError('ENGINE_PROTOCOL', `${subject}: an image without a digest for its ID`)
  }
  const rootfs = document['RootFS']
  const layers = isJsonObject(rootfs) ? rootfs['Layers'] : undefined
  const size = document['Size']
  return {
    id,
    tags: stringsOf(document['RepoTags']).filter((tag) => tag !== '<none>:<none>'),
    diffIds: stringsOf(layers).filter(isDigest),
    sizeBytes: typeof size === 'number' && size > 0 ? size : 0,
  }
}

function stringsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((part) => typeof part === 'string') : []
}

async function refusal(response: HttpResponse, subject: string): Promise<TareError> {
  const { status } = response
  const said = await errorMessage(response)
  const message = `${subject}: answered ${status}${said === undefined ? '' : ` (${printableText(said)})`}`
  if (status === 404) return new TareError('NOT_FOUND', message)
  if (status === 400 && /client version|API version/i.test(said ?? '')) return new TareError('ENGINE_PROTOCOL', message)
  return new TareError('ENGINE_REFUSED', message, {
    hint: status >= 500 ? 'The log of the engine may say more' : undefined,
  })
}

/** What the engine says about an error; nothing where it can't be understood. */
async function errorMessage(response: HttpResponse): Promise<string | undefined> {
  try {
    const body = sliceSource(response.body(), 0, MAX_ERROR_BYTES)
    const document = parseJson(await readAllBytes(body, MAX_ERROR_BYTES, 'error'), 'error', MAX_ERROR_BYTES)
    const message = isJsonObject(document) ? document['message'] : undefined
    return typeof message === 'string' && message !== '' ? message : undefined
  } catch (error) {
    if (isTareError(error)) return undefined
    throw error
  }
}
