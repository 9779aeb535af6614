import type { ErrorCode } from './catalogue.ts'
import { isTareError } from './tare-error.ts'

/**
 * The classes that container engines sort errors into; each has a status of its own in gRPC.
 *
 * @see https://grpc.io/docs/guides/status-codes/
 */
export type ErrorClass =
  | 'cancelled'
  | 'unknown'
  | 'invalid-argument'
  | 'deadline-exceeded'
  | 'not-found'
  | 'already-exists'
  | 'failed-precondition'
  | 'not-implemented'
  | 'unavailable'

const STATUS: Readonly<Record<ErrorClass, number>> = {
  cancelled: 1,
  unknown: 2,
  'invalid-argument': 3,
  'deadline-exceeded': 4,
  'not-found': 5,
  'already-exists': 6,
  'failed-precondition': 9,
  'not-implemented': 12,
  unavailable: 14,
}

const CLASSES: Readonly<Partial<Record<ErrorCode, ErrorClass>>> = {
  INVALID_ARGUMENT: 'invalid-argument',
  INVALID_REFERENCE: 'invalid-argument',
  INVALID_DIGEST: 'invalid-argument',
  NOT_FOUND: 'not-found',
  BLOB_NOT_FOUND: 'not-found',
  FILE_NOT_FOUND: 'not-found',
  NO_MATCHING_PLATFORM: 'not-found',
  ALREADY_EXISTS: 'already-exists',
  DESTINATION_EXISTS: 'already-exists',
  FAILED_PRECONDITION: 'failed-precondition',
  DIGEST_MISMATCH: 'failed-precondition',
  SIZE_MISMATCH: 'failed-precondition',
  NOT_IMPLEMENTED: 'not-implemented',
  UNAVAILABLE: 'unavailable',
  NETWORK: 'unavailable',
}

/** Errors wrapped deeper than this are not looked at. */
const MAX_CAUSES = 32

/** The class of an error, or of the nearest cause of it that has one. */
export function errorClass(error: unknown): ErrorClass {
  let at = error
  for (let depth = 0; depth < MAX_CAUSES && at !== undefined && at !== null; depth++) {
    const own = ownClass(at)
    if (own !== undefined) return own
    at = at instanceof Error ? at.cause : undefined
  }
  return 'unknown'
}

function ownClass(error: unknown): ErrorClass | undefined {
  if (isTareError(error)) return CLASSES[error.code]
  if (!(error instanceof Error)) return undefined
  if (error.name === 'AbortError') return 'cancelled'
  return error.name === 'TimeoutError' ? 'deadline-exceeded' : undefined
}

/** The gRPC status of a class. */
export function statusOfClass(kind: ErrorClass): number {
  return STATUS[kind]
}

/** The class of a gRPC status; `unknown` for those that no class has. */
export function classOfStatus(status: number): ErrorClass {
  const found = Object.entries(STATUS).find(([, code]) => code === status)
  // The cast holds: the keys of the table are the classes.
  return found === undefined ? 'unknown' : (found[0] as ErrorClass)
}
