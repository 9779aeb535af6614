import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { type Descriptor, MEDIA_TYPE, parseReference } from '../../src/oci/index.ts'
import { RegistryClient, type RegistryClientOptions, type RepositoryClient } from '../../src/registry/index.ts'
import { type ByteSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { openVerifiedBlob } from '../../src/transport/open-verified.ts'
import { registryDestination, registrySource } from '../../src/transport/registry.ts'
import type { ManifestContent } from '../../src/transport/transport.ts'
import { cuttingProxy } from './cutting-proxy.ts'

/** A registry to try the client on; disposed with the suite's test. */
export interface ClientSuiteRegistry extends AsyncDisposable {
  /** Host and port. */
  readonly address: string
  /** What it takes to get in. */
  readonly access: RegistryClientOptions
}

const MEGABYTE = 1024 * 1024

/** Content that nothing compresses or repeats. */
function blob(seed: string, sizeBytes: number): { readonly bytes: Buffer; readonly descriptor: Descriptor } {
  const bytes = Buffer.alloc(sizeBytes)
  let state = createHash('sha256').update(seed).digest()
  for (let offset = 0; offset < sizeBytes; offset += state.length) {
    state.copy(bytes, offset)
    state = createHash('sha256').update(state).digest()
  }
  return { bytes, descriptor: { mediaType: MEDIA_TYPE.OCI_LAYER, digest: digestOf(bytes), size: sizeBytes } }
}

async function* pieces(bytes: Buffer): ByteSource {
  for (let offset = 0; offset < bytes.length; offset += 65_536) yield bytes.subarray(offset, offset + 65_536)
}

function manifestOf(document: object, mediaType: string): ManifestContent {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }))
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } }
}

async function put(repository: RepositoryClient, content: { readonly bytes: Buffer; readonly descriptor: Descriptor }) {
  return repository.uploadBlob(content.descriptor, async () => pieces(content.bytes))
}

/** Puts an image of one layer. */
async function putImage(repository: RepositoryClient, tag: string, seed: string): Promise<ManifestContent> {
  const layer = blob(seed, 10_000)
  await put(repository, layer)
  const manifest = manifestOf({ config: layer.descriptor, layers: [layer.descriptor] }, MEDIA_TYPE.OCI_MANIFEST)
  await repository.putManifest(tag, { mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes })
  return manifest
}

/** What the client has to be able to do with any registry. */
export function registryClientSuite(
  name: string,
  start: () => Promise<ClientSuiteRegistry>,
  options: { readonly skip?: string | false } = {},
): void {
  const { skip = false } = options
  const trial = (
    title: string,
    run: (registry: ClientSuiteRegistry, client: RegistryClient) => Promise<void>,
  ): void => {
    test(title, { skip }, async () => {
      await using registry = await start()
      await using client = new RegistryClient(registry.address, registry.access)
      await run(registry, client)
    })
  }

  describe(`RegistryClient with ${name}`, () => {
    trial('carries an index with its members and keeps all digests', async ({ address, access }, client) => {
      await client.ping()
      const layer = blob('layer', 3 * MEGABYTE)
      const config = blob('config', 2)
      const image = manifestOf({ config: config.descriptor, layers: [layer.descriptor] }, MEDIA_TYPE.OCI_MANIFEST)
      const index = manifestOf({ manifests: [image.descriptor] }, MEDIA_TYPE.OCI_INDEX)
      await using destination = registryDestination(parseReference(`${address}/ns/app:multi`), access)
      await destination.prepare?.({ blobs: [config.descriptor, layer.descriptor], manifests: [image, index] })
      for (const { bytes, descriptor } of [config, layer]) {
        assert.equal(await destination.hasBlob(descriptor), false)
        assert.equal(await destination.putBlob(descriptor, async () => pieces(bytes)), 'written')
        assert.equal(await destination.hasBlob(descriptor), true)
      }
      assert.equal(await destination.hasManifest(image.descriptor), false)
      await destination.putManifest(image)
      await destination.putManifest(index)
      assert.equal(await destination.hasManifest(image.descriptor), true)
      assert.deepEqual(await destination.commit(index), { digest: index.descriptor.digest })

      for (const pointer of [':multi', `@${index.descriptor.digest}`, `:other@${index.descriptor.digest}`]) {
        await using source = registrySource(parseReference(`${address}/ns/app${pointer}`), access)
        const root = await source.resolve()
        assert.deepEqual([root.descriptor, Buffer.from(root.bytes)], [index.descriptor, index.bytes])
        assert.deepEqual(Buffer.from(await source.readManifest(image.descriptor)), image.bytes)
        const read = await readAllBytes(openVerifiedBlob(source, layer.descriptor, 'source'), 4 * MEGABYTE, 'layer')
        assert.ok(layer.bytes.equals(read))
        const tail = await source.openBlob(layer.descriptor, { offset: 3 * MEGABYTE - 10 })
        assert.deepEqual(Buffer.from(await readAllBytes(tail, 10, 'tail')), layer.bytes.subarray(-10))
      }
    })

    trial('says what is not there', async ({ address, access }, client) => {
      const absent = blob('absent', 10).descriptor
      await using source = registrySource(parseReference(`${address}/ns/app:none`), access)
      await assert.rejects(source.resolve(), { code: 'NOT_FOUND' })
      await assert.rejects(source.readManifest(absent), { code: 'BLOB_NOT_FOUND' })
      await assert.rejects(source.openBlob(absent), { code: 'BLOB_NOT_FOUND' })
      await assert.rejects(Array.fromAsync(client.repository('ns/app').tags()), { code: 'NOT_FOUND' })
      assert.deepEqual(await client.repository('ns/app').referrers(absent.digest), [])
    })

    trial('uploads in chunks, and an empty blob', async (_, client) => {
      const repository = client.repository('chunks', ['pull', 'push'])
      const { bytes, descriptor } = blob('chunks', MEGABYTE + 1)
      await repository.uploadBlob(descriptor, async () => pieces(bytes), { chunkBytes: 300_000 })
      assert.ok(bytes.equals(await readAllBytes(await repository.openBlob(descriptor), 2 * MEGABYTE, 'blob')))
      const empty = blob('empty', 0)
      assert.equal(await put(repository, empty), 'written')
      assert.equal(await repository.hasBlob(empty.descriptor), true)
    })

    trial('never stores wrong content', async (_, client) => {
      const repository = client.repository('wrong', ['pull', 'push'])
      const { bytes, descriptor } = blob('right', 200_000)
      const wrong = blob('wrong', 200_000).bytes
      await assert.rejects(
        repository.uploadBlob(descriptor, async () => pieces(wrong)),
        { code: 'DIGEST_MISMATCH' },
      )
      assert.equal(await repository.hasBlob(descriptor), false)
      assert.equal(await put(repository, { bytes, descriptor }), 'written')
    })

    trial('mounts between repositories', async (_, client) => {
      const shared = blob('shared', 1000)
      await put(client.repository('from', ['pull', 'push']), shared)
      const repository = client.repository('to', ['pull', 'push'])
      const open = (): never => assert.fail('the blob is not sent')
      assert.equal(await repository.uploadBlob(shared.descriptor, open, { mountFrom: ['none', 'from'] }), 'mounted')
      assert.equal(await repository.hasBlob(shared.descriptor), true)
    })

    trial('survives cuts in both directions', async ({ address, access }) => {
      await using proxy = await cuttingProxy(address)
      await using client = new RegistryClient(proxy.address, { ...access, baseDelayMs: 10 })
      await client.ping()
      const repository = client.repository('cut', ['pull', 'push'])
      const { bytes, descriptor } = blob('cut', 4 * MEGABYTE)
      proxy.cutAfter('up', 2 * MEGABYTE)
      assert.equal(await put(repository, { bytes, descriptor }), 'written')
      proxy.cutAfter('down', MEGABYTE)
      assert.ok(bytes.equals(await readAllBytes(await repository.openBlob(descriptor), 5 * MEGABYTE, 'blob')))
      assert.equal(proxy.cuts, 2)
    })

    trial('lists tags and repositories, and deletes', async (_, client) => {
      const repository = client.repository('list/one', ['pull', 'push'])
      const image = await putImage(repository, 'a', 'one')
      await putImage(repository, 'b', 'two')
      await putImage(client.repository('list/two', ['pull', 'push']), 'a', 'three')
      assert.deepEqual((await Array.fromAsync(repository.tags({ pageSize: 1 }))).toSorted(), ['a', 'b'])
      assert.deepEqual(await Array.fromAsync(client.catalog({ pageSize: 1 })), ['list/one', 'list/two'])
      const head = await repository.headManifest('a')
      assert.equal(head?.digest, image.descriptor.digest)
      await repository.deleteManifest(image.descriptor.digest)
      assert.equal(await repository.headManifest('a'), undefined)
      await assert.rejects(repository.deleteManifest(image.descriptor.digest), { code: 'NOT_FOUND' })
      const { descriptor } = blob('one', 10_000)
      await repository.deleteBlob(descriptor.digest)
      assert.equal(await repository.hasBlob(descriptor), false)
      await assert.rejects(repository.deleteBlob(descriptor.digest), { code: 'BLOB_NOT_FOUND' })
    })

    trial('keeps referrers findable, with or without the API', async ({ address, access }, client) => {
      const repository = client.repository('subject', ['pull', 'push'])
      const subject = await putImage(repository, '1', 'subject')
      const empty = { ...blob('one', 2).descriptor, mediaType: MEDIA_TYPE.OCI_EMPTY }
      await put(repository, blob('one', 2))
      const types = ['application/x.one', 'application/x.two']
      for (const artifactType of types) {
        const artifact = manifestOf(
          { artifactType, config: empty, layers: [empty], subject: subject.descriptor, annotations: { a: 'b' } },
          MEDIA_TYPE.OCI_MANIFEST,
        )
        await using destination = registryDestination(
          parseReference(`${address}/subject@${artifact.descriptor.digest}`),
          access,
        )
        await destination.commit(artifact)
      }
      const found = await repository.referrers(subject.descriptor.digest)
      assert.deepEqual(new Set(found.map(({ artifactType }) => artifactType)), new Set(types))
      assert.equal(found.length, 2)
      assert.ok(found.every(({ annotations }) => annotations?.['a'] === 'b'))
      const one = await repository.referrers(subject.descriptor.digest, { artifactType: 'application/x.one' })
      assert.equal(one.length, 1)
    })
  })
}
