import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { TareError } from '../errors/index.ts'

/** How a key signs: ECDSA over NIST curves, RSA with PKCS #1 v1.5, or pure Ed25519. */
export type KeyKind = 'ecdsa' | 'rsa' | 'ed25519'

/** A hash that signatures are made over. */
export type SignatureHash = 'sha256' | 'sha384' | 'sha512'

/** A public key that signatures are held against. */
export interface VerificationKey {
  readonly kind: KeyKind
  readonly keyObject: KeyObject
  /** Hashes that signatures of this key may use, the one it signs with first; none for Ed25519, which hashes itself. */
  readonly hashes: readonly SignatureHash[]
  /** Base64 of the SHA-256 of the key in its PKIX form: what cosign calls the hint. */
  readonly id: string
}

/** A private key and what goes with it. */
export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: VerificationKey
}

/** As OpenSSL names P-256, P-384 and P-521. Old clients signed with SHA-256 whatever the curve. */
const CURVE_HASHES: ReadonlyMap<string, readonly SignatureHash[]> = new Map([
  ['prime256v1', ['sha256']],
  ['secp384r1', ['sha384', 'sha256']],
  ['secp521r1', ['sha512', 'sha256']],
])
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 16_384

/**
 * Takes a public key into use.
 *
 * @param subject - where the key is from, for errors
 * @throws {TareError} `INVALID_KEY` for a kind, curve or length that is not used
 */
export function verificationKey(keyObject: KeyObject, subject: string): VerificationKey {
  const der = keyObject.export({ type: 'spki', format: 'der' })
  const id = createHash('sha256').update(der).digest('base64')
  return { keyObject, id, ...kindOf(keyObject, subject) }
}

/**
 * Takes a private key into use.
 *
 * @throws {TareError} as {@link verificationKey}
 */
export function signingKey(privateKey: KeyObject, subject: string): SigningKey {
  return { privateKey, publicKey: verificationKey(createPublicKey(privateKey), subject) }
}

function kindOf(keyObject: KeyObject, subject: string): Pick<VerificationKey, 'kind' | 'hashes'> {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = keyObject
  const refuse = (what: string): TareError =>
    new TareError('INVALID_KEY', `${subject} holds ${what}`, {
      hint: 'Use ECDSA over P-256, P-384 or P-521, RSA of 2048 bits or more, or Ed25519',
    })
  if (type === 'ec') {
    const hashes = CURVE_HASHES.get(details.namedCurve ?? '')
    if (hashes !== undefined) return { kind: 'ecdsa', hashes }
    throw refuse(`a key over the curve ${details.namedCurve ?? 'of its own'}`)
  }
  if (type === 'rsa') {
    const bits = details.modulusLength ?? 0
    if (bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS) return { kind: 'rsa', hashes: ['sha256'] }
    throw refuse(`an RSA key of ${bits} bits`)
  }
  if (type === 'ed25519') return { kind: 'ed25519', hashes: [] }
  throw refuse(`a key of type ${type ?? 'unknown'}`)
}

/**
 * Signs bytes. ECDSA signatures are DER.
 *
 * @param hash - made over this; Ed25519 has none to choose. @default the first hash of the key
 */
export function signBytes(
  { privateKey, publicKey }: SigningKey,
  bytes: Uint8Array,
  hash: SignatureHash | undefined = publicKey.hashes[0],
): Buffer {
  return sign(hash ?? null, bytes, privateKey)
}

/**
 * Whether a signature over some bytes is the key's.
 *
 * @param hashes - hashes to try. @default those of the key
 */
export function isSignedBy(
  key: VerificationKey,
  bytes: Uint8Array,
  signature: Uint8Array,
  hashes: readonly SignatureHash[] = key.hashes,
): boolean {
  const tried = key.kind === 'ed25519' ? [null] : hashes
  return tried.some((hash) => {
    try {
      return verify(hash, bytes, key.keyObject, signature)
    } catch {
      // A signature that is no DER at all.
      return false
    }
  })
}

/** The key in the PEM that others read: `PUBLIC KEY`. */
export function publicKeyPem(key: VerificationKey): string {
  return key.keyObject.export({ type: 'spki', format: 'pem' }).toString()
}
