import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { createConnection } from 'node:net'
import { classOfStatus, type ErrorClass, type ErrorCode, isTareError, TareError } from '../errors/index.ts'
import { printableText } from '../http/index.ts'
import { type EngineHints, engineConnectionError } from './engine-error.ts'
import { MessageFields, type MessageWriter } from './protobuf.ts'

/** How a call is made. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Header fields, names in lower case. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** What servers and clients of gRPC send at most, unless they are told otherwise, is 4 MiB; containerd sends 16. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 30_000
/** A flag and the length. */
const PREFIX_BYTES = 5
/** Bytes on their way in one call, and in all. */
const STREAM_WINDOW_BYTES = 2 * 1024 * 1024
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024

/**
 * Calls over one HTTP/2 connection to a Unix socket: as much of gRPC as containerd's services take. Dispose to close
 * it.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class GrpcChannel implements AsyncDisposable {
  /** The server and its address, for messages. */
  readonly subject: string
  readonly #session: ClientHttp2Session
  readonly #hints: EngineHints
  #failure: unknown

  private constructor(session: ClientHttp2Session, subject: string, hints: EngineHints) {
    this.subject = subject
    this.#session = session
    this.#hints = hints
    // Every call fails with the connection and is told why; the session itself has nobody to tell.
    session.on('error', (error) => (this.#failure ??= error))
  }

  /** @throws {TareError} `ENGINE_UNREACHABLE`, `NETWORK`, `ENGINE_PROTOCOL` */
  static async connect(
    socketPath: string,
    subject: string,
    hints: EngineHints,
    signal?: AbortSignal,
  ): Promise<GrpcChannel> {
    signal?.throwIfAborted()
    const session = connect('http://localhost', {
      createConnection: () => createConnection({ path: socketPath }),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      // In units of 1,000,000 bytes; full windows of many calls must not end the session.
      maxSessionMemory: 256,
    })
    const channel = new GrpcChannel(session, subject, hints)
    try {
      await settled(session, signal)
    } catch (error) {
      session.destroy()
      signal?.throwIfAborted()
      throw engineConnectionError(subject, error, hints)
    }
    session.setLocalWindowSize(SESSION_WINDOW_BYTES)
    return channel
  }

  /** A call with one request and one answer. */
  async unary(method: string, request: MessageWriter, options: CallOptions = {}): Promise<MessageFields> {
    await using call = this.call(method, options)
    await call.send(request)
    call.end()
    const answer = await call.receive()
    // The status comes after the answer.
    if (answer !== undefined && (await call.receive()) === undefined) return answer
    throw new TareError('ENGINE_PROTOCOL', `${this.subject}: ${method}: not one answer`)
  }

  /** Begins a call of any kind; `/PACKAGE.SERVICE/METHOD`. */
  call(method: string, options: CallOptions = {}): GrpcCall {
    options.signal?.throwIfAborted()
    const subject = `${this.subject}: ${method.replace(/^.*\//, '')}`
    if (this.#session.closed || this.#session.destroyed) throw this.#broken(subject, this.#failure)
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'tare',
      ...options.metadata,
    })
    return new GrpcCall(stream, subject, options.signal, (cause) => this.#broken(subject, cause))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session.destroyed) return
    const closed = new Promise<void>((resolve) => this.#session.once('close', resolve))
    this.#session.destroy()
    await closed
  }

  #broken(subject: string, cause: unknown): unknown {
    if (isTareError(cause)) return cause
    const reason = engineConnectionError(subject, this.#failure ?? cause, this.#hints)
    return isTareError(reason) ? reason : new TareError('NETWORK', `${subject}: the connection broke`, { cause })
  }
}

/** Waits until the server has spoken, so that another kind of server is found out now. */
async function settled(session: ClientHttp2Session, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  session.once('remoteSettings', () => resolve())
  session.once('error', reject)
  session.once('close', () => reject(new TareError('REGISTRY_PROTOCOL', 'closed without a word')))
  session.setTimeout(CONNECT_TIMEOUT_MS, () => reject(Object.assign(new Error('no greeting'), { code: 'ETIMEDOUT' })))
  try {
    await promise
  } finally {
    session.setTimeout(0)
    signal?.removeEventListener('abort', abort)
  }
}

/** One call under way. Dispose to end it, whatever its state. */
export class GrpcCall implements AsyncDisposable {
  readonly #stream: ClientHttp2Stream
  readonly #subject: string
  readonly #signal: AbortSignal | undefined
  readonly #broken: (cause: unknown) => unknown
  readonly #frames: AsyncGenerator<Uint8Array, void>
  readonly #onAbort: () => void
  #status: TareError | 'unknown' | 'fine' = 'unknown'
  #failure: unknown

  constructor(
    stream: ClientHttp2Stream,
    subject: string,
    signal: AbortSignal | undefined,
    broken: (cause: unknown) => unknown,
  ) {
    this.#stream = stream
    this.#subject = subject
    this.#signal = signal
    this.#broken = broken
    this.#frames = frames(stream, subject)
    this.#onAbort = () => stream.close(constants.NGHTTP2_CANCEL)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    stream.on('response', (headers) => this.#readHead(headers))
    stream.on('trailers', (headers) => this.#readStatus(headers))
    // Whoever sends or receives is told; between calls nobody is.
    stream.on('error', (error) => (this.#failure ??= error))
  }

  /** Sends a message. Its bytes may be used again when this returns. */
  async send(message: MessageWriter): Promise<void> {
    const prefix = Buffer.alloc(PREFIX_BYTES)
    prefix.writeUInt32BE(message.byteLength, 1)
    const parts = [prefix, ...message.parts]
    try {
      await new Promise<void>((resolve, reject) => {
        this.#stream.cork()
        for (const [position, part] of parts.entries()) {
          const isLast = position === parts.length - 1
          this.#stream.write(part, isLast ? (error) => (error ? reject(error) : resolve()) : undefined)
        }
        this.#stream.uncork()
      })
    } catch (error) {
      // A server that has ended the call says why in its status.
      await this.#drain()
      throw this.#error(error)
    }
  }

  /** There is nothing more to send. */
  end(): void {
    this.#stream.end()
  }

  /**
   * The next message; undefined where the call has ended well. The message is a view of bytes that stay.
   *
   * @throws {TareError} what the status of the call means: `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`,
   * `UNAVAILABLE`, …, `ENGINE_REFUSED` for others
   */
  async receive(): Promise<MessageFields | undefined> {
    let next: IteratorResult<Uint8Array, void>
    try {
      next = await this.#frames.next()
    } catch (error) {
      throw this.#error(error)
    }
    if (next.done !== true) return new MessageFields(next.value, this.#subject)
    if (this.#status === 'fine') return undefined
    throw this.#error(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (this.#stream.closed) return
    const closed = new Promise<void>((resolve) => this.#stream.once('close', resolve))
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#stream.resume()
    await closed
  }

  async #drain(): Promise<void> {
    try {
      for await (const message of this.#frames) void message
    } catch {
      // The error in hand is the better one, or the status is.
    }
  }

  #error(cause: unknown): unknown {
    this.#signal?.throwIfAborted()
    if (typeof this.#status === 'object') return this.#status
    return this.#broken(cause ?? this.#failure)
  }

  #readHead(headers: Readonly<Record<string, unknown>>): void {
    const status = headers[':status']
    const type = headers['content-type']
    if (status !== 200 || typeof type !== 'string' || !type.startsWith('application/grpc')) {
      this.#status = new TareError('ENGINE_PROTOCOL', `${this.#subject}: answered ${String(status)}, which is no gRPC`)
    } else if (headers['grpc-status'] !== undefined) {
      // A call that failed at once has its trailers for headers.
      this.#readStatus(headers)
    }
  }

  #readStatus(headers: Readonly<Record<string, unknown>>): void {
    const status = Number(headers['grpc-status'])
    if (status === 0) {
      this.#status = 'fine'
      return
    }
    const said = headers['grpc-message']
    this.#status = statusError(this.#subject, status, typeof said === 'string' ? said : '')
  }
}

async function* frames(stream: ClientHttp2Stream, subject: string): AsyncGenerator<Uint8Array, void> {
  let chunks: Buffer[] = []
  let byteLength = 0
  let wanted = PREFIX_BYTES
  let inMessage = false
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    byteLength += chunk.length
    while (byteLength >= wanted) {
      const joined = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, byteLength)
      const taken = joined.subarray(0, wanted)
      chunks = [joined.subarray(wanted)]
      byteLength -= wanted
      if (inMessage) {
        inMessage = false
        wanted = PREFIX_BYTES
        yield taken
        continue
      }
      if (taken[0] !== 0) throw new TareError('ENGINE_PROTOCOL', `${subject}: a compressed message, unasked for`)
      inMessage = true
      wanted = taken.readUInt32BE(1)
      if (wanted > MAX_MESSAGE_BYTES) throw new TareError('ENGINE_PROTOCOL', `${subject}: a message of ${wanted} bytes`)
    }
  }
  if (byteLength > 0 || inMessage) throw new TareError('ENGINE_PROTOCOL', `${subject}: a message is cut off`)
}

const CODES: Readonly<Record<ErrorClass, ErrorCode>> = {
  cancelled: 'ENGINE_REFUSED',
  unknown: 'ENGINE_REFUSED',
  'invalid-argument': 'ENGINE_REFUSED',
  'deadline-exceeded': 'UNAVAILABLE',
  'not-found': 'NOT_FOUND',
  'already-exists': 'ALREADY_EXISTS',
  'failed-precondition': 'FAILED_PRECONDITION',
  'not-implemented': 'ENGINE_PROTOCOL',
  unavailable: 'UNAVAILABLE',
}

function statusError(subject: string, status: number, said: string): TareError {
  const text = printableText(percentDecoded(said))
  return new TareError(CODES[classOfStatus(status)], `${subject}: ${text === '' ? `status ${status}` : text}`)
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
