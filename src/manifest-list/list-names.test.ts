import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ListItems, MemoryListStore } from '../store/index.ts'
import { destinationOfName, findList, normalizeListName } from './list-names.ts'

const DIGITS = '1'.repeat(64)

function items(text: string): ListItems {
  return new Map([['manifest', new TextEncoder().encode(text)]])
}

test('findList() takes a short name for a local list first, then for one of Docker Hub', async () => {
  const store = new MemoryListStore()
  const hub = await store.create({ names: ['docker.io/library/app:latest'], items: items('') })
  assert.equal((await findList(store, 'app')).id, hub.id)
  const local = await store.create({ names: ['localhost/app:latest'], items: items('') })
  assert.equal((await findList(store, 'app')).id, local.id)
  assert.equal((await findList(store, 'docker.io/app')).id, hub.id)
  assert.equal((await findList(store, hub.id)).id, hub.id)
  assert.equal((await findList(store, hub.id.slice(0, 12))).id, hub.id)
  await assert.rejects(findList(store, 'App'), { code: 'NOT_FOUND' })
})

test('normalizeListName() gives the names that podman gives', () => {
  for (const [text, name] of [
    ['app', 'localhost/app:latest'],
    ['team/app:v1', 'localhost/team/app:v1'],
    ['docker.io/app', 'docker.io/library/app:latest'],
    ['registry.example:5000/app:v1', 'registry.example:5000/app:v1'],
    [`app:v1@sha256:${DIGITS}`, `localhost/app@sha256:${DIGITS}`],
  ] as const) {
    assert.equal(normalizeListName(text), name)
  }
  assert.throws(() => normalizeListName('App'), { code: 'INVALID_REFERENCE' })
})

test('destinationOfName() is the registry of the name, and none for a local one', () => {
  assert.equal(destinationOfName('registry.example/app:v1'), 'docker://registry.example/app:v1')
  assert.throws(() => destinationOfName('localhost/app:latest'), { code: 'INVALID_ARGUMENT' })
})
