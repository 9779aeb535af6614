import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, unlink } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { get as httpsGet } from 'node:https'
import { test } from 'node:test'
import {
  basicAuthorization,
  bearerAuthorization,
  FileRegistryStorage,
  MemoryRegistryStorage,
  type RegistryRequest,
  startRegistry,
} from '../../src/registry/index.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import {
  descriptor,
  errorCodes,
  locationOf,
  manifestDigests,
  nextPage,
  refused,
  RegistryProbe,
  registrySuite,
  sha256,
  withDigest,
} from '../support/registry-suite.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

registrySuite('startRegistry() over memory', () => startRegistry())

registrySuite('startRegistry() over a directory', async () => {
  const resources = new AsyncDisposableStack()
  const directory = resources.use(await temporaryDirectory())
  const registry = resources.use(await startRegistry({ storage: await FileRegistryStorage.open(directory.path) }))
  return { url: registry.url, [Symbol.asyncDispose]: () => resources.disposeAsync() }
})

test('FileRegistryStorage resumes an upload that another process began', async () => {
  await using directory = await temporaryDirectory()
  const bytes = randomBytes(300_000)
  let location: string
  {
    await using first = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
    const probe = new RegistryProbe(first.url, 'app')
    location = await probe.startUpload()
    await probe.ask('PATCH', location, { body: bytes.subarray(0, 100_000) })
  }
  await using second = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
  const probe = new RegistryProbe(second.url, 'app')
  assert.equal((await probe.ask('GET', location)).headers.get('range'), '0-99999')
  const headers = { 'Content-Range': '100000-299999' }
  const put = await probe.ask('PUT', withDigest(location, sha256(bytes)), { headers, body: bytes.subarray(100_000) })
  assert.equal(put.status, 201)
  assert.deepEqual((await probe.ask('GET', locationOf(put))).bytes, bytes)
})

test('FileRegistryStorage serves after a restart what it was given before', async () => {
  await using directory = await temporaryDirectory()
  let image: { readonly bytes: Buffer }
  {
    await using first = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
    image = await new RegistryProbe(first.url, 'library/app').pushImage('v1')
  }
  await using registry = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
  const answer = await new RegistryProbe(registry.url, 'library/app').ask('GET', 'manifests/v1')
  assert.deepEqual(answer.bytes, image.bytes)
  assert.equal(answer.headers.get('content-type'), OCI_MANIFEST)
})

test('FileRegistryStorage keeps content once and removes it with its last holder', async () => {
  await using directory = await temporaryDirectory()
  await using registry = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
  const one = new RegistryProbe(registry.url, 'one')
  const two = one.in('two')
  const bytes = randomBytes(1000)
  const digest = await one.pushBlob(bytes)
  await two.pushBlob(bytes)
  assert.equal((await filesBelow(directory.join('blobs'))).length, 1)
  await one.ask('DELETE', `blobs/${digest}`)
  assert.deepEqual(await readFile((await filesBelow(directory.join('blobs')))[0] ?? ''), bytes)
  await two.ask('DELETE', `blobs/${digest}`)
  assert.deepEqual(await filesBelow(directory.path), [])
})

test('FileRegistryStorage leaves nothing behind after a wrong digest, a cancel or a refused manifest', async () => {
  await using directory = await temporaryDirectory()
  await using registry = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
  const probe = new RegistryProbe(registry.url, 'app')
  const wrong = sha256(randomBytes(1))
  await probe.ask('PUT', withDigest(await probe.startUpload(), wrong), { body: randomBytes(1000) })
  await probe.ask('POST', `blobs/uploads/?digest=${wrong}`, { body: randomBytes(1000) })
  await probe.ask('DELETE', await probe.startUpload())
  await probe.putManifest('v1', { schemaVersion: 2, config: {}, layers: [] })
  assert.deepEqual(await filesBelow(directory.path), [])
  assert.equal((await probe.ask('GET', 'tags/list')).status, 404)
})

test('FileRegistryStorage treats a blob whose content is lost as absent, and takes it again', async () => {
  await using directory = await temporaryDirectory()
  const storage = await FileRegistryStorage.open(directory.path)
  await using registry = await startRegistry({ storage })
  const probe = new RegistryProbe(registry.url, 'app')
  const bytes = randomBytes(1000)
  const path = `blobs/${await probe.pushBlob(bytes)}`
  await unlink((await filesBelow(directory.join('blobs')))[0] ?? '')
  assert.equal((await probe.ask('GET', path)).status, 404)
  await probe.pushBlob(bytes)
  assert.deepEqual((await probe.ask('GET', path)).bytes, bytes)
})

test('startRegistry() drops uploads that nobody continued', async () => {
  await using directory = await temporaryDirectory()
  for (const storage of [new MemoryRegistryStorage(), await FileRegistryStorage.open(directory.path)]) {
    const kept = await storage.startUpload('app', 'sha256')
    await startRegistry({ storage }).then((registry) => registry.close())
    assert.equal(await storage.uploadSize('app', kept), 0)
    await startRegistry({ storage, uploadExpiryMs: 0 }).then((registry) => registry.close())
    assert.equal(await storage.uploadSize('app', kept), undefined)
  }
})

test('MemoryRegistryStorage refuses what exceeds its limit and has the room again after a cancel', async () => {
  await using registry = await startRegistry({ storage: new MemoryRegistryStorage({ maxBytes: 100_000 }) })
  const probe = new RegistryProbe(registry.url, 'app')
  const location = await probe.startUpload()
  assert.equal((await probe.ask('PATCH', location, { body: randomBytes(200_000) })).status, 507)
  await probe.ask('DELETE', location)
  const bytes = randomBytes(90_000)
  const digest = await probe.pushBlob(bytes)
  await probe.ask('DELETE', `blobs/${digest}`)
  assert.equal(await probe.pushBlob(bytes), digest)
})

test('basicAuthorization() challenges strangers and lets users in', async () => {
  const authorize = basicAuthorization('a "realm"', (user, password) => user === 'me' && password === 'se:cret')
  await using registry = await startRegistry({ authorize })
  const probe = new RegistryProbe(registry.url, 'app')
  const stranger = await probe.ask('GET', '/v2/')
  assert.equal(stranger.status, 401)
  assert.deepEqual(errorCodes(stranger), ['UNAUTHORIZED'])
  assert.equal(stranger.headers.get('www-authenticate'), String.raw`Basic realm="a \"realm\""`)
  for (const [credentials, status] of [
    ['me:se:cret', 200],
    ['me:wrong', 401],
    ['nobody', 401],
  ] as const) {
    const headers = { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
    assert.equal((await probe.ask('GET', '/v2/', { headers })).status, status, credentials)
  }
})

test('bearerAuthorization() names the scope a request needs', async () => {
  const authorize = bearerAuthorization('https://auth.example/token', 'registry', (token, access) =>
    access.every(({ name, actions }) => actions.every((action) => token === `${name}:${action}`)),
  )
  await using registry = await startRegistry({ authorize })
  const probe = new RegistryProbe(registry.url, 'team/app')
  const challenge = async (method: string, path: string, token?: string): Promise<string | null> => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    return (await probe.ask(method, path, { headers })).headers.get('www-authenticate')
  }
  const base = 'Bearer realm="https://auth.example/token",service="registry"'
  assert.equal(await challenge('GET', '/v2/'), base)
  assert.equal(await challenge('GET', '/v2/_catalog'), `${base},scope="registry:catalog:*"`)
  assert.equal(await challenge('GET', 'manifests/v1'), `${base},scope="repository:team/app:pull"`)
  assert.equal(await challenge('POST', 'blobs/uploads/'), `${base},scope="repository:team/app:pull,push"`)
  assert.equal(await challenge('DELETE', 'manifests/v1'), `${base},scope="repository:team/app:delete"`)
  const insufficient = `${base},scope="repository:team/app:pull",error="insufficient_scope"`
  assert.equal(await challenge('GET', 'manifests/v1', 'team/app:push'), insufficient)
  assert.equal(await challenge('GET', 'manifests/v1', 'team/app:pull'), null)
})

test('startRegistry() mounts only what the client may read', async () => {
  const denied = 'secret'
  await using registry = await startRegistry({
    authorize: (request, access) =>
      request.headers['x-everything'] !== undefined || access.every(({ name }) => name !== denied)
        ? { kind: 'allow' }
        : { kind: 'deny' },
  })
  const probe = new RegistryProbe(registry.url, 'app')
  const bytes = randomBytes(100)
  const headers = { 'X-Everything': 'yes' }
  const pushed = await probe.in(denied).ask('POST', `blobs/uploads/?digest=${sha256(bytes)}`, { headers, body: bytes })
  assert.equal(pushed.status, 201)
  await refused(probe.in(denied).ask('GET', `blobs/${sha256(bytes)}`), 403, 'DENIED')
  for (const query of [`?mount=${sha256(bytes)}&from=${denied}`, `?mount=${sha256(bytes)}`]) {
    assert.equal((await probe.ask('POST', `blobs/uploads/${query}`)).status, 202)
  }
  assert.equal((await probe.ask('HEAD', `blobs/${sha256(bytes)}`)).status, 404)
})

test('startRegistry() read-only serves and changes nothing', async () => {
  const storage = new MemoryRegistryStorage()
  await using writable = await startRegistry({ storage })
  const image = await new RegistryProbe(writable.url, 'app').pushImage('v1')
  await using registry = await startRegistry({ storage, readOnly: true })
  const probe = new RegistryProbe(registry.url, 'app')
  assert.deepEqual((await probe.ask('GET', 'manifests/v1')).bytes, image.bytes)
  await refused(probe.ask('POST', 'blobs/uploads/'), 405, 'UNSUPPORTED')
  await refused(probe.putManifest('v2', image.bytes), 405, 'UNSUPPORTED')
  await refused(probe.ask('DELETE', 'manifests/v1'), 405, 'UNSUPPORTED')
})

test('startRegistry() without deletes answers 405 to them', async () => {
  await using registry = await startRegistry({ deletes: false })
  const probe = new RegistryProbe(registry.url, 'app')
  const { digest } = await probe.pushImage('v1')
  for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${sha256(Buffer.from('{}'))}`]) {
    await refused(probe.ask('DELETE', path), 405, 'UNSUPPORTED')
  }
  assert.equal((await probe.ask('GET', 'manifests/v1')).status, 200)
})

test('startRegistry() takes manifests without their content where that is wanted', async () => {
  await using registry = await startRegistry({ missingReferences: 'accept' })
  const probe = new RegistryProbe(registry.url, 'app')
  const absent = descriptor(randomBytes(10), 'application/x')
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: absent, layers: [absent] }
  assert.equal((await probe.putManifest('v1', document)).status, 201)
})

test('startRegistry() limits manifests as told', async () => {
  await using registry = await startRegistry({ maxManifestBytes: 1000 })
  const probe = new RegistryProbe(registry.url, 'app')
  const document = { ...(await probe.image()), annotations: { padding: 'x'.repeat(1000) } }
  await refused(probe.putManifest('v1', document), 413, 'SIZE_INVALID')
  await probe.pushImage('v1')
})

test('startRegistry() pages referrers, filtered ones too', async () => {
  await using registry = await startRegistry({ pageSize: 2 })
  const probe = new RegistryProbe(registry.url, 'app')
  const subject = descriptor(randomBytes(10), OCI_MANIFEST)
  const wanted: string[] = []
  for (const [index, artifactType] of ['a', 'b', 'a', 'b', 'a', 'a', 'a'].entries()) {
    const { digest } = await probe.pushImage(`r${index}`, { subject, artifactType: `application/${artifactType}` })
    if (artifactType === 'a') wanted.push(digest)
  }
  const pages: (readonly unknown[])[] = []
  let path: string | undefined = `referrers/${subject.digest}?artifactType=application/a`
  while (path !== undefined) {
    const answer = await probe.ask('GET', path)
    assert.equal(answer.headers.get('oci-filters-applied'), 'artifactType')
    pages.push(manifestDigests(answer))
    path = nextPage(answer)
  }
  assert.deepEqual(
    pages.map((page) => page.length),
    [2, 2, 1],
  )
  assert.deepEqual(pages.flat(), wanted.sort())
})

test('startRegistry() shows requests to its hook, which may answer or cut them', async () => {
  const seen: RegistryRequest[] = []
  await using registry = await startRegistry({
    onRequest: (request, { incoming, outgoing }) => {
      seen.push(request)
      if (request.path === '/token') outgoing.end('a token')
      if (request.headers['x-cut'] !== undefined) incoming.destroy()
    },
  })
  const probe = new RegistryProbe(registry.url, 'app')
  assert.equal((await probe.ask('GET', '/token?scope=x')).bytes.toString(), 'a token')
  await assert.rejects(probe.ask('GET', '/v2/', { headers: { 'X-Cut': 'yes' } }))
  assert.equal((await probe.ask('GET', 'manifests/v1')).status, 404)
  assert.equal((await probe.ask('GET', '/elsewhere')).status, 404)
  assert.deepEqual(
    seen.map(({ method, path, route }) => [method, path, route?.kind]),
    [
      ['GET', '/token', undefined],
      ['GET', '/v2/', 'base'],
      ['GET', '/v2/app/manifests/v1', 'manifest'],
      ['GET', '/elsewhere', undefined],
    ],
  )
  assert.equal(seen[0]?.query.get('scope'), 'x')
})

test('startRegistry() answers 500 when a hook fails, tells its logger and goes on', async () => {
  const warnings: string[] = []
  await using registry = await startRegistry({
    onRequest: ({ headers }) => {
      if (headers['x-fail'] !== undefined) throw new Error('a fault of the test')
    },
    logger: { warn: (message) => warnings.push(message), debug() {} },
  })
  const probe = new RegistryProbe(registry.url, 'app')
  await refused(probe.ask('GET', '/v2/', { headers: { 'X-Fail': 'yes' } }), 500, 'UNKNOWN')
  assert.equal(warnings.length, 1)
  assert.equal((await probe.ask('GET', '/v2/')).status, 200)
})

test('startRegistry() gives the whole blob when If-Range names another one', async () => {
  await using registry = await startRegistry()
  const probe = new RegistryProbe(registry.url, 'app')
  const digest = await probe.pushBlob(randomBytes(100))
  for (const [ifRange, status] of [
    [`"${digest}"`, 206],
    [`"${sha256(randomBytes(1))}"`, 200],
  ] as const) {
    const headers = { Range: 'bytes=10-', 'If-Range': ifRange }
    assert.equal((await probe.ask('GET', `blobs/${digest}`, { headers })).status, status)
  }
})

test('startRegistry() invites an announced body only when it will be read', async () => {
  await using registry = await startRegistry({ maxManifestBytes: 1000 })
  const probe = new RegistryProbe(registry.url, 'app')
  const bytes = randomBytes(5000)
  const invited = async (path: string): Promise<{ readonly status: number; readonly wasInvited: boolean }> => {
    const headers = { Expect: '100-continue', 'Content-Length': bytes.length }
    const outgoing = httpRequest(new URL(path, registry.url), { method: 'PUT', headers, agent: false })
    let wasInvited = false
    outgoing.once('continue', () => {
      wasInvited = true
      outgoing.end(bytes)
    })
    outgoing.flushHeaders()
    const [incoming] = await once(outgoing, 'response')
    incoming.resume()
    if (!wasInvited) outgoing.destroy()
    return { status: incoming.statusCode, wasInvited }
  }
  const upload = withDigest(await probe.startUpload(), sha256(bytes))
  assert.deepEqual(await invited('/v2/app/manifests/v1'), { status: 413, wasInvited: false })
  assert.deepEqual(await invited(upload), { status: 201, wasInvited: true })
})

test('startRegistry() closes while requests are under way, once and for all', async () => {
  await using directory = await temporaryDirectory()
  const registry = await startRegistry({ storage: await FileRegistryStorage.open(directory.path) })
  const probe = new RegistryProbe(registry.url, 'app')
  const location = await probe.startUpload()
  const outgoing = httpRequest(new URL(location, registry.url), { method: 'PATCH', headers: { 'Content-Length': 100 } })
  const failed = once(outgoing, 'error').catch((error: unknown) => [error])
  await new Promise<void>((resolve) => outgoing.write('begun', () => resolve()))
  await Promise.all([registry.close(), registry.close()])
  await failed
  await registry.close()
  await assert.rejects(probe.ask('GET', '/v2/'))
})

test('startRegistry() refuses an address in use with NETWORK', async () => {
  await using registry = await startRegistry()
  await assert.rejects(startRegistry({ port: registry.port }), { code: 'NETWORK' })
})

test('startRegistry() speaks HTTPS with a key and a certificate', { skip: skipWithout('openssl') }, async () => {
  await using directory = await temporaryDirectory()
  const files = { key: directory.join('key.pem'), cert: directory.join('cert.pem') }
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost'.split(' ')
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files.key, '-out', files.cert]
  await runPeer('openssl', [...request, ...names])
  const cert = await readFile(files.cert, 'utf8')
  await using registry = await startRegistry({ tls: { key: await readFile(files.key, 'utf8'), cert } })
  assert.match(registry.url, /^https:/)
  const outgoing = httpsGet(`${registry.url}/v2/`, { ca: cert, agent: false })
  const [incoming] = await once(outgoing, 'response')
  incoming.resume()
  assert.equal(incoming.statusCode, 200)
})

async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`)
}
