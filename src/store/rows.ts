import { TareError } from '../errors/index.ts'
import { type Digest, isDigest, type Labels } from '../oci/index.ts'

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, unknown>>

/** A text column. */
export function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value === 'string') return value
  throw damaged(column)
}

/** A text column that may be null. */
export function optionalTextOf(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : textOf(row, column)
}

/** A column of bytes. */
export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (value instanceof Uint8Array) return value
  throw damaged(column)
}

/** A whole number. */
export function numberOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value === 'number') return value
  throw damaged(column)
}

/** A time in milliseconds. */
export function dateOf(row: Row, column: string): Date {
  return new Date(numberOf(row, column))
}

/** A digest. */
export function digestColumn(row: Row, column: string): Digest {
  const value = row[column]
  if (isDigest(value)) return value
  throw damaged(column)
}

/** A column of labels or annotations. */
export function labelsOf(row: Row, column: string): Labels {
  const text = textOf(row, column)
  return text === '{}' ? {} : parseLabels(text)
}

/** Parses what {@link formatLabels} wrote. */
export function parseLabels(text: string): Labels {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw damaged('labels')
  // The cast holds: only formatLabels writes these columns.
  return value as Labels
}

/** Labels for their column. */
export function formatLabels(labels: Labels): string {
  return JSON.stringify(labels)
}

function damaged(column: string): TareError {
  return new TareError('STORE_DAMAGED', `database: column ${column} holds something else than it should`)
}
