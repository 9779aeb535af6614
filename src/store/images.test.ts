import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { temporaryStore } from '../../test/support/store-content.ts'
import { hasErrorCode } from '../errors/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'

function target(text: string, extra: Partial<Descriptor> = {}): Descriptor {
  return { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(Buffer.from(text)), size: 7, ...extra }
}

describe('ImageStore', () => {
  test('create() keeps name, target and labels, and sets both times itself', async () => {
    let now = 1_000
    await using fixture = await temporaryStore({ now: () => now })
    const { images } = fixture.store.namespace()
    const platform = { os: 'linux', architecture: 'amd64' }
    const made = await images.create({
      name: 'docker.io/library/a:1',
      target: target('a', { annotations: { x: 'y', gone: '' }, platform, urls: ['https://example.com'] }),
      labels: { k: 'v', empty: '' },
    })
    assert.deepEqual(made, {
      name: 'docker.io/library/a:1',
      target: { ...target('a'), annotations: { x: 'y' } },
      labels: { k: 'v' },
      createdAt: new Date(1_000),
      updatedAt: new Date(1_000),
    })
    assert.deepEqual(await images.get('docker.io/library/a:1'), made)
    now = 2_000
    await assert.rejects(images.create({ name: 'docker.io/library/a:1', target: target('b') }), (error) =>
      hasErrorCode(error, 'ALREADY_EXISTS'),
    )
  })

  test('create() and update() refuse records that name nothing', async () => {
    await using fixture = await temporaryStore()
    const { images } = fixture.store.namespace()
    await images.create({ name: 'a', target: target('a') })
    const broken = [
      { name: '', target: target('a') },
      { name: 'x\u001b[31m', target: target('a') },
      { name: 'x\ny', target: target('a') },
      { name: 'n'.repeat(5000), target: target('a') },
      { name: 'x', target: target('a', { size: 0 }) },
      { name: 'x', target: target('a', { size: -1 }) },
      { name: 'x', target: target('a', { mediaType: '' }) },
      { name: 'x', target: target('a', { digest: 'sha256:zz' as Digest }) },
      { name: 'x', target: target('a'), labels: { k: 'v'.repeat(5000) } },
    ]
    for (const image of broken) {
      await assert.rejects(images.create(image), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
    await assert.rejects(images.update({ name: 'a', target: target('a', { size: 0 }) }), (error) =>
      hasErrorCode(error, 'INVALID_ARGUMENT'),
    )
    assert.equal((await images.list()).length, 1)
  })

  test('update() changes what the field paths name and nothing else', async () => {
    let now = 1_000
    await using fixture = await temporaryStore({ now: () => now })
    const { images } = fixture.store.namespace()
    await images.create({
      name: 'a',
      target: target('a', { annotations: { one: '1', two: '2' } }),
      labels: { keep: 'k', 'dotted.key': 'd', drop: 'x' },
    })
    now = 2_000
    const wanted = {
      name: 'a',
      target: target('b', { annotations: { one: 'new' } }),
      labels: { 'dotted.key': 'changed', drop: '', unnamed: 'u' },
    }
    const labelled = await images.update(wanted, ['labels.dotted.key', 'labels.drop'])
    assert.deepEqual(labelled.labels, { keep: 'k', 'dotted.key': 'changed' })
    assert.equal(labelled.target.digest, target('a').digest)
    assert.deepEqual([labelled.createdAt.getTime(), labelled.updatedAt.getTime()], [1_000, 2_000])
    const annotated = await images.update(wanted, ['annotations.one'])
    assert.deepEqual(annotated.target.annotations, { one: 'new', two: '2' })
    const moved = await images.update(wanted, ['target'])
    assert.deepEqual([moved.target, moved.labels], [wanted.target, labelled.labels])
    const replaced = await images.update({ name: 'a', target: target('c'), labels: { only: '1' } })
    assert.deepEqual([replaced.target, replaced.labels], [target('c'), { only: '1' }])
    assert.equal(replaced.createdAt.getTime(), 1_000)
    const all = await images.update({ name: 'a', target: target('c'), labels: { z: '1' } }, ['labels'])
    assert.deepEqual(all.labels, { z: '1' })
    for (const path of ['name', 'labels.', 'labelsx', 'target.digest', 'annotations.']) {
      await assert.rejects(images.update(wanted, [path]), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
    await assert.rejects(images.update({ ...wanted, name: 'b' }), (error) => hasErrorCode(error, 'NOT_FOUND'))
  })

  test('keys that are names of built-in properties are keys like any other', async () => {
    await using fixture = await temporaryStore()
    const { images } = fixture.store.namespace()
    const labels = Object.fromEntries([
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ])
    await images.create({ name: 'a', target: target('a') })
    const updated = await images.update({ name: 'a', target: target('a'), labels }, ['labels.__proto__'])
    assert.deepEqual(Object.entries(updated.labels), [['__proto__', 'p']])
    assert.equal((await images.list(['labels.__proto__==p'])).length, 1)
    assert.equal((await images.list(['labels.constructor'])).length, 0)
  })

  test('putAll() makes records, or moves them and keeps their labels, all or none', async () => {
    await using fixture = await temporaryStore()
    const { images } = fixture.store.namespace()
    await images.putAll([{ name: 'a', target: target('a'), labels: { k: 'v' } }])
    const [moved] = await images.putAll([{ name: 'a', target: target('b'), labels: { n: '1' } }])
    assert.deepEqual([moved?.target.digest, moved?.labels], [target('b').digest, { k: 'v', n: '1' }])
    const [bare] = await images.putAll([{ name: 'a', target: target('b') }], { replaceLabels: true })
    assert.deepEqual(bare?.labels, {})
    const some = [
      { name: 'b', target: target('b') },
      { name: 'bad\u0007', target: target('b') },
    ]
    await assert.rejects(images.putAll(some), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    await images.putAll([
      { name: 'c', target: target('1') },
      { name: 'c', target: target('2') },
    ])
    assert.deepEqual(
      (await images.list()).map(({ name, target: { digest } }) => [name, digest]),
      [
        ['a', target('b').digest],
        ['c', target('2').digest],
      ],
    )
  })

  test('list() gives records by the bytes of their names, filtered', async () => {
    await using fixture = await temporaryStore()
    const { images } = fixture.store.namespace()
    for (const name of ['ü', 'b', 'B', 'a:2', 'a:10']) {
      const labels = name === 'b' ? { tier: 'prod' } : undefined
      await images.create({ name, target: target(name, { annotations: { n: name } }), labels })
    }
    const names = async (...filters: string[]): Promise<string> =>
      (await images.list(filters)).map((image) => image.name).join()
    assert.equal(await names(), 'B,a:10,a:2,b,ü')
    assert.equal(await names('name==b', 'name==B'), 'B,b')
    assert.equal(await names('name~=^a'), 'a:10,a:2')
    assert.equal(await names('labels.tier==prod'), 'b')
    assert.equal(await names('labels.tier!=prod,name!=ü'), 'B,a:10,a:2')
    assert.equal(await names(`target.digest==${target('b').digest}`), 'b')
    assert.equal(await names('target.mediatype~=manifest', 'name==nowhere'), 'B,a:10,a:2,b,ü')
    assert.equal(await names('annotations.n==ü'), 'ü')
    assert.equal(await names('other==1'), '')
    await assert.rejects(images.list(['name=']), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
  })

  test('delete() takes a record away, and only while it points where it should', async () => {
    await using fixture = await temporaryStore()
    const { images } = fixture.store.namespace()
    await images.create({ name: 'a', target: target('a') })
    await assert.rejects(images.delete('a', { target: target('b').digest }), (error) =>
      hasErrorCode(error, 'NOT_FOUND'),
    )
    await images.delete('a', { target: target('a').digest })
    for (const gone of [images.delete('a'), images.get('a')]) {
      await assert.rejects(gone, (error) => hasErrorCode(error, 'NOT_FOUND'))
    }
  })

  test('records of one namespace are not seen in another', async () => {
    await using fixture = await temporaryStore()
    await fixture.store.namespace('one').images.create({ name: 'a', target: target('a') })
    assert.deepEqual(await fixture.store.namespace('two').images.list(), [])
    assert.deepEqual(
      (await fixture.store.namespaces.list()).map(({ name }) => name),
      ['one'],
    )
  })
})

describe('Namespaces', () => {
  test('are made with labels, listed, and deleted when empty', async () => {
    await using fixture = await temporaryStore()
    const { namespaces } = fixture.store
    await namespaces.create('team', { owner: 'me' })
    await assert.rejects(namespaces.create('team'), (error) => hasErrorCode(error, 'ALREADY_EXISTS'))
    await fixture.store.namespace('team').images.create({ name: 'a', target: target('a') })
    assert.deepEqual(await namespaces.list(), [{ name: 'team', labels: { owner: 'me' } }])
    await assert.rejects(namespaces.delete('team'), (error) => hasErrorCode(error, 'FAILED_PRECONDITION'))
    await fixture.store.namespace('team').images.delete('a')
    await namespaces.delete('team')
    await assert.rejects(namespaces.delete('team'), (error) => hasErrorCode(error, 'NOT_FOUND'))
    for (const name of ['', 'a/b', '-a', 'a'.repeat(77), 'a\n']) {
      assert.throws(
        () => fixture.store.namespace(name),
        (error) => hasErrorCode(error, 'INVALID_ARGUMENT'),
      )
    }
  })
})
