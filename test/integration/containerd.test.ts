import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ContainerdEngine } from '../../src/engine/index.ts'
import { type ErrorCode, hasErrorCode, TareError } from '../../src/errors/index.ts'
import { copyImage, type CopyReport } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { type ContainerdServer, startContainerd } from '../support/containerd-server.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const DOCKER_V2 = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
const MULTI_V2 = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const NAME = 'docker.io/library/app:v1'

function contextOf({ address }: ContainerdServer, more: OpenContext = {}): OpenContext {
  return { containerd: { address }, ...more }
}

async function copy(from: string, to: string, context: OpenContext): Promise<CopyReport> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  return await copyImage(source, destination, context)
}

async function digestAt(reference: string, context: OpenContext = {}): Promise<Digest> {
  await using source = await openSource(reference, context)
  return (await source.resolve(context)).descriptor.digest
}

async function rejectsWith(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(hasErrorCode(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`)
    return true
  })
}

suite('containerd:', () => {
  test('writes blobs with the labels that keep them, the record at last, and ends its lease', async () => {
    await using server = await startContainerd()
    const { digest, savedBytes } = await copy(MULTI_V2, 'containerd:app:v1', contextOf(server))
    assert.equal(savedBytes, 0)
    const { content, images, leases } = server.store.namespace('default')
    assert.equal((await images.get(NAME)).target.digest, digest)
    const labels = Object.keys((await content.info(digest)).labels)
    assert.deepEqual(labels.toSorted(), ['containerd.io/gc.ref.content.m.0', 'containerd.io/gc.ref.content.m.1'])
    assert.deepEqual(await leases.list(), [])
    assert.deepEqual(await content.listStatuses(), [])
    assert.deepEqual(server.log.slice(-2), ['Images/Create', 'Leases/Delete'])
    // A collection finds nothing to do.
    const before = await Array.fromAsync(content.list())
    await server.store.collect()
    assert.deepEqual(await Array.fromAsync(content.list()), before)
  })

  test('writes nothing that is there, and moves a record without its labels', async () => {
    await using server = await startContainerd()
    const context = contextOf(server)
    await copy(DOCKER_V1, 'containerd:app:v1', context)
    const { images } = server.store.namespace('default')
    const { target } = await images.get(NAME)
    await images.update({ name: NAME, target, labels: { mine: 'yes' } }, ['labels.mine'])
    const again = await copy(DOCKER_V1, 'containerd:app:v1', context)
    assert.equal(again.writtenBytes, 0)
    const { digest } = await copy(DOCKER_V2, 'containerd:app:v1', context)
    assert.equal((await images.get(NAME)).target.digest, digest)
    assert.deepEqual((await images.get(NAME)).labels, { mine: 'yes' })
  })

  test('looks in the namespace of the reference, else in that of the context, else in default', async () => {
    await using server = await startContainerd()
    const context = contextOf(server)
    await copy(DOCKER_V1, 'containerd:k8s.io/app:v1', context)
    await rejectsWith(digestAt('containerd:app:v1', context), 'NOT_FOUND')
    const wanted = await digestAt(DOCKER_V1)
    assert.equal(await digestAt(`containerd:k8s.io/${NAME}`, context), wanted)
    const inOther = { containerd: { address: server.address, namespace: 'k8s.io' } }
    assert.equal(await digestAt('containerd:app:v1', inOther), wanted)
    assert.equal(await digestAt(`containerd:@${wanted}`, inOther), wanted)
    await rejectsWith(digestAt('containerd:default/docker.io/library/app:v1', inOther), 'NOT_FOUND')
  })

  test('finds records whose names are no references', async () => {
    await using server = await startContainerd()
    await copy(DOCKER_V1, 'containerd:app:v1', contextOf(server))
    const { images } = server.store.namespace('default')
    const { target } = await images.get(NAME)
    await images.create({ name: target.digest, target })
    await images.create({ name: 'short', target })
    assert.equal(await digestAt(`containerd:${target.digest}`, contextOf(server)), target.digest)
    assert.equal(await digestAt('containerd:short', contextOf(server)), target.digest)
  })

  test('reads any part of a blob', async () => {
    await using server = await startContainerd()
    await copy(DOCKER_V1, 'containerd:app:v1', contextOf(server))
    await using source = await openSource('containerd:app:v1', contextOf(server))
    const manifest = JSON.parse(Buffer.from((await source.resolve()).bytes).toString()) as {
      layers: { digest: Digest; size: number; mediaType: string }[]
    }
    const [layer] = manifest.layers
    assert.ok(layer !== undefined)
    const whole = await readAllBytes(await source.openBlob(layer), layer.size, 'layer')
    for (const offset of [0, 1, 70_000, layer.size - 1, layer.size, layer.size + 5]) {
      const part = await readAllBytes(await source.openBlob(layer, { offset }), layer.size, 'layer')
      assert.ok(Buffer.from(part).equals(whole.subarray(offset)), String(offset))
    }
    await rejectsWith(source.openBlob({ ...layer, digest: digestOf(Buffer.from('none')) }), 'BLOB_NOT_FOUND')
  })

  test('reads the one platform of an index that containerd has, whole indexes whole, and several by digest', async () => {
    await using dir = await temporaryDirectory()
    await using server = await startContainerd()
    const warnings: string[] = []
    const context = contextOf(server, { logger: { warn: (message) => warnings.push(message), debug() {} } })
    const platforms = ['amd64', 'arm64', 's390x'].map((architecture) => ({ os: 'linux', architecture }))
    const recipes = platforms.map((platform) => ({ layers: [tarOf({ [platform.architecture]: 'x' })], platform }))
    const index = await writeIndex(`oci:${dir.join('index')}`, recipes)
    const { manifests } = JSON.parse(Buffer.from(index.bytes).toString()) as { manifests: { digest: Digest }[] }
    const [amd64, arm64, s390x] = manifests.map(({ digest }) => digest) as [Digest, Digest, Digest]
    const { digest } = await copy(`oci:${dir.join('index')}`, 'containerd:app:v1', context)
    assert.equal(await digestAt('containerd:app:v1', context), digest)
    const { content } = server.store.namespace('default')

    // A layer is enough to be missed.
    await using member = await openSource(`containerd:@${s390x}`, context)
    const { bytes } = await member.resolve()
    const [layer] = (JSON.parse(Buffer.from(bytes).toString()) as { layers: { digest: Digest }[] }).layers
    assert.ok(layer !== undefined)
    await content.delete(layer.digest)
    await rejectsWith(digestAt('containerd:app:v1', context), 'AMBIGUOUS_IMAGE')
    assert.equal(await digestAt(`containerd:app:v1@${arm64}`, context), arm64)
    assert.deepEqual(warnings, [])

    await content.delete(arm64)
    assert.equal(await digestAt('containerd:app:v1', context), amd64)
    assert.equal((await copy('containerd:app:v1', `oci:${dir.join('one')}`, context)).digest, amd64)
    assert.equal(warnings.length, 2)
    await content.delete(amd64)
    await rejectsWith(copy('containerd:app:v1', `oci:${dir.join('none')}`, context), 'BLOB_NOT_FOUND')
  })

  test('goes on with a blob that an interrupted run began, and begins anew where that is damaged', async () => {
    await using dir = await temporaryDirectory()
    await using server = await startContainerd()
    const layer = Buffer.from(tarOf({ big: 'x'.repeat(300_000) }))
    await writeImage(`oci:${dir.join('image')}`, { layers: [layer] })
    const { content } = server.store.namespace('default')
    for (const begun of [layer.subarray(0, 100_000), layer, Buffer.alloc(100_000, 'wrong')]) {
      {
        await using writer = await content.openWriter(`blob-${digestOf(layer)}`)
        await writer.write(begun)
      }
      await copy(`oci:${dir.join('image')}`, 'containerd:app:v1', contextOf(server))
      const blob = await content.info(digestOf(layer))
      assert.equal(blob.sizeBytes, layer.length)
      await content.delete(digestOf(layer))
    }
  })

  test('leaves no lease and no record when a copy fails', async () => {
    await using dir = await temporaryDirectory()
    await using server = await startContainerd()
    await writeImage(`oci:${dir.join('image')}`, { layers: [tarOf({ a: 'a' })] })
    server.onCall = (method) => {
      if (method === 'Images/Create') throw new TareError('FAILED_PRECONDITION', 'no room')
    }
    await rejectsWith(copy(`oci:${dir.join('image')}`, 'containerd:app:v1', contextOf(server)), 'FAILED_PRECONDITION')
    const { images, leases } = server.store.namespace('default')
    assert.deepEqual(await images.list(), [])
    assert.deepEqual(await leases.list(), [])
  })

  test('waits while somebody else writes the same blob', async () => {
    await using dir = await temporaryDirectory()
    await using server = await startContainerd()
    await writeImage(`oci:${dir.join('image')}`, { layers: [tarOf({ a: 'a' })] })
    let refusals = 3
    server.onCall = (method) => {
      if (method === 'Content/Write' && refusals-- > 0) throw new TareError('UNAVAILABLE', 'ref is locked')
    }
    // The first question about a blob is a write too; it is asked again with the write itself.
    await copy(`oci:${dir.join('image')}`, 'containerd:app:v1', contextOf(server))
    assert.ok(refusals < 0)
  })

  test('says that containerd is not there, and that it breaks off', async () => {
    await using dir = await temporaryDirectory()
    const absent = { containerd: { address: dir.join('none.sock') } }
    await rejectsWith(openSource('containerd:app', absent), 'ENGINE_UNREACHABLE')
    await rejectsWith(openDestination('containerd:app', absent), 'ENGINE_UNREACHABLE')
    await rejectsWith(openSource('containerd:app', { containerd: { address: 'c.sock' } }), 'INVALID_ARGUMENT')

    await using server = await startContainerd()
    await copy(DOCKER_V1, 'containerd:app:v1', contextOf(server))
    server.onCall = (method, stream) => {
      if (method === 'Content/Read') stream.session?.destroy()
    }
    await rejectsWith(copy('containerd:app:v1', `oci:${dir.join('out')}`, contextOf(server)), 'NETWORK')
    server.onCall = (method, stream) => {
      if (method === 'Content/Write') stream.close(2)
    }
    await rejectsWith(copy(DOCKER_V2, 'containerd:app:v2', contextOf(server)), 'NETWORK')
    server.onCall = (method, stream) => {
      if (method === 'Content/Write') stream.session?.destroy()
    }
    await rejectsWith(copy(DOCKER_V2, 'containerd:app:v2', contextOf(server)), 'NETWORK')
  })

  test('ends with the reason of the signal while it reads and writes', async () => {
    await using dir = await temporaryDirectory()
    await using server = await startContainerd()
    await copy(DOCKER_V1, 'containerd:app:v1', contextOf(server))
    for (const [method, from, to] of [
      ['Content/Read', 'containerd:app:v1', `oci:${dir.join('out')}`],
      ['Content/Write', DOCKER_V2, 'containerd:app:v2'],
    ] as const) {
      const controller = new AbortController()
      const reason = new Error('enough')
      server.onCall = (called) => {
        if (called === method) controller.abort(reason)
      }
      const context = contextOf(server, { signal: controller.signal })
      await assert.rejects(copy(from, to, context), (error) => error === reason, method)
    }
    server.onCall = undefined
    assert.deepEqual(await server.store.namespace('default').leases.list(), [])
  })

  test('refuses blobs whose digests containerd does not make', async () => {
    await using server = await startContainerd()
    await using engine = await ContainerdEngine.connect({ address: server.address })
    const digest = digestOf(Buffer.from('x'), 'sha512')
    const { content } = engine.namespace('default')
    await rejectsWith(content.openWriter('ref', { expected: { digest } }), 'UNSUPPORTED_BY_DESTINATION')
  })
})

suite('ContainerdContent', () => {
  test('writes in many steps, forgets on truncate, and checks size and digest before it commits', async () => {
    await using server = await startContainerd()
    await using engine = await ContainerdEngine.connect({ address: server.address })
    const { content } = engine.namespace('default')
    const bytes = Buffer.alloc(3_000_000, 'abcdefg')
    {
      await using writer = await content.openWriter('one')
      await writer.write(Buffer.from('wrong'))
      await writer.truncate(0)
      for await (const chunk of bytesSource(bytes.subarray(0, 10), bytes.subarray(10))) await writer.write(chunk)
      assert.equal(writer.status().offsetBytes, bytes.length)
      await rejectsWith(writer.commit({ sizeBytes: 5 }), 'SIZE_MISMATCH')
      await rejectsWith(writer.write(bytes), 'FAILED_PRECONDITION')
    }
    assert.equal((await content.status('one')).offsetBytes, bytes.length)
    {
      await using writer = await content.openWriter('one')
      assert.equal(writer.digest(), digestOf(bytes))
      await rejectsWith(writer.commit({ digest: digestOf(Buffer.from('other')) }), 'DIGEST_MISMATCH')
    }
    {
      await using writer = await content.openWriter('one')
      const info = await writer.commit({ labels: { a: 'b' } })
      assert.deepEqual([info.digest, info.sizeBytes], [digestOf(bytes), bytes.length])
    }
    await using reader = await content.openReader({ digest: digestOf(bytes) })
    const middle = await readAllBytes(reader.read({ offset: 1_000_000, length: 7 }), 7, 'part')
    assert.ok(bytes.subarray(1_000_000, 1_000_007).equals(middle))
    assert.deepEqual((await content.info(digestOf(bytes))).labels, { a: 'b' })
    await rejectsWith(content.openWriter('two', { expected: { digest: digestOf(bytes) } }), 'ALREADY_EXISTS')
    await rejectsWith(content.abort('none'), 'NOT_FOUND')
  })
})
