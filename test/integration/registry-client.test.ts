import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { isTareError } from '../../src/errors/index.ts'
import { HttpStatusError, SYSTEM_TIMING, type Timing } from '../../src/http/index.ts'
import { type Descriptor, MEDIA_TYPE, parseReference } from '../../src/oci/index.ts'
import { RegistryClient, type RegistryClientOptions, startRegistry } from '../../src/registry/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { openVerifiedBlob } from '../../src/transport/open-verified.ts'
import { registryDestination, registrySource } from '../../src/transport/registry.ts'
import { registryClientSuite } from '../support/registry-client-suite.ts'
import { type Script, type ScriptedServer, scriptedServer, type SeenRequest } from '../support/scripted-server.ts'

const BLOB = Buffer.concat(
  Array.from({ length: 6250 }, (_, index) => createHash('sha256').update(String(index)).digest().subarray(0, 16)),
)
const LAYER: Descriptor = { mediaType: MEDIA_TYPE.OCI_LAYER_GZIP, digest: digestOf(BLOB), size: BLOB.length }
const BLOB_PATH = `/v2/app/blobs/${LAYER.digest}`
const HALF = 50_000

const MANIFEST = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_MANIFEST, config: LAYER, layers: [] }),
)
const ROOT: Descriptor = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(MANIFEST), size: MANIFEST.length }

/** Waits for nobody, and remembers for how long it should have. */
function impatient(slept: number[] = [], now: () => number = () => SYSTEM_TIMING.now()): Timing {
  return {
    now,
    random: () => 0,
    async sleep(delayMs, signal) {
      signal?.throwIfAborted()
      slept.push(delayMs)
    },
  }
}

function clientOf(server: ScriptedServer, options: RegistryClientOptions = {}): RegistryClient {
  return new RegistryClient(server.host, { tlsVerify: false, retries: 2, timing: impatient(), ...options })
}

/** A registry that answers the greeting, and everything else by the script. */
function registry(script: Script, greet: (response: ServerResponse) => void = (response) => response.end('{}')) {
  return scriptedServer((request, response) =>
    request.target === '/v2/' ? greet(response) : script(request, response),
  )
}

function sendPart(request: SeenRequest, response: ServerResponse, bytes: Buffer = BLOB): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const headers = { 'content-length': bytes.length - start }
  if (start === 0) response.writeHead(200, headers)
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
  response.end(bytes.subarray(start))
}

function sendAndCut(response: ServerResponse, bytes: Buffer, announced: number): void {
  response.writeHead(200, { 'content-length': announced })
  response.write(bytes, () => response.destroy())
}

async function read(server: ScriptedServer, options: RegistryClientOptions = {}): Promise<Uint8Array> {
  await using client = clientOf(server, options)
  await using source = registrySource(parseReference(`${server.host}/app:1`), { client })
  return await readAllBytes(openVerifiedBlob(source, LAYER, 'source'), BLOB.length, 'blob')
}

async function upload(server: ScriptedServer, options: RegistryClientOptions & { chunkBytes?: number } = {}) {
  await using client = clientOf(server, options)
  let opened = 0
  const open = async () => {
    opened++
    return bytesSource(...Array.from({ length: 10 }, (_, index) => BLOB.subarray(index * 10_000, (index + 1) * 10_000)))
  }
  const repository = client.repository('app', ['pull', 'push'])
  const outcome = await repository.uploadBlob(LAYER, open, { chunkBytes: options.chunkBytes })
  return { outcome, opened }
}

test('openBlob() goes on where the connection was cut', async () => {
  let cuts = 0
  await using server = await registry((request, response) =>
    cuts++ === 0 ? sendAndCut(response, BLOB.subarray(0, HALF), BLOB.length) : sendPart(request, response),
  )
  assert.deepEqual(Buffer.from(await read(server)), BLOB)
  const ranges = server.seen.slice(-2).map(({ headers }) => headers.range)
  assert.deepEqual(ranges, [undefined, `bytes=${HALF}-`])
})

test('openBlob() skips what it has when the server ignores the range', async () => {
  let cuts = 0
  await using server = await registry((_, response) => {
    if (cuts++ === 0) sendAndCut(response, BLOB.subarray(0, HALF), BLOB.length)
    else response.end(BLOB)
  })
  assert.deepEqual(Buffer.from(await read(server)), BLOB)
})

test('openBlob() lets a server be that announces more than there is', async () => {
  await using server = await registry((_, response) => sendAndCut(response, BLOB, BLOB.length + 1))
  assert.deepEqual(Buffer.from(await read(server)), BLOB)
})

test('openBlob() gives up when every connection is cut', async () => {
  await using server = await registry((_, response) => sendAndCut(response, Buffer.alloc(0), BLOB.length))
  await assert.rejects(read(server), { code: 'NETWORK', side: 'source', digest: LAYER.digest })
  assert.equal(server.log.length, 3)
})

test('openBlob() of a server that lies about the length ends in SIZE_MISMATCH, never in a hang', async () => {
  await using short = await registry((_, response) => void response.end(BLOB.subarray(0, HALF)))
  await assert.rejects(read(short), { code: 'SIZE_MISMATCH', side: 'source' })
  await using long = await registry((_, response) => void response.end(Buffer.concat([BLOB, BLOB])))
  await assert.rejects(read(long), { code: 'SIZE_MISMATCH', side: 'source' })
})

test('openBlob() passes wrong bytes to the verifier and refuses a wrong range', async () => {
  const wrong = Buffer.from(BLOB)
  wrong[77] = 0
  await using swapped = await registry((_, response) => void response.end(wrong))
  await assert.rejects(read(swapped), { code: 'DIGEST_MISMATCH', side: 'source' })
  await using shifted = await registry((request, response) => {
    if (request.headers.range === undefined) return sendAndCut(response, BLOB.subarray(0, HALF), BLOB.length)
    response.writeHead(206, { 'content-range': `bytes ${HALF + 1}-${BLOB.length - 1}/${BLOB.length}` })
    response.end(BLOB.subarray(HALF + 1))
  })
  await assert.rejects(read(shifted), { code: 'REGISTRY_PROTOCOL' })
})

test('openBlob() keeps the authorization from the origin it is redirected to', async () => {
  await using storage = await scriptedServer((_, response) => void response.end(BLOB))
  await using server = await registry((_, response) => {
    response.writeHead(307, { location: `${storage.origin}/stored?signature=s3cret` }).end()
  })
  const credentials = async () => ({ kind: 'registry-token', token: 't' }) as const
  assert.deepEqual(Buffer.from(await read(server, { credentials })), BLOB)
  assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer t')
  assert.deepEqual(storage.log, ['GET /stored?signature=s3cret'])
  assert.equal(storage.seen[0]?.headers.authorization, undefined)
})

test('a redirect that loops is an error without its query', async () => {
  await using server = await registry((_, response) => void response.writeHead(302, { location: '?key=s3cret' }).end())
  const said: string[] = []
  const logger = { warn: (message: string) => said.push(message), debug: (message: string) => said.push(message) }
  await using client = clientOf(server)
  await assert.rejects(client.repository('app').openBlob(LAYER, { logger }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'REGISTRY_PROTOCOL')
    assert.ok(!error.message.includes('s3cret'))
    return true
  })
  assert.ok(said.length > 5 && said.every((line) => !line.includes('s3cret')))
})

test('an abort ends a download with its reason and frees the connection', async () => {
  await using server = await registry((_, response) => {
    response.writeHead(200, { 'content-length': BLOB.length })
    response.write(BLOB.subarray(0, HALF))
  })
  await using client = clientOf(server)
  const stop = new AbortController()
  const reason = new Error('stop')
  const body = await client.repository('app').openBlob(LAYER, { signal: stop.signal })
  const closed = once(server.seen.at(-1)?.raw.socket ?? assert.fail(), 'close')
  await assert.rejects(async () => {
    for await (const chunk of body) if (chunk.length > 0) stop.abort(reason)
  }, reason)
  await closed
})

test('requests wait as long as Retry-After says, and errors that pass are not seen', async () => {
  const answers = [429, 503, 200]
  const slept: number[] = []
  await using server = await registry((_, response) => {
    const status = answers.shift() ?? 200
    response.writeHead(status, status === 429 ? { 'retry-after': '7' } : {}).end(status === 200 ? BLOB : '')
  })
  assert.deepEqual(Buffer.from(await read(server, { timing: impatient(slept) })), BLOB)
  assert.deepEqual(slept, [7000, 250])
})

test('answers that stay bad map to codes and keep what the registry said', async () => {
  const expected: readonly [number, string][] = [
    [401, 'AUTH_REQUIRED'],
    [403, 'AUTH_REQUIRED'],
    [404, 'NOT_FOUND'],
    [429, 'RATE_LIMITED'],
    [400, 'REGISTRY_REFUSED'],
    [500, 'REGISTRY_REFUSED'],
    [502, 'REGISTRY_REFUSED'],
  ]
  for (const [status, code] of expected) {
    await using server = await registry((_, response) => {
      response.writeHead(status).end(JSON.stringify({ errors: [{ code: 'TOO_BAD', message: 'so\u001b[31m sorry' }] }))
    })
    await using client = clientOf(server)
    await assert.rejects(client.repository('app').getManifest('1'), (error) => {
      assert.ok(error instanceof HttpStatusError)
      assert.deepEqual([error.code, error.status], [code, status])
      assert.deepEqual(error.diagnostics, [{ code: 'TOO_BAD', message: 'so [31m sorry' }])
      return true
    })
  }
})

test('requests are tried again as often as told, but not where the answer will not change', async () => {
  const tries: Readonly<Record<number, number>> = { 400: 1, 403: 1, 404: 1, 429: 3, 500: 3, 503: 3 }
  for (const [status, count] of Object.entries(tries)) {
    await using server = await registry((_, response) => void response.writeHead(Number(status)).end('{}'))
    await using client = clientOf(server)
    await assert.rejects(client.repository('app').getManifest('1'))
    assert.equal(server.log.length, count, status)
  }
})

test('web pages are not taken for a registry', async () => {
  for (const status of [200, 404]) {
    await using server = await registry((_, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<!doctype html><title>Welcome</title>')
    })
    await using client = clientOf(server)
    await assert.rejects(client.repository('app').getManifest('1'), { code: 'REGISTRY_PROTOCOL' })
  }
  await using page = await scriptedServer((_, response) => {
    response.setHeader('content-type', 'text/html').end('<p>hello')
  })
  await using client = clientOf(page)
  await assert.rejects(client.ping(), { code: 'REGISTRY_PROTOCOL' })
})

test('an endless error body is not read to its end', async () => {
  await using server = await registry((_, response) => {
    response.writeHead(400)
    const pour = (): void => {
      while (!response.destroyed && response.write(BLOB)) continue
    }
    response.on('drain', pour)
    pour()
  })
  await using client = clientOf(server)
  await assert.rejects(client.repository('app').getManifest('1'), { code: 'REGISTRY_REFUSED', status: 400 })
})

test('getManifest() verifies digests, bounds sizes and does not trust the digest header', async () => {
  await using server = await registry((request, response) => {
    if (request.target.endsWith('/huge')) return void response.end(Buffer.alloc(9 * 1024 * 1024, 32))
    response.setHeader('docker-content-digest', LAYER.digest).setHeader('content-type', 'application/json')
    response.end(MANIFEST)
  })
  await using client = clientOf(server)
  const repository = client.repository('app')
  assert.deepEqual((await repository.getManifest('1')).descriptor, ROOT)
  await assert.rejects(repository.getManifest(LAYER.digest), { code: 'DIGEST_MISMATCH' })
  await assert.rejects(repository.getManifest('huge'), { code: 'LIMIT_EXCEEDED' })
})

test('a registry without TLS is refused by default, with a hint', async () => {
  await using server = await registry(() => {})
  await using client = clientOf(server, { tlsVerify: true })
  await assert.rejects(client.ping(), (error) => {
    assert.ok(isTareError(error))
    assert.equal(error.code, 'TLS')
    assert.match(error.hint ?? '', /--tls-verify=false/)
    return true
  })
  assert.equal(server.seen.length, 0)
})

test('requests go through the proxy of the environment, also past a tunnel that is refused', async () => {
  const connects: string[] = []
  await using proxy = await scriptedServer((request, response) => {
    if (request.target !== 'http://registry.test/v2/app/manifests/1') return void response.end('{}')
    response.end(MANIFEST)
  })
  proxy.onConnect((target) => connects.push(target))
  await using client = new RegistryClient('registry.test', {
    tlsVerify: false,
    timing: impatient(),
    environment: { HTTP_PROXY: `http://me:hunter2@${proxy.host}`, HTTPS_PROXY: proxy.origin },
  })
  assert.deepEqual((await client.repository('app').getManifest('1')).descriptor, ROOT)
  assert.deepEqual(connects, ['registry.test:443'])
  const authorization = `Basic ${Buffer.from('me:hunter2').toString('base64')}`
  assert.ok(proxy.seen.every(({ headers }) => headers['proxy-authorization'] === authorization))
})

test('nobody listening is NETWORK', async () => {
  const server = await registry(() => {})
  await server[Symbol.asyncDispose]()
  await using client = clientOf(server)
  await assert.rejects(client.ping(), { code: 'NETWORK' })
})

/** An upload session as registries keep it; `cutAfter` bytes of the first body that is sent, the connection is cut. */
function sessionScript(settings: {
  readonly cutAfter?: number
  readonly isLost?: boolean
  readonly location?: (session: number) => string
  readonly minimum?: number
  readonly keep?: (received: number) => number
}): { readonly script: Script; readonly stored: () => Buffer | undefined } {
  let session = 0
  let cuts = settings.cutAfter === undefined ? 0 : 1
  let kept = Buffer.alloc(0)
  let stored: Buffer | undefined
  const locate = settings.location ?? ((id: number) => `/v2/app/blobs/uploads/${id}?_state=a%2Bb%3D`)
  const script: Script = async (request, response) => {
    const answer = (status: number): void => {
      const range: Record<string, string> = kept.length === 0 ? {} : { range: `0-${kept.length - 1}` }
      response.writeHead(status, { location: locate(session), ...range }).end()
    }
    const isSession = new URL(request.target, 'http://x').pathname.endsWith(`/uploads/${session}`)
    if (request.method === 'POST') {
      session++
      kept = Buffer.alloc(0)
      if (settings.minimum !== undefined) response.setHeader('oci-chunk-min-length', settings.minimum)
      return answer(202)
    }
    if (request.method === 'HEAD') return void response.writeHead(stored === undefined ? 404 : 200).end()
    if (!isSession) return void response.writeHead(404).end()
    if (request.method === 'GET') {
      if (!(settings.isLost ?? false)) return answer(204)
      session++
      return void response.writeHead(404).end()
    }
    if (request.method === 'DELETE') return void response.writeHead(204).end()
    if (cuts > 0) {
      cuts--
      for await (const chunk of request.raw) {
        kept = Buffer.concat([kept, chunk as Buffer]).subarray(0, settings.cutAfter)
        if (kept.length === settings.cutAfter) return void request.raw.socket.destroy()
      }
    }
    const range = request.headers['content-range']
    if (range !== undefined && !range.startsWith(`${kept.length}-`)) return void response.writeHead(416).end()
    const body = await request.body()
    const keep = settings.keep?.(body.length) ?? body.length
    kept = Buffer.concat([kept, body.subarray(0, keep)])
    if (request.method === 'PATCH') return answer(202)
    if (digestOf(kept) !== LAYER.digest) return void response.writeHead(400).end()
    stored = kept
    response.writeHead(201).end()
  }
  return { script, stored: () => stored }
}

test('uploadBlob() sends everything in one request and leaves the query of the location as it is', async () => {
  const { script, stored } = sessionScript({})
  await using server = await registry(script)
  assert.deepEqual(await upload(server), { outcome: 'written', opened: 1 })
  assert.deepEqual(stored(), BLOB)
  assert.deepEqual(server.log, [
    'POST /v2/app/blobs/uploads/',
    `PUT /v2/app/blobs/uploads/1?_state=a%2Bb%3D&digest=${encodeURIComponent(LAYER.digest)}`,
  ])
  assert.equal(server.seen.at(-1)?.headers['content-length'], String(BLOB.length))
})

test('uploadBlob() goes on in a session that lived through a cut', async () => {
  const { script, stored } = sessionScript({ cutAfter: HALF })
  await using server = await registry(script)
  assert.deepEqual(await upload(server), { outcome: 'written', opened: 2 })
  assert.deepEqual(stored(), BLOB)
  assert.deepEqual(
    server.log.map((line) => line.split(' ')[0]),
    ['POST', 'PUT', 'GET', 'PATCH', 'PUT'],
  )
  assert.equal(server.seen.at(-2)?.headers['content-range'], `${HALF}-${BLOB.length - 1}`)
})

test('uploadBlob() starts over when the session is gone', async () => {
  const { script, stored } = sessionScript({ cutAfter: HALF, isLost: true })
  await using server = await registry(script)
  assert.deepEqual(await upload(server), { outcome: 'written', opened: 2 })
  assert.deepEqual(stored(), BLOB)
  assert.deepEqual(
    server.log.map((line) => line.split(' ')[0]),
    ['POST', 'PUT', 'GET', 'HEAD', 'POST', 'PUT'],
  )
})

test('uploadBlob() gives up on a registry that keeps losing sessions', async () => {
  await using server = await registry(async (request, response) => {
    if (request.method !== 'POST') await request.body()
    response.writeHead(request.method === 'POST' ? 202 : 404, { location: '/v2/app/blobs/uploads/1' }).end()
  })
  await assert.rejects(upload(server), { code: 'REGISTRY_REFUSED' })
})

test('uploadBlob() finds the blob stored when only the answer to the closing request was lost', async () => {
  let isStored = false
  await using server = await registry(async (request, response) => {
    if (request.method === 'POST') return void response.writeHead(202, { location: '/v2/app/blobs/uploads/1' }).end()
    if (request.method === 'HEAD') return void response.writeHead(isStored ? 200 : 404).end()
    if (request.method === 'GET') return void response.writeHead(404).end()
    isStored = (await request.body()).equals(BLOB)
    response.destroy()
  })
  assert.deepEqual(await upload(server), { outcome: 'written', opened: 1 })
})

test('uploadBlob() sends chunks, no smaller than the registry wants, and believes what it says it kept', async () => {
  let isFirst = true
  const keep = (received: number): number => {
    const kept = isFirst ? received - 1000 : received
    isFirst = false
    return kept
  }
  const { script, stored } = sessionScript({ minimum: 40_000, keep })
  await using server = await registry(script)
  await upload(server, { chunkBytes: 1000 })
  assert.deepEqual(stored(), BLOB)
  const ranges = server.seen.map(({ headers }) => headers['content-range']).filter((range) => range !== undefined)
  assert.deepEqual(ranges, ['0-39999', '39000-78999', '79000-99999'])
})

test('uploadBlob() follows a location on another origin without the authorization', async () => {
  const { script, stored } = sessionScript({})
  await using storage = await scriptedServer(script)
  await using server = await registry(async (_, response) => {
    await fetch(`${storage.origin}/v2/app/blobs/uploads/`, { method: 'POST' })
    response.writeHead(202, { location: `${storage.origin}/v2/app/blobs/uploads/1?sig=x` }).end()
  })
  await upload(server, { credentials: async () => ({ kind: 'registry-token', token: 't' }) })
  assert.deepEqual(stored(), BLOB)
  assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer t')
  assert.ok(storage.seen.every(({ headers }) => headers.authorization === undefined))
})

test('uploadBlob() never completes wrong content, gives the session up, and passes the source its own errors', async () => {
  const { script, stored } = sessionScript({})
  await using server = await registry(script)
  await using client = clientOf(server)
  const repository = client.repository('app', ['pull', 'push'])
  const wrong = Buffer.from(BLOB)
  wrong[BLOB.length - 1] = 0
  await assert.rejects(
    repository.uploadBlob(LAYER, async () => bytesSource(wrong)),
    { code: 'DIGEST_MISMATCH' },
  )
  await assert.rejects(
    repository.uploadBlob(LAYER, async () => bytesSource(BLOB.subarray(1))),
    { code: 'SIZE_MISMATCH' },
  )
  const own = new Error('the disk is gone')
  const broken = async function* () {
    yield BLOB.subarray(0, HALF)
    throw own
  }
  await assert.rejects(
    repository.uploadBlob(LAYER, async () => broken()),
    own,
  )
  await assert.rejects(
    repository.uploadBlob(LAYER, () => Promise.reject(own)),
    own,
  )
  assert.equal(stored(), undefined)
  assert.equal(server.log.filter((line) => line.startsWith('DELETE')).length, 4)
})

test('uploadBlob() mounts, and sends the blob in the session it got when that was refused', async () => {
  const { script, stored } = sessionScript({})
  await using server = await registry((request, response) => {
    if (!request.target.includes('from=other')) return script(request, response)
    response.writeHead(201, { location: BLOB_PATH }).end()
  })
  await using client = clientOf(server)
  const repository = client.repository('app', ['pull', 'push'])
  const open = async () => bytesSource(BLOB)
  assert.equal(await repository.uploadBlob(LAYER, open, { mountFrom: ['app', 'other', 'third'] }), 'mounted')
  assert.equal(server.log.length, 1)
  assert.equal(await repository.uploadBlob(LAYER, open, { mountFrom: ['strange'] }), 'written')
  assert.deepEqual(stored(), BLOB)
  assert.equal(server.log.filter((line) => line.startsWith('POST')).length, 2)
})

test('an abort ends an upload with its reason and closes its source', async () => {
  await using server = await registry(async (request, response) => {
    if (request.method === 'POST') response.writeHead(202, { location: '/v2/app/blobs/uploads/1' }).end()
  })
  await using client = clientOf(server)
  const stop = new AbortController()
  const reason = new Error('stop')
  const closed = Promise.withResolvers<void>()
  const source = async function* () {
    try {
      yield BLOB.subarray(0, HALF)
      stop.abort(reason)
      yield BLOB.subarray(HALF)
    } finally {
      closed.resolve()
    }
  }
  const repository = client.repository('app', ['pull', 'push'])
  await assert.rejects(
    repository.uploadBlob(LAYER, async () => source(), { signal: stop.signal }),
    reason,
  )
  await closed.promise
})

interface Gate {
  readonly registry: ScriptedServer
  readonly tokens: ScriptedServer
}

/** A registry behind a token server; tokens name what they were given for and the registry checks them. */
async function gated(
  stack: AsyncDisposableStack,
  script: Script,
  settings: { readonly demands?: (request: SeenRequest) => string; readonly expiresIn?: number } = {},
): Promise<Gate> {
  let issued = 0
  const tokens = stack.use(
    await scriptedServer(async (request, response) => {
      const form = new URLSearchParams((await request.body()).toString())
      const scopes = request.method === 'POST' ? (form.get('scope') ?? '').split(' ') : scopesOf(request)
      issued++
      const token = Buffer.from(`${issued} ${scopes.join(' ')}`).toString('base64url')
      response.end(JSON.stringify({ token, expires_in: settings.expiresIn ?? 300 }))
    }),
  )
  const challenge = (scope = ''): string => `Bearer realm="${tokens.origin}/token",service="reg"${scope}`
  const server = stack.use(
    await registry(
      (request, response) => {
        const wanted = settings.demands?.(request) ?? ''
        const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
        const [, ...granted] = Buffer.from(token ?? '', 'base64url')
          .toString()
          .split(' ')
        if (token !== undefined && (wanted === '' || granted.includes(wanted))) return script(request, response)
        response.writeHead(401, { 'www-authenticate': challenge(`,scope="${wanted}"`) }).end()
      },
      (response) => void response.writeHead(401, { 'www-authenticate': challenge() }).end(),
    ),
  )
  return { registry: server, tokens }
}

function scopesOf(request: SeenRequest): readonly string[] {
  return new URL(request.target, 'http://x').searchParams.getAll('scope')
}

test('tokens are asked for exactly what is done, once, and with the credentials of the registry', async () => {
  await using stack = new AsyncDisposableStack()
  const gate = await gated(stack, (_, response) => void response.end(MANIFEST))
  await using client = clientOf(gate.registry, {
    credentials: async ({ registry: host, repository }) => {
      assert.deepEqual([host, repository], [gate.registry.host, 'ns/app'])
      return { kind: 'basic', username: 'me', password: 'hunter2' }
    },
  })
  const repository = client.repository('ns/app')
  await Promise.all([repository.getManifest('1'), repository.getManifest('2')])
  await repository.getManifest('3')
  assert.deepEqual(gate.tokens.log, ['GET /token?service=reg&scope=repository%3Ans%2Fapp%3Apull&account=me'])
  const basic = `Basic ${Buffer.from('me:hunter2').toString('base64')}`
  assert.equal(gate.tokens.seen[0]?.headers.authorization, basic)
  assert.ok(gate.registry.seen.every(({ headers }) => headers.authorization !== basic))
})

test('a token that has too few scopes is replaced by one with what the registry asks for', async () => {
  await using stack = new AsyncDisposableStack()
  const gate = await gated(stack, (_, response) => void response.end(MANIFEST), {
    demands: () => 'repository:app:pull,special',
  })
  await using client = clientOf(gate.registry)
  await client.repository('app').getManifest('1')
  assert.deepEqual(gate.tokens.seen.flatMap(scopesOf), ['repository:app:pull', 'repository:app:pull,special'])
})

test('a mount asks for both repositories in one token', async () => {
  await using stack = new AsyncDisposableStack()
  const gate = await gated(stack, (_, response) => void response.writeHead(201).end())
  await using client = clientOf(gate.registry)
  const repository = client.repository('app', ['pull', 'push'])
  await repository.uploadBlob(LAYER, () => assert.fail('mounted'), { mountFrom: ['base/os'] })
  assert.deepEqual(gate.tokens.seen.flatMap(scopesOf), ['repository:app:pull,push', 'repository:base/os:pull'])
})

test('a token that ends during an upload is renewed before the closing request', async () => {
  let now = 1_000_000
  const { script, stored } = sessionScript({})
  await using stack = new AsyncDisposableStack()
  const gate = await gated(
    stack,
    (request, response) => {
      if (request.method === 'PATCH') now += 299_000
      return script(request, response)
    },
    { demands: ({ method }) => (method === 'PUT' ? 'repository:app:pull,push' : '') },
  )
  await upload(gate.registry, { chunkBytes: BLOB.length, timing: impatient([], () => now) })
  assert.deepEqual(stored(), BLOB)
  assert.equal(gate.tokens.log.length, 2)
  const answered = gate.registry.seen.filter(({ target }) => target !== '/v2/').map(({ method }) => method)
  assert.deepEqual(answered, ['POST', 'PATCH', 'PUT'])
})

test('an identity token is exchanged by POST and stays off the URL', async () => {
  await using stack = new AsyncDisposableStack()
  const gate = await gated(stack, (_, response) => void response.end(MANIFEST))
  await using client = clientOf(gate.registry, { credentials: async () => ({ kind: 'identity-token', token: 'idt' }) })
  await client.repository('app').getManifest('1')
  assert.deepEqual(gate.tokens.log, ['POST /token'])
})

test('a registry that never lets anybody in is asked a bounded number of times', async () => {
  await using stack = new AsyncDisposableStack()
  const gate = await gated(stack, () => {}, { demands: () => 'repository:app:impossible,things' })
  await using loop = await registry((request, response) => {
    const scope = `repository:app:pull,x${request.raw.socket.remotePort}${Math.random()}`
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${gate.tokens.origin}",scope="${scope}"` }).end()
  })
  for (const server of [gate.registry, loop]) {
    await using client = clientOf(server)
    await assert.rejects(client.repository('app').getManifest('1'), { code: 'AUTH_REQUIRED' })
    assert.ok(server.log.length <= 3)
  }
})

test('credentials are not sent to a token server without TLS on another host', async () => {
  await using server = await registry(
    () => {},
    (response) => void response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.2:1/t"' }).end(),
  )
  await using client = clientOf(server, {
    credentials: async () => ({ kind: 'basic', username: 'me', password: 'hunter2' }),
  })
  await assert.rejects(client.repository('app').getManifest('1'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'AUTH_REQUIRED')
    assert.ok(!error.message.includes('hunter2'))
    return true
  })
  assert.equal(server.log.length, 0)
})

test('basic credentials are sent when they are asked for, and refused ones end in AUTH_REQUIRED', async () => {
  const ask = (response: ServerResponse): void =>
    void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
  const right = `Basic ${Buffer.from('me:p').toString('base64')}`
  await using server = await registry(
    (request, response) => (request.headers.authorization === right ? void response.end(MANIFEST) : ask(response)),
    ask,
  )
  for (const [password, code] of [
    ['p', undefined],
    ['wrong', 'AUTH_REQUIRED'],
  ] as const) {
    await using client = clientOf(server, { credentials: async () => ({ kind: 'basic', username: 'me', password }) })
    const got = client.repository('app').getManifest('1')
    if (code === undefined) await got
    else await assert.rejects(got, { code })
  }
  assert.equal(server.seen[1]?.headers.authorization ?? server.seen[0]?.headers.authorization, right)
})

test('tags() follows links to the end, on the same host only', async () => {
  const links = new Map([
    ['/v2/app/tags/list?n=2', '</v2/app/tags/list?n=2&last=b>; rel="next"'],
    ['/v2/loop/tags/list?n=2', '</v2/loop/tags/list?n=2>; rel="next"'],
    ['/v2/away/tags/list?n=2', '<http://127.0.0.1:1/v2/away/tags/list?last=b>; rel="next"'],
  ])
  await using server = await registry((request, response) => {
    const link = links.get(request.target)
    if (link !== undefined) response.setHeader('link', link)
    response.end(JSON.stringify({ tags: link === undefined ? ['c'] : ['a', 'b'] }))
  })
  await using client = clientOf(server)
  const list = (name: string): Promise<string[]> => Array.fromAsync(client.repository(name).tags({ pageSize: 2 }))
  assert.deepEqual(await list('app'), ['a', 'b', 'c'])
  await assert.rejects(list('loop'), { code: 'REGISTRY_PROTOCOL' })
  await assert.rejects(list('away'), { code: 'REGISTRY_PROTOCOL' })
})

test('referrers() reads the API, else the tag that stands in for it, and filters by itself', async () => {
  const referrer = (artifactType: string, text: string): Descriptor => ({
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    digest: digestOf(Buffer.from(text)),
    size: text.length,
    artifactType,
  })
  const both = [referrer('a/x', '1'), referrer('a/y', '2')]
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests: both })
  for (const path of [`/v2/app/referrers/${ROOT.digest}`, `/v2/app/manifests/${ROOT.digest.replace(':', '-')}`]) {
    await using server = await registry((request, response) => {
      if (!request.target.startsWith(path)) return void response.writeHead(404).end()
      response.setHeader('content-type', MEDIA_TYPE.OCI_INDEX).end(index)
    })
    await using client = clientOf(server)
    const repository = client.repository('app')
    assert.deepEqual(await repository.referrers(ROOT.digest), both)
    assert.deepEqual(await repository.referrers(ROOT.digest, { artifactType: 'a/y' }), both.slice(1))
  }
  await using none = await registry((_, response) => void response.writeHead(404).end())
  await using client = clientOf(none)
  assert.deepEqual(await client.repository('app').referrers(ROOT.digest), [])
})

test('registryDestination() refuses a root that is not the digest of the reference, before and at the commit', async () => {
  await using server = await registry(() => assert.fail('nothing is sent'))
  await using client = clientOf(server)
  const reference = parseReference(`${server.host}/app:1@${LAYER.digest}`)
  await using destination = registryDestination(reference, { client })
  const root = { descriptor: ROOT, bytes: MANIFEST }
  await assert.rejects(async () => destination.prepare?.({ blobs: [], manifests: [root] }), {
    code: 'INVALID_ARGUMENT',
  })
  await assert.rejects(async () => destination.commit(root), { code: 'INVALID_ARGUMENT' })
})

test('registryDestination() notices when the registry stores other bytes than it got', async () => {
  await using server = await registry(async (request, response) => {
    await request.body()
    response.writeHead(201, { 'docker-content-digest': LAYER.digest }).end()
  })
  await using client = clientOf(server)
  await using destination = registryDestination(parseReference(`${server.host}/app:1`), { client })
  await assert.rejects(destination.commit({ descriptor: ROOT, bytes: MANIFEST }), { code: 'VERIFY_FAILED' })
})

registryClientSuite('the in-process registry', async () => {
  const running = await startRegistry()
  return { address: running.address, access: { tlsVerify: false }, [Symbol.asyncDispose]: () => running.close() }
})
