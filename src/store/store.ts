import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import type { ContentStore } from '../oci/index.ts'
import { type CheckStoreOptions, checkStore, type StoreCheck } from './check-store.ts'
import { collectInThread } from './collect.ts'
import { LocalContent } from './content.ts'
import type { CollectionReport, ContentSharing, NamespaceContext, StoreContext } from './context.ts'
import { StoreDatabase } from './database.ts'
import { type ImageStore, LocalImages } from './images.ts'
import { StoreLayout } from './layout.ts'
import { type LeaseManager, LocalLeases } from './leases.ts'
import { type ListStore, LocalLists } from './lists/index.ts'
import { checkNamespace, Namespaces } from './namespaces.ts'
import { Owner } from './owner.ts'

/** The namespace that is meant where none is named. */
export const DEFAULT_NAMESPACE = 'default'

/** Options of {@link Store.open}. */
export interface OpenStoreOptions {
  readonly signal?: AbortSignal | undefined
  /** Make the store where there is none. @default true */
  readonly create?: boolean | undefined
  /** Whether a namespace may claim, by digest and size, what another has. @default 'shared' */
  readonly sharing?: ContentSharing | undefined
  /** The time, in milliseconds since 1970. @default the clock's */
  readonly now?: (() => number) | undefined
}

/** Options of {@link Store.collect}. */
export interface CollectOptions {
  readonly signal?: AbortSignal | undefined
  /** Only tell what would go. @default false */
  readonly dryRun?: boolean | undefined
}

/** How long a lease lasts whose holder never deletes it. */
const LEASE_EXPIRY_MS = 24 * 60 * 60 * 1000

/**
 * A directory that keeps images: blobs in files as an OCI layout has them, everything else in SQLite. Any number of
 * processes may use it at once.
 *
 * @see docs/store.md
 */
export class Store implements AsyncDisposable {
  readonly directory: string
  readonly namespaces: Namespaces
  readonly #context: StoreContext
  readonly #resources: DisposableStack

  private constructor(layout: StoreLayout, database: StoreDatabase, options: OpenStoreOptions) {
    const resources = new DisposableStack()
    resources.use(database)
    let owner: Owner | undefined
    this.directory = layout.directory
    this.#resources = resources
    this.#context = {
      database,
      layout,
      sharing: options.sharing ?? 'shared',
      now: options.now ?? Date.now,
      openRefs: new Set(),
      heldLists: new Set(),
      owner: () => (owner ??= resources.use(Owner.create(layout))),
      collect: (signal) => this.collect({ signal }),
    }
    this.namespaces = new Namespaces(this.#context)
  }

  /**
   * Opens the store in a directory.
   *
   * @throws {TareError} `FILE_NOT_FOUND` where there is none and none is to be made; `UNSUPPORTED_FORMAT` for a store of
   * a newer Tare; `STORE_DAMAGED`, `FILE_ACCESS`, `DISK_FULL`
   */
  static async open(directory: string, options: OpenStoreOptions = {}): Promise<Store> {
    options.signal?.throwIfAborted()
    const layout = new StoreLayout(directory)
    if (options.create === false && !existsSync(layout.database)) {
      throw new TareError('FILE_NOT_FOUND', `${directory} is no store`, {
        hint: 'Put an image there first, or choose another directory with --store',
      })
    }
    for (const path of layout.directories) {
      await mkdir(path, { recursive: true }).catch((error: unknown) => {
        throw fileError(path, 'create', error)
      })
    }
    return new Store(layout, await StoreDatabase.open(layout.database, options.signal), options)
  }

  /** What one namespace sees. @throws {TareError} `INVALID_ARGUMENT` for a malformed name */
  namespace(name: string = DEFAULT_NAMESPACE): StoreNamespace {
    return new StoreNamespace({ ...this.#context, namespace: checkNamespace(name), leaseId: undefined })
  }

  /**
   * Removes what no image, lease, root label or reference of these keeps, in all namespaces, on a thread of its own.
   * Nobody is held up: readers not at all, writers for milliseconds.
   *
   * @throws {TareError} `WORKER_FAILED`, `FILE_ACCESS`, …
   */
  async collect(options: CollectOptions = {}): Promise<CollectionReport> {
    // One of its own, so that a collection that was aborted is known to have ended.
    using owner = Owner.create(this.#context.layout)
    const job = {
      directory: this.directory,
      owner: owner.token,
      now: this.#context.now(),
      isDryRun: options.dryRun === true,
    }
    return await collectInThread(job, options.signal)
  }

  /** Holds files against the database. */
  async check(options: CheckStoreOptions = {}): Promise<StoreCheck> {
    return checkStore(this.#context, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resources.dispose()
  }
}

/** A namespace of a store, maybe under a lease: what is written, or found to be there, is kept by it. */
export class StoreNamespace {
  readonly name: string
  /** The lease that new content goes to. */
  readonly leaseId: string | undefined
  readonly content: ContentStore
  readonly images: ImageStore
  readonly leases: LeaseManager
  readonly lists: ListStore
  readonly #context: NamespaceContext

  constructor(context: NamespaceContext) {
    this.#context = context
    this.name = context.namespace
    this.leaseId = context.leaseId
    this.content = new LocalContent(context)
    this.images = new LocalImages(context)
    this.leases = new LocalLeases(context)
    this.lists = new LocalLists(context)
  }

  /** The same namespace under a lease that exists. */
  withLease(leaseId: string): StoreNamespace {
    return new StoreNamespace({ ...this.#context, leaseId })
  }

  /**
   * The same namespace under a lease that ends with the result's disposal, and by itself after a day. Where there is a
   * lease already it is used, and left alone.
   */
  async leased(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<LeasedNamespace> {
    if (this.leaseId !== undefined) return { namespace: this, async [Symbol.asyncDispose]() {} }
    const { id } = await this.leases.create({ expiresInMs: LEASE_EXPIRY_MS }, options)
    const { leases } = this
    return {
      namespace: this.withLease(id),
      async [Symbol.asyncDispose]() {
        await leases.delete(id).catch((error: unknown) => {
          if (!hasErrorCode(error, 'NOT_FOUND')) throw error
        })
      },
    }
  }

  /** Collects in all namespaces. */
  async collect(signal?: AbortSignal): Promise<CollectionReport> {
    return this.#context.collect(signal)
  }
}

/** What {@link StoreNamespace.leased} gives. */
export interface LeasedNamespace extends AsyncDisposable {
  readonly namespace: StoreNamespace
}
