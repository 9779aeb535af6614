import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { digestsIn, putContent, temporaryStore } from '../../../test/support/store-content.ts'
import { digestOf } from '../../stream/index.ts'
import { SCHEMA_STEPS } from '../schema.ts'
import { Store } from '../store.ts'
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
  'StoreNamespace.lists': async () => {
    const fixture = await temporaryStore()
    return {
      store: fixture.store.namespace().lists,
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
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
      await assert.rejects(store.write(ONE, { items: items('') }), { code: 'NOT_FOUND' })
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

    test(`${name}.write() replaces all documents and keeps the names`, async () => {
      await using opened = await open()
      const { store } = opened
      const both = new Map([...items('one'), ['instances.json', new TextEncoder().encode('{}')] as const])
      const { id } = await store.create({ names: ['localhost/one:1'], items: both })
      await store.write(id, { items: items('é<two>') })
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
          store.lock(id, async () => {
            const before = textOf(await store.readItems(id))
            await store.write(id, { items: items(`${before}${at}`) })
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
      await assert.rejects(
        store.lock(ONE, async () => {}),
        { code: 'NOT_FOUND' },
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
  })
}

test('StoreNamespace.lists knows those of its namespace alone, and a namespace with lists is one that is there', async () => {
  await using fixture = await temporaryStore()
  const { store } = fixture
  const [here, there] = [store.namespace('here').lists, store.namespace('there').lists]
  await here.create({ id: ONE, names: ['localhost/one:1'], items: items('here') })
  await there.create({ id: ONE, names: ['localhost/one:1'], items: items('there') })
  await there.write(ONE, { items: items('changed') })
  assert.equal(textOf(await here.readItems(ONE)), 'here')
  await assert.rejects(store.namespaces.delete('here'), { code: 'FAILED_PRECONDITION' })
  await here.remove(ONE)
  assert.deepEqual(
    (await store.namespaces.list()).map(({ name }) => name),
    ['there'],
  )
  assert.equal(textOf(await there.readItems(ONE)), 'changed')
})

test('StoreNamespace.lists survives collections, and lies about no time', async () => {
  let now = 1_000
  await using fixture = await temporaryStore({ now: () => now })
  const { lists } = fixture.store.namespace()
  const { changedAt } = await lists.create({ id: ONE, names: ['localhost/one:1', 'localhost/uno:1'], items: items('') })
  assert.equal(changedAt.getTime(), 1_000)
  now = 2_000
  await lists.write(ONE, { items: items('two') })
  assert.equal((await lists.find(ONE)).changedAt.getTime(), 2_000)
  now = 3_000
  assert.equal((await lists.removeName('localhost/uno:1')).changedAt.getTime(), 3_000)
  await fixture.store.collect()
  assert.equal(textOf(await lists.readItems(ONE)), 'two')
})

test('StoreNamespace.lists keeps the content that a list is made of, and what that refers to, as long as it is', async () => {
  await using fixture = await temporaryStore()
  const { content, lists } = fixture.store.namespace()
  const layer = await putContent(content, 'layer')
  const member = await putContent(content, 'member', {
    labels: { 'containerd.io/gc.ref.content.0': layer.digest },
  })
  const other = await putContent(content, 'other')
  const absent = digestOf(Buffer.from('absent'))
  const kept = async (): Promise<readonly string[]> => {
    await fixture.store.collect()
    return digestsIn(content)
  }
  const both = [member.digest, other.digest, absent, member.digest]
  const { id } = await lists.create({ names: [], items: items(''), content: both })
  const planned = await fixture.store.collect({ dryRun: true })
  assert.deepEqual(planned.blobs, [])
  await lists.write(id, { items: items(''), content: [member.digest] })
  assert.deepEqual(await kept(), [layer.digest, member.digest].sort())
  await lists.remove(id)
  assert.deepEqual(await kept(), [])
})

test('StoreNamespace.lists.lock() holds among stores, and is let go by a process that dies', async () => {
  await using fixture = await temporaryStore()
  const { lists } = fixture.store.namespace()
  await lists.create({ id: ONE, names: [], items: items('') })
  await using other = await Store.open(fixture.store.directory)
  const order: string[] = []
  let waiting: Promise<unknown> = Promise.resolve()
  await lists.lock(ONE, async () => {
    waiting = other.namespace().lists.lock(ONE, async () => order.push('other'))
    await assert.rejects(
      other.namespace().lists.lock(ONE, async () => order.push('aborted'), { signal: AbortSignal.timeout(100) }),
      { name: 'TimeoutError' },
    )
    order.push('first')
  })
  await waiting
  await other.namespace().lists.lock(ONE, async () => order.push('last'))
  assert.deepEqual(order, ['first', 'other', 'last'])

  const holder = execFile(process.execPath, [
    '--input-type=module-typescript',
    '--eval',
    `import { Store } from ${JSON.stringify(fileURLToPath(new URL('../index.ts', import.meta.url)))}
    const store = await Store.open(${JSON.stringify(fixture.store.directory)})
    await store.namespace().lists.lock('${ONE}', () => new Promise((resolve) => {
      console.log('held')
      setTimeout(resolve, 60_000)
    }))`,
  ])
  assert.ok(holder.stdout)
  await once(holder.stdout, 'data')
  const taken = lists.lock(ONE, async () => 'taken')
  holder.kill('SIGKILL')
  assert.equal(await taken, 'taken')
})

test('Store.open() brings a store of a Tare without lists up to date, and keeps what it holds', async () => {
  await using fixture = await temporaryStore()
  const path = fixture.directory.join('old')
  await (await Store.open(path))[Symbol.asyncDispose]()
  {
    using database = new DatabaseSync(`${path}/tare.db`)
    database.exec(
      'DROP TABLE list_content; DROP TABLE list_items; DROP TABLE list_names; DROP TABLE lists; PRAGMA user_version = 1',
    )
    database.exec("INSERT INTO namespaces VALUES ('kept', '{}', 1)")
  }
  const stores = await Promise.all(Array.from({ length: 4 }, () => Store.open(path)))
  for (const store of stores) await store.namespace().lists.create({ names: [], items: items('') })
  const [first] = stores
  assert.equal((await first?.namespace().lists.records())?.length, 4)
  assert.equal((await first?.namespaces.list())?.length, 2)
  for (const store of stores) await store[Symbol.asyncDispose]()
  using database = new DatabaseSync(`${path}/tare.db`)
  assert.deepEqual({ ...database.prepare('PRAGMA user_version').get() }, { user_version: SCHEMA_STEPS.length })
})
