import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { digestsIn, temporaryStore } from '../../test/support/store-content.ts'
import { buildImage, tarOf, writeImage } from '../../test/support/image-builder.ts'
import { hasErrorCode } from '../errors/index.ts'
import { type Descriptor, MEDIA_TYPE } from '../oci/index.ts'
import { bytesSource } from '../stream/index.ts'
import { Store } from '../store/index.ts'
import { openDestination, openSource } from './open.ts'
import type { ImageDestination } from './transport.ts'

const image = buildImage({ layers: [tarOf({ a: 'one' }), tarOf({ b: 'two' })], compression: 'gzip' })

async function putBlobs(destination: ImageDestination): Promise<void> {
  for (const { descriptor, bytes } of image.blobs) {
    if (await destination.hasBlob(descriptor)) continue
    await destination.putBlob(descriptor, async () => bytesSource(bytes))
  }
}

async function put(destination: ImageDestination): Promise<void> {
  await putBlobs(destination)
  await destination.putManifest(image.manifest)
  await destination.commit(image.manifest)
}

describe('store: destination', () => {
  test('makes a record by its full name, with references that keep the content', async () => {
    await using fixture = await temporaryStore()
    const context = { storeDirectory: fixture.store.directory }
    {
      await using destination = await openDestination('store:app', context)
      assert.equal(destination.reference, 'store:app')
      await put(destination)
    }
    await fixture.store.collect()
    const namespace = fixture.store.namespace()
    const record = await namespace.images.get('docker.io/library/app:latest')
    assert.equal(record.target.digest, image.manifest.descriptor.digest)
    assert.equal((await digestsIn(namespace.content)).length, 4)
    assert.deepEqual(await namespace.leases.list(), [])
    for (const reference of ['store:app', 'store:docker.io/library/app:latest', `store:@${record.target.digest}`]) {
      await using source = await openSource(reference, context)
      assert.equal((await source.resolve()).descriptor.digest, record.target.digest)
    }
  })

  test('gives the manifest its references also where it was there without', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const { digest, size } = image.manifest.descriptor
    await using writer = await content.openWriter('bare', { expected: { digest, size } })
    await writer.write(image.manifest.bytes)
    await writer.commit()
    await using destination = await openDestination('store:app:v1', { storeDirectory: fixture.store.directory })
    await put(destination)
    assert.equal(Object.keys((await content.info(digest)).labels).length, 3)
  })

  test('shows nothing before the commit, and what was written is kept until then', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    {
      await using destination = await openDestination('store:app', { storeDirectory: fixture.store.directory })
      await putBlobs(destination)
      await fixture.store.collect()
      assert.equal((await digestsIn(namespace.content)).length, 3)
      assert.deepEqual(await namespace.images.list(), [])
    }
    await fixture.store.collect()
    assert.deepEqual(await digestsIn(namespace.content), [])
  })

  test('goes on where an interrupted blob ended, and begins anew where that is damaged', async () => {
    await using fixture = await temporaryStore()
    const layer = image.blobs[1]
    assert.ok(layer)
    const { descriptor, bytes } = layer
    for (const left of [bytes.subarray(0, 50), Buffer.alloc(50, 'x'), Buffer.alloc(descriptor.size, 'x')]) {
      const { content } = fixture.store.namespace()
      {
        await using writer = await content.openWriter(`blob-${descriptor.digest}`, { expected: descriptor })
        await writer.write(left)
      }
      await using destination = await openDestination('store:app', { storeDirectory: fixture.store.directory })
      assert.equal(await destination.putBlob(descriptor, async () => bytesSource(bytes)), 'written')
      assert.equal(await destination.putBlob(descriptor, async () => bytesSource(bytes)), 'present')
      await content.delete(descriptor.digest)
    }
  })

  test('refuses bytes that are not what they should be, and images other than the digest it names', async () => {
    await using fixture = await temporaryStore()
    const context = { storeDirectory: fixture.store.directory }
    const layer = image.blobs[1]
    assert.ok(layer)
    await using destination = await openDestination(`store:app@${layer.descriptor.digest}`, context)
    const put = (bytes: Uint8Array): Promise<unknown> =>
      destination.putBlob(layer.descriptor, async () => bytesSource(bytes))
    await assert.rejects(put(Buffer.alloc(layer.descriptor.size)), (error) => hasErrorCode(error, 'DIGEST_MISMATCH'))
    await assert.rejects(put(Buffer.alloc(3)), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
    await assert.rejects(put(Buffer.alloc(9999)), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
    assert.equal(await destination.hasBlob(layer.descriptor), false)
    await putBlobs(destination)
    await destination.putManifest(image.manifest)
    await assert.rejects(destination.commit(image.manifest), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    assert.throws(
      () => destination.checkManifestType(MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED),
      (error) => hasErrorCode(error, 'UNSUPPORTED_BY_DESTINATION'),
    )
    await assert.rejects(openDestination(`store:@${layer.descriptor.digest}`, context), (error) =>
      hasErrorCode(error, 'INVALID_REFERENCE'),
    )
    await assert.rejects(openDestination('store:app'), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
  })

  test('several at once write the same image, and each finds it whole', async () => {
    await using fixture = await temporaryStore()
    const context = { storeDirectory: fixture.store.directory }
    await Promise.all(
      ['one', 'two', 'three', 'four'].map(async (name) => {
        await using destination = await openDestination(`store:${name}`, context)
        await put(destination)
      }),
    )
    await fixture.store.collect()
    assert.deepEqual((await fixture.store.check({ readBlobs: true })).problems, [])
    assert.equal((await fixture.store.namespace().images.list()).length, 4)
  })
})

describe('store: source', () => {
  test('finds records by their text where they have no Docker form, and tells what is absent', async () => {
    await using fixture = await temporaryStore()
    const context = { storeDirectory: fixture.store.directory, storeNamespace: 'other' }
    const namespace = fixture.store.namespace('other')
    {
      await using destination = await openDestination('store:app', context)
      await put(destination)
    }
    const { target } = await namespace.images.get('docker.io/library/app:latest')
    await namespace.images.create({ name: 'plain', target })
    await using source = await openSource('store:plain', context)
    assert.equal((await source.resolve()).descriptor.digest, target.digest)
    const layer = image.blobs[1]?.descriptor as Descriptor
    const bytes = await Array.fromAsync(await source.openBlob(layer, { offset: 3 }))
    assert.ok(Buffer.concat(bytes).equals(image.blobs[1]?.bytes.subarray(3) ?? Buffer.alloc(0)))
    const absent = `sha256:${'0'.repeat(64)}` as const
    for (const reference of ['store:none', `store:app@${absent}`]) {
      await using nothing = await openSource(reference, context)
      await assert.rejects(nothing.resolve(), (error) => hasErrorCode(error, 'NOT_FOUND'))
    }
    await assert.rejects(source.openBlob({ ...layer, digest: absent }), (error) =>
      hasErrorCode(error, 'BLOB_NOT_FOUND'),
    )
    await using elsewhere = await openSource('store:app', { storeDirectory: fixture.store.directory })
    await assert.rejects(elsewhere.resolve(), (error) => hasErrorCode(error, 'NOT_FOUND'))
  })

  test('does not make a store', async () => {
    await using fixture = await temporaryStore()
    const storeDirectory = fixture.directory.join('none')
    await assert.rejects(openSource('store:app', { storeDirectory }), (error) => hasErrorCode(error, 'FILE_NOT_FOUND'))
    assert.equal(existsSync(storeDirectory), false)
  })

  test('reads images that are bigger than a chunk without loading them', async () => {
    await using fixture = await temporaryStore()
    const reference = `oci:${fixture.directory.join('layout')}`
    await writeImage(reference, { layers: [tarOf({ big: Buffer.alloc(3_000_000, 'x') })] })
    const { copyImage } = await import('../image/index.ts')
    const context = { storeDirectory: fixture.store.directory }
    await using source = await openSource(reference)
    await using destination = await openDestination('store:big', context)
    await copyImage(source, destination)
    await using again = await openDestination('store:again', context)
    const report = await copyImage(source, again)
    assert.equal(report.writtenBytes, 0)
    await using store = await Store.open(fixture.store.directory)
    assert.equal((await store.namespace().images.list()).length, 2)
  })
})
