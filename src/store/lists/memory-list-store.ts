import { Mutex } from '../../stream/index.ts'
import { findRecord, newRecord, requireListId, unknownList } from './list-records.ts'
import type { ListItems, ListRecord, ListState, ListStore, ListStoreOptions, NewList } from './list-store.ts'

interface HeldList extends ListRecord {
  readonly items: ListItems
}

/** Keeps lists as long as it lives, for those who make one, push it, and are done. */
export class MemoryListStore implements ListStore {
  readonly #lists = new Map<string, HeldList>()
  readonly #locks = new Map<string, Mutex>()

  async find(idOrName: string): Promise<ListRecord> {
    return findRecord(this.#sorted(), idOrName)
  }

  async records(): Promise<readonly ListRecord[]> {
    return this.#sorted()
  }

  async create(list: NewList): Promise<ListRecord> {
    const record = newRecord(this.#sorted(), list, new Date())
    this.#lists.set(record.id, { ...record, items: new Map(list.items) })
    return record
  }

  async readItems(id: string): Promise<ListItems> {
    return this.#get(id).items
  }

  async write(id: string, { items }: ListState): Promise<void> {
    this.#lists.set(id, { ...this.#get(id), items: new Map(items), changedAt: new Date() })
  }

  async removeName(name: string): Promise<ListRecord> {
    const list = this.#sorted().find((record) => record.names.includes(name))
    if (list === undefined) return findRecord([], name)
    const renamed = { ...list, names: list.names.filter((other) => other !== name), changedAt: new Date() }
    this.#lists.set(list.id, renamed)
    return renamed
  }

  async remove(id: string): Promise<void> {
    this.#get(id)
    this.#lists.delete(id)
  }

  async lock<Output>(id: string, work: () => Promise<Output>, options: ListStoreOptions = {}): Promise<Output> {
    this.#get(requireListId(id))
    const mutex = this.#locks.get(id) ?? new Mutex()
    this.#locks.set(id, mutex)
    return mutex.run(async () => {
      options.signal?.throwIfAborted()
      return work()
    })
  }

  #sorted(): readonly HeldList[] {
    return [...this.#lists.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #get(id: string): HeldList {
    const list = this.#lists.get(id)
    if (list === undefined) throw unknownList(id)
    return list
  }
}
