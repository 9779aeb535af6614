import type { Digest } from '../../oci/index.ts'
import type { OperationOptions } from '../../stream/index.ts'

/** What identifies a stored list. */
export interface ListRecord {
  /** 64 lower-case hex digits. */
  readonly id: string
  /** In full: `localhost/app:latest`. */
  readonly names: readonly string[]
  /** When its documents or names last changed. */
  readonly changedAt: Date
}

/**
 * The documents of a stored list by name: `manifest` is the list itself, `instances.json` says where its members are,
 * `artifacts.json` and `features.json` what neither holds. The names are those that containers' tools use.
 */
export type ListItems = ReadonlyMap<string, Uint8Array>

/** What is kept of a list. */
export interface ListState {
  readonly items: ListItems
  /** Content of the same store that the list is made of: it stays, with all it refers to, as long as the list has it. */
  readonly content?: readonly Digest[] | undefined
}

/** A list to be stored. */
export interface NewList extends ListState {
  /** 64 lower-case hex digits; made up where it is left out. */
  readonly id?: string | undefined
  /** In full, each used by no other list. */
  readonly names: readonly string[]
}

/** What a store's operations wait with. */
export type ListStoreOptions = Pick<OperationOptions, 'signal'>

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
  /** Replaces what is kept of a list, all at once; its names stay. @throws {TareError} `NOT_FOUND` */
  write(id: string, state: ListState, options?: ListStoreOptions): Promise<void>
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
   * re-entrant, and protects nothing by itself. It goes with the process that holds it.
   *
   * @throws {TareError} `INVALID_ARGUMENT` for an ID that is none, `NOT_FOUND`
   */
  lock<Output>(id: string, work: () => Promise<Output>, options?: ListStoreOptions): Promise<Output>
}
