import { TareError } from '../errors/index.ts'

/** Primary result codes. @see https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

interface SqliteError extends Error {
  readonly errcode: number
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}

function primaryCode(error: unknown): number | undefined {
  return isSqliteError(error) ? error.errcode & 0xff : undefined
}

/** Whether somebody else has the database, and it is worth trying again. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === BUSY || code === LOCKED
}

/**
 * Turns an error of SQLite into one of ours that names the file; anything else is returned as it is.
 *
 * @param path - the database
 */
export function databaseError(path: string, cause: unknown): unknown {
  switch (primaryCode(cause) ?? 0) {
    case FULL:
      return new TareError('DISK_FULL', `${path}: no space left`, {
        cause,
        hint: 'Free some space there; tare gc removes what no image needs',
      })
    case READONLY:
    case IOERR:
    case CANTOPEN:
      return new TareError('FILE_ACCESS', `${path}: cannot use the database (${messageOf(cause)})`, { cause })
    case CORRUPT:
    case NOTADB:
      return new TareError('STORE_DAMAGED', `${path} is damaged: ${messageOf(cause)}`, {
        cause,
        hint: 'Blobs are beside it under blobs/; put the database back from a copy, or start a new store',
      })
    case BUSY:
    case LOCKED:
      return new TareError('UNAVAILABLE', `${path} is kept busy by other processes`, {
        cause,
        hint: 'Try again when they have ended',
      })
    default:
      return cause
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
