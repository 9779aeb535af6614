import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fixture } from '../../test/support/fixtures.ts'
import { temporaryStore } from '../../test/support/store-content.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { MemoryListStore } from '../store/index.ts'
import { openSource } from '../transport/index.ts'
import { editList, lockList } from './edit-list.ts'
import { ManifestList } from './manifest-list.ts'

const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const DOCKER = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const AMD64: Digest = 'sha256:cb8632dd2a0bea761d652029124e650558a06b96bc26bcc14cf059e042a037bd'
const ARM64: Digest = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
const DOCKER_V1: Digest = 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5'
const NAME = 'localhost/app:v1'

async function textOf(store: MemoryListStore, id: string, name: string): Promise<string | undefined> {
  const bytes = (await store.readItems(id)).get(name)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

test('ManifestList.saveToImage() stores a list that loadFromImage() gives again, by ID, prefix and name', async () => {
  const store = new MemoryListStore()
  const list = ManifestList.create()
  await list.add(MULTI, { all: true })
  list.setAnnotations(undefined, { a: 'b' })
  const id = await list.saveToImage(store, { names: [NAME] })
  assert.match(id, /^[0-9a-f]{64}$/)
  assert.equal(list.id, id)
  for (const text of [id, id.slice(0, 12), NAME]) {
    const loaded = await ManifestList.loadFromImage(store, text)
    assert.equal(loaded.id, id)
    assert.deepEqual(loaded.list.serialize(), list.serialize())
    assert.deepEqual(loaded.list.locations(), list.locations())
  }
})

test('ManifestList.saveToImage() with a name in use fails and changes nothing', async () => {
  const store = new MemoryListStore()
  await ManifestList.create().saveToImage(store, { names: [NAME] })
  const list = ManifestList.create()
  await assert.rejects(list.saveToImage(store, { names: [NAME] }), { code: 'NAME_IN_USE' })
  assert.equal(list.id, undefined)
  assert.equal((await store.records()).length, 1)
})

test('ManifestList.saveToImage() with the ID of a list replaces it and ignores names; another ID makes one', async () => {
  const store = new MemoryListStore()
  const list = ManifestList.create()
  const id = await list.saveToImage(store, { names: [NAME] })
  await list.add(DOCKER)
  assert.equal(await list.saveToImage(store, { id, names: ['localhost/other:v1'] }), id)
  assert.deepEqual((await store.find(id)).names, [NAME])
  assert.deepEqual((await ManifestList.loadFromImage(store, id)).list.instances(), [DOCKER_V1])
  const own = 'e'.repeat(64)
  assert.equal(await list.saveToImage(store, { id: own, names: ['localhost/other:v1'] }), own)
})

test('ManifestList.saveToImage() writes instances.json without the ID first, and with it once there is one', async () => {
  const store = new MemoryListStore()
  const list = ManifestList.create()
  const id = await list.saveToImage(store)
  assert.equal(await textOf(store, id, 'instances.json'), '{}')
  const { list: loaded } = await ManifestList.loadFromImage(store, id)
  await loaded.add(DOCKER)
  await loaded.saveToImage(store, { id })
  assert.equal(await textOf(store, id, 'instances.json'), `{"":"${id}","${DOCKER_V1}":"${DOCKER}"}`)
  assert.equal(await textOf(store, id, 'artifacts.json'), undefined)
})

test('ManifestList.saveToImage() takes a type of lists, and no other', async () => {
  const store = new MemoryListStore()
  const list = ManifestList.create()
  await list.add(DOCKER)
  await assert.rejects(list.saveToImage(store, { mediaType: MEDIA_TYPE.OCI_MANIFEST }), { code: 'INVALID_ARGUMENT' })
  assert.deepEqual(await store.records(), [])
  const id = await list.saveToImage(store, { mediaType: MEDIA_TYPE.DOCKER_LIST })
  assert.match((await textOf(store, id, 'manifest')) ?? '', /distribution\.manifest\.list/)
  // What is pushed is what was stored, until it is changed.
  const { list: loaded } = await ManifestList.loadFromImage(store, id)
  assert.equal(loaded.document().descriptor.mediaType, MEDIA_TYPE.DOCKER_LIST)
  loaded.setOs(DOCKER_V1, 'windows')
  assert.equal(loaded.document().descriptor.mediaType, MEDIA_TYPE.OCI_INDEX)
})

test('ManifestList.loadFromImage() tells unknown lists, images, and records that lack a document apart', async () => {
  const store = new MemoryListStore()
  await assert.rejects(ManifestList.loadFromImage(store, NAME), { code: 'NOT_FOUND' })
  await using source = await openSource(DOCKER)
  const { bytes } = await source.resolve()
  const list = ManifestList.create().serialize()
  const instances = new TextEncoder().encode('{}')
  const cases = [
    ['localhost/image:1', { manifest: bytes, 'instances.json': instances }, 'NOT_A_LIST'],
    ['localhost/image:2', { manifest: bytes }, 'NOT_A_LIST'],
    ['localhost/empty:1', {}, 'NOT_FOUND'],
    ['localhost/pulled:1', { manifest: list }, 'NOT_FOUND'],
    [
      'localhost/bad:1',
      { manifest: list, 'instances.json': new TextEncoder().encode('{"x":"y"}') },
      'INVALID_DOCUMENT',
    ],
    ['localhost/bad:2', { manifest: list, 'instances.json': new TextEncoder().encode('[') }, 'INVALID_DOCUMENT'],
    ['localhost/bad:3', { manifest: new TextEncoder().encode('{'), 'instances.json': instances }, 'INVALID_DOCUMENT'],
    [
      'localhost/bad:4',
      { manifest: list, 'instances.json': instances, 'artifacts.json': new TextEncoder().encode('{"manifests":7}') },
      'INVALID_DOCUMENT',
    ],
  ] as const
  for (const [name, items, code] of cases) {
    await store.create({ names: [name], items: new Map(Object.entries(items)) })
    await assert.rejects(ManifestList.loadFromImage(store, name), { code }, name)
  }
})

test('ManifestList keeps features through a save in a format that has no place for them', async () => {
  const store = new MemoryListStore()
  const list = ManifestList.create()
  await list.add(DOCKER)
  list.setFeatures(DOCKER_V1, ['sse'])
  const docker = list.serialize()
  list.setAnnotations(DOCKER_V1, { a: 'b' })
  const id = await list.saveToImage(store)
  const { list: loaded } = await ManifestList.loadFromImage(store, id)
  assert.deepEqual(loaded.features(DOCKER_V1), ['sse'])
  loaded.clearAnnotations(DOCKER_V1)
  assert.deepEqual(loaded.serialize(), docker)
  await loaded.saveToImage(store, { id })
  assert.equal(await textOf(store, id, 'features.json'), undefined)
})

test('ManifestList keeps artifacts made of files through a save, in the maps of artifacts.json', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('notes.txt')
  await writeFile(path, 'hello\n')
  const store = new MemoryListStore()
  const list = ManifestList.create()
  const digest = await list.addArtifact([path], { artifactType: 'application/x' })
  const id = await list.saveToImage(store)
  const stored = JSON.parse((await textOf(store, id, 'artifacts.json')) ?? '')
  const artifact = list.artifacts().get(digest)
  assert.ok(artifact)
  const [layer] = artifact.document.layers
  assert.deepEqual(stored, {
    manifests: { [digest]: new TextDecoder().decode(artifact.manifest.bytes) },
    files: { [digest]: [path] },
    config: { [digest]: artifact.document.config.digest },
    layers: { [digest]: [layer?.digest] },
    detached: { [String(layer?.digest)]: path },
    blobs: { [artifact.document.config.digest]: 'e30=' },
  })
  const { list: loaded } = await ManifestList.loadFromImage(store, id)
  assert.deepEqual(loaded.artifacts().get(digest)?.document, artifact.document)
  assert.deepEqual([...(loaded.artifacts().get(digest)?.blobs.keys() ?? [])], [...artifact.blobs.keys()])
  assert.deepEqual(loaded.files(digest), [path])
  assert.deepEqual(loaded.files(AMD64), [])
  assert.equal(loaded.instanceByFile(path), digest)
  assert.equal(loaded.instanceByFile(AMD64), AMD64)
  assert.throws(() => loaded.instanceByFile('other.txt'), { code: 'INSTANCE_NOT_FOUND' })
  loaded.remove(digest)
  assert.equal(loaded.artifacts().size, 0)
})

test('ManifestList.setLocation() moves a member, clear() forgets everything', async () => {
  const list = ManifestList.create()
  await list.add(MULTI, { all: true })
  list.setLocation(ARM64, 'dir:/elsewhere')
  assert.equal(list.locations().get(ARM64), 'dir:/elsewhere')
  assert.throws(() => list.setLocation(DOCKER_V1, 'dir:/x'), { code: 'INSTANCE_NOT_FOUND' })
  const copy = list.clone()
  list.clear()
  assert.equal(list.locations().size, 0)
  assert.equal(copy.locations().get(AMD64), MULTI)
})

test('ManifestList.reference() before the first save is LIST_NOT_SAVED', async () => {
  const list = ManifestList.create()
  assert.throws(() => list.reference(), { code: 'LIST_NOT_SAVED' })
  await assert.rejects(list.push('dir:/tmp/never'), { code: 'LIST_NOT_SAVED' })
  await list.saveToImage(new MemoryListStore())
  await using source = list.reference()
  assert.deepEqual((await source.resolve()).bytes, list.serialize())
})

test('ManifestList.reference() reads members from where they are, opening each place once and as late as can be', async () => {
  const list = ManifestList.create()
  await list.add(MULTI, { all: true })
  await list.add(DOCKER)
  list.addInstance({ mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: `sha256:${'0'.repeat(64)}`, size: 1 })
  await list.saveToImage(new MemoryListStore())
  const opened: string[] = []
  const open = (location: string): ReturnType<typeof openSource> => {
    opened.push(location)
    return openSource(location)
  }
  await using source = list.reference({ open })
  assert.deepEqual(opened, [])
  const document = JSON.parse(new TextDecoder().decode(await source.readManifest(list.member(AMD64))))
  await source.readManifest(list.member(ARM64))
  assert.deepEqual(opened, [MULTI])
  await source.openBlob(document.config)
  await assert.rejects(source.readManifest(list.members().at(-1) ?? list.member(AMD64)), { code: 'BLOB_NOT_FOUND' })
  await assert.rejects(source.openBlob({ ...document.config, digest: `sha256:${'1'.repeat(64)}` }), {
    code: 'BLOB_NOT_FOUND',
  })
  assert.deepEqual(opened, [MULTI])

  await using some = list.reference({ open, selection: { kind: 'specific', instances: [ARM64] } })
  await some.readManifest(list.member(ARM64))
  await assert.rejects(some.readManifest(list.member(AMD64)), { code: 'BLOB_NOT_FOUND' })
})

test('ManifestList.reference() names the member and its place when it is gone', async () => {
  const list = ManifestList.create()
  await list.add(DOCKER)
  list.setLocation(DOCKER_V1, 'oci:/absent/layout')
  await list.saveToImage(new MemoryListStore())
  await using source = list.reference()
  await assert.rejects(source.readManifest(list.member(DOCKER_V1)), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'FILE_NOT_FOUND')
    for (const part of [DOCKER_V1, 'linux/amd64', 'oci:/absent/layout']) assert.ok(error.message.includes(part), part)
    return true
  })
})

test('editList() changes a stored list, and leaves it where the change throws', async () => {
  await using local = await temporaryStore()
  const store = local.store.namespace().lists
  const id = await ManifestList.create().saveToImage(store, { names: ['localhost/app:latest'] })
  const edited = await editList(store, 'app', (list) => list.add(DOCKER))
  assert.deepEqual(edited, { id, output: DOCKER_V1 })
  const before = await store.readItems(id)
  const refuse = (list: ManifestList): never => {
    list.clear()
    throw new RangeError('no')
  }
  await assert.rejects(editList(store, 'app', refuse), RangeError)
  assert.deepEqual(await store.readItems(id), before)
  await assert.rejects(editList(store, 'other', refuse), { code: 'NOT_FOUND' })
})

test('editList() loses nothing when many edit one list at once', async () => {
  await using local = await temporaryStore()
  const store = local.store.namespace().lists
  const id = await ManifestList.create().saveToImage(store)
  const digests = Array.from({ length: 20 }, (_, at): Digest => `sha256:${String(at).padStart(64, '0')}`)
  await Promise.all(
    digests.map((digest) =>
      editList(store, id, (list) => list.addInstance({ mediaType: MEDIA_TYPE.OCI_MANIFEST, digest, size: 1 })),
    ),
  )
  const { list } = await ManifestList.loadFromImage(store, id)
  assert.deepEqual([...list.instances()].sort(), digests)
})

test('lockList() keeps others out, and is for lists that there are', async () => {
  const store = new MemoryListStore()
  const id = await ManifestList.create().saveToImage(store, { names: [NAME] })
  const order: string[] = []
  await Promise.all([
    lockList(store, NAME, async (record) => {
      order.push(`in ${record.id === id}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      order.push('out')
    }),
    lockList(store, id, async () => order.push('second')),
  ])
  assert.deepEqual(order, ['in true', 'out', 'second'])
  await assert.rejects(
    lockList(store, 'other', async () => {}),
    { code: 'NOT_FOUND' },
  )
})
