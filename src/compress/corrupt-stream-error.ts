import { TareError } from '../errors/index.ts'

/** A compressed stream is damaged or cut off. Code `CORRUPT_GZIP` or `CORRUPT_ZSTD`. */
export class CorruptStreamError extends TareError {
  override readonly name = 'CorruptStreamError'
  /** Whether all there is of it is sound, and more should follow. */
  readonly isCutOff: boolean

  /** @param message - starts with the stream */
  constructor(
    code: 'CORRUPT_GZIP' | 'CORRUPT_ZSTD',
    message: string,
    facts: { readonly isCutOff?: boolean | undefined; readonly cause?: unknown },
  ) {
    super(code, message, { cause: facts.cause, hint: 'The bytes are damaged or incomplete; fetch them again' })
    this.isCutOff = facts.isCutOff === true
  }
}
