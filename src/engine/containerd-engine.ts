import { randomBytes } from 'node:crypto'
import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import { type Descriptor, isDigest, type Labels } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import { ContainerdContent, timeOf } from './containerd-content.ts'
import type { EngineHints } from './engine-error.ts'
import { type CallOptions, GrpcChannel } from './grpc-channel.ts'
import { type MessageFields, MessageWriter } from './protobuf.ts'

/** Where containerd listens unless it is told otherwise. */
export const DEFAULT_CONTAINERD_ADDRESS = '/run/containerd/containerd.sock'

/** Where containerd is. */
export interface ContainerdEngineOptions {
  /** Path of its socket. @default '/run/containerd/containerd.sock' */
  readonly address?: string | undefined
  /** Milliseconds since the epoch. @default the system's clock */
  readonly now?: (() => number) | undefined
}

/** An image record of containerd. */
export interface ContainerdImage {
  readonly name: string
  readonly target: Descriptor
  readonly labels: Labels
  readonly createdAt: Date
  readonly updatedAt: Date
}

const IMAGES = '/containerd.services.images.v1.Images/'
const LEASES = '/containerd.services.leases.v1.Leases/'
/** Label on a lease: when it ends by itself. */
const EXPIRE_LABEL = 'containerd.io/gc.expire'
const LEASE_EXPIRY_MS = 24 * 60 * 60 * 1000

const HINTS: EngineHints = {
  absent: 'Start containerd, or name its socket with --containerd-address or CONTAINERD_ADDRESS',
  forbidden: 'The socket of containerd is for root; run Tare as root, or as the user of a rootless containerd',
}

/** A connection to containerd. Dispose to close it. */
export class ContainerdEngine implements AsyncDisposable {
  /** The engine and its address, for messages. */
  readonly subject: string
  readonly #channel: GrpcChannel
  readonly #now: () => number

  private constructor(channel: GrpcChannel, now: () => number) {
    this.subject = channel.subject
    this.#channel = channel
    this.#now = now
  }

  /** @throws {TareError} `INVALID_ARGUMENT` for the address, `ENGINE_UNREACHABLE`, `ENGINE_PROTOCOL` */
  static async connect(
    options: ContainerdEngineOptions = {},
    { signal }: OperationOptions = {},
  ): Promise<ContainerdEngine> {
    const path = (options.address ?? DEFAULT_CONTAINERD_ADDRESS).replace(/^unix:\/\//, '')
    if (!path.startsWith('/')) {
      throw new TareError('INVALID_ARGUMENT', `containerd address ${JSON.stringify(path)} is no absolute path`)
    }
    const channel = await GrpcChannel.connect(path, `containerd at ${path}`, HINTS, signal)
    return new ContainerdEngine(channel, options.now ?? Date.now)
  }

  /** Blobs and images of a namespace; it need not exist yet. */
  namespace(name: string): ContainerdNamespace {
    return new ContainerdNamespace(this.#channel, this.#now, name, undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]()
  }
}

/** One namespace of containerd, with or without a lease that keeps what is written. */
export class ContainerdNamespace {
  readonly name: string
  readonly content: ContainerdContent
  readonly images: ContainerdImages
  readonly #channel: GrpcChannel
  readonly #now: () => number
  readonly #metadata: Readonly<Record<string, string>>

  constructor(channel: GrpcChannel, now: () => number, name: string, leaseId: string | undefined) {
    this.name = name
    this.#channel = channel
    this.#now = now
    this.#metadata = {
      'containerd-namespace': name,
      ...(leaseId === undefined ? {} : { 'containerd-lease': leaseId }),
    }
    this.content = new ContainerdContent(channel, this.#metadata)
    this.images = new ContainerdImages(channel, this.#metadata)
  }

  /** The same namespace under a lease that ends with the result's disposal, and by itself after a day. */
  async leased({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<LeasedContainerd> {
    const id = `tare-${randomBytes(12).toString('hex')}`
    const labels = { [EXPIRE_LABEL]: new Date(this.#now() + LEASE_EXPIRY_MS).toISOString() }
    const options = { metadata: this.#metadata, signal }
    await this.#channel.unary(`${LEASES}Create`, new MessageWriter().text(1, id).map(3, labels), options)
    const [channel, metadata] = [this.#channel, this.#metadata]
    return {
      namespace: new ContainerdNamespace(channel, this.#now, this.name, id),
      async [Symbol.asyncDispose]() {
        await channel
          .unary(`${LEASES}Delete`, new MessageWriter().text(1, id), { metadata })
          .catch((error: unknown) => {
            // It ends by itself too; an error here would hide the one that broke the connection.
            if (!isTareError(error)) throw error
          })
      },
    }
  }
}

/** What {@link ContainerdNamespace.leased} gives. */
export interface LeasedContainerd extends AsyncDisposable {
  readonly namespace: ContainerdNamespace
}

/**
 * The image records of a namespace.
 *
 * @see https://github.com/containerd/containerd/blob/main/api/services/images/v1/images.proto
 */
export class ContainerdImages {
  readonly #channel: GrpcChannel
  readonly #metadata: CallOptions['metadata']

  /** @param metadata - namespace and lease */
  constructor(channel: GrpcChannel, metadata: CallOptions['metadata']) {
    this.#channel = channel
    this.#metadata = metadata
  }

  /** @throws {TareError} `NOT_FOUND` */
  async get(name: string, options: Pick<CallOptions, 'signal'> = {}): Promise<ContainerdImage> {
    return this.#imageOf((await this.#unary('Get', new MessageWriter().text(1, name), options)).message(1))
  }

  /** Records that any of containerd's filters picks; all where there is none. */
  async list(
    filters: readonly string[] = [],
    options: Pick<CallOptions, 'signal'> = {},
  ): Promise<readonly ContainerdImage[]> {
    const request = new MessageWriter()
    for (const filter of filters) request.text(1, filter)
    return (await this.#unary('List', request, options)).messages(1).map((image) => this.#imageOf(image))
  }

  /** Points names at targets, one after the other: makes a record, or moves it and keeps its labels. */
  async putAll(
    images: readonly Pick<ContainerdImage, 'name' | 'target'>[],
    options: Pick<CallOptions, 'signal'> = {},
  ): Promise<readonly ContainerdImage[]> {
    const records: ContainerdImage[] = []
    for (const image of images) records.push(await this.#put(image, options))
    return records
  }

  async #put(
    { name, target: { mediaType, digest, size } }: Pick<ContainerdImage, 'name' | 'target'>,
    options: Pick<CallOptions, 'signal'>,
  ): Promise<ContainerdImage> {
    const target = new MessageWriter().text(1, mediaType).text(2, digest).number(3, size)
    const image = new MessageWriter().text(1, name).message(3, target)
    const mask = new MessageWriter().text(1, 'target')
    for (let mayTryAgain = true; ; mayTryAgain = false) {
      try {
        return this.#imageOf((await this.#unary('Create', new MessageWriter().message(1, image), options)).message(1))
      } catch (error) {
        if (!hasErrorCode(error, 'ALREADY_EXISTS')) throw error
      }
      try {
        const request = new MessageWriter().message(1, image).message(2, mask)
        return this.#imageOf((await this.#unary('Update', request, options)).message(1))
      } catch (error) {
        // Deleted between the two calls.
        if (!mayTryAgain || !hasErrorCode(error, 'NOT_FOUND')) throw error
      }
    }
  }

  #unary(method: string, request: MessageWriter, { signal }: Pick<CallOptions, 'signal'>): Promise<MessageFields> {
    return this.#channel.unary(IMAGES + method, request, { metadata: this.#metadata, signal })
  }

  #imageOf(image: MessageFields): ContainerdImage {
    const target = image.message(3)
    const digest = target.text(2)
    if (!isDigest(digest)) {
      throw new TareError('ENGINE_PROTOCOL', `${this.#channel.subject}: image ${image.text(1)} without a digest`)
    }
    return {
      name: image.text(1),
      target: { mediaType: target.text(1), digest, size: target.number(3) },
      labels: image.map(2),
      createdAt: timeOf(image.message(7)),
      updatedAt: timeOf(image.message(8)),
    }
  }
}
