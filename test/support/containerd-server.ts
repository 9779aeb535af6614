import { once } from 'node:events'
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { errorClass, statusOfClass } from '../../src/errors/index.ts'
import { MessageFields, MessageWriter } from '../../src/engine/protobuf.ts'
import { type Digest, isDigest, type Labels } from '../../src/oci/index.ts'
import type { ImageRecord, Store, StoreNamespace } from '../../src/store/index.ts'
import { temporaryStore } from './store-content.ts'

/** containerd's services over a store of our own; dispose to stop it. */
export interface ContainerdServer extends AsyncDisposable {
  /** Path of the socket. */
  readonly address: string
  readonly store: Store
  /** Methods that were called: `Content/Info`. */
  readonly log: readonly string[]
  /** Called before a method is served; what it throws is the status, by the class of the error. */
  onCall: ((method: string, stream: ServerHttp2Stream) => void) | undefined
}

/** Starts content, images and leases, as far as copying takes them, on a Unix socket. */
export async function startContainerd(): Promise<ContainerdServer> {
  const { store, directory, ...stack } = await temporaryStore()
  const address = directory.join('c.sock')
  const log: string[] = []
  const server: Http2Server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  const running: ContainerdServer = {
    address,
    store,
    log,
    onCall: undefined,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
      await stack[Symbol.asyncDispose]()
    },
  }
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const method = (headers[':path'] ?? '').replace(/^.*\./, '')
    log.push(method)
    void serve(stream, namespaceOf(store, headers), method, running.onCall)
  })
  server.listen(address)
  await once(server, 'listening')
  return running
}

function namespaceOf(store: Store, headers: IncomingHttpHeaders): StoreNamespace {
  const namespace = store.namespace(String(headers['containerd-namespace']))
  const lease = headers['containerd-lease']
  return typeof lease === 'string' ? namespace.withLease(lease) : namespace
}

async function serve(
  stream: ServerHttp2Stream,
  namespace: StoreNamespace,
  method: string,
  onCall: ContainerdServer['onCall'],
): Promise<void> {
  let status = { code: 0, message: '' }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': String(status.code), 'grpc-message': encodeURIComponent(status.message) })
  })
  try {
    onCall?.(method, stream)
    for await (const answer of answers(namespace, method, requests(stream))) await send(stream, answer)
  } catch (error) {
    status = { code: statusOfClass(errorClass(error)), message: String(error) }
  }
  if (!stream.destroyed) stream.end()
}

async function send(stream: ServerHttp2Stream, message: MessageWriter): Promise<void> {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.byteLength, 1)
  const bytes = Buffer.concat([prefix, ...message.parts])
  await new Promise<void>((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())))
}

async function* requests(stream: ServerHttp2Stream): AsyncGenerator<MessageFields, void> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1)
      const message = new MessageFields(rest.subarray(5, end), 'request')
      rest = rest.subarray(end)
      yield message
    }
  }
}

type Requests = AsyncGenerator<MessageFields, void>

async function first(requests: Requests): Promise<MessageFields> {
  const { value, done } = await requests.next()
  if (done === true) throw new Error('no request')
  return value
}

async function* answers(
  namespace: StoreNamespace,
  method: string,
  requests: Requests,
): AsyncGenerator<MessageWriter, void> {
  const { content, images, leases } = namespace
  switch (method) {
    case 'Content/Info': {
      const info = await content.info(digestOf(await first(requests)))
      yield new MessageWriter().message(1, infoMessage(info.digest, info.sizeBytes, info.labels))
      return
    }
    case 'Content/Update': {
      const info = (await first(requests)).message(1)
      const labels = info.map(5)
      const paths = Object.keys(labels).map((key) => `labels.${key}`)
      const updated = await content.updateLabels(digestOf(info), labels, paths)
      yield new MessageWriter().message(1, infoMessage(updated.digest, updated.sizeBytes, updated.labels))
      return
    }
    case 'Images/Update':
      yield imageMessage(await images.update(imageIn((await first(requests)).message(1)), ['target']))
      return
    case 'Content/Read': {
      const request = await first(requests)
      await using reader = await content.openReader({ digest: digestOf(request) })
      const range = { offset: request.number(2), length: request.number(3) || undefined }
      for await (const chunk of reader.read(range)) yield new MessageWriter().bytes(2, chunk)
      return
    }
    case 'Content/Write':
      yield* write(namespace, requests)
      return
    case 'Content/Status': {
      const { ref, offsetBytes, totalBytes } = await content.status((await first(requests)).text(1))
      const status = new MessageWriter().text(3, ref).number(4, offsetBytes).number(5, totalBytes)
      yield new MessageWriter().message(1, status)
      return
    }
    case 'Content/Abort':
      await content.abort((await first(requests)).text(1))
      yield new MessageWriter()
      return
    case 'Images/Get':
      yield imageMessage(await images.get((await first(requests)).text(1)))
      return
    case 'Images/List': {
      // As much as is asked for: all.
      await first(requests)
      const listed = new MessageWriter()
      for (const image of await images.list([])) listed.message(1, imageFields(image))
      yield listed
      return
    }
    case 'Images/Create':
      yield imageMessage(await images.create(imageIn((await first(requests)).message(1))))
      return
    case 'Leases/Create': {
      const request = await first(requests)
      await leases.create({ id: request.text(1), labels: request.map(3) })
      yield new MessageWriter().message(1, new MessageWriter().text(1, request.text(1)))
      return
    }
    case 'Leases/Delete':
      await leases.delete((await first(requests)).text(1))
      yield new MessageWriter()
      return
    default:
      throw new Error(`method ${method}`)
  }
}

async function* write({ content }: StoreNamespace, requests: Requests): AsyncGenerator<MessageWriter, void> {
  const opening = await first(requests)
  const expected = opening.text(4)
  await using writer = await content.openWriter(opening.text(2), {
    expected: { digest: isDigest(expected) ? expected : undefined, size: opening.number(3) || undefined },
  })
  const answer = (action: number): MessageWriter =>
    new MessageWriter().number(1, action).number(4, writer.status().offsetBytes).text(6, writer.digest())
  yield answer(0)
  for await (const request of requests) {
    const action = request.number(1)
    if (request.number(5) === 0 && writer.status().offsetBytes > 0) await writer.truncate(0)
    await writer.write(request.bytes(6))
    const said = answer(action)
    if (action === 2) {
      const digest = request.text(4)
      const labels = request.map(7)
      await writer.commit({ sizeBytes: request.number(3), digest: isDigest(digest) ? digest : undefined, labels })
    }
    yield said
    if (action === 2) return
  }
}

function digestOf(message: MessageFields): Digest {
  const digest = message.text(1)
  if (!isDigest(digest)) throw new Error(`${digest} is no digest`)
  return digest
}

function infoMessage(digest: Digest, sizeBytes: number, labels: Labels): MessageWriter {
  return new MessageWriter().text(1, digest).number(2, sizeBytes).map(5, labels)
}

function imageMessage(image: ImageRecord): MessageWriter {
  return new MessageWriter().message(1, imageFields(image))
}

function imageFields({ name, target, labels }: ImageRecord): MessageWriter {
  const descriptor = new MessageWriter().text(1, target.mediaType).text(2, target.digest).number(3, target.size)
  return new MessageWriter().text(1, name).map(2, labels).message(3, descriptor)
}

function imageIn(image: MessageFields): Pick<ImageRecord, 'name' | 'target'> {
  const target = image.message(3)
  const digest = target.text(2)
  if (!isDigest(digest)) throw new Error('an image without a digest')
  return { name: image.text(1), target: { mediaType: target.text(1), digest, size: target.number(3) } }
}
