import { TareError } from '../errors/index.ts'
import type { ContentInfo, Digest } from '../oci/index.ts'
import type { Transaction } from './database.ts'
import { dateOf, digestColumn, labelsOf, numberOf, type Row } from './rows.ts'

/** The columns that {@link toInfo} reads. */
export const BLOB_COLUMNS = 'digest, size, labels, created_at, updated_at'

/** The row of a blob in a namespace. */
export function findBlob(transaction: Transaction, namespace: string, digest: Digest): Row | undefined {
  return transaction.get(`SELECT ${BLOB_COLUMNS} FROM blobs WHERE digest = ? AND namespace = ?`, digest, namespace)
}

/** Takes a blob from a namespace; where none has it any more its file is to go. */
export function removeBlob(transaction: Transaction, namespace: string, digest: string): void {
  transaction.run('DELETE FROM blobs WHERE digest = ? AND namespace = ?', digest, namespace)
  transaction.run(
    'INSERT OR IGNORE INTO doomed SELECT ? WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)',
    digest,
    digest,
  )
}

/** Like {@link removeBlob}, many at a time: statements for each would take longer than all the rest. */
export function removeBlobs(transaction: Transaction, namespace: string, digests: readonly string[]): void {
  const list = JSON.stringify(digests)
  transaction.run(
    'DELETE FROM blobs WHERE namespace = ? AND digest IN (SELECT value FROM json_each(?))',
    namespace,
    list,
  )
  transaction.run(
    `INSERT OR IGNORE INTO doomed SELECT value FROM json_each(?)
      WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE digest = value)`,
    list,
  )
}

/** Forgets an ingest, also in leases. */
export function removeIngest(transaction: Transaction, namespace: string, ref: string): void {
  transaction.run('DELETE FROM ingests WHERE namespace = ? AND ref = ?', namespace, ref)
  transaction.run("DELETE FROM lease_resources WHERE namespace = ? AND type = 'ingests' AND id = ?", namespace, ref)
}

/** The error for a blob that is there already. */
export function alreadyExists(digest: Digest | undefined): TareError {
  return new TareError('ALREADY_EXISTS', `blob ${digest} is in the store already`)
}

/** A row of blobs. */
export function toInfo(row: Row): ContentInfo {
  return {
    digest: digestColumn(row, 'digest'),
    sizeBytes: numberOf(row, 'size'),
    createdAt: dateOf(row, 'created_at'),
    updatedAt: dateOf(row, 'updated_at'),
    labels: labelsOf(row, 'labels'),
  }
}
