import type { TrustMaterial } from '@sigstore/verify'
import type { VerificationKey } from './verification-key.ts'

/** Whose signature is wanted. */
export type VerificationPolicy = KeyPolicy | IdentityPolicy

/** Wants a signature of one key. What certificate a signature carries does not matter then. */
export interface KeyPolicy {
  readonly kind: 'key'
  readonly key: VerificationKey
  /**
   * What logs and timestamp authorities are held against. With it every log entry of a signature has to be right;
   * without it they are not looked at.
   */
  readonly trustedRoot?: TrustedRoot | undefined
  /** Log entries wanted at least; more than none takes a trusted root. @default 0 */
  readonly logThreshold?: number | undefined
}

/** Wants a signature by a certificate that a trusted authority gave to somebody. */
export interface IdentityPolicy {
  readonly kind: 'identity'
  /** Who: the mail address or URI in the certificate, as a whole; a pattern may match any part of it. */
  readonly certificateIdentity: string | RegExp
  /** Who vouched for them: the URL of the identity provider, as a whole; a pattern may match any part of it. */
  readonly certificateOidcIssuer: string | RegExp
  readonly trustedRoot: TrustedRoot
  /** Entries in transparency logs wanted at least. @default 1 */
  readonly logThreshold?: number | undefined
  /** Certificate logs that have to have seen the certificate at least. @default 1 */
  readonly certificateLogThreshold?: number | undefined
}

/** Authorities, logs and timestamp authorities that are trusted. Made by `parseTrustedRoot` and `fetchTrustedRoot`. */
export interface TrustedRoot {
  /** Where it is from, for messages. */
  readonly origin: string
  readonly material: TrustMaterial
}

/** A signature that a policy accepts, and what is proven about it. */
export interface VerifiedSignature {
  /** What it covers: the digest of a manifest or index; for a diffah archive that of its canonical `diffah.json`. */
  readonly digest: string
  readonly signer: VerifiedSigner
  /** Where the signature was found. */
  readonly origin: string
  /** Log entries that hold; empty where they were not looked at. */
  readonly logEntries: readonly VerifiedLogEntry[]
  /** When authorities say that the signature was there: ISO 8601, the earliest first. */
  readonly times: readonly string[]
}

/** Who signed. */
export type VerifiedSigner =
  | {
      readonly kind: 'key'
      /** Base64 of the SHA-256 of the public key. */
      readonly keyId: string
    }
  | {
      readonly kind: 'identity'
      readonly certificateIdentity: string
      readonly certificateOidcIssuer: string
    }

/** An entry of a transparency log. */
export interface VerifiedLogEntry {
  /** Position in the log; decimal, for it may have 64 bits. */
  readonly logIndex: string
  /** Hex of the log's key. */
  readonly logId: string
  /** When the log took it up, where the log vouches for that: ISO 8601. */
  readonly integratedTime?: string | undefined
}
