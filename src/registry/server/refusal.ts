import { hasErrorCode, InvalidDocumentError } from '../../errors/index.ts'
import { type Reply, type ReplyHeaders, jsonReply } from './reply.ts'

/**
 * Codes of the specification; `TAG_INVALID` is Docker's, which the specification leaves optional, and `UNKNOWN` goes
 * with 5xx only.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
 */
export type RefusalCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'UNAUTHORIZED'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

/** One entry of an error body. */
export interface RefusalReason {
  readonly code: RefusalCode
  readonly message: string
  readonly detail?: unknown
}

/** An answer of 4xx or 5xx, thrown by handlers. It never leaves the server, so it is no `TareError`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly reasons: readonly RefusalReason[]
  readonly headers: ReplyHeaders

  constructor(status: number, reasons: readonly RefusalReason[], headers: ReplyHeaders = {}) {
    super(reasons.map((reason) => `${reason.code}: ${reason.message}`).join('; '))
    this.status = status
    this.reasons = reasons
    this.headers = headers
  }

  toReply(): Reply {
    return jsonReply(this.status, { errors: this.reasons }, this.headers)
  }
}

/** A refusal with a single reason. */
export function refuse(status: number, code: RefusalCode, message: string, detail?: unknown): Refusal {
  return new Refusal(status, [{ code, message, detail }])
}

/** The method does not exist here, or is switched off. */
export function refuseMethod(method: string, allowed: readonly string[], why = 'is not supported here'): Refusal {
  return new Refusal(405, [{ code: 'UNSUPPORTED', message: `${method} ${why}` }], { Allow: allowed.join(', ') })
}

/** What an error means to the client; undefined for those that are the server's own fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (error instanceof InvalidDocumentError) {
    return new Refusal(
      400,
      error.problems.map(({ path, message }) => ({ code: 'MANIFEST_INVALID', message: `${path}: ${message}` })),
    )
  }
  if (hasErrorCode(error, 'DIGEST_MISMATCH')) return refuse(400, 'DIGEST_INVALID', error.message)
  if (hasErrorCode(error, 'SIZE_MISMATCH')) return refuse(400, 'SIZE_INVALID', error.message)
  if (hasErrorCode(error, 'DISK_FULL')) return refuse(507, 'UNKNOWN', 'the registry has no room left')
  return undefined
}
