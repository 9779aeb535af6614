import { randomBytes } from 'node:crypto'
import { TareError } from '../errors/index.ts'
import { isDigest, type Labels } from '../oci/index.ts'
import { type NamespaceContext, touch } from './context.ts'
import type { Transaction } from './database.ts'
import { type FieldReader, labelField, parseFilters } from './filter/index.ts'
import { checkedLabels } from './labels.ts'
import { dateOf, formatLabels, labelsOf, type Row, textOf } from './rows.ts'

/** Label on a lease: when it ends, RFC 3339. What is no such time means never. */
export const EXPIRE_LABEL = 'containerd.io/gc.expire'
/** Label on a lease: it keeps just what it names, not what that refers to. */
export const FLAT_LABEL = 'containerd.io/gc.flat'

/** Keeps things alive while something is done with them. */
export interface Lease {
  readonly id: string
  readonly createdAt: Date
  readonly labels: Labels
}

/** One thing that a lease keeps. */
export interface LeaseResource {
  /** `content` by digest, `ingests` by ref, `snapshots/NAME` by key. */
  readonly type: string
  readonly id: string
}

/** What a new lease is to be. */
export interface NewLease {
  /** @default a fresh one */
  readonly id?: string | undefined
  readonly labels?: Labels | undefined
  /** Milliseconds until it ends by itself. @default never */
  readonly expiresInMs?: number | undefined
}

/** Options of the calls. */
export interface LeaseOptions {
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link LeaseManager.delete}. */
export interface DeleteLeaseOptions extends LeaseOptions {
  /** Wait for a collection. @default false */
  readonly synchronous?: boolean | undefined
}

/** The leases of one namespace. */
export interface LeaseManager {
  /** @throws {TareError} `ALREADY_EXISTS`, `INVALID_ARGUMENT` */
  create(lease?: NewLease, options?: LeaseOptions): Promise<Lease>
  /** Leases that any of the filters picks, by id; fields are `id` and `labels.KEY`. @throws {TareError} `INVALID_ARGUMENT` */
  list(filters?: readonly string[], options?: LeaseOptions): Promise<readonly Lease[]>
  /** @throws {TareError} `NOT_FOUND` */
  delete(id: string, options?: DeleteLeaseOptions): Promise<void>
  /** @throws {TareError} `NOT_FOUND`, `INVALID_ARGUMENT` for a type that is not known */
  addResource(id: string, resource: LeaseResource, options?: LeaseOptions): Promise<void>
  /** @throws {TareError} `NOT_FOUND` for the lease; a resource it does not have is none to delete */
  deleteResource(id: string, resource: LeaseResource, options?: LeaseOptions): Promise<void>
  /** @throws {TareError} `NOT_FOUND` */
  listResources(id: string, options?: LeaseOptions): Promise<readonly LeaseResource[]>
}

const MAX_ID_BYTES = 1024

/** The leases in the store's database. */
export class LocalLeases implements LeaseManager {
  readonly #context: NamespaceContext

  constructor(context: NamespaceContext) {
    this.#context = context
  }

  async create(lease: NewLease = {}, { signal }: LeaseOptions = {}): Promise<Lease> {
    const now = this.#context.now()
    const id = lease.id ?? `${BigInt(now) * 1_000_000n}-${randomBytes(3).toString('base64url')}`
    if (id === '' || Buffer.byteLength(id) > MAX_ID_BYTES || /\p{Cc}/u.test(id)) {
      throw new TareError('INVALID_ARGUMENT', `lease ${JSON.stringify(id.slice(0, 80))} has no proper id`)
    }
    const expiry =
      lease.expiresInMs === undefined ? {} : { [EXPIRE_LABEL]: new Date(now + lease.expiresInMs).toISOString() }
    const labels = checkedLabels({ ...lease.labels, ...expiry }, `lease ${id}`)
    await this.#context.database.write((transaction) => {
      const made = transaction.run(
        'INSERT OR IGNORE INTO leases VALUES (?, ?, ?, ?)',
        this.#context.namespace,
        id,
        formatLabels(labels),
        now,
      )
      if (made === 0) throw new TareError('ALREADY_EXISTS', `lease ${id} is there already`)
    }, signal)
    return { id, createdAt: new Date(now), labels }
  }

  async list(filters: readonly string[] = [], { signal }: LeaseOptions = {}): Promise<readonly Lease[]> {
    const filter = parseFilters(filters)
    const rows = await this.#context.database.read(
      (transaction) =>
        transaction.all(
          'SELECT id, labels, created_at FROM leases WHERE namespace = ? ORDER BY id',
          this.#context.namespace,
        ),
      signal,
    )
    return rows.map(toLease).filter((lease) => filter.matches(fieldsOf(lease)))
  }

  async delete(id: string, { signal, synchronous }: DeleteLeaseOptions = {}): Promise<void> {
    await this.#context.database.write((transaction) => {
      const gone = transaction.run('DELETE FROM leases WHERE namespace = ? AND id = ?', this.#context.namespace, id)
      if (gone === 0) throw noLease(id)
    }, signal)
    if (synchronous === true) await this.#context.collect(signal)
  }

  async addResource(id: string, resource: LeaseResource, { signal }: LeaseOptions = {}): Promise<void> {
    checkResource(resource)
    await this.#context.database.write((transaction) => {
      addLeaseResource(transaction, this.#context.namespace, id, resource)
    }, signal)
  }

  async deleteResource(id: string, resource: LeaseResource, { signal }: LeaseOptions = {}): Promise<void> {
    checkResource(resource)
    await this.#context.database.write((transaction) => {
      requireLease(transaction, this.#context.namespace, id)
      transaction.run(
        'DELETE FROM lease_resources WHERE namespace = ? AND lease = ? AND type = ? AND id = ?',
        this.#context.namespace,
        id,
        resource.type,
        resource.id,
      )
    }, signal)
  }

  async listResources(id: string, { signal }: LeaseOptions = {}): Promise<readonly LeaseResource[]> {
    return this.#context.database.readAtOnce((transaction) => {
      requireLease(transaction, this.#context.namespace, id)
      const rows = transaction.all(
        'SELECT type, id FROM lease_resources WHERE namespace = ? AND lease = ? ORDER BY type, id',
        this.#context.namespace,
        id,
      )
      return rows.map((row) => ({ type: textOf(row, 'type'), id: textOf(row, 'id') }))
    }, signal)
  }
}

/** Has a lease keep something. @throws {TareError} `NOT_FOUND` when the lease is gone */
export function addLeaseResource(
  transaction: Transaction,
  namespace: string,
  lease: string,
  resource: LeaseResource,
): void {
  requireLease(transaction, namespace, lease)
  transaction.run(
    'INSERT OR IGNORE INTO lease_resources VALUES (?, ?, ?, ?)',
    namespace,
    lease,
    resource.type,
    resource.id,
  )
  touch(transaction, namespace, 'lease', lease)
}

function requireLease(transaction: Transaction, namespace: string, id: string): void {
  if (transaction.get('SELECT 1 FROM leases WHERE namespace = ? AND id = ?', namespace, id) === undefined) {
    throw noLease(id)
  }
}

function noLease(id: string): TareError {
  return new TareError('NOT_FOUND', `lease ${JSON.stringify(id.slice(0, 160))} is not in the store`, {
    hint: 'It may have ended, or been deleted',
  })
}

function checkResource({ type, id }: LeaseResource): void {
  const isKnown = type === 'content' || type === 'ingests' || /^snapshots\/./.test(type)
  if (!isKnown) {
    throw new TareError('INVALID_ARGUMENT', `resource type ${JSON.stringify(type.slice(0, 80))} is unknown`, {
      hint: 'There are content, ingests and snapshots/NAME',
    })
  }
  if (id === '' || (type === 'content' && !isDigest(id))) {
    throw new TareError('INVALID_ARGUMENT', `resource ${JSON.stringify(id.slice(0, 160))} is no ${type}`)
  }
}

/** When a lease ends; undefined for never. */
export function expiryOf(labels: Labels): number | undefined {
  const text = Object.hasOwn(labels, EXPIRE_LABEL) ? labels[EXPIRE_LABEL] : undefined
  if (text === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text))
    return undefined
  const time = Date.parse(text.replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(time) ? undefined : time
}

function toLease(row: Row): Lease {
  return { id: textOf(row, 'id'), createdAt: dateOf(row, 'created_at'), labels: labelsOf(row, 'labels') }
}

function fieldsOf({ id, labels }: Lease): FieldReader {
  return (path) => (path[0] === 'id' ? id : path[0] === 'labels' ? labelField(labels, path) : undefined)
}
