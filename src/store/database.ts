import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { TareError } from '../errors/index.ts'
import { numberOf, type Row } from './rows.ts'
import { APPLICATION_ID, SCHEMA_STEPS } from './schema.ts'
import { databaseError, isBusy } from './sqlite-error.ts'

/** The thread may be held up this long at a time by a lock of others; after that it does something else and tries again. */
const BUSY_TIMEOUT_MS = 20
const GIVE_UP_AFTER_MS = 60_000
const LONGEST_PAUSE_MS = 50
const LARGE_CACHE_KIB = 64 * 1024

/** Values for the placeholders of a statement. */
export type Parameters = readonly SQLInputValue[]

/** Statements inside a transaction. All of it happens at once: nothing is awaited in between. */
export interface Transaction {
  run(sql: string, ...parameters: Parameters): number
  get(sql: string, ...parameters: Parameters): Row | undefined
  all(sql: string, ...parameters: Parameters): readonly Row[]
}

/**
 * The database of a store. Many processes use it at once: readers never wait, writers take turns. Statements are
 * prepared once.
 */
export class StoreDatabase implements Disposable {
  readonly path: string
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #transaction: Transaction

  private constructor(path: string, database: DatabaseSync) {
    this.path = path
    this.#database = database
    this.#transaction = {
      run: (sql, ...parameters) => Number(this.#prepare(sql).run(...parameters).changes),
      get: (sql, ...parameters) => this.#prepare(sql).get(...parameters),
      all: (sql, ...parameters) => this.#prepare(sql).all(...parameters),
    }
  }

  /**
   * Opens the database, or makes it; one of an older Tare becomes one of this.
   *
   * @throws {TareError} `UNSUPPORTED_FORMAT` for one of a newer Tare; `STORE_DAMAGED`, `FILE_ACCESS`, `DISK_FULL`
   */
  static async open(path: string, signal?: AbortSignal): Promise<StoreDatabase> {
    const database = await patiently(path, () => connect(path), signal)
    const opened = new StoreDatabase(path, database)
    try {
      if (opened.#schemaVersion() < SCHEMA_STEPS.length) await opened.write(() => opened.#updateSchema(), signal)
      return opened
    } catch (error) {
      opened[Symbol.dispose]()
      throw error
    }
  }

  /** For threads that may wait: opens what {@link StoreDatabase.open} made. */
  static openBlocking(path: string): StoreDatabase {
    const database = connect(path, GIVE_UP_AFTER_MS)
    // Such threads go through all there is, and some of it several times.
    database.exec(`PRAGMA cache_size = -${LARGE_CACHE_KIB}`)
    return new StoreDatabase(path, database)
  }

  /** Reads. Several statements see the same state only inside {@link StoreDatabase.readAtOnce}. */
  async read<Output>(work: (transaction: Transaction) => Output, signal?: AbortSignal): Promise<Output> {
    return patiently(this.path, () => work(this.#transaction), signal)
  }

  /** Reads as of one moment. */
  async readAtOnce<Output>(work: (transaction: Transaction) => Output, signal?: AbortSignal): Promise<Output> {
    return patiently(this.path, () => this.readBlocking(work), signal)
  }

  /** Changes all or nothing; durable when the promise is kept. Nobody else writes meanwhile. */
  async write<Output>(work: (transaction: Transaction) => Output, signal?: AbortSignal): Promise<Output> {
    return patiently(this.path, () => this.#transact('BEGIN IMMEDIATE', work), signal)
  }

  /**
   * Whether a change is durable before its write returns, or with the next one that is. Changes are all or nothing
   * either way.
   */
  setDurability(durability: 'now' | 'later'): void {
    this.#database.exec(`PRAGMA synchronous = ${durability === 'now' ? 'FULL' : 'NORMAL'}`)
  }

  /** As {@link StoreDatabase.readAtOnce}, for threads that may wait. */
  readBlocking<Output>(work: (transaction: Transaction) => Output): Output {
    return this.#transact('BEGIN', work)
  }

  /** As {@link StoreDatabase.write}, for threads that may wait. */
  writeBlocking<Output>(work: (transaction: Transaction) => Output): Output {
    return this.#transact('BEGIN IMMEDIATE', work)
  }

  [Symbol.dispose](): void {
    this.#statements.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #transact<Output>(begin: string, work: (transaction: Transaction) => Output): Output {
    this.#database.exec(begin)
    try {
      const output = work(this.#transaction)
      this.#database.exec('COMMIT')
      return output
    } finally {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  /** 0 for a database that was just made. */
  #schemaVersion(): number {
    const pragma = (name: string): number => numberOf(this.#database.prepare(`PRAGMA ${name}`).get() ?? {}, name)
    const version = pragma('user_version')
    if (version > SCHEMA_STEPS.length) {
      throw new TareError(
        'UNSUPPORTED_FORMAT',
        `${this.path} has version ${version}; this Tare knows ${SCHEMA_STEPS.length}`,
        {
          hint: 'Use the Tare that made it, or a newer one',
        },
      )
    }
    if (version === 0 || pragma('application_id') === APPLICATION_ID) return version
    throw new TareError('STORE_DAMAGED', `${this.path} is a database of something else than Tare`, {
      hint: 'Choose another directory with --store',
    })
  }

  #updateSchema(): void {
    // Another process may have been faster.
    for (const step of SCHEMA_STEPS.slice(this.#schemaVersion())) this.#database.exec(step)
    this.#database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_STEPS.length}`)
  }
}

function connect(path: string, timeout = BUSY_TIMEOUT_MS): DatabaseSync {
  const database = new DatabaseSync(path, { timeout })
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    return database
  } catch (error) {
    database.close()
    throw isBusy(error) ? error : databaseError(path, error)
  }
}

/** Tries again, without holding up the thread, as long as others have the database. */
async function patiently<Output>(path: string, work: () => Output, signal: AbortSignal | undefined): Promise<Output> {
  const startedAt = performance.now()
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted()
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() - startedAt > GIVE_UP_AFTER_MS) throw databaseError(path, error)
    }
    await wait(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}
