import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { digestsIn, putContent, temporaryStore } from '../../test/support/store-content.ts'
import { hasErrorCode } from '../errors/index.ts'
import { type Descriptor, type Digest, type Labels, MEDIA_TYPE } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { type Store, StoreNamespace } from './store.ts'

const HOUR_MS = 3_600_000

/** Blobs by the text they hold, each referring to others by a label of containerd's. */
async function put(
  namespace: StoreNamespace,
  text: string,
  references: Readonly<Record<string, Descriptor>> = {},
  labels: Labels = {},
): Promise<Descriptor> {
  const own = Object.entries(references).map(([name, { digest }]) => [`containerd.io/gc.ref.content${name}`, digest])
  return putContent(namespace.content, text, { labels: { ...labels, ...Object.fromEntries(own) } })
}

async function kept(namespace: StoreNamespace): Promise<ReadonlySet<Digest>> {
  return new Set(await digestsIn(namespace.content))
}

function has(set: ReadonlySet<Digest>, ...blobs: readonly Descriptor[]): string {
  return blobs.map(({ digest }) => Number(set.has(digest))).join('')
}

async function keptAfterCollecting(store: Store, namespace: StoreNamespace): Promise<ReadonlySet<Digest>> {
  await store.collect()
  return kept(namespace)
}

describe('Store.collect()', () => {
  test('keeps what images reach, by every form of the reference label, and nothing else', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const leaf = await put(namespace, 'leaf')
    const dotted = await put(namespace, 'dotted', { '.l.0': leaf })
    const slashed = await put(namespace, 'slashed')
    const bare = await put(namespace, 'bare')
    const other = await put(namespace, 'other')
    const root = await put(namespace, 'root', { '.m.0': dotted, '/s': slashed, '': bare, x: other })
    await namespace.images.create({ name: 'a', target: { ...root, mediaType: MEDIA_TYPE.OCI_INDEX } })
    const set = await keptAfterCollecting(fixture.store, namespace)
    assert.equal(has(set, root, dotted, leaf, slashed, bare, other), '111110')
    await namespace.images.delete('a', { synchronous: true })
    assert.equal((await kept(namespace)).size, 0)
    assert.deepEqual(await readdir(`${fixture.store.directory}/blobs/sha256`), [])
  })

  test('takes images whose time is up, and what only they reach', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z')
    await using fixture = await temporaryStore({ now: () => now })
    const { store } = fixture
    const namespace = store.namespace()
    const [short, long] = [await put(namespace, 'short'), await put(namespace, 'long')]
    const expiring = (hours: number): Labels => ({
      'containerd.io/gc.expire': new Date(now + hours * HOUR_MS).toISOString(),
    })
    const target = (blob: Descriptor): Descriptor => ({ ...blob, mediaType: MEDIA_TYPE.OCI_INDEX })
    await namespace.images.create({ name: 'short', target: target(short), labels: expiring(1) })
    await namespace.images.create({ name: 'long', target: target(long), labels: expiring(3) })
    await namespace.images.create({
      name: 'never',
      target: target(long),
      labels: { 'containerd.io/gc.expire': 'soon' },
    })
    assert.equal(has(await keptAfterCollecting(store, namespace), short, long), '11')
    now += 2 * HOUR_MS
    const images = [{ namespace: 'default', name: 'short' }]
    assert.deepEqual((await store.collect({ dryRun: true })).images, images)
    assert.equal((await namespace.images.list()).length, 3)
    assert.deepEqual((await store.collect()).images, images)
    assert.equal(has(await kept(namespace), short, long), '01')
    now += 2 * HOUR_MS
    await store.collect()
    assert.deepEqual(
      (await namespace.images.list()).map(({ name }) => name),
      ['never'],
    )
    assert.equal(has(await kept(namespace), long), '1')
  })

  test('keeps circles only as long as something outside leads to them', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const a = await put(namespace, 'a')
    const b = await put(namespace, 'b', { '.0': a })
    await namespace.content.updateLabels(a.digest, { 'containerd.io/gc.ref.content.0': b.digest })
    await namespace.images.create({ name: 'a', target: a })
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), a, b), '11')
    await namespace.images.delete('a')
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), a, b), '00')
  })

  test('keeps roots by label, labels of images, and blobs that tie themselves to others', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const root = await put(namespace, 'root', {}, { 'containerd.io/gc.root': 'any' })
    const labelled = await put(namespace, 'labelled')
    const target = await put(namespace, 'target')
    const tied = await put(namespace, 'tied', {}, { 'containerd.io/gc.bref.content.subject': target.digest })
    const tiedToTied = await put(namespace, 'tied to tied', {}, { 'containerd.io/gc.bref.content': tied.digest })
    const tiedToImage = await put(namespace, 'tied to image', {}, { 'containerd.io/gc.bref.image': 'a' })
    const tiedToNone = await put(namespace, 'tied to none', {}, { 'containerd.io/gc.bref.image': 'b' })
    const snapshot = await put(namespace, 'snapshot', {}, { 'containerd.io/gc.ref.snapshot.x': target.digest })
    await namespace.images.create({
      name: 'a',
      target,
      labels: { 'containerd.io/gc.ref.content.extra': labelled.digest },
    })
    const set = await keptAfterCollecting(fixture.store, namespace)
    assert.equal(has(set, root, labelled, target, tied, tiedToTied, tiedToImage, tiedToNone, snapshot), '11111100')
  })

  test('namespaces do not keep each other’s blobs', async () => {
    await using fixture = await temporaryStore()
    const [one, two] = [fixture.store.namespace('one'), fixture.store.namespace('two')]
    const leaf = await put(one, 'leaf')
    const root = await put(two, 'root', { '.0': leaf })
    await put(two, 'leaf')
    await two.images.create({ name: 'a', target: root })
    await fixture.store.collect()
    assert.equal(has(await kept(one), leaf), '0')
    assert.equal(has(await kept(two), leaf, root), '11')
    assert.deepEqual((await fixture.store.check({ readBlobs: true })).problems, [])
  })

  test('leases keep what they hold until they end, and flat ones just that', async () => {
    let now = 1_700_000_000_000
    await using fixture = await temporaryStore({ now: () => now })
    const namespace = fixture.store.namespace()
    const leaf = await put(namespace, 'leaf')
    const root = await put(namespace, 'root', { '.0': leaf })
    const flatLeaf = await put(namespace, 'flat leaf')
    const flatRoot = await put(namespace, 'flat root', { '.0': flatLeaf })
    await namespace.leases.create({ id: 'deep', expiresInMs: HOUR_MS })
    await namespace.leases.create({ id: 'flat', labels: { 'containerd.io/gc.flat': '1' } })
    await namespace.leases.create({ id: 'odd', labels: { 'containerd.io/gc.expire': 'when it rains' } })
    await namespace.leases.addResource('deep', { type: 'content', id: root.digest })
    await namespace.leases.addResource('flat', { type: 'content', id: flatRoot.digest })
    await namespace.leases.addResource('flat', { type: 'snapshots/overlay', id: 'x' })
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), root, leaf, flatRoot, flatLeaf), '1110')
    now += HOUR_MS - 1
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), root, leaf, flatRoot), '111')
    now += 1
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), root, leaf, flatRoot), '001')
    assert.deepEqual(
      (await namespace.leases.list()).map(({ id }) => id),
      ['flat', 'odd'],
    )
    await namespace.leases.deleteResource('flat', { type: 'content', id: flatRoot.digest })
    assert.equal(has(await keptAfterCollecting(fixture.store, namespace), flatRoot), '0')
  })

  test('what is written or found under a lease is kept by it', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const known = await put(namespace, 'known')
    const digests: Digest[] = []
    {
      await using leased = await namespace.leased()
      const inside = leased.namespace
      await using again = await inside.leased()
      assert.equal(again.namespace.leaseId, inside.leaseId)
      digests.push((await put(inside, 'written')).digest)
      await put(inside, 'known')
      await (await inside.content.openWriter('left')).close()
      const id = inside.leaseId ?? ''
      assert.deepEqual(
        (await namespace.leases.listResources(id)).map(({ type }) => type),
        ['content', 'content', 'ingests'],
      )
      await fixture.store.collect()
      assert.deepEqual(await kept(namespace), new Set([...digests, known.digest]))
      assert.equal((await namespace.content.listStatuses()).length, 1)
    }
    const report = await fixture.store.collect()
    assert.equal(report.blobs.length, 2)
    assert.deepEqual(
      report.ingests.map(({ ref }) => ref),
      ['left'],
    )
    assert.deepEqual(await readdir(`${fixture.store.directory}/ingests`), [])
  })

  test('a lease that is gone is an error for whoever writes under it', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace().withLease('gone')
    await assert.rejects(namespace.content.openWriter('ref'), (error) => hasErrorCode(error, 'NOT_FOUND'))
  })

  test('ingests without a lease are kept for a day, and those that are written for ever', async () => {
    let now = 1_700_000_000_000
    await using fixture = await temporaryStore({ now: () => now })
    const { content } = fixture.store.namespace()
    const writer = await content.openWriter('open')
    await writer.write(Buffer.from('some'))
    await (await content.openWriter('left')).close()
    now += 24 * HOUR_MS - 1
    await fixture.store.collect()
    assert.equal((await content.listStatuses()).length, 2)
    now += 1
    const report = await fixture.store.collect()
    assert.deepEqual(
      report.ingests.map(({ ref }) => ref),
      ['left'],
    )
    await writer.write(Buffer.from(' more'))
    assert.equal((await writer.commit()).sizeBytes, 9)
  })

  test('with dryRun tells the same and changes nothing', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    await put(namespace, 'garbage')
    const dry = await fixture.store.collect({ dryRun: true })
    assert.deepEqual([dry.isDryRun, dry.blobs.length, dry.freedBytes], [true, 1, 7])
    assert.equal((await kept(namespace)).size, 1)
    const wet = await fixture.store.collect()
    assert.deepEqual([wet.blobs, wet.freedBytes], [dry.blobs, dry.freedBytes])
  })

  test('removes files that a crash left, and leaves others’ files alone', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const blob = await put(namespace, 'kept', {}, { 'containerd.io/gc.root': '1' })
    const { directory } = fixture.store
    const lost = digestOf(Buffer.from('lost')).slice(7)
    await writeFile(`${directory}/blobs/sha256/${lost}`, 'lost')
    await writeFile(`${directory}/blobs/sha256/README`, 'not ours')
    await writeFile(`${directory}/ingests/${lost}`, 'lost too')
    await writeFile(`${directory}/owners/${'0'.repeat(24)}`, '')
    const report = await fixture.store.collect()
    assert.deepEqual([report.orphanCount, report.freedBytes], [2, 12])
    assert.deepEqual(
      (await readdir(`${directory}/blobs/sha256`)).toSorted(),
      ['README', blob.digest.slice(7)].toSorted(),
    )
    assert.equal(existsSync(`${directory}/owners/${'0'.repeat(24)}`), false)
  })

  test('an aborted collection is taken up by the next', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    for (let at = 0; at < 20; at++) await put(namespace, `garbage ${at}`)
    const stop = new AbortController()
    const reason = new Error('enough')
    const collecting = fixture.store.collect({ signal: stop.signal })
    setTimeout(() => stop.abort(reason), 30)
    await collecting.catch((error: unknown) => assert.equal(error, reason))
    await Promise.all([fixture.store.collect(), fixture.store.collect()])
    assert.equal((await kept(namespace)).size, 0)
    assert.deepEqual(await readdir(`${fixture.store.directory}/blobs/sha256`), [])
  })
})

describe('LeaseManager', () => {
  test('makes leases with ids of their own, lists them by filter, and tells what is wrong', async () => {
    await using fixture = await temporaryStore()
    const { leases } = fixture.store.namespace()
    const fresh = await leases.create({ labels: { purpose: 'test' } })
    assert.match(fresh.id, /^\d{19}-[\w-]{4}$/)
    await leases.create({ id: 'b' })
    await assert.rejects(leases.create({ id: 'b' }), (error) => hasErrorCode(error, 'ALREADY_EXISTS'))
    assert.deepEqual(
      (await leases.list(['labels.purpose==test'])).map(({ id }) => id),
      [fresh.id],
    )
    assert.deepEqual(
      (await leases.list(['id==b'])).map(({ id }) => id),
      ['b'],
    )
    const content = { type: 'content', id: digestOf(Buffer.from('x')) }
    for (const call of [
      leases.delete('none'),
      leases.addResource('none', content),
      leases.deleteResource('none', content),
      leases.listResources('none'),
    ]) {
      await assert.rejects(call, (error) => hasErrorCode(error, 'NOT_FOUND'))
    }
    for (const resource of [
      { type: 'volumes', id: 'x' },
      { type: 'content', id: 'x' },
      { type: 'snapshots/', id: 'x' },
      { type: 'ingests', id: '' },
    ]) {
      await assert.rejects(leases.addResource('b', resource), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
    await leases.addResource('b', content)
    await leases.addResource('b', content)
    assert.deepEqual(await leases.listResources('b'), [content])
    await leases.delete('b', { synchronous: true })
  })
})
