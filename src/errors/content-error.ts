import { TareError } from './tare-error.ts'

/** Bytes do not hash to the digest they were announced with. Code `DIGEST_MISMATCH`. */
export class DigestMismatchError extends TareError {
  override readonly name = 'DigestMismatchError'
  readonly expected: string
  readonly actual: string

  /** @param subject - what was read, with its side: `source blob`, `baseline layer`, … */
  constructor(subject: string, expected: string, actual: string) {
    super('DIGEST_MISMATCH', `${subject}: expected ${expected}, computed ${actual}`, {
      hint: 'Fetch it again; if it repeats, the side named above holds corrupt bytes',
    })
    this.expected = expected
    this.actual = actual
  }
}

/** A stream ended early or went on too long. Code `SIZE_MISMATCH`. */
export class SizeMismatchError extends TareError {
  override readonly name = 'SizeMismatchError'
  readonly expectedBytes: number
  /** Bytes that arrived; for a stream that went on too long, how many were read before it was stopped. */
  readonly actualBytes: number

  constructor(subject: string, expectedBytes: number, actualBytes: number) {
    const relation = actualBytes > expectedBytes ? 'at least ' : ''
    super('SIZE_MISMATCH', `${subject}: expected ${expectedBytes} bytes, got ${relation}${actualBytes}`, {
      hint: 'The transfer was cut off, or the descriptor is wrong; try again',
    })
    this.expectedBytes = expectedBytes
    this.actualBytes = actualBytes
  }
}

/** One fault in a JSON document. */
export interface DocumentProblem {
  /** Where: `$.layers[2].digest`. */
  readonly path: string
  /** What is wrong there, without a final period. */
  readonly message: string
}

/** A document breaks its specification; every problem found is listed. Code `INVALID_DOCUMENT`. */
export class InvalidDocumentError extends TareError {
  override readonly name = 'InvalidDocumentError'
  readonly problems: readonly DocumentProblem[]

  /** @param subject - which document: `manifest sha256:…`, `index.json of FILE` */
  constructor(subject: string, problems: readonly DocumentProblem[]) {
    const shown = problems.slice(0, 8).map((problem) => `${problem.path}: ${problem.message}`)
    const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : ''
    super('INVALID_DOCUMENT', `${subject} is not valid: ${shown.join('; ')}${more}`)
    this.problems = problems
  }
}
