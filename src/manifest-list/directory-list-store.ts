import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import { type DocumentNode, parseJson, readDocument } from '../oci/index.ts'
import {
  AtomicFile,
  bytesSource,
  mapLimited,
  readAllBytes,
  readFileRange,
  removeAbandoned,
  tokenOfTemporary,
  writeAt,
} from '../stream/index.ts'
import { type HeldLock, makeDirectories, withFileLock } from '../transport/index.ts'
import { findRecord, newRecord, requireListId } from './list-records.ts'
import type {
  ListItems,
  ListLock,
  ListRecord,
  ListStore,
  ListStoreOptions,
  NewList,
  WriteItemsOptions,
} from './list-store.ts'

/** Version of the files; grows when an older Tare could not read them. */
const SCHEMA_VERSION = 1
const FILE_PATTERN = /^([0-9a-f]{64})\.json$/
/** A list of 10,000 members with all it can have stays well below. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
const READ_CONCURRENCY = 8

interface ReadList extends ListRecord {
  readonly items: ListItems
}

/**
 * Keeps each list in a file of a directory. A file is replaced as a whole, so a process that is killed leaves the list
 * as it was or as it should be.
 *
 * @see docs/manifest-lists.md for the format of the files
 */
export class DirectoryListStore implements ListStore {
  readonly #path: string

  /** @param path - the directory; it is made when the first list is stored */
  constructor(path: string) {
    this.#path = path
  }

  async find(idOrName: string, options: ListStoreOptions = {}): Promise<ListRecord> {
    return findRecord(await this.records(options), idOrName)
  }

  async records(options: ListStoreOptions = {}): Promise<readonly ListRecord[]> {
    const lists = await mapLimited(
      await this.#ids(),
      READ_CONCURRENCY,
      async (id) => {
        try {
          const { names, changedAtMs } = await this.#read(id)
          return { id, names, changedAtMs }
        } catch (error) {
          // Removed since the directory was read.
          if (hasErrorCode(error, 'NOT_FOUND')) return undefined
          throw error
        }
      },
      options,
    )
    return lists.filter((list) => list !== undefined)
  }

  async create(list: NewList, options: ListStoreOptions = {}): Promise<ListRecord> {
    await makeDirectories(this.#path)
    await removeAbandoned(this.#path, (name) => tokenOfTemporary(name))
    return this.#changing(async (lock) => {
      const record = newRecord(await this.records(options), list)
      await this.#write({ ...record, items: list.items }, [lock])
      return record
    }, options)
  }

  async readItems(id: string, options: ListStoreOptions = {}): Promise<ListItems> {
    options.signal?.throwIfAborted()
    return (await this.#read(requireListId(id))).items
  }

  async writeItems(id: string, items: ListItems, options: WriteItemsOptions = {}): Promise<void> {
    await this.#changing(async (lock) => {
      const { names } = await this.#read(requireListId(id))
      await this.#write({ id, names, items }, options.lock === undefined ? [lock] : [lock, options.lock])
    }, options)
  }

  async removeName(name: string, options: ListStoreOptions = {}): Promise<ListRecord> {
    return this.#changing(async (lock) => {
      const named = (await this.records(options)).find((record) => record.names.includes(name))
      if (named === undefined) return findRecord([], name)
      const record = { id: named.id, names: named.names.filter((other) => other !== name) }
      await this.#write({ ...record, items: (await this.#read(named.id)).items }, [lock])
      return record
    }, options)
  }

  async remove(id: string, options: ListStoreOptions = {}): Promise<void> {
    await this.#changing(async (lock) => {
      await this.#read(requireListId(id))
      await lock.confirm()
      await rm(this.#fileOf(id))
    }, options)
  }

  async lock<Output>(
    id: string,
    work: (lock: ListLock) => Promise<Output>,
    options: ListStoreOptions = {},
  ): Promise<Output> {
    await this.#read(requireListId(id))
    return withFileLock(join(this.#path, `${id}.lock`), work, options)
  }

  /** One change at a time, because names are looked for in all files. It takes milliseconds. */
  async #changing<Output>(work: (lock: HeldLock) => Promise<Output>, options: ListStoreOptions): Promise<Output> {
    // Without a directory there is nothing to lock, and nothing that could be changed.
    if ((await stat(this.#path).catch(() => undefined)) === undefined) return work({ async confirm() {} })
    return withFileLock(join(this.#path, 'lock'), work, options)
  }

  async #ids(): Promise<readonly string[]> {
    try {
      const names = await readdir(this.#path)
      return names.flatMap((name) => FILE_PATTERN.exec(name)?.[1] ?? []).sort()
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw fileError(this.#path, 'read', error)
    }
  }

  async #read(id: string): Promise<ReadList> {
    const path = this.#fileOf(id)
    try {
      const { mtimeMs } = await stat(path).catch((error: unknown) => {
        throw fileError(path, 'read', error)
      })
      const bytes = await readAllBytes(readFileRange(path), MAX_FILE_BYTES, path)
      return { id, changedAtMs: mtimeMs, ...parseListFile(bytes, path) }
    } catch (error) {
      if (!hasErrorCode(error, 'FILE_NOT_FOUND')) throw error
      throw new TareError('NOT_FOUND', `no list has the ID ${id}`, { cause: error })
    }
  }

  async #write(list: ReadList, locks: readonly ListLock[]): Promise<void> {
    const path = this.#fileOf(list.id)
    await using file = await AtomicFile.create(path)
    await writeAt(file.handle, path, 0, bytesSource(encodeListFile(list)))
    for (const lock of locks) await lock.confirm()
    await file.commit()
  }

  #fileOf(id: string): string {
    return join(this.#path, `${id}.json`)
  }
}

/** Documents are JSON that Tare wrote, so they are kept as text. */
function encodeListFile({ names, items }: ReadList): Uint8Array {
  const texts = Object.fromEntries([...items].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]))
  return new TextEncoder().encode(
    `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, names, items: texts }, null, 2)}\n`,
  )
}

function parseListFile(bytes: Uint8Array, path: string): Pick<ReadList, 'names' | 'items'> {
  return readDocument(parseJson(bytes, path, MAX_FILE_BYTES), path, (root) => {
    root.object(['schemaVersion', 'names', 'items'])
    const version = root.at('schemaVersion').size()
    if (version > SCHEMA_VERSION) {
      throw new TareError('UNSUPPORTED_FORMAT', `${path} was written by a newer Tare`, { hint: 'Update Tare' })
    }
    return {
      names: root.at('names').list(1000, (name: DocumentNode) => name.string()),
      items: new Map(
        Object.entries(root.at('items').strings()).map(([name, text]) => [name, new TextEncoder().encode(text)]),
      ),
    }
  })
}
