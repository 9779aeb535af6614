import {
  type Bundle,
  BUNDLE_V03_MEDIA_TYPE,
  bundleFromJSON,
  bundleToJSON,
  type TransparencyLogEntry,
  ValidationError,
} from '@sigstore/bundle'
import { hasErrorCode } from '../errors/index.ts'
import { parseJson } from '../oci/index.ts'
import { SignatureError } from './signature-error.ts'

/** Who made a signature, as a bundle tells it. */
export type SignatureMaker =
  | { readonly kind: 'key'; readonly keyId: string; readonly pem: string }
  | {
      readonly kind: 'certificate'
      /** Mail address or URI in the certificate. */
      readonly identity: string
      readonly der: Uint8Array
      readonly pem: string
    }

/** What goes into a bundle. */
export interface BundleParts {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  readonly maker: SignatureMaker
  readonly logEntries: readonly TransparencyLogEntry[]
  /** RFC 3161 responses, DER. */
  readonly timestamps: readonly Uint8Array[]
}

/** Media type of a sigstore bundle, and of the artifact that carries it. */
export const BUNDLE_MEDIA_TYPE: string = BUNDLE_V03_MEDIA_TYPE
/** What media types of bundles of any version begin with. */
export const BUNDLE_MEDIA_TYPE_PREFIX = 'application/vnd.dev.sigstore.bundle'
/** No larger bundle is read; those of signatures have some 10 KiB. */
export const MAX_BUNDLE_BYTES: number = 1024 * 1024

/**
 * Puts a bundle together, version 0.3 with a DSSE envelope.
 *
 * @see https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto
 */
export function makeBundle(parts: BundleParts): Bundle {
  const { maker, payloadType, timestamps } = parts
  const rfc3161Timestamps = timestamps.map((der) => ({ signedTimestamp: Buffer.from(der) }))
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: {
      content:
        maker.kind === 'key'
          ? { $case: 'publicKey', publicKey: { hint: maker.keyId } }
          : { $case: 'certificate', certificate: { rawBytes: Buffer.from(maker.der) } },
      tlogEntries: [...parts.logEntries],
      timestampVerificationData: { rfc3161Timestamps },
    },
    content: {
      $case: 'dsseEnvelope',
      dsseEnvelope: {
        payloadType,
        payload: Buffer.from(parts.payload),
        signatures: [{ keyid: '', sig: Buffer.from(parts.signature) }],
      },
    },
  }
}

/** A bundle as it is stored. */
export function formatBundle(bundle: Bundle): Buffer {
  return Buffer.from(JSON.stringify(bundleToJSON(bundle)))
}

/**
 * Parses a bundle of any version. Nothing of it is proven.
 *
 * @param origin - where it is from, for errors
 * @throws {SignatureError} `SIGNATURE_INVALID`; `LOG_PROOF_INVALID` for an entry of a log without the proof it must have
 */
export function parseBundle(bytes: Uint8Array, origin: string): Bundle {
  const subject = `signature ${origin}`
  let value: unknown
  try {
    value = parseJson(bytes, subject, MAX_BUNDLE_BYTES)
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw new SignatureError('SIGNATURE_INVALID', cause.message, { origin, cause })
  }
  try {
    return bundleFromJSON(value)
  } catch (cause) {
    // Fields of a wrong type come back as all kinds of errors.
    const fields = cause instanceof ValidationError ? cause.fields : []
    const isUnproven = fields.length > 0 && fields.every((field) => /inclusionP(?:roof|romise)/.test(field))
    const code = isUnproven ? 'LOG_PROOF_INVALID' : 'SIGNATURE_INVALID'
    const what = fields.length === 0 ? 'is no sigstore bundle' : `is no sound sigstore bundle: ${fields.join(', ')}`
    throw new SignatureError(code, `${subject} ${what}`, { origin, cause })
  }
}
