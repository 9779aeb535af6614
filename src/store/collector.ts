import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import { type Digest, isDigest } from '../oci/index.ts'
import { removeBlobs, removeIngest } from './blob-rows.ts'
import type { CollectionReport } from './context.ts'
import { StoreDatabase, type Transaction } from './database.ts'
import { StoreLayout } from './layout.ts'
import { isAlive } from './owner.ts'
import { digestsInStore, followLease, isExpired, liveSource, type ReachableSet, scanNamespace } from './reachable.ts'
import { EXPIRE_LABEL } from './leases.ts'
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

/** Rows removed while the database is held: takes some ten milliseconds. */
const ROWS = 2500
/** Files removed while the database is held: the same. */
const FILES = 500
/** Others that want to write get this long between two batches. */
const PAUSE_MS = 1

interface Garbage {
  readonly reachable: ReadonlyMap<string, ReachableSet>
  readonly blobs: CollectionReport['blobs']
  readonly leases: CollectionReport['leases']
  readonly images: CollectionReport['images']
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
  garbage: Pick<Garbage, 'blobs' | 'leases' | 'images' | 'ingests'>,
  orphanCount: number,
  freedBytes: number,
  { isDryRun }: CollectJob,
): CollectionReport {
  const ingests = garbage.ingests.map(({ namespace, ref, sizeBytes }) => ({ namespace, ref, sizeBytes }))
  return {
    blobs: garbage.blobs,
    leases: garbage.leases,
    images: garbage.images,
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
  const images = transaction
    .all(`SELECT namespace, name, labels FROM images WHERE instr(labels, '${EXPIRE_LABEL}') > 0`)
    .filter((row) => isExpired(labelsOf(row, 'labels'), now))
    .map((row) => ({ namespace: textOf(row, 'namespace'), name: textOf(row, 'name') }))
  return { reachable, blobs, leases, images, ingests }
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

  async sweep(): Promise<Pick<Garbage, 'blobs' | 'leases' | 'images' | 'ingests'>> {
    // Before what they point at goes.
    const images = await this.#eachBatch(this.#garbage.images, ROWS, (t, batch) => this.#sweepImages(t, batch))
    // Syncing each batch would take longer than all the rest. It is enough that no file goes before its row is gone for
    // good: a file that is gone already is no harm.
    this.#database.setDurability('later')
    const blobs = await this.#eachBatch(this.#garbage.blobs, ROWS, (t, batch) => this.#sweepBlobs(t, batch))
    this.#database.setDurability('now')
    this.#database.writeBlocking((transaction) => transaction.run('UPDATE collections SET owner = owner'))
    this.#database.setDurability('later')
    while (await this.#inTurn((transaction) => this.#removeDoomed(transaction))) continue
    this.#database.setDurability('now')
    const leases = await this.#eachBatch(this.#garbage.leases, ROWS, (t, batch) => this.#sweepLeases(t, batch))
    const ingests = await this.#eachBatch(this.#garbage.ingests, FILES, (t, batch) => this.#sweepIngests(t, batch))
    return { blobs, leases, images, ingests }
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
      digests: new Set(digestsInStore(transaction)),
      files: new Set(transaction.all('SELECT file FROM ingests').map((row) => textOf(row, 'file'))),
    }))
    for (const token of namesIn(this.#layout.owners)) {
      if (/^[0-9a-f]{24}$/.test(token)) isAlive(this.#layout, token)
    }
    const lostDigests = digests.filter((digest) => !known.digests.has(digest))
    const lostFiles = ingestFiles.filter((file) => !known.files.has(file))
    const blobs = await this.#eachBatch(lostDigests, FILES, (t, batch) => this.#removeLostBlobs(t, batch))
    const ingests = await this.#eachBatch(lostFiles, FILES, (t, batch) => this.#removeLostIngests(t, batch))
    return blobs.length + ingests.length
  }

  #sweepBlobs(transaction: Transaction, batch: CollectionReport['blobs']): CollectionReport['blobs'] {
    this.#lookAgain(transaction)
    const gone = batch.filter(({ namespace, digest }) => this.#garbage.reachable.get(namespace)?.has(digest) !== true)
    const digestsOf = Map.groupBy(gone, (blob) => blob.namespace)
    for (const [namespace, blobs] of digestsOf) {
      removeBlobs(
        transaction,
        namespace,
        blobs.map(({ digest }) => digest),
      )
    }
    return gone
  }

  /** Follows what was noted since the last look. */
  #lookAgain(transaction: Transaction): void {
    for (const row of transaction.all('DELETE FROM touched RETURNING namespace, kind, id')) {
      const [namespace, kind, id] = [textOf(row, 'namespace'), textOf(row, 'kind'), textOf(row, 'id')]
      const reachable = this.#garbage.reachable.get(namespace)
      // A namespace that came later has nothing to lose.
      if (reachable === undefined) continue
      const source = liveSource(transaction, namespace, this.#job.now)
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
  #removeDoomed(transaction: Transaction): boolean {
    const doomed = transaction.all(
      `SELECT digest, EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = doomed.digest) AS known
        FROM doomed ORDER BY digest LIMIT ${FILES}`,
    )
    for (const row of doomed) {
      const digest = textOf(row, 'digest')
      if (!isDigest(digest) || numberOf(row, 'known') !== 0) continue
      this.#unlink(this.#layout.blob(digest), this.#sizes.get(digest))
    }
    const last = doomed.at(-1)
    if (last === undefined) return false
    // They are read in the order of their digests.
    transaction.run('DELETE FROM doomed WHERE digest <= ?', textOf(last, 'digest'))
    return true
  }

  #sweepImages(transaction: Transaction, batch: CollectionReport['images']): CollectionReport['images'] {
    return batch.filter(({ namespace, name }) => {
      const row = transaction.get('SELECT labels FROM images WHERE namespace = ? AND name = ?', namespace, name)
      if (row === undefined || !isExpired(labelsOf(row, 'labels'), this.#job.now)) return false
      return transaction.run('DELETE FROM images WHERE namespace = ? AND name = ?', namespace, name) > 0
    })
  }

  #sweepLeases(transaction: Transaction, batch: CollectionReport['leases']): CollectionReport['leases'] {
    return batch.filter(({ namespace, id }) => {
      const row = transaction.get('SELECT labels FROM leases WHERE namespace = ? AND id = ?', namespace, id)
      if (row === undefined || !isExpired(labelsOf(row, 'labels'), this.#job.now)) return false
      return transaction.run('DELETE FROM leases WHERE namespace = ? AND id = ?', namespace, id) > 0
    })
  }

  #sweepIngests(transaction: Transaction, batch: Garbage['ingests']): Garbage['ingests'] {
    const dead = batch.filter(({ namespace, ref }) => {
      const row = transaction.get('SELECT * FROM ingests WHERE namespace = ? AND ref = ?', namespace, ref)
      if (row === undefined || !isIngestDead(transaction, this.#layout, row, this.#job.now)) return false
      removeIngest(transaction, namespace, ref)
      return true
    })
    for (const { file } of dead) this.#unlink(this.#layout.ingest(file))
    return dead
  }

  #removeLostBlobs(transaction: Transaction, batch: readonly Digest[]): readonly Digest[] {
    const lost = batch.filter((digest) => isUnknown(transaction, digest))
    for (const digest of lost) this.#unlink(this.#layout.blob(digest))
    return lost
  }

  #removeLostIngests(transaction: Transaction, batch: readonly string[]): readonly string[] {
    const lost = batch.filter((file) => transaction.get('SELECT 1 FROM ingests WHERE file = ?', file) === undefined)
    for (const file of lost) this.#unlink(this.#layout.ingest(file))
    return lost
  }

  /**
   * In this thread: a directory lets one go at a time whoever asks, so several at once would only cost more, and take
   * the process's threads for files from readers.
   */
  #unlink(path: string, knownSize?: number): void {
    try {
      const size = knownSize ?? statSync(path).size
      unlinkSync(path)
      this.freedBytes += size
    } catch (error) {
      const wrapped = fileError(path, 'remove', error)
      if (!hasErrorCode(wrapped, 'FILE_NOT_FOUND')) throw wrapped
    }
  }

  async #eachBatch<Item>(
    items: readonly Item[],
    size: number,
    work: (transaction: Transaction, batch: readonly Item[]) => readonly Item[],
  ): Promise<readonly Item[]> {
    const done: Item[] = []
    for (let start = 0; start < items.length; start += size) {
      const batch = items.slice(start, start + size)
      done.push(...(await this.#inTurn((transaction) => work(transaction, batch))))
    }
    return done
  }

  /** A batch with the database to itself, then a pause for others. */
  async #inTurn<Output>(work: (transaction: Transaction) => Output): Promise<Output> {
    const output = this.#database.writeBlocking(work)
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
