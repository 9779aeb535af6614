import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { DirectoryListStore } from './directory-list-store.ts'
import { destinationOfName, findList, normalizeListName } from './list-names.ts'
import type { ListItems, ListStore } from './list-store.ts'
import { MemoryListStore } from './memory-list-store.ts'

const ONE = '1'.repeat(64)
const TWO = `12${'0'.repeat(62)}`

function items(text: string): ListItems {
  return new Map([['manifest', new TextEncoder().encode(text)]])
}

function textOf(list: ListItems): string {
  return new TextDecoder().decode(list.get('manifest'))
}

interface Opened extends AsyncDisposable {
  readonly store: ListStore
}

const STORES: Readonly<Record<string, () => Promise<Opened>>> = {
  MemoryListStore: async () => ({ store: new MemoryListStore(), async [Symbol.asyncDispose]() {} }),
  DirectoryListStore: async () => {
    const directory = await temporaryDirectory()
    return {
      store: new DirectoryListStore(directory.join('deep', 'lists')),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    }
  },
}

for (const [name, open] of Object.entries(STORES)) {
  suite(name, () => {
    test(`${name} is empty before the first list`, async () => {
      await using opened = await open()
      const { store } = opened
      assert.deepEqual(await store.records(), [])
      await assert.rejects(store.find('app'), { code: 'NOT_FOUND' })
      await assert.rejects(store.readItems(ONE), { code: 'NOT_FOUND' })
      await assert.rejects(store.remove(ONE), { code: 'NOT_FOUND' })
      await assert.rejects(store.writeItems(ONE, items('')), { code: 'NOT_FOUND' })
      await assert.rejects(store.removeName('app'), { code: 'NOT_FOUND' })
    })

    test(`${name}.find() takes an ID, its unambiguous beginning, and an exact name`, async () => {
      await using opened = await open()
      const { store } = opened
      await store.create({ id: ONE, names: ['localhost/one:1', 'localhost/uno:1'], items: items('one') })
      await store.create({ id: TWO, names: ['localhost/two:1'], items: items('two') })
      for (const text of [ONE, '11', `sha256:${ONE}`, 'localhost/one:1', 'localhost/uno:1']) {
        assert.equal((await store.find(text)).id, ONE, text)
      }
      await assert.rejects(store.find('1'), { code: 'AMBIGUOUS_IMAGE' })
      for (const text of ['2', 'one', '', 'localhost/one', `${ONE}1`]) {
        await assert.rejects(store.find(text), { code: 'NOT_FOUND' }, text)
      }
      assert.deepEqual(
        (await store.records()).map((record) => record.id),
        [ONE, TWO],
      )
    })

    test(`${name}.create() makes an ID up where none is given, and refuses one or a name in use`, async () => {
      await using opened = await open()
      const { store } = opened
      const made = await store.create({ names: ['localhost/one:1'], items: items('one') })
      assert.match(made.id, /^[0-9a-f]{64}$/)
      const refused = { code: 'NAME_IN_USE' }
      await assert.rejects(store.create({ id: made.id, names: [], items: items('') }), refused)
      await assert.rejects(store.create({ names: ['localhost/x:1', 'localhost/one:1'], items: items('') }), refused)
      await assert.rejects(store.create({ id: 'short', names: [], items: items('') }), { code: 'INVALID_ARGUMENT' })
      assert.equal((await store.records()).length, 1)
      assert.equal(textOf(await store.readItems(made.id)), 'one')
    })

    test(`${name}.writeItems() replaces all documents and keeps the names`, async () => {
      await using opened = await open()
      const { store } = opened
      const both = new Map([...items('one'), ['instances.json', new TextEncoder().encode('{}')] as const])
      const { id } = await store.create({ names: ['localhost/one:1'], items: both })
      await store.writeItems(id, items('é<two>'))
      const read = await store.readItems(id)
      assert.deepEqual([...read.keys()], ['manifest'])
      assert.equal(textOf(read), 'é<two>')
      assert.deepEqual((await store.find(id)).names, ['localhost/one:1'])
    })

    test(`${name}.removeName() leaves the list, remove() takes it`, async () => {
      await using opened = await open()
      const { store } = opened
      const { id } = await store.create({ names: ['localhost/one:1', 'localhost/uno:1'], items: items('one') })
      assert.deepEqual((await store.removeName('localhost/one:1')).names, ['localhost/uno:1'])
      await assert.rejects(store.find('localhost/one:1'), { code: 'NOT_FOUND' })
      assert.equal(textOf(await store.readItems(id)), 'one')
      await store.remove(id)
      await assert.rejects(store.find(id), { code: 'NOT_FOUND' })
    })

    test(`${name}.lock() lets one in at a time, also in one process`, async () => {
      await using opened = await open()
      const { store } = opened
      const { id } = await store.create({ names: [], items: items('') })
      await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          store.lock(id, async (lock) => {
            const before = textOf(await store.readItems(id))
            await store.writeItems(id, items(`${before}${at}`), { lock })
          }),
        ),
      )
      assert.equal(
        textOf(await store.readItems(id))
          .split('')
          .sort()
          .join(''),
        '01234567',
      )
      await assert.rejects(
        store.lock('../../x', async () => {}),
        { code: 'INVALID_ARGUMENT' },
      )
    })

    test(`${name}.lock() is let go when the work fails, and ends with the signal`, async () => {
      await using opened = await open()
      const { store } = opened
      const { id } = await store.create({ names: [], items: items('') })
      await assert.rejects(
        store.lock(id, async () => {
          throw new RangeError('work')
        }),
        RangeError,
      )
      const signal = AbortSignal.abort(new RangeError('aborted'))
      await assert.rejects(
        store.lock(id, async () => {}, { signal }),
        RangeError,
      )
      assert.equal(await store.lock(id, async () => 'in'), 'in')
    })

    test(`findList() in ${name} takes a short name for a local list first, then for one of Docker Hub`, async () => {
      await using opened = await open()
      const { store } = opened
      const hub = await store.create({ names: ['docker.io/library/app:latest'], items: items('') })
      assert.equal((await findList(store, 'app')).id, hub.id)
      const local = await store.create({ names: ['localhost/app:latest'], items: items('') })
      assert.equal((await findList(store, 'app')).id, local.id)
      assert.equal((await findList(store, 'docker.io/app')).id, hub.id)
      assert.equal((await findList(store, hub.id)).id, hub.id)
      assert.equal((await findList(store, hub.id.slice(0, 12))).id, hub.id)
      await assert.rejects(findList(store, 'App'), { code: 'NOT_FOUND' })
    })
  })
}

test('DirectoryListStore leaves nothing but the lists', async () => {
  await using directory = await temporaryDirectory()
  const store = new DirectoryListStore(directory.path)
  const { id } = await store.create({ id: ONE, names: ['localhost/one:1'], items: items('one') })
  await store.lock(id, async (lock) => store.writeItems(id, items('two'), { lock }))
  assert.deepEqual(await readdir(directory.path), [`${ONE}.json`])
})

test('DirectoryListStore names the file that is damaged or newer, and keeps it', async () => {
  await using directory = await temporaryDirectory()
  const store = new DirectoryListStore(directory.path)
  const path = directory.join(`${ONE}.json`)
  for (const [text, code] of [
    ['', 'INVALID_DOCUMENT'],
    ['{"schemaVersion":1,"names":[],"items":{"manifest":7}}', 'INVALID_DOCUMENT'],
    ['{"schemaVersion":1,"names":"x","items":{}}', 'INVALID_DOCUMENT'],
    ['{"schemaVersion":2}', 'UNSUPPORTED_FORMAT'],
  ] as const) {
    await writeFile(path, text)
    await assert.rejects(store.find(ONE), (error: Error & { code?: string }) => {
      return error.code === code && error.message.includes(path)
    })
    await assert.rejects(store.writeItems(ONE, items('')), { code })
    assert.equal(await readFile(path, 'utf8'), text)
  }
})

test('normalizeListName() gives the names that podman gives', () => {
  for (const [text, name] of [
    ['app', 'localhost/app:latest'],
    ['team/app:v1', 'localhost/team/app:v1'],
    ['docker.io/app', 'docker.io/library/app:latest'],
    ['registry.example:5000/app:v1', 'registry.example:5000/app:v1'],
    [`app:v1@sha256:${ONE}`, `localhost/app@sha256:${ONE}`],
  ] as const) {
    assert.equal(normalizeListName(text), name)
  }
  assert.throws(() => normalizeListName('App'), { code: 'INVALID_REFERENCE' })
})

test('destinationOfName() is the registry of the name, and none for a local one', () => {
  assert.equal(destinationOfName('registry.example/app:v1'), 'docker://registry.example/app:v1')
  assert.throws(() => destinationOfName('localhost/app:latest'), { code: 'INVALID_ARGUMENT' })
})
