import { constants, linkSync, renameSync, rmSync } from 'node:fs'
import { chmod, type FileHandle, open, rm } from 'node:fs/promises'
import { DigestMismatchError, fileError, SizeMismatchError, TareError } from '../errors/index.ts'
import {
  type CommitOptions,
  type ContentInfo,
  type ContentWriter,
  type Digest,
  digestAlgorithm,
  type IngestStatus,
  type Labels,
  parseDigest,
} from '../oci/index.ts'
import { Digester, readHandleRange } from '../stream/index.ts'
import { alreadyExists, findBlob, removeIngest, toInfo } from './blob-rows.ts'
import { type NamespaceContext, touch } from './context.ts'
import type { Transaction } from './database.ts'
import { checkedLabels } from './labels.ts'
import { syncDirectory } from './layout.ts'
import { addLeaseResource } from './leases.ts'
import { dateOf, formatLabels, numberOf, optionalTextOf, type Row, textOf } from './rows.ts'

/** Blobs are never changed. */
const BLOB_MODE = 0o444

/** Makes a blob visible in a namespace, by what it is called there. */
function insertBlob(
  transaction: Transaction,
  { namespace, leaseId, now }: NamespaceContext,
  digest: Digest,
  sizeBytes: number,
  labels: Labels,
): ContentInfo {
  const time = now()
  transaction.run(
    'INSERT INTO blobs (digest, namespace, size, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)',
    digest,
    namespace,
    sizeBytes,
    formatLabels(labels),
    time,
    time,
  )
  transaction.run('DELETE FROM doomed WHERE digest = ?', digest)
  if (leaseId !== undefined) addLeaseResource(transaction, namespace, leaseId, { type: 'content', id: digest })
  touch(transaction, namespace, 'content', digest)
  const row = findBlob(transaction, namespace, digest)
  if (row === undefined) throw new TareError('INTERNAL', `blob ${digest} vanished inside a transaction`)
  return toInfo(row)
}

/** Has the lease keep a blob that turned out to be there, and says so. */
function foundExisting(transaction: Transaction, { namespace, leaseId }: NamespaceContext, digest: Digest): boolean {
  if (findBlob(transaction, namespace, digest) === undefined) return false
  if (leaseId !== undefined) addLeaseResource(transaction, namespace, leaseId, { type: 'content', id: digest })
  touch(transaction, namespace, 'content', digest)
  return true
}

/** Writes a file under `ingests/`, which gets its place under `blobs/` when it is whole. */
export class FileWriter implements ContentWriter {
  readonly ref: string
  readonly #context: NamespaceContext
  readonly #handle: FileHandle
  readonly #path: string
  readonly #startedAt: Date
  readonly #totalBytes: number
  readonly #expected: Digest | undefined
  #updatedAt: Date
  #digester: Digester
  #state: 'open' | 'closed' = 'open'

  private constructor(context: NamespaceContext, row: Row, handle: FileHandle, path: string) {
    this.#context = context
    this.#handle = handle
    this.#path = path
    this.ref = textOf(row, 'ref')
    this.#startedAt = dateOf(row, 'started_at')
    this.#updatedAt = dateOf(row, 'updated_at')
    this.#totalBytes = numberOf(row, 'total')
    const expected = optionalTextOf(row, 'expected')
    this.#expected = expected === undefined ? undefined : parseDigest(expected)
    this.#digester = this.#freshDigester()
  }

  /**
   * Opens the file of an ingest that is taken. What lies in it is read through once, since a hash can't be taken up.
   *
   * @param isFresh - begin anew, whatever there is
   */
  static async open(
    context: NamespaceContext,
    row: Row,
    isFresh: boolean,
    signal: AbortSignal | undefined,
  ): Promise<FileWriter> {
    const path = context.layout.ingest(textOf(row, 'file'))
    const handle = await open(
      path,
      constants.O_RDWR | constants.O_CREAT | (isFresh ? constants.O_TRUNC : 0),
      0o600,
    ).catch((error: unknown) => {
      throw fileError(path, 'create', error)
    })
    const writer = new FileWriter(context, row, handle, path)
    try {
      if (!isFresh) {
        for await (const chunk of readHandleRange(handle, path)) {
          signal?.throwIfAborted()
          writer.#digester.update(chunk)
        }
      }
      return writer
    } catch (error) {
      await writer.close()
      throw error
    }
  }

  status(): IngestStatus {
    const expected = this.#expected
    return {
      ref: this.ref,
      offsetBytes: this.#digester.sizeBytes,
      totalBytes: this.#totalBytes,
      ...(expected === undefined ? {} : { expected }),
      startedAt: this.#startedAt,
      updatedAt: this.#updatedAt,
    }
  }

  digest(): Digest {
    return this.#digester.digest()
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#requireOpen()
    const position = this.#digester.sizeBytes
    // Hashed while the disk is at it.
    const writing = writeFully(this.#handle, chunk, position)
    this.#digester.update(chunk)
    this.#updatedAt = new Date(this.#context.now())
    await writing.catch(async (error: unknown) => {
      await this.#retreat(position)
      throw fileError(this.#path, 'write', error)
    })
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#requireOpen()
    if (sizeBytes !== 0) throw new TareError('INVALID_ARGUMENT', `ingest ${this.ref} can only be truncated to 0 bytes`)
    await this.#handle.truncate(0).catch((error: unknown) => {
      throw fileError(this.#path, 'write', error)
    })
    this.#digester = this.#freshDigester()
  }

  async commit({ sizeBytes, digest, labels, signal }: CommitOptions = {}): Promise<ContentInfo> {
    this.#requireOpen()
    try {
      const checked = checkedLabels(labels ?? {}, `ingest ${this.ref}`)
      const actual = this.#verify(sizeBytes, digest)
      await this.#sync()
      const info = await this.#context.database.write(
        (transaction) => this.#publish(transaction, actual, checked),
        signal,
      )
      await rm(this.#path, { force: true })
      if (info === undefined) throw alreadyExists(actual)
      await chmod(this.#context.layout.blob(actual), BLOB_MODE).catch(() => {})
      return info
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    try {
      await this.#handle.close()
      await this.#context.database.write((transaction) => {
        // After a commit there is no row any more.
        transaction.run(
          'UPDATE ingests SET owner = NULL, updated_at = ? WHERE namespace = ? AND ref = ? AND owner = ?',
          this.#context.now(),
          this.#context.namespace,
          this.ref,
          this.#context.owner().token,
        )
      })
    } finally {
      this.#context.openRefs.delete(`${this.#context.namespace}\0${this.ref}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #verify(sizeBytes: number | undefined, digest: Digest | undefined): Digest {
    const expected = digest ?? this.#expected
    const subject = `ingest ${this.ref}`
    if (sizeBytes !== undefined && this.#digester.sizeBytes !== sizeBytes) {
      throw new SizeMismatchError(subject, sizeBytes, this.#digester.sizeBytes)
    }
    const actual = this.#digester.digest()
    if (expected !== undefined && actual !== expected) throw new DigestMismatchError(subject, expected, actual)
    return actual
  }

  async #sync(): Promise<void> {
    await this.#handle.sync().catch((error: unknown) => {
      throw fileError(this.#path, 'write', error)
    })
  }

  /**
   * Gives the file its place and makes its row, both while nobody else writes to the database: a collection must not
   * find a file without a row. Undefined where the namespace has the blob.
   */
  #publish(transaction: Transaction, digest: Digest, labels: Labels): ContentInfo | undefined {
    const { layout, namespace } = this.#context
    removeIngest(transaction, namespace, this.ref)
    if (foundExisting(transaction, this.#context, digest)) return undefined
    const hasFile = transaction.get('SELECT 1 FROM blobs WHERE digest = ? LIMIT 1', digest) !== undefined
    const info = insertBlob(transaction, this.#context, digest, this.#digester.sizeBytes, labels)
    // Another namespace has it: one file serves both.
    if (!hasFile) {
      place(this.#path, layout.blob(digest))
      syncDirectory(layout.blobDirectory(digestAlgorithm(digest)))
    }
    return info
  }

  /** After a write that failed, so that the file is as long as what was hashed. */
  async #retreat(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes).catch(() => {})
    this.#digester = this.#freshDigester()
    for await (const chunk of readHandleRange(this.#handle, this.#path)) this.#digester.update(chunk)
  }

  #freshDigester(): Digester {
    return new Digester(this.#expected === undefined ? 'sha256' : digestAlgorithm(this.#expected))
  }

  #requireOpen(): void {
    if (this.#state === 'closed') throw new TareError('FAILED_PRECONDITION', `ingest ${this.ref} is closed`)
  }
}

/** What file systems without hard links say. */
const NO_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Makes a file appear under another name too, so that it can be gone on with under its own if the transaction fails.
 * What has the name belongs to nobody: a crash left it.
 */
function place(path: string, target: string): void {
  try {
    rmSync(target, { force: true })
    try {
      linkSync(path, target)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && NO_LINKS.has(error.code))) throw error
      renameSync(path, target)
    }
  } catch (error) {
    throw fileError(target, 'create', error)
  }
}

async function writeFully(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
  }
}

/** Gives a namespace a blob that another has: nothing is written. */
export class ClaimWriter implements ContentWriter {
  readonly ref: string
  readonly #context: NamespaceContext
  readonly #digest: Digest
  readonly #sizeBytes: number
  readonly #startedAt: Date
  #isOpen = true

  constructor(context: NamespaceContext, ref: string, digest: Digest, sizeBytes: number) {
    this.ref = ref
    this.#context = context
    this.#digest = digest
    this.#sizeBytes = sizeBytes
    this.#startedAt = new Date(context.now())
  }

  /** Everything is there from the start. */
  status(): IngestStatus {
    return {
      ref: this.ref,
      offsetBytes: this.#sizeBytes,
      totalBytes: this.#sizeBytes,
      expected: this.#digest,
      startedAt: this.#startedAt,
      updatedAt: this.#startedAt,
    }
  }

  digest(): Digest {
    return this.#digest
  }

  async write(): Promise<void> {
    throw new TareError('FAILED_PRECONDITION', `ingest ${this.ref} has all its bytes from another namespace`)
  }

  async truncate(): Promise<void> {
    await this.write()
  }

  async commit({ sizeBytes, digest, labels, signal }: CommitOptions = {}): Promise<ContentInfo> {
    if (!this.#isOpen) throw new TareError('FAILED_PRECONDITION', `ingest ${this.ref} is closed`)
    try {
      const checked = checkedLabels(labels ?? {}, `ingest ${this.ref}`)
      if (sizeBytes !== undefined && sizeBytes !== this.#sizeBytes) {
        throw new SizeMismatchError(`ingest ${this.ref}`, sizeBytes, this.#sizeBytes)
      }
      if (digest !== undefined && digest !== this.#digest) {
        throw new DigestMismatchError(`ingest ${this.ref}`, digest, this.#digest)
      }
      return await this.#context.database.write((transaction) => {
        if (foundExisting(transaction, this.#context, this.#digest)) throw alreadyExists(this.#digest)
        if (transaction.get('SELECT 1 FROM blobs WHERE digest = ? LIMIT 1', this.#digest) === undefined) {
          throw new TareError('BLOB_NOT_FOUND', `blob ${this.#digest} is gone from the namespace that had it`)
        }
        return insertBlob(transaction, this.#context, this.#digest, this.#sizeBytes, checked)
      }, signal)
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#context.openRefs.delete(`${this.#context.namespace}\0${this.ref}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
