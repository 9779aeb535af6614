import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import { PolicyError, type SignedEntity, VerificationError, Verifier } from '@sigstore/verify'
import { TareError } from '../errors/index.ts'
import type {
  IdentityPolicy,
  KeyPolicy,
  TrustedRoot,
  VerificationPolicy,
  VerifiedLogEntry,
  VerifiedSignature,
  VerifiedSigner,
} from './policy.ts'
import { SignatureError, type TrustCode } from './signature-error.ts'
import { isSignedBy, type SignatureHash, verificationKey } from './verification-key.ts'

/** A signature with all that came along, in whatever form that was. Nothing of it is proven. */
export interface SignatureMaterial {
  /** Where it lies, for messages. */
  readonly origin: string
  readonly signature: Uint8Array
  /** What the key signed. */
  readonly signedBytes: Uint8Array
  /** What logs keep the hash of: the payload of an envelope; else the signed bytes themselves. */
  readonly loggedBytes: Uint8Array
  /** Hashes that the signature may be made over, where its form fixes them. */
  readonly hashes?: readonly SignatureHash[] | undefined
  /** Certificate of the signer, DER, where it has one. */
  readonly certificate?: Uint8Array | undefined
  readonly key: SignedEntity['key']
  readonly timestamps: SignedEntity['timestamps']
  readonly logEntries: readonly TransparencyLogEntry[]
}

/** `id-kp-codeSigning`. @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12 */
const CODE_SIGNING_OID = '1.3.6.1.5.5.7.3.3'

/** cosign 3 can't verify what it makes with such keys either. */
const ED25519_HINT = '; cosign sign makes Ed25519ph of such keys, which is not accepted'

/**
 * Holds a signature against a policy. What was signed is not looked into.
 *
 * @returns what is proven, but for what is covered
 * @throws {SignatureError} `SIGNATURE_INVALID`, `IDENTITY_MISMATCH`, `CERTIFICATE_INVALID`, `LOG_PROOF_INVALID`
 */
export function verifyMaterial(
  material: SignatureMaterial,
  policy: VerificationPolicy,
): Omit<VerifiedSignature, 'digest'> {
  const { origin } = material
  switch (policy.kind) {
    case 'key':
      return { origin, ...verifyByKey(material, policy) }
    case 'identity':
      return { origin, ...verifyByIdentity(material, policy) }
  }
}

type Proven = Omit<VerifiedSignature, 'digest' | 'origin'>

function verifyByKey(material: SignatureMaterial, policy: KeyPolicy): Proven {
  const { key, trustedRoot, logThreshold = 0 } = policy
  if (logThreshold > 0 && trustedRoot === undefined) {
    throw new TareError('INVALID_ARGUMENT', 'log entries cannot be required without a trusted root', {
      hint: 'Give one with --trusted-root',
    })
  }
  const signer: VerifiedSigner = { kind: 'key', keyId: key.id }
  const content = new SignedContent(material)
  if (!content.verifySignature(key.keyObject)) {
    throw new SignatureError('SIGNATURE_INVALID', `signature ${material.origin} was not made by the key ${key.id}`, {
      origin: material.origin,
      hint: `It was made by another key, or something was changed after signing${key.kind === 'ed25519' ? ED25519_HINT : ''}`,
    })
  }
  if (trustedRoot === undefined) return { signer, logEntries: [], times: [] }
  const logEntries = [...material.logEntries]
  const entity: SignedEntity = {
    signature: content,
    key: { $case: 'public-key', hint: key.id },
    tlogEntries: logEntries,
    // A key has no dates to hold times against.
    timestamps: [],
  }
  const publicKey = (): ReturnType<TrustedRoot['material']['publicKey']> => ({
    publicKey: key.keyObject,
    validFor: () => true,
  })
  const options = { tlogThreshold: logThreshold, ctlogThreshold: 0, timestampThreshold: 0 }
  runVerifier(new Verifier({ ...trustedRoot.material, publicKey }, options), entity, material.origin)
  return { signer, ...provenTimes(logEntries, []) }
}

function verifyByIdentity(material: SignatureMaterial, policy: IdentityPolicy): Proven {
  const { origin, certificate } = material
  const { trustedRoot, logThreshold = 1, certificateLogThreshold = 1 } = policy
  if (certificate === undefined || material.key.$case !== 'certificate') {
    throw new SignatureError('IDENTITY_MISMATCH', `signature ${origin} was made by a bare key, not by an identity`, {
      origin,
      hint: 'Give the public key with --verify, if you trust it',
    })
  }
  checkPurpose(certificate, origin)
  const entity: SignedEntity = {
    signature: new SignedContent(material),
    key: material.key,
    tlogEntries: [...material.logEntries],
    timestamps: [...material.timestamps],
  }
  const verifier = new Verifier(trustedRoot.material, {
    tlogThreshold: logThreshold,
    ctlogThreshold: certificateLogThreshold,
    // Such certificates last minutes. Whether one was valid when it was used takes somebody else's clock.
    timestampThreshold: 1,
  })
  const { identity } = runVerifier(verifier, entity, origin)
  const certificateIdentity = identity?.subjectAlternativeName ?? ''
  const certificateOidcIssuer = identity?.extensions?.issuer ?? ''
  const facts = { origin, certificateIdentity, certificateOidcIssuer }
  if (!matches(policy.certificateIdentity, certificateIdentity)) {
    throw new SignatureError(
      'IDENTITY_MISMATCH',
      `signature ${origin} is of ${certificateIdentity || 'nobody'}, not of ${shown(policy.certificateIdentity)}`,
      facts,
    )
  }
  if (!matches(policy.certificateOidcIssuer, certificateOidcIssuer)) {
    throw new SignatureError(
      'IDENTITY_MISMATCH',
      `signature ${origin}: ${certificateIdentity} was vouched for by ${certificateOidcIssuer || 'nobody'}, ` +
        `not by ${shown(policy.certificateOidcIssuer)}`,
      facts,
    )
  }
  const signer: VerifiedSigner = { kind: 'identity', certificateIdentity, certificateOidcIssuer }
  return { signer, ...provenTimes(material.logEntries, material.timestamps) }
}

/** An authority also gives certificates for other ends: its own, and those of timestamp authorities. */
function checkPurpose(certificate: Uint8Array, origin: string): void {
  let purposes: readonly string[]
  try {
    purposes = new X509Certificate(certificate).keyUsage ?? []
  } catch (cause) {
    throw new SignatureError('CERTIFICATE_INVALID', `signature ${origin}: its certificate cannot be read`, {
      origin,
      cause,
    })
  }
  if (purposes.includes(CODE_SIGNING_OID)) return
  throw new SignatureError('CERTIFICATE_INVALID', `signature ${origin}: its certificate is not one for signing code`, {
    origin,
  })
}

function matches(wanted: string | RegExp, actual: string): boolean {
  if (actual === '') return false
  return typeof wanted === 'string' ? wanted === actual : actual.search(wanted) !== -1
}

function shown(wanted: string | RegExp): string {
  return typeof wanted === 'string' ? wanted : `anything like ${wanted.source}`
}

function runVerifier(verifier: Verifier, entity: SignedEntity, origin: string): ReturnType<Verifier['verify']> {
  try {
    return verifier.verify(entity)
  } catch (cause) {
    // Malformed proofs come back as all kinds of errors; none of them is a yes.
    const code = cause instanceof VerificationError ? trustCode(cause.code) : 'SIGNATURE_INVALID'
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new SignatureError(code, `signature ${origin}: ${detail}`, { origin, cause })
  }
}

function trustCode(code: VerificationError['code'] | PolicyError['code']): TrustCode {
  switch (code) {
    case 'CERTIFICATE_ERROR':
      return 'CERTIFICATE_INVALID'
    case 'TLOG_ERROR':
    case 'TLOG_INCLUSION_PROOF_ERROR':
    case 'TLOG_INCLUSION_PROMISE_ERROR':
    case 'TLOG_MISSING_INCLUSION_ERROR':
    case 'TLOG_BODY_ERROR':
    case 'TIMESTAMP_ERROR':
      return 'LOG_PROOF_INVALID'
    case 'UNTRUSTED_SIGNER_ERROR':
      return 'IDENTITY_MISMATCH'
    case 'NOT_IMPLEMENTED_ERROR':
    case 'PUBLIC_KEY_ERROR':
    case 'SIGNATURE_ERROR':
      return 'SIGNATURE_INVALID'
  }
}

function provenTimes(
  entries: readonly TransparencyLogEntry[],
  timestamps: SignedEntity['timestamps'],
): Pick<Proven, 'logEntries' | 'times'> {
  const logEntries = entries.map((entry): VerifiedLogEntry => {
    // A log signs its time together with its promise, and only with that.
    const isTimed = entry.inclusionPromise !== undefined && entry.integratedTime !== '0'
    const integratedTime = isTimed ? new Date(Number(entry.integratedTime) * 1000).toISOString() : undefined
    const logId = entry.logId.keyId.toString('hex')
    return { logIndex: entry.logIndex, logId, ...(integratedTime === undefined ? {} : { integratedTime }) }
  })
  const logged = logEntries.flatMap(({ integratedTime }) => (integratedTime === undefined ? [] : [integratedTime]))
  const stamped = timestamps.flatMap((timestamp) =>
    timestamp.$case === 'timestamp-authority' ? [timestamp.timestamp.signingTime.toISOString()] : [],
  )
  return { logEntries, times: [...logged, ...stamped].toSorted() }
}

/** A signature in the form that the verifier asks; it knows the hash that goes with each kind of key. */
class SignedContent {
  readonly signature: Buffer
  readonly #material: SignatureMaterial

  constructor(material: SignatureMaterial) {
    this.signature = Buffer.from(material.signature)
    this.#material = material
  }

  compareSignature(signature: Buffer): boolean {
    return this.signature.equals(signature)
  }

  /** The hash of a payload in a log is always SHA-256. */
  compareDigest(digest: Buffer): boolean {
    return hashOf('sha256', this.#material.loggedBytes).equals(digest)
  }

  /** Logs that keep the hash of the signed bytes keep the one that the signature is made over. */
  compareSignedDigest(digest: Buffer): boolean {
    const hashes: readonly SignatureHash[] = ['sha256', 'sha384', 'sha512']
    return hashes.some((hash) => hashOf(hash, this.#material.signedBytes).equals(digest))
  }

  verifySignature(keyObject: KeyObject): boolean {
    const { origin, signedBytes, hashes } = this.#material
    return isSignedBy(verificationKey(keyObject, `signature ${origin}`), signedBytes, this.signature, hashes)
  }
}

function hashOf(hash: SignatureHash, bytes: Uint8Array): Buffer {
  return createHash(hash).update(bytes).digest()
}
