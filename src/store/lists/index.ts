/** Manifest lists and indexes that are being made, kept by name; a list knows where its members are, and has none. */
export type { ListItems, ListRecord, ListState, ListStore, ListStoreOptions, NewList } from './list-store.ts'
export { LocalLists } from './local-lists.ts'
export { MemoryListStore } from './memory-list-store.ts'
