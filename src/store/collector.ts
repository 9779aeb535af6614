import { readdirSync, statSync } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import { type Digest, isDigest } from '../oci/index.ts'
import { mapLimited } from '../stream/index.ts'
import { removeBlob, removeIngest } from './blob-rows.ts'
import type { CollectionReport } from './context.ts'
import { StoreDatabase, type Transaction } from './database.ts'
import { StoreLayout } from './layout.ts'
import { isAlive } from './owner.ts'
import { followLease, isExpired, liveSource, type ReachableSet, scanNamespace } from './reachable.ts'
import { labelsOf, numberOf, optionalTextOf, type Row, textOf } from './rows.ts'

/** What {@link collect} works on; goes to a worker thread. */
export interface CollectJob {
  readonly directory: string
  /** Who collects. */
  readonly owner: string
  /** Milliseconds since 1970. */
  readonly now: number
  readonly isDryRun: boolean
}

/** Rows and files dealt with while the database is held. */
const BATCH = 250
/** Files removed at a time: all threads of the process share four threads for files, and readers need one. */
const UNLINKS = 3
/** Others that want to write get this long between two batches. */
const PAUSE_MS = 1

interface Garbage {
  readonly reachable: ReadonlyMap<string, ReachableSet>
  readonly blobs: CollectionReport['blobs']
  readonly leases: CollectionReport['leases']
  readonly ingests: readonly (CollectionReport['ingests'][number] & { readonly file: string })[]
}

/**
 * Collects what nothing keeps. Blocks its thread, so it runs in one of its own. What is reachable is found out as of
 * one moment, without holding anybody up; whoever makes something reachable after that notes it in `touched`, and each
 * batch looks at what was noted before it deletes.
 *
 * @returns undefined while another collection is under way
 */
export async function collect(job: CollectJob): Promise<CollectionReport | undefined> {
  const layout = new StoreLayout(job.directory)
  using database = StoreDatabase.openBlocking(layout.database)
  if (job.isDryRun)
    return reportOf(
      database.readBlocking((transaction) => findGarbage(transaction, layout, job.now)),
      0,
      0,
      job,
    )
  if (!database.writeBlocking((transaction) => register(transaction, layout, job.owner))) return undefined
  try {
    const garbage = database.readBlocking((transaction) => findGarbage(transaction, layout, job.now))
    const sweeper = new Sweeper(database, layout, job, garbage)
    const gone = await sweeper.sweep()
    const orphanCount = await sweeper.removeOrphans()
    return reportOf(gone, orphanCount, sweeper.freedBytes, job)
  } finally {
    database.writeBlocking((transaction) => {
      transaction.run('DELETE FROM collections WHERE owner = ?', job.owner)
      transaction.run('DELETE FROM touched')
    })
  }
}

function register(transaction: Transaction, layout: StoreLayout, owner: string): boolean {
  const other = transaction.get('SELECT owner FROM collections')
  if (other !== undefined && isAlive(layout, textOf(other, 'owner'))) return false
  transaction.run('INSERT OR REPLACE INTO collections VALUES (1, ?)', owner)
  transaction.run('DELETE FROM touched')
  return true
}

function reportOf(
  garbage: Pick<Garbage, 'blobs' | 'leases' | 'ingests'>,
  orphanCount: number,
  freedBytes: number,
  { isDryRun }: CollectJob,
): CollectionReport {
  const ingests = garbage.ingests.map(({ namespace, ref, sizeBytes }) => ({ namespace, ref, sizeBytes }))
  return {
    blobs: garbage.blobs,
    leases: garbage.leases,
    ingests,
    orphanCount,
    freedBytes: isDryRun ? expectedBytes(garbage) : freedBytes,
    isDryRun,
  }
}

/** Namespaces share files, so a digest counts once. */
function expectedBytes({ blobs, ingests }: Pick<Garbage, 'blobs' | 'ingests'>): number {
  const sizes = new Map(blobs.map((blob) => [blob.digest, blob.sizeBytes]))
  return [...sizes.values(), ...ingests.map((ingest) => ingest.sizeBytes)].reduce((sum, one) => sum + one, 0)
}

function findGarbage(transaction: Transaction, layout: StoreLayout, now: number): Garbage {
  const rows = transaction.all('SELECT namespace FROM blobs UNION SELECT namespace FROM leases')
  const namespaces = rows.map((row) => textOf(row, 'namespace'))
  const scanned = namespaces.map((namespace) => ({ namespace, ...scanNamespace(transaction, namespace, now) }))
  const reachable = new Map(scanned.map((one) => [one.namespace, one.reachable]))
  const blobs = scanned.flatMap(({ namespace, white }) => white.map((blob) => ({ namespace, ...blob })))
  const leases = transaction.all('SELECT namespace, id, labels FROM leases').flatMap((row) => {
    return isExpired(labelsOf(row, 'labels'), now)
      ? [{ namespace: textOf(row, 'namespace'), id: textOf(row, 'id') }]
      : []
  })
  const ingests = transaction.all('SELECT * FROM ingests').flatMap((row) => {
    if (!isIngestDead(transaction, layout, row, now)) return []
    const file = textOf(row, 'file')
    const sizeBytes = statSync(layout.ingest(file), { throwIfNoEntry: false })?.size ?? 0
    return [{ namespace: textOf(row, 'namespace'), ref: textOf(row, 'ref'), sizeBytes, file }]
  })
  return { reachable, blobs, leases, ingests }
}

/** Whether nobody writes an ingest, its time is up, and no lease keeps it. */
function isIngestDead(transaction: Transaction, layout: StoreLayout, row: Row, now: number): boolean {
  if (row['expires_at'] !== null && numberOf(row, 'expires_at') > now) return false
  const keepers = transaction.all(
    `SELECT leases.labels FROM lease_resources JOIN leases
      ON leases.namespace = lease_resources.namespace AND leases.id = lease_resources.lease
      WHERE lease_resources.namespace = ? AND lease_resources.type = 'ingests' AND lease_resources.id = ?`,
    textOf(row, 'namespace'),
    textOf(row, 'ref'),
  )
  if (keepers.some((lease) => !isExpired(labelsOf(lease, 'labels'), now))) return false
  const owner = optionalTextOf(row, 'owner')
  return owner === undefined || !isAlive(layout, owner)
}

/** Removes garbage, a batch at a time. */
class Sweeper {
  freedBytes = 0
  readonly #database: StoreDatabase
  readonly #layout: StoreLayout
  readonly #job: CollectJob
  readonly #garbage: Garbage
  readonly #sizes: ReadonlyMap<string, number>

  constructor(database: StoreDatabase, layout: StoreLayout, job: CollectJob, garbage: Garbage) {
    this.#database = database
    this.#layout = layout
    this.#job = job
    this.#garbage = garbage
    this.#sizes = new Map(garbage.blobs.map(({ digest, sizeBytes }) => [digest, sizeBytes]))
  }

  async sweep(): Promise<Pick<Garbage, 'blobs' | 'leases' | 'ingests'>> {
    // Syncing each batch would take longer than all the rest. It is enough that no file goes before its row is gone for
    // good: a file that is gone already is no harm.
    this.#database.setDurability('later')
    const blobs = await this.#eachBatch(this.#garbage.blobs, async (t, batch) => this.#sweepBlobs(t, batch))
    this.#database.setDurability('now')
    this.#database.writeBlocking((transaction) => transaction.run('UPDATE collections SET owner = owner'))
    this.#database.setDurability('later')
    while (await this.#inTurn((transaction) => this.#removeDoomed(transaction))) continue
    this.#database.setDurability('now')
    const leases = await this.#eachBatch(this.#garbage.leases, async (t, batch) => this.#sweepLeases(t, batch))
    const ingests = await this.#eachBatch(this.#garbage.ingests, (t, batch) => this.#sweepIngests(t, batch))
    return { blobs, leases, ingests }
  }

  /** Removes files that no table knows: a crash left them. */
  async removeOrphans(): Promise<number> {
    // Files first: one that comes later is none of ours, and one whose row goes later is doomed.
    const files = (['sha256', 'sha512'] as const).flatMap((algorithm) =>
      namesIn(this.#layout.blobDirectory(algorithm)).map((hex) => `${algorithm}:${hex}`),
    )
    const digests = files.filter(isDigest)
    const ingestFiles = namesIn(this.#layout.ingests)
    const known = this.#database.readBlocking((transaction) => ({
      digests: new Set(transaction.all('SELECT DISTINCT digest FROM blobs').map((row) => textOf(row, 'digest'))),
      files: new Set(transaction.all('SELECT file FROM ingests').map((row) => textOf(row, 'file'))),
    }))
    for (const token of namesIn(this.#layout.owners)) {
      if (/^[0-9a-f]{24}$/.test(token)) isAlive(this.#layout, token)
    }
    const lostDigests = digests.filter((digest) => !known.digests.has(digest))
    const lostFiles = ingestFiles.filter((file) => !known.files.has(file))
    const blobs = await this.#eachBatch(lostDigests, (t, batch) => this.#removeLostBlobs(t, batch))
    const ingests = await this.#eachBatch(lostFiles, (t, batch) => this.#removeLostIngests(t, batch))
    return blobs.length + ingests.length
  }

  #sweepBlobs(transaction: Transaction, batch: CollectionReport['blobs']): CollectionReport['blobs'] {
    this.#lookAgain(transaction)
    const gone = batch.filter(({ namespace, digest }) => this.#garbage.reachable.get(namespace)?.has(digest) !== true)
    for (const { namespace, digest } of gone) removeBlob(transaction, namespace, digest)
    return gone
  }

  /** Follows what was noted since the last look. */
  #lookAgain(transaction: Transaction): void {
    for (const row of transaction.all('DELETE FROM touched RETURNING namespace, kind, id')) {
      const [namespace, kind, id] = [textOf(row, 'namespace'), textOf(row, 'kind'), textOf(row, 'id')]
      const reachable = this.#garbage.reachable.get(namespace)
      // A namespace that came later has nothing to lose.
      if (reachable === undefined) continue
      const source = liveSource(transaction, namespace)
      if (kind === 'image') reachable.followImage(id, source)
      else if (kind === 'content') {
        // Whoever wrote it, or found it there, counts on it; the next collection sees whether something keeps it.
        reachable.follow([id], source)
        reachable.revisit(id, source)
      } else if (kind === 'lease') {
        const lease = transaction.get('SELECT id, labels FROM leases WHERE namespace = ? AND id = ?', namespace, id)
        if (lease !== undefined) followLease(transaction, namespace, lease, this.#job.now, reachable, source)
      } else throw new TareError('INTERNAL', `a collection was told of ${kind}`)
    }
  }

  /** Unlinks files of blobs that no namespace has; false when none is left. */
  async #removeDoomed(transaction: Transaction): Promise<boolean> {
    const doomed = transaction.all(`SELECT digest FROM doomed LIMIT ${BATCH}`).map((row) => textOf(row, 'digest'))
    const gone = doomed.filter(isDigest).filter((digest) => isUnknown(transaction, digest))
    const known = this.#sizes
    await this.#unlink(
      gone.map((digest) => this.#layout.blob(digest)),
      (at) => known.get(gone[at] ?? ''),
    )
    for (const digest of doomed) transaction.run('DELETE FROM doomed WHERE digest = ?', digest)
    return doomed.length > 0
  }

  #sweepLeases(transaction: Transaction, batch: CollectionReport['leases']): CollectionReport['leases'] {
    return batch.filter(({ namespace, id }) => {
      const row = transaction.get('SELECT labels FROM leases WHERE namespace = ? AND id = ?', namespace, id)
      if (row === undefined || !isExpired(labelsOf(row, 'labels'), this.#job.now)) return false
      return transaction.run('DELETE FROM leases WHERE namespace = ? AND id = ?', namespace, id) > 0
    })
  }

  async #sweepIngests(transaction: Transaction, batch: Garbage['ingests']): Promise<Garbage['ingests']> {
    const dead = batch.filter(({ namespace, ref }) => {
      const row = transaction.get('SELECT * FROM ingests WHERE namespace = ? AND ref = ?', namespace, ref)
      if (row === undefined || !isIngestDead(transaction, this.#layout, row, this.#job.now)) return false
      removeIngest(transaction, namespace, ref)
      return true
    })
    await this.#unlink(dead.map(({ file }) => this.#layout.ingest(file)))
    return dead
  }

  async #removeLostBlobs(transaction: Transaction, batch: readonly Digest[]): Promise<readonly Digest[]> {
    const lost = batch.filter((digest) => isUnknown(transaction, digest))
    await this.#unlink(lost.map((digest) => this.#layout.blob(digest)))
    return lost
  }

  async #removeLostIngests(transaction: Transaction, batch: readonly string[]): Promise<readonly string[]> {
    const lost = batch.filter((file) => transaction.get('SELECT 1 FROM ingests WHERE file = ?', file) === undefined)
    await this.#unlink(lost.map((file) => this.#layout.ingest(file)))
    return lost
  }

  /** Some at a time: one after the other they would mostly wait for the disk. */
  async #unlink(paths: readonly string[], knownSize?: (at: number) => number | undefined): Promise<void> {
    await mapLimited(paths, UNLINKS, async (path, at) => {
      try {
        const size = knownSize?.(at) ?? (await stat(path)).size
        await unlink(path)
        this.freedBytes += size
      } catch (error) {
        const wrapped = fileError(path, 'remove', error)
        if (!hasErrorCode(wrapped, 'FILE_NOT_FOUND')) throw wrapped
      }
    })
  }

  async #eachBatch<Item>(
    items: readonly Item[],
    work: (transaction: Transaction, batch: readonly Item[]) => Promise<readonly Item[]>,
  ): Promise<readonly Item[]> {
    const done: Item[] = []
    for (const batch of batchesOf(items)) done.push(...(await this.#inTurn((transaction) => work(transaction, batch))))
    return done
  }

  /** A batch with the database to itself, then a pause for others. */
  async #inTurn<Output>(work: (transaction: Transaction) => Promise<Output>): Promise<Output> {
    const output = await this.#database.writeExclusively(work)
    await wait(PAUSE_MS)
    return output
  }
}

function isUnknown(transaction: Transaction, digest: Digest): boolean {
  return transaction.get('SELECT 1 FROM blobs WHERE digest = ? LIMIT 1', digest) === undefined
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
}

function batchesOf<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const batches: (readonly Item[])[] = []
  for (let start = 0; start < items.length; start += BATCH) batches.push(items.slice(start, start + BATCH))
  return batches
}
