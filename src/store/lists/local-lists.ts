import { setTimeout as wait } from 'node:timers/promises'
import { type NamespaceContext, touch } from '../context.ts'
import type { Transaction } from '../database.ts'
import { isAlive } from '../owner.ts'
import { bytesOf, dateOf, optionalTextOf, textOf } from '../rows.ts'
import { findRecord, newRecord, requireListId, unknownList } from './list-records.ts'
import type { ListItems, ListRecord, ListState, ListStore, ListStoreOptions, NewList } from './list-store.ts'

const LONGEST_PAUSE_MS = 50

/** The lists of one namespace in the store's database. Whether a lock is held is known by who owns it, see `Owner`. */
export class LocalLists implements ListStore {
  readonly #context: NamespaceContext

  constructor(context: NamespaceContext) {
    this.#context = context
  }

  async find(idOrName: string, options: ListStoreOptions = {}): Promise<ListRecord> {
    return findRecord(await this.records(options), idOrName)
  }

  async records({ signal }: ListStoreOptions = {}): Promise<readonly ListRecord[]> {
    return this.#context.database.readAtOnce((transaction) => this.#records(transaction), signal)
  }

  async create(list: NewList, { signal }: ListStoreOptions = {}): Promise<ListRecord> {
    const { database, namespace, now } = this.#context
    return database.write((transaction) => {
      const record = newRecord(this.#records(transaction), list, new Date(now()))
      const { id, names, changedAt } = record
      transaction.run(
        'INSERT INTO lists (namespace, id, changed_at) VALUES (?, ?, ?)',
        namespace,
        id,
        changedAt.getTime(),
      )
      for (const [position, name] of names.entries()) {
        transaction.run('INSERT INTO list_names VALUES (?, ?, ?, ?)', namespace, name, id, position)
      }
      this.#insertState(transaction, id, list)
      return record
    }, signal)
  }

  async readItems(id: string, { signal }: ListStoreOptions = {}): Promise<ListItems> {
    const { database, namespace } = this.#context
    const rows = await database.readAtOnce((transaction) => {
      this.#requireList(transaction, requireListId(id))
      return transaction.all(
        'SELECT name, bytes FROM list_items WHERE namespace = ? AND list = ? ORDER BY name',
        namespace,
        id,
      )
    }, signal)
    return new Map(rows.map((row) => [textOf(row, 'name'), bytesOf(row, 'bytes')]))
  }

  async write(id: string, state: ListState, { signal }: ListStoreOptions = {}): Promise<void> {
    const { database, namespace } = this.#context
    await database.write((transaction) => {
      this.#change(transaction, requireListId(id))
      for (const table of ['list_items', 'list_content']) {
        transaction.run(`DELETE FROM ${table} WHERE namespace = ? AND list = ?`, namespace, id)
      }
      this.#insertState(transaction, id, state)
    }, signal)
  }

  async removeName(name: string, { signal }: ListStoreOptions = {}): Promise<ListRecord> {
    const { database, namespace } = this.#context
    return database.write((transaction) => {
      const row = transaction.get('SELECT list FROM list_names WHERE namespace = ? AND name = ?', namespace, name)
      if (row === undefined) return findRecord([], name)
      const id = textOf(row, 'list')
      transaction.run('DELETE FROM list_names WHERE namespace = ? AND name = ?', namespace, name)
      this.#change(transaction, id)
      return findRecord(this.#records(transaction), id)
    }, signal)
  }

  async remove(id: string, { signal }: ListStoreOptions = {}): Promise<void> {
    const { database, namespace } = this.#context
    await database.write((transaction) => {
      const removed = transaction.run('DELETE FROM lists WHERE namespace = ? AND id = ?', namespace, requireListId(id))
      if (removed === 0) throw unknownList(id)
    }, signal)
  }

  async lock<Output>(id: string, work: () => Promise<Output>, { signal }: ListStoreOptions = {}): Promise<Output> {
    requireListId(id)
    const { heldLists, namespace } = this.#context
    const key = `${namespace}\0${id}`
    for (let pauseMs = 1; !(await this.#take(id, key, signal)); pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      await wait(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch((error: unknown) => {
        signal?.throwIfAborted()
        throw error
      })
    }
    try {
      return await work()
    } finally {
      await this.#release(id).finally(() => heldLists.delete(key))
    }
  }

  /** Takes the lock, unless somebody has it: somebody in this process, or a process that lives. */
  async #take(id: string, key: string, signal: AbortSignal | undefined): Promise<boolean> {
    const { database, heldLists, layout, namespace } = this.#context
    signal?.throwIfAborted()
    if (heldLists.has(key)) return false
    const own = this.#context.owner().token
    // Before anything is awaited, or a second call could come between.
    heldLists.add(key)
    let isTaken = false
    try {
      isTaken = await database.write((transaction) => {
        const row = transaction.get('SELECT owner FROM lists WHERE namespace = ? AND id = ?', namespace, id)
        if (row === undefined) throw unknownList(id)
        const owner = optionalTextOf(row, 'owner')
        if (owner !== undefined && owner !== own && isAlive(layout, owner)) return false
        transaction.run('UPDATE lists SET owner = ? WHERE namespace = ? AND id = ?', own, namespace, id)
        return true
      }, signal)
      return isTaken
    } finally {
      if (!isTaken) heldLists.delete(key)
    }
  }

  async #release(id: string): Promise<void> {
    const { database, namespace } = this.#context
    await database.write((transaction) =>
      transaction.run(
        'UPDATE lists SET owner = NULL WHERE namespace = ? AND id = ? AND owner = ?',
        namespace,
        id,
        this.#context.owner().token,
      ),
    )
  }

  #records(transaction: Transaction): readonly ListRecord[] {
    const { namespace } = this.#context
    const namesOf = new Map<string, string[]>()
    const names = transaction.all('SELECT list, name FROM list_names WHERE namespace = ? ORDER BY position', namespace)
    for (const row of names) {
      const [id, name] = [textOf(row, 'list'), textOf(row, 'name')]
      const known = namesOf.get(id)
      if (known === undefined) namesOf.set(id, [name])
      else known.push(name)
    }
    return transaction.all('SELECT id, changed_at FROM lists WHERE namespace = ? ORDER BY id', namespace).map((row) => {
      const id = textOf(row, 'id')
      return { id, names: namesOf.get(id) ?? [], changedAt: dateOf(row, 'changed_at') }
    })
  }

  #requireList(transaction: Transaction, id: string): void {
    const { namespace } = this.#context
    if (transaction.get('SELECT 1 FROM lists WHERE namespace = ? AND id = ?', namespace, id) === undefined) {
      throw unknownList(id)
    }
  }

  #change(transaction: Transaction, id: string): void {
    const { namespace, now } = this.#context
    const changed = transaction.run(
      'UPDATE lists SET changed_at = ? WHERE namespace = ? AND id = ?',
      now(),
      namespace,
      id,
    )
    if (changed === 0) throw unknownList(id)
  }

  #insertState(transaction: Transaction, id: string, { items, content = [] }: ListState): void {
    const { namespace } = this.#context
    for (const [name, bytes] of items) {
      transaction.run('INSERT INTO list_items VALUES (?, ?, ?, ?)', namespace, id, name, bytes)
    }
    for (const digest of new Set(content)) {
      transaction.run('INSERT INTO list_content VALUES (?, ?, ?)', namespace, id, digest)
      touch(transaction, namespace, 'content', digest)
    }
  }
}
