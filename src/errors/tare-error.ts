import { ERROR_CATALOGUE, type ErrorCategory, type ErrorCode } from './catalogue.ts'

/** Survives two copies of the package in one process, where `instanceof` would not. */
const BRAND = Symbol.for('tare.error')

/** Optional parts of a {@link TareError}. */
export interface TareErrorOptions {
  /** What the user can do next: one sentence without a final period. */
  readonly hint?: string | undefined
  /** The error that was caught. */
  readonly cause?: unknown
}

/**
 * The root of every error that Tare raises on purpose. `code` is stable and documented in `docs/errors.md`;
 * `category` follows from it. The message starts with its subject and never holds a secret.
 */
export class TareError extends Error {
  override readonly name: string = 'TareError'
  readonly code: ErrorCode
  readonly category: ErrorCategory
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: TareErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.category = ERROR_CATALOGUE[code].category
    this.hint = options.hint
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** Whether `error` is a {@link TareError}, also one made by another copy of the package. */
export function isTareError(error: unknown): error is TareError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true
}

/** Whether `error` is a {@link TareError} with one of the given codes. */
export function hasErrorCode(error: unknown, ...codes: readonly ErrorCode[]): error is TareError {
  return isTareError(error) && codes.includes(error.code)
}
