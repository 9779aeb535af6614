import { createHash } from 'node:crypto'
import type { Bundle } from '@sigstore/bundle'
import { type SignedEntity, toSignedEntity } from '@sigstore/verify'
import { hasErrorCode } from '../errors/index.ts'
import { type Digest, shortDigest } from '../oci/index.ts'
import { parseBundle } from './bundle.ts'
import type { VerificationPolicy, VerifiedSignature } from './policy.ts'
import { SignatureError } from './signature-error.ts'
import { parseStatement, preAuthEncoding, SIGNATURE_PREDICATE_TYPE, STATEMENT_PAYLOAD_TYPE } from './statement.ts'
import type { SignatureHash } from './verification-key.ts'
import { type SignatureMaterial, verifyMaterial } from './verify-entity.ts'

/** What a signature should cover. */
export interface SignedSubject {
  readonly digest: Digest
  /** The bytes with that digest. Signatures over the bytes themselves are only understood where they are given. */
  readonly bytes?: Uint8Array | undefined
}

/** SHA-2 as the bundle's protocol counts hashes. */
const MESSAGE_HASHES: ReadonlyMap<number, SignatureHash> = new Map([
  [1, 'sha256'],
  [2, 'sha384'],
  [3, 'sha512'],
])

/**
 * Verifies a sigstore bundle: the policy first, and only then what the signed statement says.
 *
 * A bundle counts as a signature if its envelope holds an in-toto statement as `cosign sign` makes it, with the digest
 * among its subjects, or if it signs the bytes themselves, as `cosign sign-blob` does.
 *
 * @param bundleBytes - at most 1 MiB
 * @param origin - where the bundle is from, for messages
 * @throws {SignatureError} `SIGNATURE_INVALID`, `IDENTITY_MISMATCH`, `CERTIFICATE_INVALID`, `LOG_PROOF_INVALID`
 */
export function verifyBundle(
  bundleBytes: Uint8Array,
  subject: SignedSubject,
  policy: VerificationPolicy,
  origin: string,
): VerifiedSignature {
  const bundle = parseBundle(bundleBytes, origin)
  switch (bundle.content.$case) {
    case 'dsseEnvelope': {
      const { payload, payloadType } = bundle.content.dsseEnvelope
      const signature = bundle.content.dsseEnvelope.signatures[0]?.sig ?? Buffer.alloc(0)
      const signedBytes = preAuthEncoding(payloadType, payload)
      const proven = verifyMaterial(
        readMaterial(bundle, origin, { signature, signedBytes, loggedBytes: payload }),
        policy,
      )
      if (payloadType !== STATEMENT_PAYLOAD_TYPE) {
        throw new SignatureError('SIGNATURE_INVALID', `signature ${origin} signs ${payloadType}, not a statement`, {
          origin,
        })
      }
      checkStatement(payload, subject.digest, origin)
      return { digest: subject.digest, ...proven }
    }
    case 'messageSignature': {
      const { signature, messageDigest } = bundle.content.messageSignature
      const { bytes } = subject
      const hash = MESSAGE_HASHES.get(messageDigest.algorithm)
      if (bytes === undefined || hash === undefined) {
        const what = bytes === undefined ? 'bytes, which are not at hand' : 'bytes by a hash that is not used'
        throw new SignatureError('SIGNATURE_INVALID', `signature ${origin} signs ${what}`, { origin })
      }
      // Known without any key, and a better answer than that the signature doesn't fit.
      if (!createHash(hash).update(bytes).digest().equals(messageDigest.digest)) {
        throw coversAnother(subject.digest, origin)
      }
      const material = readMaterial(bundle, origin, {
        signature,
        signedBytes: bytes,
        loggedBytes: bytes,
        hashes: [hash],
      })
      return { digest: subject.digest, ...verifyMaterial(material, policy) }
    }
  }
}

/**
 * Checks that a bundle is a signature of a digest, by what it says. Nothing of it is proven.
 *
 * @throws {SignatureError} `SIGNATURE_INVALID`
 */
export function checkCovers(bundleBytes: Uint8Array, digest: Digest, origin: string): void {
  const { content } = parseBundle(bundleBytes, origin)
  if (content.$case === 'dsseEnvelope') checkStatement(content.dsseEnvelope.payload, digest, origin)
  else throw new SignatureError('SIGNATURE_INVALID', `signature ${origin} signs bytes, not a statement`, { origin })
}

type SignedParts = Pick<SignatureMaterial, 'signature' | 'signedBytes' | 'loggedBytes' | 'hashes'>

function readMaterial(bundle: Bundle, origin: string, parts: SignedParts): SignatureMaterial {
  let entity: SignedEntity
  try {
    entity = toSignedEntity(bundle, Buffer.from(parts.signedBytes))
  } catch (cause) {
    const message = `signature ${origin}: its certificate or timestamp cannot be read`
    throw new SignatureError('SIGNATURE_INVALID', message, { origin, cause })
  }
  const { key, timestamps, tlogEntries: logEntries } = entity
  return { origin, ...parts, certificate: certificateOf(bundle), key, timestamps, logEntries }
}

function certificateOf({ verificationMaterial: { content } }: Bundle): Uint8Array | undefined {
  switch (content.$case) {
    case 'certificate':
      return content.certificate.rawBytes
    case 'x509CertificateChain':
      return content.x509CertificateChain.certificates[0]?.rawBytes
    case 'publicKey':
      return undefined
  }
}

function checkStatement(payload: Uint8Array, digest: Digest, origin: string): void {
  let statement: ReturnType<typeof parseStatement>
  try {
    statement = parseStatement(payload, `statement of signature ${origin}`)
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw new SignatureError('SIGNATURE_INVALID', cause.message, { origin, cause })
  }
  if (statement.predicateType !== SIGNATURE_PREDICATE_TYPE) {
    const message = `signature ${origin} is an attestation of type ${statement.predicateType}, not a signature`
    throw new SignatureError('SIGNATURE_INVALID', message, { origin })
  }
  if (!statement.subjects.has(digest)) throw coversAnother(digest, origin)
}

function coversAnother(digest: Digest, origin: string): SignatureError {
  return new SignatureError('SIGNATURE_INVALID', `signature ${origin} covers something else than ${digest}`, {
    origin,
    hint: `${shortDigest(digest)} is not what was signed: it was changed, replaced or never signed`,
  })
}
