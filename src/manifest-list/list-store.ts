import type { OperationOptions } from '../stream/index.ts'

/** What identifies a stored list. */
export interface ListRecord {
  /** 64 lower-case hex digits. */
  readonly id: string
  /** In full: `localhost/app:latest`. */
  readonly names: readonly string[]
  /** When it was last written, in milliseconds of the system's clock; undefined where the store does not know. */
  readonly changedAtMs?: number | undefined
}

/**
 * The documents of a stored list by name: `manifest` is the list itself, `instances.json` says where its members are,
 * `artifacts.json` and `features.json` what neither holds. The names are those that containers' tools use.
 */
export type ListItems = ReadonlyMap<string, Uint8Array>

/** A list to be stored. */
export interface NewList {
  /** 64 lower-case hex digits; made up where it is left out. */
  readonly id?: string | undefined
  /** In full, each used by no other list. */
  readonly names: readonly string[]
  readonly items: ListItems
}

/** A list that nobody else changes for now. */
export interface ListLock {
  /** Makes sure that the lock is still held; what runs under it starts over where it is not. */
  confirm(): Promise<void>
}

/** What a store's operations wait with. */
export type ListStoreOptions = Pick<OperationOptions, 'signal'>

/** Options of {@link ListStore.writeItems}. */
export interface WriteItemsOptions extends ListStoreOptions {
  /** The lock under which the list was read; it is confirmed before the new items can be seen. */
  readonly lock?: ListLock | undefined
}

/**
 * Where lists are kept between runs. Every write is seen whole or not at all. Among processes that change a list
 * nothing is lost if each of them holds {@link ListStore.lock}, reads, changes, and writes.
 */
export interface ListStore {
  /**
   * The list with an ID, an unambiguous beginning of one, or exactly this name.
   *
   * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`
   */
  find(idOrName: string, options?: ListStoreOptions): Promise<ListRecord>
  /** All lists, in the order of their IDs. */
  records(options?: ListStoreOptions): Promise<readonly ListRecord[]>
  /** Stores a new list. @throws {TareError} `NAME_IN_USE` for its ID or a name; nothing has changed then */
  create(list: NewList, options?: ListStoreOptions): Promise<ListRecord>
  /** The documents of a list. @throws {TareError} `NOT_FOUND` */
  readItems(id: string, options?: ListStoreOptions): Promise<ListItems>
  /** Replaces the documents of a list, all at once; its names stay. @throws {TareError} `NOT_FOUND` */
  writeItems(id: string, items: ListItems, options?: WriteItemsOptions): Promise<void>
  /**
   * Takes a name off a list; a list without names can be found by its ID.
   *
   * @throws {TareError} `NOT_FOUND`
   */
  removeName(name: string, options?: ListStoreOptions): Promise<ListRecord>
  /** Removes a list with its names and documents; members stay where they are. @throws {TareError} `NOT_FOUND` */
  remove(id: string, options?: ListStoreOptions): Promise<void>
  /**
   * Runs `work` while no other process, and nobody else in this one, holds the lock of the list. The lock is not
   * re-entrant, and protects nothing by itself. Where it is lost in spite of that, `work` runs anew.
   *
   * @throws {TareError} `INVALID_ARGUMENT` for an ID that is none
   */
  lock<Output>(id: string, work: (lock: ListLock) => Promise<Output>, options?: ListStoreOptions): Promise<Output>
}
