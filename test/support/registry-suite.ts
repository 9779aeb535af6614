import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { text } from 'node:stream/consumers'

/** A registry that listens somewhere. */
export interface RegistryUnderTest extends AsyncDisposable {
  /** `http://127.0.0.1:5000`, without a final slash. */
  readonly url: string
}

export interface RegistrySuiteOptions {
  /** Reason to leave the whole suite out. */
  readonly skip?: string | false
  /** Cases that this registry is known to do differently: name of the case, and how it differs. */
  readonly differences?: Readonly<Record<string, string>>
}

/**
 * Behaviour that the distribution specification asks for, over HTTP alone: the same cases for our registry and for
 * others. Deleting must be enabled. Every case works in repositories of its own.
 */
export function registrySuite(
  title: string,
  start: () => Promise<RegistryUnderTest>,
  options: RegistrySuiteOptions = {},
): void {
  const differences = new Map(Object.entries(options.differences ?? {}))
  const cases = CASES.map(([name, run]) => {
    const difference = differences.get(name)
    differences.delete(name)
    return { name, run, skip: difference ?? false }
  })
  assert.deepEqual([...differences.keys()], [], 'differences that name no case')

  suite(title, { skip: options.skip ?? false }, () => {
    const resources = new AsyncDisposableStack()
    let url = ''
    before(async () => {
      url = resources.use(await start()).url
    })
    after(() => resources.disposeAsync())
    for (const { name, run, skip } of cases) {
      test(name, { skip }, () => run(new RegistryProbe(url, `suite/${randomBytes(6).toString('hex')}`)))
    }
  })
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

export interface Question {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'

/** Speaks to a registry without knowing anything of clients. */
export class RegistryProbe {
  readonly url: string
  /** A repository of the case's own. */
  readonly repository: string

  constructor(url: string, repository: string) {
    this.url = url
    this.repository = repository
  }

  /** The same registry, another repository. */
  in(repository: string): RegistryProbe {
    return new RegistryProbe(this.url, repository)
  }

  /** @param path - below `/v2/REPOSITORY/` when it does not start with a slash; else, or with a host, as a `Location` */
  async ask(method: string, path: string, { headers, body }: Question = {}): Promise<Answer> {
    const url = new URL(
      path.startsWith('/') || path.includes('://') ? path : `/v2/${this.repository}/${path}`,
      this.url,
    )
    const response = await fetch(url, {
      method,
      headers: { Accept: `${OCI_MANIFEST}, ${OCI_INDEX}`, ...headers },
      body: body === undefined ? null : body instanceof Uint8Array ? Buffer.from(body) : ReadableStream.from(body),
      duplex: 'half',
      redirect: 'error',
    })
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }

  /** Opens a session; gives its location. */
  async startUpload(query = ''): Promise<string> {
    const answer = await this.ask('POST', `blobs/uploads/${query}`)
    assert.equal(answer.status, 202)
    return locationOf(answer)
  }

  async pushBlob(bytes: Uint8Array): Promise<string> {
    const digest = sha256(bytes)
    const answer = await this.ask('PUT', withDigest(await this.startUpload(), digest), { body: bytes })
    assert.equal(answer.status, 201)
    return digest
  }

  async putManifest(reference: string, document: unknown, mediaType: string = OCI_MANIFEST): Promise<Answer> {
    const body = document instanceof Uint8Array ? document : Buffer.from(JSON.stringify(document))
    return this.ask('PUT', `manifests/${reference}`, { headers: { 'Content-Type': mediaType }, body })
  }

  /** Pushes an image of one layer; gives the manifest's bytes and digest. */
  async pushImage(tag: string, extra: object = {}): Promise<{ readonly bytes: Buffer; readonly digest: string }> {
    const bytes = Buffer.from(JSON.stringify({ ...(await this.image()), ...extra }))
    assert.equal((await this.putManifest(tag, bytes)).status, 201)
    return { bytes, digest: sha256(bytes) }
  }

  /** A manifest whose blobs are pushed. */
  async image(): Promise<{ readonly [name: string]: unknown }> {
    const config = Buffer.from('{}')
    const layer = randomBytes(64)
    await this.pushBlob(config)
    await this.pushBlob(layer)
    return {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')],
    }
  }
}

type Case = readonly [name: string, run: (probe: RegistryProbe) => Promise<void>]

const CASES: readonly Case[] = [
  [
    'GET /v2/ answers 200',
    async (probe) => {
      assert.equal((await probe.ask('GET', '/v2/')).status, 200)
    },
  ],

  // blobs
  [
    'a blob that is not there is 404 BLOB_UNKNOWN, and HEAD has no body',
    async (probe) => {
      const path = `blobs/${sha256(randomBytes(8))}`
      await refused(probe.ask('GET', path), 404, 'BLOB_UNKNOWN')
      const head = await probe.ask('HEAD', path)
      assert.equal(head.status, 404)
      assert.equal(head.bytes.length, 0)
    },
  ],
  [
    'POST and PUT store a blob that GET and HEAD give back',
    async (probe) => {
      const bytes = randomBytes(100_000)
      const digest = sha256(bytes)
      const put = await probe.ask('PUT', withDigest(await probe.startUpload(), digest), { body: bytes })
      assert.equal(put.status, 201)
      assert.equal(put.headers.get('docker-content-digest'), digest)
      assert.deepEqual((await probe.ask('GET', locationOf(put))).bytes, bytes)
      const head = await probe.ask('HEAD', `blobs/${digest}`)
      assert.equal(head.status, 200)
      assert.equal(head.headers.get('content-length'), '100000')
      assert.equal(head.headers.get('docker-content-digest'), digest)
    },
  ],
  [
    'a single POST with a digest stores a blob',
    async (probe) => {
      const bytes = randomBytes(1000)
      const answer = await probe.ask('POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })
      assert.equal(answer.status, 201)
      assert.deepEqual((await probe.ask('GET', locationOf(answer))).bytes, bytes)
    },
  ],
  [
    'a single POST with a wrong digest stores nothing',
    async (probe) => {
      const bytes = randomBytes(1000)
      const digest = sha256(randomBytes(1))
      await refused(probe.ask('POST', `blobs/uploads/?digest=${digest}`, { body: bytes }), 400, 'DIGEST_INVALID')
      assert.equal((await probe.ask('HEAD', `blobs/${digest}`)).status, 404)
      assert.equal((await probe.ask('HEAD', `blobs/${sha256(bytes)}`)).status, 404)
    },
  ],
  [
    'PATCH without a range streams a body of unknown length',
    async (probe) => {
      const parts = [randomBytes(70_000), randomBytes(1), randomBytes(30_000)]
      const bytes = Buffer.concat(parts)
      const patch = await probe.ask('PATCH', await probe.startUpload(), { body: iterate(parts) })
      assert.equal(patch.status, 202)
      assert.equal(patch.headers.get('range'), `0-${bytes.length - 1}`)
      const put = await probe.ask('PUT', withDigest(locationOf(patch), sha256(bytes)))
      assert.equal(put.status, 201)
      assert.deepEqual((await probe.ask('GET', `blobs/${sha256(bytes)}`)).bytes, bytes)
    },
  ],
  [
    'chunks with Content-Range are put together, the last one by PUT',
    async (probe) => {
      const bytes = randomBytes(3000)
      let location = await probe.startUpload()
      for (const start of [0, 1000]) {
        const patch = await probe.ask('PATCH', location, chunk(bytes, start, start + 1000))
        assert.equal(patch.status, 202)
        assert.equal(patch.headers.get('range'), `0-${start + 999}`)
        location = locationOf(patch)
      }
      const put = await probe.ask('PUT', withDigest(location, sha256(bytes)), chunk(bytes, 2000, 3000))
      assert.equal(put.status, 201)
      assert.deepEqual((await probe.ask('GET', locationOf(put))).bytes, bytes)
    },
  ],
  [
    'a chunk out of order is 416, and the session goes on from where GET says',
    async (probe) => {
      const bytes = randomBytes(3000)
      const start = await probe.startUpload()
      const first = locationOf(await probe.ask('PATCH', start, chunk(bytes, 0, 1000)))
      assert.equal((await probe.ask('PATCH', first, chunk(bytes, 2000, 3000))).status, 416)
      assert.equal((await probe.ask('PATCH', first, chunk(bytes, 0, 1000))).status, 416)
      const status = await probe.ask('GET', first)
      assert.equal(status.status, 204)
      assert.equal(status.headers.get('range'), '0-999')
      const rest = await probe.ask('PATCH', locationOf(status), chunk(bytes, 1000, 3000))
      assert.equal(rest.status, 202)
      assert.equal((await probe.ask('PUT', withDigest(locationOf(rest), sha256(bytes)))).status, 201)
    },
  ],
  [
    'the last chunk out of order is 416, and the session stays',
    async (probe) => {
      const bytes = randomBytes(2000)
      const first = locationOf(await probe.ask('PATCH', await probe.startUpload(), chunk(bytes, 0, 1000)))
      const put = await probe.ask('PUT', withDigest(first, sha256(bytes)), chunk(bytes, 1500, 2000))
      assert.equal(put.status, 416)
      assert.equal((await probe.ask('GET', first)).headers.get('range'), '0-999')
    },
  ],
  [
    'a chunk whose length is not that of its range is refused',
    async (probe) => {
      const location = await probe.startUpload()
      const question = { headers: { 'Content-Range': '0-9' }, body: randomBytes(5) }
      await refused(probe.ask('PATCH', location, question), 400, 'SIZE_INVALID')
    },
  ],
  [
    'a cancelled upload is gone',
    async (probe) => {
      const location = await probe.startUpload()
      assert.equal((await probe.ask('DELETE', location)).status, 204)
      await refused(probe.ask('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
      await refused(probe.ask('DELETE', location), 404, 'BLOB_UPLOAD_UNKNOWN')
    },
  ],
  [
    'an upload belongs to its repository',
    async (probe) => {
      const location = await probe.startUpload()
      const elsewhere = location.replace(probe.repository, `${probe.repository}/other`)
      assert.equal((await probe.ask('GET', elsewhere)).status, 404)
    },
  ],
  [
    'a wrong digest is 400 DIGEST_INVALID and stores nothing',
    async (probe) => {
      const bytes = randomBytes(1000)
      const digest = sha256(randomBytes(1))
      await refused(
        probe.ask('PUT', withDigest(await probe.startUpload(), digest), { body: bytes }),
        400,
        'DIGEST_INVALID',
      )
      assert.equal((await probe.ask('HEAD', `blobs/${digest}`)).status, 404)
      assert.equal((await probe.ask('HEAD', `blobs/${sha256(bytes)}`)).status, 404)
    },
  ],
  [
    'closing an upload without a digest, or with a malformed one, is 400 DIGEST_INVALID',
    async (probe) => {
      const location = await probe.startUpload()
      await refused(probe.ask('PUT', withDigest(location, 'sha256:12')), 400, 'DIGEST_INVALID')
      await refused(probe.ask('PUT', location), 400, 'DIGEST_INVALID')
    },
  ],
  [
    'an upload that breaks off keeps its bytes and is resumed',
    async (probe) => {
      const bytes = randomBytes(200_000)
      const location = await probe.startUpload()
      await breakOff('PATCH', new URL(location, probe.url), bytes.subarray(0, 120_000), bytes.length)
      const reached = await rangeEnd(probe, location)
      assert.ok(reached > 0 && reached <= 120_000)
      const rest = await probe.ask('PATCH', location, chunk(bytes, reached, bytes.length))
      assert.equal(rest.status, 202)
      assert.equal((await probe.ask('PUT', withDigest(locationOf(rest), sha256(bytes)))).status, 201)
      assert.deepEqual((await probe.ask('GET', `blobs/${sha256(bytes)}`)).bytes, bytes)
    },
  ],
  [
    'the same blob can be uploaded several times at once',
    async (probe) => {
      const bytes = randomBytes(300_000)
      const digests = await Promise.all(Array.from({ length: 8 }, () => probe.pushBlob(bytes)))
      assert.equal(new Set(digests).size, 1)
      assert.deepEqual((await probe.ask('GET', `blobs/${sha256(bytes)}`)).bytes, bytes)
    },
  ],
  [
    'different blobs uploaded at once do not mix',
    async (probe) => {
      const blobs = Array.from({ length: 12 }, (_, index) => randomBytes(10_000 * (index + 1)))
      await Promise.all(blobs.map((bytes) => probe.pushBlob(bytes)))
      for (const bytes of blobs) assert.deepEqual((await probe.ask('GET', `blobs/${sha256(bytes)}`)).bytes, bytes)
    },
  ],
  [
    'an empty blob is a blob',
    async (probe) => {
      const digest = await probe.pushBlob(Buffer.alloc(0))
      const answer = await probe.ask('GET', `blobs/${digest}`)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('content-length'), '0')
    },
  ],
  [
    'blobs and manifests are addressed with sha512 as well',
    async (probe) => {
      const bytes = randomBytes(5000)
      const digest = sha512(bytes)
      const location = await probe.startUpload('?digest-algorithm=sha512')
      assert.equal((await probe.ask('PUT', withDigest(location, digest), { body: bytes })).status, 201)
      const answer = await probe.ask('GET', `blobs/${digest}`)
      assert.deepEqual(answer.bytes, bytes)
      assert.equal(answer.headers.get('docker-content-digest'), digest)
      const manifest = Buffer.from(JSON.stringify(await probe.image()))
      assert.equal((await probe.putManifest(sha512(manifest), manifest)).status, 201)
      assert.deepEqual((await probe.ask('GET', `manifests/${sha512(manifest)}`)).bytes, manifest)
    },
  ],
  [
    'an upload may be closed with another algorithm than it was opened for',
    async (probe) => {
      const bytes = randomBytes(5000)
      const patch = await probe.ask('PATCH', await probe.startUpload(), { body: bytes })
      assert.equal((await probe.ask('PUT', withDigest(locationOf(patch), sha512(bytes)))).status, 201)
    },
  ],
  [
    'an unknown digest algorithm is 400',
    async (probe) => {
      await refused(probe.ask('POST', 'blobs/uploads/?digest-algorithm=md5'), 400, 'DIGEST_INVALID')
    },
  ],
  [
    'a blob is mounted from another repository',
    async (probe) => {
      const bytes = randomBytes(1000)
      const digest = await probe.in(`${probe.repository}/from`).pushBlob(bytes)
      assert.equal((await probe.ask('HEAD', `blobs/${digest}`)).status, 404)
      const answer = await probe.ask('POST', `blobs/uploads/?mount=${digest}&from=${probe.repository}/from`)
      assert.equal(answer.status, 201)
      assert.deepEqual((await probe.ask('GET', locationOf(answer))).bytes, bytes)
    },
  ],
  [
    'mounting what is not there opens an upload',
    async (probe) => {
      const bytes = randomBytes(1000)
      const digest = sha256(bytes)
      const location = await probe.startUpload(`?mount=${digest}&from=${probe.repository}/from`)
      assert.equal((await probe.ask('PUT', withDigest(location, digest), { body: bytes })).status, 201)
    },
  ],
  [
    'mounting without a source finds the blob anywhere',
    async (probe) => {
      const digest = await probe.in(`${probe.repository}/from`).pushBlob(randomBytes(1000))
      assert.equal((await probe.ask('POST', `blobs/uploads/?mount=${digest}`)).status, 201)
      assert.equal((await probe.ask('HEAD', `blobs/${digest}`)).status, 200)
    },
  ],
  [
    'a blob is read by ranges',
    async (probe) => {
      const bytes = randomBytes(1000)
      const path = `blobs/${await probe.pushBlob(bytes)}`
      const ranges = [
        ['bytes=0-0', 0, 1],
        ['bytes=100-199', 100, 200],
        ['bytes=900-', 900, 1000],
        ['bytes=-10', 990, 1000],
        ['bytes=990-5000', 990, 1000],
      ] as const
      for (const [range, start, end] of ranges) {
        const answer = await probe.ask('GET', path, { headers: { Range: range } })
        assert.equal(answer.status, 206, range)
        assert.equal(answer.headers.get('content-range'), `bytes ${start}-${end - 1}/1000`)
        assert.deepEqual(answer.bytes, bytes.subarray(start, end))
      }
    },
  ],
  [
    'a range past the end of a blob is 416',
    async (probe) => {
      const path = `blobs/${await probe.pushBlob(randomBytes(1000))}`
      assert.equal((await probe.ask('GET', path, { headers: { Range: 'bytes=1000-' } })).status, 416)
    },
  ],
  [
    'a blob whose entity tag the client has is 304',
    async (probe) => {
      const path = `blobs/${await probe.pushBlob(randomBytes(10))}`
      const etag = (await probe.ask('GET', path)).headers.get('etag')
      assert.ok(etag !== null)
      assert.equal((await probe.ask('GET', path, { headers: { 'If-None-Match': etag } })).status, 304)
    },
  ],
  [
    'a deleted blob is gone, there and only there',
    async (probe) => {
      const bytes = randomBytes(1000)
      const digest = await probe.pushBlob(bytes)
      const other = probe.in(`${probe.repository}/other`)
      await other.pushBlob(bytes)
      assert.equal((await probe.ask('DELETE', `blobs/${digest}`)).status, 202)
      assert.equal((await probe.ask('GET', `blobs/${digest}`)).status, 404)
      assert.deepEqual((await other.ask('GET', `blobs/${digest}`)).bytes, bytes)
      await refused(probe.ask('DELETE', `blobs/${digest}`), 404, 'BLOB_UNKNOWN')
    },
  ],

  // manifests
  [
    'a manifest is kept byte for byte and found by tag and digest',
    async (probe) => {
      const bytes = Buffer.from(`${JSON.stringify(await probe.image(), null, 3)}\n\n`)
      const put = await probe.putManifest('v1', bytes)
      assert.equal(put.status, 201)
      assert.equal(put.headers.get('docker-content-digest'), sha256(bytes))
      for (const path of ['manifests/v1', `manifests/${sha256(bytes)}`, locationOf(put)]) {
        const answer = await probe.ask('GET', path)
        assert.deepEqual(answer.bytes, bytes)
        assert.equal(answer.headers.get('content-type'), OCI_MANIFEST)
        assert.equal(answer.headers.get('docker-content-digest'), sha256(bytes))
      }
      const head = await probe.ask('HEAD', 'manifests/v1')
      assert.equal(head.status, 200)
      assert.equal(head.headers.get('content-length'), String(bytes.length))
      assert.equal(head.bytes.length, 0)
    },
  ],
  [
    'a manifest that is not there is 404 MANIFEST_UNKNOWN',
    async (probe) => {
      await probe.pushImage('v1')
      await refused(probe.ask('GET', 'manifests/v2'), 404, 'MANIFEST_UNKNOWN')
      await refused(probe.ask('GET', `manifests/${sha256(randomBytes(1))}`), 404, 'MANIFEST_UNKNOWN')
      await refused(probe.in(`${probe.repository}/none`).ask('GET', 'manifests/v1'), 404, 'MANIFEST_UNKNOWN')
    },
  ],
  [
    'a manifest pushed by another digest than its own is 400 DIGEST_INVALID',
    async (probe) => {
      const document = await probe.image()
      const digest = sha256(randomBytes(1))
      await refused(probe.putManifest(digest, document), 400, 'DIGEST_INVALID')
      assert.equal((await probe.ask('HEAD', `manifests/${digest}`)).status, 404)
    },
  ],
  [
    'a manifest that names absent blobs is refused with MANIFEST_BLOB_UNKNOWN for each',
    async (probe) => {
      const missing = [randomBytes(10), randomBytes(10)]
      const layers = missing.map((bytes) => descriptor(bytes, 'application/vnd.oci.image.layer.v1.tar'))
      const answer = await probe.putManifest('v1', { ...(await probe.image()), layers })
      assert.ok(answer.status === 404 || answer.status === 400)
      assert.deepEqual(errorCodes(answer), ['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'])
      assert.equal((await probe.ask('HEAD', 'manifests/v1')).status, 404)
    },
  ],
  [
    'an index is stored with its members, and refused without them',
    async (probe) => {
      const member = await probe.pushImage('member')
      const present = { mediaType: OCI_MANIFEST, digest: member.digest, size: member.bytes.length }
      const absent = descriptor(randomBytes(10), OCI_MANIFEST)
      const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [present] }
      assert.equal((await probe.putManifest('all', index, OCI_INDEX)).status, 201)
      const answer = await probe.ask('GET', 'manifests/all')
      assert.equal(answer.headers.get('content-type'), OCI_INDEX)
      const sparse = await probe.putManifest('sparse', { ...index, manifests: [present, absent] }, OCI_INDEX)
      assert.ok(sparse.status === 404 || sparse.status === 400)
      assert.deepEqual(errorCodes(sparse), ['MANIFEST_BLOB_UNKNOWN'])
    },
  ],
  [
    'layers that live elsewhere need not be pushed',
    async (probe) => {
      const foreign = {
        ...descriptor(randomBytes(10), 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
        urls: ['https://example.com/layer'],
      }
      assert.equal((await probe.putManifest('v1', { ...(await probe.image()), layers: [foreign] })).status, 201)
    },
  ],
  [
    'a manifest that is not JSON is 400 MANIFEST_INVALID',
    async (probe) => {
      await refused(probe.putManifest('v1', Buffer.from('{"schemaVersion":2,')), 400, 'MANIFEST_INVALID')
      await refused(probe.putManifest('v1', Buffer.alloc(0)), 400, 'MANIFEST_INVALID')
    },
  ],
  [
    'a document that is both manifest and index is 400 MANIFEST_INVALID',
    async (probe) => {
      const both = { ...(await probe.image()), manifests: [] }
      await refused(probe.putManifest('v1', both), 400, 'MANIFEST_INVALID')
      await refused(probe.putManifest('v1', { ...both, mediaType: OCI_INDEX }, OCI_INDEX), 400, 'MANIFEST_INVALID')
    },
  ],
  [
    'a manifest whose mediaType contradicts Content-Type is 400 MANIFEST_INVALID',
    async (probe) => {
      const document = { ...(await probe.image()), mediaType: OCI_INDEX }
      await refused(probe.putManifest('v1', document), 400, 'MANIFEST_INVALID')
    },
  ],
  [
    'parameters of Content-Type are ignored',
    async (probe) => {
      assert.equal((await probe.putManifest('v1', await probe.image(), `${OCI_MANIFEST}; charset=utf-8`)).status, 201)
      const answer = await probe.ask('GET', 'manifests/v1')
      assert.equal(answer.headers.get('content-type'), OCI_MANIFEST)
    },
  ],
  [
    'a manifest of 4 MiB is taken',
    async (probe) => {
      const document = await probe.image()
      const padding = 4 * 1024 * 1024 - 1 - JSON.stringify({ ...document, annotations: { padding: '' } }).length
      const large = { ...document, annotations: { padding: 'x'.repeat(padding) } }
      assert.equal((await probe.putManifest('large', large)).status, 201)
    },
  ],
  [
    'an oversized manifest is 413',
    async (probe) => {
      const large = { ...(await probe.image()), annotations: { padding: 'x'.repeat(5 * 1024 * 1024) } }
      assert.equal((await probe.putManifest('large', large)).status, 413)
      assert.equal((await probe.ask('HEAD', 'manifests/large')).status, 404)
    },
  ],
  [
    'an oversized manifest of unknown length is 413 as well',
    async (probe) => {
      const body = iterate(Array.from({ length: 80 }, () => Buffer.alloc(65_536, ' ')))
      const headers = { 'Content-Type': OCI_MANIFEST }
      assert.equal((await probe.ask('PUT', 'manifests/large', { headers, body })).status, 413)
    },
  ],
  [
    'a tag moves to the manifest pushed last; the earlier one stays',
    async (probe) => {
      const first = await probe.pushImage('v1')
      const second = await probe.pushImage('v1')
      assert.deepEqual((await probe.ask('GET', 'manifests/v1')).bytes, second.bytes)
      assert.deepEqual((await probe.ask('GET', `manifests/${first.digest}`)).bytes, first.bytes)
    },
  ],
  [
    'tags can be given along with a digest',
    async (probe) => {
      const bytes = Buffer.from(JSON.stringify(await probe.image()))
      const answer = await probe.putManifest(`${sha256(bytes)}?tag=a&tag=b`, bytes)
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('oci-tag'), 'a, b')
      assert.deepEqual((await probe.ask('GET', 'manifests/b')).bytes, bytes)
    },
  ],
  [
    'deleting a tag leaves the manifest and other tags',
    async (probe) => {
      const { bytes, digest } = await probe.pushImage('v1')
      await probe.putManifest('v2', bytes)
      assert.equal((await probe.ask('DELETE', 'manifests/v1')).status, 202)
      assert.equal((await probe.ask('GET', 'manifests/v1')).status, 404)
      assert.deepEqual((await probe.ask('GET', 'manifests/v2')).bytes, bytes)
      assert.deepEqual((await probe.ask('GET', `manifests/${digest}`)).bytes, bytes)
      await refused(probe.ask('DELETE', 'manifests/v1'), 404, 'MANIFEST_UNKNOWN')
    },
  ],
  [
    'deleting a manifest takes its tags along',
    async (probe) => {
      const { bytes, digest } = await probe.pushImage('v1')
      await probe.putManifest('v2', bytes)
      await probe.pushImage('other')
      assert.equal((await probe.ask('DELETE', `manifests/${digest}`)).status, 202)
      for (const reference of [digest, 'v1', 'v2']) {
        assert.equal((await probe.ask('GET', `manifests/${reference}`)).status, 404)
      }
      assert.deepEqual(json(await probe.ask('GET', 'tags/list')), { name: probe.repository, tags: ['other'] })
      await refused(probe.ask('DELETE', `manifests/${digest}`), 404, 'MANIFEST_UNKNOWN')
    },
  ],

  // referrers
  [
    'referrers are listed with artifact type and annotations, filtered on request, and leave with their manifest',
    async (probe) => {
      const image = await probe.pushImage('v1')
      const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.bytes.length }
      const annotations = { 'org.example.kind': 'sbom' }
      const sbom = await probe.pushImage('sbom', { subject, artifactType: 'application/x.sbom', annotations })
      const plain = await probe.pushImage('plain', { subject })
      const config = 'application/vnd.oci.image.config.v1+json'
      const listed = await probe.ask('GET', `referrers/${image.digest}`)
      assert.equal(listed.status, 200)
      assert.equal(listed.headers.get('content-type'), OCI_INDEX)
      const expected = [
        { ...manifestDescriptor(sbom), artifactType: 'application/x.sbom', annotations },
        { ...manifestDescriptor(plain), artifactType: config },
      ].sort((one, two) => (one.digest < two.digest ? -1 : 1))
      assert.deepEqual(json(listed), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: expected })

      const filtered = await probe.ask('GET', `referrers/${image.digest}?artifactType=application/x.sbom`)
      assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType')
      assert.deepEqual(manifestDigests(filtered), [sbom.digest])

      await probe.ask('DELETE', `manifests/${sbom.digest}`)
      assert.deepEqual(manifestDigests(await probe.ask('GET', `referrers/${image.digest}`)), [plain.digest])
    },
  ],
  [
    'a subject that does not exist is fine, and answered with OCI-Subject',
    async (probe) => {
      const subject = descriptor(randomBytes(10), OCI_MANIFEST)
      const empty = Buffer.from('{}')
      await probe.pushBlob(empty)
      const document = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: 'application/x.early',
        config: descriptor(empty, OCI_EMPTY),
        layers: [descriptor(empty, OCI_EMPTY)],
        subject,
      }
      const answer = await probe.putManifest('early', document)
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('oci-subject'), subject.digest)
      assert.equal(manifestDigests(await probe.ask('GET', `referrers/${subject.digest}`)).length, 1)
    },
  ],
  [
    'referrers of what nobody refers to are an empty index, never 404; a malformed digest is 400',
    async (probe) => {
      assert.deepEqual(manifestDigests(await probe.ask('GET', `referrers/${sha256(randomBytes(1))}`)), [])
      await refused(probe.ask('GET', 'referrers/sha256:12'), 400, 'DIGEST_INVALID')
    },
  ],

  // lists
  [
    'tags are sorted by code unit',
    async (probe) => {
      const { bytes } = await probe.pushImage('b')
      for (const tag of ['a', 'C', '10', '_x']) await probe.putManifest(tag, bytes)
      const sorted = ['10', 'C', '_x', 'a', 'b']
      assert.deepEqual(json(await probe.ask('GET', 'tags/list')), { name: probe.repository, tags: sorted })
    },
  ],
  [
    'tag pages are linked, the last one is not',
    async (probe) => {
      const { bytes } = await probe.pushImage('b')
      for (const tag of ['a', 'c', 'd', 'e']) await probe.putManifest(tag, bytes)
      const seen: (readonly string[])[] = []
      let path: string | undefined = 'tags/list?n=2'
      while (path !== undefined) {
        const answer: Answer = await probe.ask('GET', path)
        seen.push(tagsOf(answer))
        path = nextPage(answer)
      }
      assert.deepEqual(seen, [['a', 'b'], ['c', 'd'], ['e']])
    },
  ],
  [
    'tags after a tag are listed without a count too, and a count of zero gives none',
    async (probe) => {
      const { bytes } = await probe.pushImage('b')
      await probe.putManifest('a', bytes)
      assert.deepEqual(tagsOf(await probe.ask('GET', 'tags/list?last=a')), ['b'])
      const none = await probe.ask('GET', 'tags/list?n=0')
      assert.deepEqual(tagsOf(none), [])
      assert.equal(none.headers.get('link'), null)
    },
  ],
  [
    'tags of an unknown repository are 404 NAME_UNKNOWN',
    async (probe) => {
      await refused(probe.ask('GET', 'tags/list'), 404, 'NAME_UNKNOWN')
    },
  ],
  [
    'the catalog lists repositories in pages',
    async (probe) => {
      const names = ['one', 'one/deeper', 'two'].map((name) => `${probe.repository}/${name}`)
      for (const name of names) await probe.in(name).pushImage('v1')
      const seen: unknown[] = []
      let path: string | undefined = '/v2/_catalog?n=2'
      while (path !== undefined) {
        const answer: Answer = await probe.ask('GET', path)
        seen.push(...stringsOf(answer, 'repositories'))
        path = nextPage(answer)
      }
      for (const name of names) assert.ok(seen.includes(name), name)
    },
  ],

  // names
  [
    'repository names may contain words of the API',
    async (probe) => {
      for (const name of ['blobs', 'manifests/v1', 'tags/list', 'blobs/uploads/x', 'referrers']) {
        const { bytes } = await probe.in(`${probe.repository}/${name}`).pushImage('v1')
        const answer = await probe.in(`${probe.repository}/${name}`).ask('GET', 'manifests/v1')
        assert.deepEqual(answer.bytes, bytes, name)
      }
    },
  ],
  [
    'a repository name out of its grammar is 400 NAME_INVALID',
    async (probe) => {
      const names = ['Upper', 'a//b', 'a/-b', '_a', 'a__-b', 'a/..b', 'a%00b', 'a%0ab', `a${'b'.repeat(300)}`]
      for (const name of names) await refused(probe.ask('GET', `/v2/${name}/tags/list`), 400, 'NAME_INVALID')
    },
  ],
  [
    'a tag out of its grammar is refused',
    async (probe) => {
      const document = await probe.image()
      for (const tag of ['.a', '-a', 'a%20b', 'a%2fb', 'x'.repeat(129)]) {
        const { status } = await probe.putManifest(tag, document)
        assert.ok(status === 400 || status === 404, `${tag}: ${status}`)
      }
      assert.equal((await probe.ask('GET', 'tags/list')).bytes.includes('"a'), false)
    },
  ],
  [
    'a path never leaves the registry',
    async (probe) => {
      const digest = sha256(randomBytes(1))
      const paths = [
        `/v2/../../../etc/blobs/${digest}`,
        `/v2/a/../../../../b/manifests/v1`,
        `/v2/%2e%2e/%2e%2e/etc/manifests/v1`,
        `/v2/..%2f..%2fetc/manifests/passwd`,
        `/v2/a/manifests/..%2f..%2fv1`,
        `/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd`,
        `/v2/a/blobs/uploads/..%2f..%2fx`,
        `/v2/a/referrers/sha256:..%2f..`,
      ]
      for (const path of paths) {
        for (const method of ['GET', 'PUT', 'DELETE']) {
          const status = await rawStatus(method, probe.url, path)
          assert.ok(status >= 300 && status < 500, `${method} ${path}: ${status}`)
        }
      }
    },
  ],
  [
    'a method that an endpoint does not have is 405',
    async (probe) => {
      assert.equal((await probe.ask('PUT', 'tags/list')).status, 405)
      assert.equal((await probe.ask('PATCH', 'manifests/v1')).status, 405)
    },
  ],
]

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function sha512(bytes: Uint8Array): string {
  return `sha512:${createHash('sha512').update(bytes).digest('hex')}`
}

/** A descriptor of some bytes. */
export function descriptor(
  bytes: Uint8Array,
  mediaType: string,
): { readonly mediaType: string; readonly digest: string; readonly size: number } {
  return { mediaType, digest: sha256(bytes), size: bytes.length }
}

/** A location with `digest` added to what query it has. */
export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

export function locationOf(answer: Answer): string {
  const location = answer.headers.get('location')
  assert.ok(location !== null, `no Location with ${answer.status}: ${answer.bytes.toString()}`)
  return location
}

/** The codes of an error body. */
export function errorCodes(answer: Answer): readonly unknown[] {
  const document = json(answer)
  assert.ok(isRecord(document) && Array.isArray(document['errors']), answer.bytes.toString())
  return document['errors'].map((entry: unknown) => (isRecord(entry) ? entry['code'] : undefined))
}

/** Waits for an answer that must be an error with this status and code. */
export async function refused(answer: Promise<Answer>, status: number, code: string): Promise<void> {
  const got = await answer
  assert.deepEqual({ status: got.status, codes: [...new Set(errorCodes(got))] }, { status, codes: [code] })
}

export function json(answer: Answer): unknown {
  return JSON.parse(answer.bytes.toString())
}

/** Digests in an index. */
export function manifestDigests(answer: Answer): readonly unknown[] {
  const document = json(answer)
  assert.ok(isRecord(document) && Array.isArray(document['manifests']), answer.bytes.toString())
  return document['manifests'].map((entry: unknown) => (isRecord(entry) ? entry['digest'] : undefined))
}

/** The path that `Link` names as the next page. */
export function nextPage(answer: Answer): string | undefined {
  return /^<([^>]+)>; *rel="?next"?$/.exec(answer.headers.get('link') ?? '')?.[1]
}

function tagsOf(answer: Answer): readonly string[] {
  return stringsOf(answer, 'tags')
}

function stringsOf(answer: Answer, field: string): readonly string[] {
  const document = json(answer)
  const list = isRecord(document) ? document[field] : undefined
  assert.ok(Array.isArray(list), answer.bytes.toString())
  return list.map(String)
}

function manifestDescriptor(manifest: { readonly bytes: Buffer; readonly digest: string }): {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
} {
  return { mediaType: OCI_MANIFEST, digest: manifest.digest, size: manifest.bytes.length }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function chunk(bytes: Uint8Array, start: number, end: number): Question {
  return { headers: { 'Content-Range': `${start}-${end - 1}` }, body: bytes.subarray(start, end) }
}

async function* iterate(parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts
}

/** Sends the head and a part of a body, then kills the connection. */
async function breakOff(method: string, url: URL, part: Uint8Array, statedLength: number): Promise<void> {
  const outgoing = httpRequest(url, { method, headers: { 'Content-Length': statedLength } })
  const failed = once(outgoing, 'error').catch((error: unknown) => [error])
  await new Promise<void>((resolve) => outgoing.write(part, () => resolve()))
  outgoing.destroy(new Error('broken off by the test'))
  await failed
}

/** Bytes that a session has; asks until it has any, because a killed connection is noticed a little later. */
async function rangeEnd(probe: RegistryProbe, location: string): Promise<number> {
  for (;;) {
    const answer = await probe.ask('GET', location)
    assert.equal(answer.status, 204)
    const last = Number(answer.headers.get('range')?.split('-')[1])
    if (last > 0) return last + 1
  }
}

/** Sends a path exactly as given; `fetch` would resolve its dots. */
async function rawStatus(method: string, base: string, path: string): Promise<number> {
  const { hostname, port } = new URL(base)
  const outgoing = httpRequest({ hostname, port, path, method, agent: false })
  outgoing.end()
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject)
    outgoing.once('response', (incoming) => {
      text(incoming).then(() => resolve(incoming.statusCode ?? 0), reject)
    })
  })
}
