import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttp1 } from 'node:http'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createSocket, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type ErrorCode, hasErrorCode } from '../errors/index.ts'
import { GrpcChannel } from './grpc-channel.ts'
import { MessageWriter } from './protobuf.ts'

const HINTS = { absent: 'start it', forbidden: 'be root' }
const METHOD = '/test.Service/Do'

/** A server on a socket of its own. */
async function listening(server: Server): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'tare-grpc-'))
  const path = join(directory, 's')
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket: { destroy(): void }) => sockets.add(socket))
  server.listen(path)
  await once(server, 'listening')
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Serves every call with a script that speaks raw HTTP/2. */
function scripted(script: (stream: ServerHttp2Stream) => void): Server {
  const server = createServer()
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    script(stream)
  })
  return server
}

function respond(
  stream: ServerHttp2Stream,
  body: Uint8Array,
  trailers: Readonly<Record<string, string>> | undefined,
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: trailers !== undefined })
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(body)
}

function frame(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

const ANSWER = frame(Buffer.concat(new MessageWriter().number(1, 7).parts))

async function callOnce(script: (stream: ServerHttp2Stream) => void, signal?: AbortSignal): Promise<number> {
  await using server = await listening(scripted(script))
  await using channel = await GrpcChannel.connect(server.path, 'server', HINTS)
  return (await channel.unary(METHOD, new MessageWriter().text(1, 'x'), { signal })).number(1)
}

async function fails(code: ErrorCode, script: (stream: ServerHttp2Stream) => void): Promise<void> {
  await assert.rejects(callOnce(script), (error) => {
    assert.ok(hasErrorCode(error, code), String(error))
    return true
  })
}

suite('GrpcChannel', () => {
  test('gives the one answer of a call, whatever it is cut into', async () => {
    assert.equal(await callOnce((stream) => respond(stream, ANSWER, { 'grpc-status': '0' })), 7)
    const pieces = (stream: ServerHttp2Stream): void => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      const bytes = [...ANSWER]
      const next = (): void => {
        const byte = bytes.shift()
        if (byte === undefined) stream.end()
        else stream.write(Uint8Array.of(byte), () => setImmediate(next))
      }
      next()
    }
    assert.equal(await callOnce(pieces), 7)
  })

  for (const [status, code] of [
    ['1', 'ENGINE_REFUSED'],
    ['2', 'ENGINE_REFUSED'],
    ['3', 'ENGINE_REFUSED'],
    ['5', 'NOT_FOUND'],
    ['6', 'ALREADY_EXISTS'],
    ['9', 'FAILED_PRECONDITION'],
    ['12', 'ENGINE_PROTOCOL'],
    ['13', 'ENGINE_REFUSED'],
    ['14', 'UNAVAILABLE'],
    ['nonsense', 'ENGINE_REFUSED'],
  ] as const) {
    test(`makes ${code} of status ${status}, in trailers and in place of an answer`, async () => {
      const trailers = { 'grpc-status': status, 'grpc-message': 'it%20went%20wrong%0Ahere%' }
      await fails(code, (stream) => respond(stream, ANSWER, trailers))
      await fails(code, (stream) => respond(stream, Buffer.alloc(0), trailers))
      await fails(code, (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true })
      })
    })
  }

  for (const [what, code, script] of [
    ['no status', 'NETWORK', (stream) => respond(stream, ANSWER, undefined)],
    ['no answer', 'ENGINE_PROTOCOL', (stream) => respond(stream, Buffer.alloc(0), { 'grpc-status': '0' })],
    [
      'two answers',
      'ENGINE_PROTOCOL',
      (stream) => respond(stream, Buffer.concat([ANSWER, ANSWER]), { 'grpc-status': '0' }),
    ],
    [
      'an answer cut off',
      'ENGINE_PROTOCOL',
      (stream) => respond(stream, ANSWER.subarray(0, -1), { 'grpc-status': '0' }),
    ],
    ['a prefix cut off', 'ENGINE_PROTOCOL', (stream) => respond(stream, ANSWER.subarray(0, 3), { 'grpc-status': '0' })],
    [
      'a compressed answer',
      'ENGINE_PROTOCOL',
      (stream) => respond(stream, frame(Buffer.of(1), 1), { 'grpc-status': '0' }),
    ],
    [
      'an answer of 4 GiB',
      'ENGINE_PROTOCOL',
      (stream) => respond(stream, Buffer.of(0, 0xff, 0xff, 0xff, 0xff, 1), { 'grpc-status': '0' }),
    ],
    [
      'a malformed answer',
      'ENGINE_PROTOCOL',
      (stream) => respond(stream, frame(Buffer.of(0x0b)), { 'grpc-status': '0' }),
    ],
    [
      'a web page',
      'ENGINE_PROTOCOL',
      (stream) => {
        stream.respond({ ':status': 502, 'content-type': 'text/html' })
        stream.end('<html>')
      },
    ],
    ['a reset', 'NETWORK', (stream) => stream.close(2)],
    ['a connection that breaks', 'NETWORK', (stream) => stream.session?.destroy()],
  ] as const satisfies readonly (readonly [string, ErrorCode, (stream: ServerHttp2Stream) => void])[]) {
    test(`makes ${code} of ${what}`, () => fails(code, script))
  }

  test('ends with the reason of the signal, before and while it waits', async () => {
    const reason = new Error('enough')
    await assert.rejects(
      callOnce(() => {}, AbortSignal.abort(reason)),
      (error) => error === reason,
    )
    const controller = new AbortController()
    await assert.rejects(
      callOnce(() => controller.abort(reason), controller.signal),
      (error) => error === reason,
    )
  })

  test('refuses calls on a connection that broke', async () => {
    const session = Promise.withResolvers<{ destroy(): void }>()
    const http2 = scripted((stream) => respond(stream, ANSWER, { 'grpc-status': '0' }))
    http2.on('session', session.resolve)
    await using server = await listening(http2)
    await using channel = await GrpcChannel.connect(server.path, 'server', HINTS)
    await channel.unary(METHOD, new MessageWriter())
    ;(await session.promise).destroy()
    await assert.rejects(
      async () => {
        for (;;) await channel.unary(METHOD, new MessageWriter())
      },
      (error) => hasErrorCode(error, 'NETWORK'),
    )
  })
})

suite('GrpcChannel.connect()', () => {
  const connect = (path: string, signal?: AbortSignal): Promise<GrpcChannel> =>
    GrpcChannel.connect(path, 'server', HINTS, signal)

  test('says that there is no socket, with what to do', async () => {
    await assert.rejects(connect('/nowhere/c.sock'), (error) => {
      assert.ok(hasErrorCode(error, 'ENGINE_UNREACHABLE'))
      assert.equal(error.hint, HINTS.absent)
      return true
    })
  })

  test('refuses a server that speaks another protocol, or closes at once', async () => {
    await using web = await listening(createHttp1((_request, response) => response.end('hello')))
    await assert.rejects(connect(web.path), (error) => hasErrorCode(error, 'ENGINE_PROTOCOL', 'NETWORK'))
    await using silent = await listening(createSocket((socket) => socket.end()))
    await assert.rejects(connect(silent.path), (error) => hasErrorCode(error, 'ENGINE_PROTOCOL', 'NETWORK'))
    await using talker = await listening(createSocket((socket) => socket.end('not http at all\r\n\r\n'.repeat(10))))
    await assert.rejects(connect(talker.path), (error) => hasErrorCode(error, 'ENGINE_PROTOCOL', 'NETWORK'))
  })

  test('ends with the reason of the signal where nobody answers', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await using mute = await listening(createSocket(() => controller.abort(reason)))
    await assert.rejects(connect(mute.path, controller.signal), (error) => error === reason)
  })
})
