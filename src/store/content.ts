import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import {
  type ContentInfo,
  type ContentOptions,
  type ContentRange,
  type ContentReader,
  type ContentStore,
  type ContentWriter,
  type Descriptor,
  type Digest,
  type IngestStatus,
  type Labels,
  parseDigest,
  type WriterOptions,
} from '../oci/index.ts'
import { abortable, type ByteSource, readHandleRange } from '../stream/index.ts'
import { alreadyExists, BLOB_COLUMNS, findBlob, removeBlob, removeIngest, toInfo } from './blob-rows.ts'
import { type NamespaceContext, touch } from './context.ts'
import type { Transaction } from './database.ts'
import { type FieldReader, type Filter, labelField, parseFilters } from './filter/index.ts'
import { checkedLabels, isWithin, mergedLabels, unknownPath } from './labels.ts'
import { ingestFile } from './layout.ts'
import { addLeaseResource } from './leases.ts'
import { isAlive } from './owner.ts'
import { dateOf, formatLabels, numberOf, optionalTextOf, type Row, textOf } from './rows.ts'
import { UNCOMPRESSED_EXPRESSION, UNCOMPRESSED_LABEL } from './schema.ts'
import { ClaimWriter, FileWriter } from './writer.ts'

/** How often a ref that somebody else writes is tried before it counts as unavailable. */
const LOCK_TRIES = 10
const LOCK_PAUSE_MS = 10
/** How long an ingest that no lease keeps is kept. */
const INGEST_EXPIRY_MS = 24 * 60 * 60 * 1000
const MAX_REF_BYTES = 4096
/** Rows fetched at a time while listing. */
const PAGE_ROWS = 1000

/** The blobs of one namespace: bytes in files, everything else in the store's database. */
export class LocalContent implements ContentStore {
  readonly #context: NamespaceContext

  constructor(context: NamespaceContext) {
    this.#context = context
  }

  async openReader({ digest }: Pick<Descriptor, 'digest'>, { signal }: ContentOptions = {}): Promise<ContentReader> {
    const { sizeBytes } = await this.info(digest, { signal })
    const path = this.#context.layout.blob(digest)
    const handle = await open(path, 'r').catch(async (error: unknown) => {
      // A collection may have come between.
      await this.info(digest, { signal })
      throw missingFile(digest, fileError(path, 'read', error))
    })
    return new FileReader(handle, path, sizeBytes, signal)
  }

  async info(digest: Digest, { signal }: ContentOptions = {}): Promise<ContentInfo> {
    parseDigest(digest)
    return this.#context.database.read((transaction) => this.#require(transaction, digest), signal)
  }

  async updateLabels(
    digest: Digest,
    labels: Labels,
    fieldPaths: readonly string[] = [],
    { signal }: ContentOptions = {},
  ): Promise<ContentInfo> {
    const subject = `blob ${parseDigest(digest)}`
    for (const path of fieldPaths) if (!isWithin('labels', path)) throw unknownPath(path, 'a blob')
    const paths = fieldPaths.length === 0 ? ['labels'] : fieldPaths
    return this.#context.database.write((transaction) => {
      const before = this.#require(transaction, digest)
      const merged = checkedLabels(mergedLabels(before.labels, labels, 'labels', paths), subject)
      const now = this.#context.now()
      transaction.run(
        'UPDATE blobs SET labels = ?, updated_at = ? WHERE digest = ? AND namespace = ?',
        formatLabels(merged),
        now,
        digest,
        this.#context.namespace,
      )
      touch(transaction, this.#context.namespace, 'content', digest)
      return { ...before, labels: merged, updatedAt: new Date(now) }
    }, signal)
  }

  /** Pages through the database, so that no list has to fit in memory; what changes meanwhile may be seen or not. */
  async *list(filters: readonly string[] = [], { signal }: ContentOptions = {}): AsyncIterable<ContentInfo> {
    const filter = parseFilters(filters)
    const { condition, values } = narrowing(filter, this.#context.namespace)
    let last = ''
    for (;;) {
      const rows = await this.#context.database.read(
        (transaction) =>
          transaction.all(
            `SELECT ${BLOB_COLUMNS} FROM blobs WHERE namespace = ? AND digest > ?${condition} ORDER BY digest LIMIT ${PAGE_ROWS}`,
            this.#context.namespace,
            last,
            ...values,
          ),
        signal,
      )
      const found = rows.map(toInfo)
      for (const info of found) if (filter.matches(fieldsOf(info))) yield info
      if (found.length < PAGE_ROWS) return
      last = found.at(-1)?.digest ?? last
    }
  }

  /** Takes the blob from the namespace. Its bytes go with the next collection. */
  async delete(digest: Digest, { signal }: ContentOptions = {}): Promise<void> {
    parseDigest(digest)
    await this.#context.database.write((transaction) => {
      this.#require(transaction, digest)
      removeBlob(transaction, this.#context.namespace, digest)
    }, signal)
  }

  async openWriter(ref: string, options: WriterOptions = {}): Promise<ContentWriter> {
    if (ref === '' || Buffer.byteLength(ref) > MAX_REF_BYTES) {
      throw new TareError('INVALID_ARGUMENT', `ref ${JSON.stringify(ref.slice(0, 80))} is empty or too long`)
    }
    const { signal, expected } = options
    if (expected?.digest !== undefined) parseDigest(expected.digest)
    for (let tries = 1; ; tries++) {
      const opened = await this.#tryOpen(ref, options)
      if (opened !== undefined) return opened
      if (tries === LOCK_TRIES) {
        throw new TareError('UNAVAILABLE', `ingest ${JSON.stringify(ref.slice(0, 300))} is being written by another`, {
          hint: 'Wait until it has ended, and try again',
        })
      }
      await wait(LOCK_PAUSE_MS * (0.5 + Math.random()), undefined, { signal }).catch((error: unknown) => {
        signal?.throwIfAborted()
        throw error
      })
    }
  }

  async status(ref: string, { signal }: ContentOptions = {}): Promise<IngestStatus> {
    const row = await this.#context.database.read(
      (transaction) =>
        transaction.get('SELECT * FROM ingests WHERE namespace = ? AND ref = ?', this.#context.namespace, ref),
      signal,
    )
    if (row === undefined) throw noIngest(ref)
    return this.#statusOf(row)
  }

  async listStatuses(
    filters: readonly string[] = [],
    { signal }: ContentOptions = {},
  ): Promise<readonly IngestStatus[]> {
    const filter = parseFilters(filters)
    const rows = await this.#context.database.read(
      (transaction) =>
        transaction.all('SELECT * FROM ingests WHERE namespace = ? ORDER BY ref', this.#context.namespace),
      signal,
    )
    const picked = rows.filter((row) => filter.matches((path) => (path[0] === 'ref' ? textOf(row, 'ref') : undefined)))
    return Promise.all(picked.map((row) => this.#statusOf(row)))
  }

  async abort(ref: string, { signal }: ContentOptions = {}): Promise<void> {
    const file = await this.#context.database.write((transaction) => {
      const row = transaction.get(
        'SELECT file, owner FROM ingests WHERE namespace = ? AND ref = ?',
        this.#context.namespace,
        ref,
      )
      if (row === undefined) throw noIngest(ref)
      if (this.#isWritten(ref, optionalTextOf(row, 'owner'))) {
        throw new TareError('UNAVAILABLE', `ingest ${JSON.stringify(ref.slice(0, 300))} is being written`)
      }
      removeIngest(transaction, this.#context.namespace, ref)
      return textOf(row, 'file')
    }, signal)
    // After the row: a crash in between leaves a file that nobody knows, which a collection removes.
    await rm(this.#context.layout.ingest(file), { force: true })
  }

  /** One try; undefined while another has the ref. */
  async #tryOpen(ref: string, { expected, signal }: WriterOptions): Promise<ContentWriter | undefined> {
    const { namespace, openRefs } = this.#context
    const key = `${namespace}\0${ref}`
    if (openRefs.has(key)) return undefined
    const owner = this.#context.owner().token
    // Before anything is awaited, or a second call could come between.
    openRefs.add(key)
    try {
      const taken = await this.#context.database.write(
        (transaction) => this.#checkExpected(transaction, expected) ?? this.#take(transaction, ref, owner, expected),
        signal,
      )
      switch (taken?.kind) {
        case undefined:
          openRefs.delete(key)
          return undefined
        case 'exists':
          throw alreadyExists(expected?.digest)
        case 'claim':
          return new ClaimWriter(this.#context, ref, taken.digest, taken.sizeBytes)
        case 'file':
          return await FileWriter.open(this.#context, taken.row, taken.isFresh, signal)
      }
    } catch (error) {
      openRefs.delete(key)
      throw error
    }
  }

  /** Whether what is to be written is here, or may be claimed from another namespace. */
  #checkExpected(transaction: Transaction, expected: WriterOptions['expected']): Taken | undefined {
    const digest = expected?.digest
    if (digest === undefined) return undefined
    const { namespace, leaseId, sharing } = this.#context
    if (findBlob(transaction, namespace, digest) !== undefined) {
      if (leaseId !== undefined) addLeaseResource(transaction, namespace, leaseId, { type: 'content', id: digest })
      return { kind: 'exists' }
    }
    const elsewhere = transaction.get('SELECT size FROM blobs WHERE digest = ? LIMIT 1', digest)
    if (elsewhere === undefined || sharing !== 'shared') return undefined
    const sizeBytes = numberOf(elsewhere, 'size')
    return sizeBytes === expected?.size ? { kind: 'claim', digest, sizeBytes } : undefined
  }

  #take(transaction: Transaction, ref: string, owner: string, expected: WriterOptions['expected']): Taken | undefined {
    const { namespace, leaseId } = this.#context
    const find = (): Row | undefined =>
      transaction.get('SELECT * FROM ingests WHERE namespace = ? AND ref = ?', namespace, ref)
    const before = find()
    // Our own open refs were looked at already, so a row of our own is of a writer that was closed.
    const heldBy = before === undefined ? undefined : optionalTextOf(before, 'owner')
    if (heldBy !== undefined && heldBy !== owner && isAlive(this.#context.layout, heldBy)) return undefined
    const now = this.#context.now()
    const totalBytes = expected?.size ?? 0
    const isFresh = before === undefined || (totalBytes > 0 && numberOf(before, 'total') !== totalBytes)
    transaction.run(
      `INSERT INTO ingests (namespace, ref, file, total, expected, owner, started_at, updated_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET owner = excluded.owner, updated_at = excluded.updated_at,
          total = iif(excluded.total > 0, excluded.total, total), expected = coalesce(excluded.expected, expected),
          expires_at = excluded.expires_at`,
      namespace,
      ref,
      ingestFile(namespace, ref),
      totalBytes,
      expected?.digest ?? null,
      owner,
      now,
      now,
      leaseId === undefined ? now + INGEST_EXPIRY_MS : null,
    )
    if (leaseId !== undefined) addLeaseResource(transaction, namespace, leaseId, { type: 'ingests', id: ref })
    const row = find()
    if (row === undefined) throw new TareError('INTERNAL', `ingest ${ref} vanished inside a transaction`)
    return { kind: 'file', row, isFresh }
  }

  /** Whether a writer has the ref open: one of ours, or one of a process that lives. */
  #isWritten(ref: string, owner: string | undefined): boolean {
    if (owner === undefined) return false
    if (owner === this.#context.owner().token) return this.#context.openRefs.has(`${this.#context.namespace}\0${ref}`)
    return isAlive(this.#context.layout, owner)
  }

  async #statusOf(row: Row): Promise<IngestStatus> {
    const path = this.#context.layout.ingest(textOf(row, 'file'))
    const file = await stat(path).catch(() => undefined)
    const expected = optionalTextOf(row, 'expected')
    return {
      ref: textOf(row, 'ref'),
      offsetBytes: file?.size ?? 0,
      totalBytes: numberOf(row, 'total'),
      ...(expected === undefined ? {} : { expected: parseDigest(expected) }),
      startedAt: dateOf(row, 'started_at'),
      updatedAt: new Date(Math.max(file?.mtimeMs ?? 0, numberOf(row, 'updated_at'))),
    }
  }

  #require(transaction: Transaction, digest: Digest): ContentInfo {
    const row = findBlob(transaction, this.#context.namespace, digest)
    if (row !== undefined) return toInfo(row)
    throw new TareError('BLOB_NOT_FOUND', `blob ${digest} is not in the store`)
  }
}

function missingFile(digest: Digest, error: unknown): unknown {
  if (!hasErrorCode(error, 'FILE_NOT_FOUND')) return error
  return new TareError('STORE_DAMAGED', `blob ${digest} has no file in the store`, {
    cause: error,
    hint: 'Delete the blob and fetch it again',
  })
}

/** What became of a ref that was asked for. */
type Taken =
  /** The namespace has the blob. */
  | { readonly kind: 'exists' }
  /** Another namespace has it, and it may be claimed. */
  | { readonly kind: 'claim'; readonly digest: Digest; readonly sizeBytes: number }
  | { readonly kind: 'file'; readonly row: Row; readonly isFresh: boolean }

/** A blob's file, open. */
class FileReader implements ContentReader {
  readonly sizeBytes: number
  readonly #handle: FileHandle
  readonly #path: string
  readonly #signal: AbortSignal | undefined

  constructor(handle: FileHandle, path: string, sizeBytes: number, signal: AbortSignal | undefined) {
    this.#handle = handle
    this.#path = path
    this.sizeBytes = sizeBytes
    this.#signal = signal
  }

  read({ offset = 0, length = Number.POSITIVE_INFINITY }: ContentRange = {}): ByteSource {
    const rest = Math.max(0, this.sizeBytes - offset)
    const range = { offset, length: Math.min(length, rest) }
    return abortable(readHandleRange(this.#handle, this.#path, range), this.#signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

function noIngest(ref: string): TareError {
  return new TareError('NOT_FOUND', `ingest ${JSON.stringify(ref.slice(0, 300))} is not in the store`)
}

function fieldsOf({ digest, labels }: ContentInfo): FieldReader {
  return (path) => (path[0] === 'digest' ? digest : path[0] === 'labels' ? labelField(labels, path) : undefined)
}

/** What SQL may look for: digests, and compressed twins of plain layers. The filter itself decides in the end. */
function narrowing(
  filter: Filter,
  namespace: string,
): { readonly condition: string; readonly values: readonly string[] } {
  const found = filter.alternatives.map((selectors) => {
    for (const { fieldPath, operator, value } of selectors) {
      if (operator !== '==') continue
      const [field, ...key] = fieldPath
      if (field === 'digest' && key.length === 0) return { condition: 'digest = ?', values: [value] }
      if (field === 'labels' && key.join('.') === UNCOMPRESSED_LABEL) {
        return { condition: BY_UNCOMPRESSED, values: [value, namespace] }
      }
    }
    return undefined
  })
  const all = found.filter((one) => one !== undefined)
  if (all.length < found.length || all.length > MAX_LOOKUPS) return { condition: '', values: [] }
  return {
    condition: ` AND (${all.map(({ condition }) => condition).join(' OR ')})`,
    values: all.flatMap(({ values }) => values),
  }
}

// Left to itself SQLite would rather read the whole namespace in the order of the digests.
const BY_UNCOMPRESSED = `digest IN (SELECT digest FROM blobs INDEXED BY blobs_by_uncompressed
  WHERE ${UNCOMPRESSED_EXPRESSION} = ? AND namespace = ?)`
/** More alternatives than this are not looked up one by one. */
const MAX_LOOKUPS = 100
