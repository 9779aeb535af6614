import type { StoreDatabase, Transaction } from './database.ts'
import type { StoreLayout } from './layout.ts'
import type { Owner } from './owner.ts'

/** Whether blobs that one namespace has may be claimed by another without their bytes. */
export type ContentSharing = 'shared' | 'isolated'

/** What a collection did, or would do. */
export interface CollectionReport {
  /** Blobs that went, by namespace. */
  readonly blobs: readonly { readonly namespace: string; readonly digest: string; readonly sizeBytes: number }[]
  /** Leases whose time was up. */
  readonly leases: readonly { readonly namespace: string; readonly id: string }[]
  /** Records whose time was up. */
  readonly images: readonly { readonly namespace: string; readonly name: string }[]
  readonly ingests: readonly { readonly namespace: string; readonly ref: string; readonly sizeBytes: number }[]
  /** Files that no table knew, left by a crash. */
  readonly orphanCount: number
  /** Bytes that are free now. */
  readonly freedBytes: number
  readonly isDryRun: boolean
}

/** What the parts of one open store share. */
export interface StoreContext {
  readonly database: StoreDatabase
  readonly layout: StoreLayout
  readonly sharing: ContentSharing
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Who writes here; made with the first write. */
  owner(): Owner
  /** Refs that writers of this store have open: `NAMESPACE NUL REF`. */
  readonly openRefs: Set<string>
  /** Lists that this store has locked: `NAMESPACE NUL ID`. */
  readonly heldLists: Set<string>
  collect(signal?: AbortSignal): Promise<CollectionReport>
}

/** The part of a store that one namespace sees, and the lease that guards what is done. */
export interface NamespaceContext extends StoreContext {
  readonly namespace: string
  readonly leaseId: string | undefined
}

/** What a collection that is under way has to look at again. */
export type TouchedKind = 'content' | 'image' | 'lease'

/** Tells the collection under way, if there is one, that something may have become reachable. */
export function touch(transaction: Transaction, namespace: string, kind: TouchedKind, id: string): void {
  transaction.run(
    'INSERT OR IGNORE INTO touched SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM collections)',
    namespace,
    kind,
    id,
  )
}
