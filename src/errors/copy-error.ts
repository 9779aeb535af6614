import { hasErrorCode, isTareError, TareError } from './tare-error.ts'

/** The end of a transfer that failed. */
export type Side = 'source' | 'destination' | 'baseline' | 'target' | 'delta'

/**
 * A transfer failed; tells which side and which blob, and keeps code, category and hint of the cause.
 */
export class CopyError extends TareError {
  override readonly name = 'CopyError'
  readonly side: Side
  readonly digest: string | undefined

  private constructor(side: Side, digest: string | undefined, cause: TareError) {
    super(cause.code, `${side}${digest === undefined ? '' : ` ${digest}`}: ${cause.message}`, {
      cause,
      hint: cause.hint,
    })
    this.side = side
    this.digest = digest
  }

  /**
   * Wraps `cause` with the side and digest. An abort, and an error that already names its side, pass unchanged;
   * so does a programming error, which has no side.
   */
  static at(side: Side, digest: string | undefined, cause: unknown): unknown {
    if (!isTareError(cause) || cause instanceof CopyError || hasErrorCode(cause, 'INTERNAL')) return cause
    return new CopyError(side, digest, cause)
  }
}
