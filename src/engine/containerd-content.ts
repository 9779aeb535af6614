import { DigestMismatchError, hasErrorCode, SizeMismatchError, TareError } from '../errors/index.ts'
import {
  type CommitOptions,
  type ContentInfo,
  type ContentIngester,
  type ContentManager,
  type ContentOptions,
  type ContentProvider,
  type ContentRange,
  type ContentReader,
  type ContentWriter,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  type IngestStatus,
  isDigest,
  type Labels,
  type WriterOptions,
} from '../oci/index.ts'
import type { CallOptions, GrpcCall, GrpcChannel } from './grpc-channel.ts'
import { type MessageFields, MessageWriter } from './protobuf.ts'

const SERVICE = '/containerd.services.content.v1.Content/'
/** Bytes of a blob in one message. */
const WRITE_BYTES = 1024 * 1024
/** Messages of one write that are on their way; the server answers each. */
const WRITES_AHEAD = 4

/** Numbers of containerd's `WriteAction`. */
const ACTION = { STAT: 0, WRITE: 1, COMMIT: 2 } as const

/**
 * The blobs of one namespace of containerd.
 *
 * @see https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto
 */
export class ContainerdContent implements ContentProvider, ContentIngester, Omit<ContentManager, 'list' | 'delete'> {
  readonly #channel: GrpcChannel
  readonly #metadata: CallOptions['metadata']

  /** @param metadata - namespace and lease */
  constructor(channel: GrpcChannel, metadata: CallOptions['metadata']) {
    this.#channel = channel
    this.#metadata = metadata
  }

  async info(digest: Digest, options: ContentOptions = {}): Promise<ContentInfo> {
    const answer = await this.#unary('Info', new MessageWriter().text(1, digest), options).catch((error: unknown) => {
      throw absent(error, digest, this.#channel.subject)
    })
    return infoOf(answer.message(1), this.#channel.subject)
  }

  async updateLabels(
    digest: Digest,
    labels: Labels,
    fieldPaths: readonly string[] = ['labels'],
    options: ContentOptions = {},
  ): Promise<ContentInfo> {
    const mask = new MessageWriter()
    for (const path of fieldPaths) mask.text(1, path)
    const info = new MessageWriter().text(1, digest).map(5, labels)
    const request = new MessageWriter().message(1, info).message(2, mask)
    const answer = await this.#unary('Update', request, options).catch((error: unknown) => {
      throw absent(error, digest, this.#channel.subject)
    })
    return infoOf(answer.message(1), this.#channel.subject)
  }

  /** Asks for the blob's size; nothing is held open between reads. */
  async openReader(content: Pick<Descriptor, 'digest'>, options: ContentOptions = {}): Promise<ContentReader> {
    const { digest } = content
    const { sizeBytes } = await this.info(digest, options)
    return {
      sizeBytes,
      read: (range) => this.#read(digest, sizeBytes, range, options),
      async [Symbol.asyncDispose]() {},
    }
  }

  /** @throws {TareError} `UNSUPPORTED_BY_DESTINATION` for digests that containerd does not make */
  async openWriter(ref: string, options: WriterOptions = {}): Promise<ContentWriter> {
    const { digest, size = 0 } = options.expected ?? {}
    if (digest !== undefined && digestAlgorithm(digest) !== 'sha256') {
      throw new TareError(
        'UNSUPPORTED_BY_DESTINATION',
        `${this.#channel.subject} keeps no ${digestAlgorithm(digest)} blobs`,
      )
    }
    const call = this.#channel.call(`${SERVICE}Write`, { metadata: this.#metadata, signal: options.signal })
    try {
      await call.send(new MessageWriter().number(1, ACTION.STAT).text(2, ref).number(3, size).text(4, digest))
      return new Writer(call, ref, digest, await required(call, this.#channel.subject), this.#channel.subject)
    } catch (error) {
      await call[Symbol.asyncDispose]()
      throw error
    }
  }

  async status(ref: string, options: ContentOptions = {}): Promise<IngestStatus> {
    return statusOf((await this.#unary('Status', new MessageWriter().text(1, ref), options)).message(1))
  }

  async listStatuses(filters: readonly string[] = [], options: ContentOptions = {}): Promise<readonly IngestStatus[]> {
    const request = new MessageWriter()
    for (const filter of filters) request.text(1, filter)
    return (await this.#unary('ListStatuses', request, options)).messages(1).map(statusOf)
  }

  async abort(ref: string, options: ContentOptions = {}): Promise<void> {
    await this.#unary('Abort', new MessageWriter().text(1, ref), options)
  }

  async *#read(
    digest: Digest,
    sizeBytes: number,
    { offset = 0, length = Number.POSITIVE_INFINITY }: ContentRange = {},
    { signal }: ContentOptions = {},
  ): AsyncIterable<Uint8Array> {
    let left = Math.min(length, sizeBytes - offset)
    // A size of 0 would mean all to the end.
    if (left <= 0) return
    await using call = this.#channel.call(`${SERVICE}Read`, { metadata: this.#metadata, signal })
    await call.send(new MessageWriter().text(1, digest).number(2, offset).number(3, left))
    call.end()
    for (let message = await call.receive(); message !== undefined; message = await call.receive()) {
      const bytes = message.bytes(2)
      left -= bytes.length
      if (left < 0) throw new SizeMismatchError(`blob ${digest}`, sizeBytes, sizeBytes - left)
      if (bytes.length > 0) yield bytes
    }
    if (left > 0) throw new SizeMismatchError(`blob ${digest}`, sizeBytes, sizeBytes - left)
  }

  #unary(method: string, request: MessageWriter, { signal }: ContentOptions): Promise<MessageFields> {
    return this.#channel.unary(SERVICE + method, request, { metadata: this.#metadata, signal })
  }
}

/** A write under way. The server knows how many bytes it has and their digest, and says so with every answer. */
class Writer implements ContentWriter {
  readonly ref: string
  readonly #call: GrpcCall
  readonly #subject: string
  readonly #expected: Digest | undefined
  readonly #totalBytes: number
  readonly #startedAt: Date
  #updatedAt: Date
  /** Bytes that were sent, those of an earlier write included. */
  #sentBytes: number
  /** What the server said last. */
  #offsetBytes: number
  #digest: string
  #awaited = 0
  #isClosed = false

  constructor(call: GrpcCall, ref: string, expected: Digest | undefined, first: MessageFields, subject: string) {
    this.ref = ref
    this.#call = call
    this.#subject = subject
    this.#expected = expected
    this.#startedAt = timeOf(first.message(2))
    this.#updatedAt = timeOf(first.message(3))
    this.#offsetBytes = first.number(4)
    this.#sentBytes = this.#offsetBytes
    this.#totalBytes = first.number(5)
    this.#digest = first.text(6)
  }

  status(): IngestStatus {
    return {
      ref: this.ref,
      offsetBytes: this.#sentBytes,
      totalBytes: this.#totalBytes,
      expected: this.#expected,
      startedAt: this.#startedAt,
      updatedAt: this.#updatedAt,
    }
  }

  /** Of the bytes that the server has confirmed. */
  digest(): Digest {
    if (isDigest(this.#digest)) return this.#digest
    throw new TareError('ENGINE_PROTOCOL', `${this.#subject}: a write without a digest`)
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#requireOpen()
    for (let start = 0; start < chunk.length; start += WRITE_BYTES) {
      const part = chunk.subarray(start, start + WRITE_BYTES)
      const message = new MessageWriter().number(1, ACTION.WRITE).number(5, this.#sentBytes).bytes(6, part)
      await this.#call.send(message)
      this.#sentBytes += part.length
      this.#awaited++
      if (this.#awaited > WRITES_AHEAD) await this.#hear()
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#requireOpen()
    if (sizeBytes !== 0) throw new TareError('INVALID_ARGUMENT', `write ${this.ref} can be cut to nothing only`)
    await this.#settle()
    // A write at 0 cuts by itself; without bytes it only cuts.
    await this.#call.send(new MessageWriter().number(1, ACTION.WRITE))
    this.#sentBytes = 0
    this.#awaited++
    await this.#settle()
  }

  async commit(options: CommitOptions = {}): Promise<ContentInfo> {
    this.#requireOpen()
    try {
      await this.#settle()
      const { sizeBytes = this.#sentBytes, digest = this.#expected ?? this.digest(), labels = {} } = options
      const subject = `blob ${digest}`
      if (sizeBytes !== this.#sentBytes) throw new SizeMismatchError(subject, sizeBytes, this.#sentBytes)
      if (digest !== this.#digest) throw new DigestMismatchError(subject, digest, this.digest())
      await this.#call.send(
        new MessageWriter()
          .number(1, ACTION.COMMIT)
          .number(3, sizeBytes)
          .text(4, digest)
          .number(5, this.#sentBytes)
          .map(7, labels),
      )
      this.#awaited++
      await this.#settle()
      return { digest, sizeBytes, createdAt: this.#startedAt, updatedAt: this.#updatedAt, labels }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // What was sent is kept, and the server lets go of the ref, when it has heard all.
    this.#call.end()
    await this.#settle().catch(() => {})
    await this.#call.receive().catch(() => {})
    await this.#call[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #settle(): Promise<void> {
    while (this.#awaited > 0) await this.#hear()
  }

  async #hear(): Promise<void> {
    this.#awaited--
    let answer: MessageFields
    try {
      answer = await required(this.#call, this.#subject)
    } catch (error) {
      this.#awaited = 0
      throw error
    }
    this.#offsetBytes = answer.number(4)
    const digest = answer.text(6)
    if (digest !== '') this.#digest = digest
    if (this.#awaited === 0 && this.#offsetBytes !== this.#sentBytes) {
      throw new TareError('ENGINE_PROTOCOL', `${this.#subject}: ${this.ref} is at another place than was written`)
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new TareError('FAILED_PRECONDITION', `write ${this.ref} is closed`)
  }
}

async function required(call: GrpcCall, subject: string): Promise<MessageFields> {
  const answer = await call.receive()
  if (answer !== undefined) return answer
  throw new TareError('ENGINE_PROTOCOL', `${subject}: a write ended without an answer`)
}

function absent(error: unknown, digest: Digest, subject: string): unknown {
  if (!hasErrorCode(error, 'NOT_FOUND')) return error
  return new TareError('BLOB_NOT_FOUND', `${subject} has no blob ${digest}`, { cause: error })
}

function infoOf(info: MessageFields, subject: string): ContentInfo {
  const digest = info.text(1)
  if (!isDigest(digest)) throw new TareError('ENGINE_PROTOCOL', `${subject}: a blob without a digest`)
  return {
    digest,
    sizeBytes: info.number(2),
    createdAt: timeOf(info.message(3)),
    updatedAt: timeOf(info.message(4)),
    labels: info.map(5),
  }
}

function statusOf(status: MessageFields): IngestStatus {
  const expected = status.text(6)
  return {
    startedAt: timeOf(status.message(1)),
    updatedAt: timeOf(status.message(2)),
    ref: status.text(3),
    offsetBytes: status.number(4),
    totalBytes: status.number(5),
    ...(isDigest(expected) ? { expected } : {}),
  }
}

/** A `google.protobuf.Timestamp`. */
export function timeOf(timestamp: MessageFields): Date {
  return new Date(timestamp.number(1) * 1000 + Math.floor(timestamp.number(2) / 1_000_000))
}
