import { type ErrorCode, TareError } from '../errors/index.ts'

/** Facts of a {@link SignatureError}. */
export interface SignatureErrorFacts {
  /** Where the signature lies. */
  readonly origin?: string | undefined
  /** Who signed, as far as the certificate goes. */
  readonly certificateIdentity?: string | undefined
  readonly certificateOidcIssuer?: string | undefined
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/** A signature that was looked at and is not accepted. Code `SIGNATURE_INVALID`, `IDENTITY_MISMATCH`, … */
export class SignatureError extends TareError {
  override readonly name = 'SignatureError'
  readonly origin: string | undefined
  readonly certificateIdentity: string | undefined
  readonly certificateOidcIssuer: string | undefined

  constructor(code: TrustCode, message: string, facts: SignatureErrorFacts = {}) {
    super(code, message, { hint: facts.hint, cause: facts.cause })
    this.origin = facts.origin
    this.certificateIdentity = facts.certificateIdentity
    this.certificateOidcIssuer = facts.certificateOidcIssuer
  }
}

/** The codes of what can be wrong with a signature. */
export type TrustCode = Extract<
  ErrorCode,
  'SIGNATURE_MISSING' | 'SIGNATURE_INVALID' | 'IDENTITY_MISMATCH' | 'CERTIFICATE_INVALID' | 'LOG_PROOF_INVALID'
>
