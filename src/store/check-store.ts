import { stat } from 'node:fs/promises'
import { hasErrorCode } from '../errors/index.ts'
import { type Digest, digestAlgorithm } from '../oci/index.ts'
import { abortable, Digester, readFileRange } from '../stream/index.ts'
import type { StoreContext } from './context.ts'
import { digestColumn, numberOf, textOf } from './rows.ts'

/** A blob that is not what it should be. */
export interface StoreProblem {
  readonly digest: Digest
  readonly kind: 'missing-file' | 'wrong-size' | 'wrong-digest'
}

/** What {@link checkStore} found. */
export interface StoreCheck {
  readonly blobCount: number
  readonly checkedBytes: number
  /** What SQLite says about the database; empty when it is sound. */
  readonly databaseProblems: readonly string[]
  readonly problems: readonly StoreProblem[]
}

/** Options of {@link checkStore}. */
export interface CheckStoreOptions {
  readonly signal?: AbortSignal | undefined
  /** Read every blob and hash it, instead of looking at sizes. @default false */
  readonly readBlobs?: boolean | undefined
}

/** Holds the files against the database. */
export async function checkStore(context: StoreContext, options: CheckStoreOptions = {}): Promise<StoreCheck> {
  const { signal } = options
  const { verdicts, rows } = await context.database.read(
    (transaction) => ({
      verdicts: transaction.all('PRAGMA quick_check'),
      rows: transaction.all('SELECT digest, max(size) AS size FROM blobs GROUP BY digest ORDER BY digest'),
    }),
    signal,
  )
  const databaseProblems = verdicts.map((row) => textOf(row, 'quick_check')).filter((verdict) => verdict !== 'ok')
  const problems: StoreProblem[] = []
  let checkedBytes = 0
  for (const row of rows) {
    signal?.throwIfAborted()
    const [digest, sizeBytes] = [digestColumn(row, 'digest'), numberOf(row, 'size')]
    const kind = await problemOf(context, digest, sizeBytes, options)
    if (kind === undefined) checkedBytes += sizeBytes
    // A collection may have taken it meanwhile.
    else if (await isStillKnown(context, digest)) problems.push({ digest, kind })
  }
  return { blobCount: rows.length, checkedBytes, databaseProblems, problems }
}

async function problemOf(
  { layout }: StoreContext,
  digest: Digest,
  sizeBytes: number,
  { readBlobs, signal }: CheckStoreOptions,
): Promise<StoreProblem['kind'] | undefined> {
  const path = layout.blob(digest)
  const file = await stat(path).catch(() => undefined)
  if (file === undefined) return 'missing-file'
  if (file.size !== sizeBytes) return 'wrong-size'
  if (readBlobs !== true) return undefined
  const digester = new Digester(digestAlgorithm(digest))
  try {
    for await (const chunk of abortable(readFileRange(path), signal)) digester.update(chunk)
  } catch (error) {
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return 'missing-file'
    throw error
  }
  return digester.digest() === digest ? undefined : 'wrong-digest'
}

async function isStillKnown({ database }: StoreContext, digest: Digest): Promise<boolean> {
  return database.read(
    (transaction) => transaction.get('SELECT 1 FROM blobs WHERE digest = ? LIMIT 1', digest) !== undefined,
  )
}
