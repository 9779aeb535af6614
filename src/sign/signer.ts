import type { SignatureMaker } from './bundle.ts'
import { publicKeyPem, type SigningKey, signBytes } from './verification-key.ts'

/** Makes signatures: with a key, or keyless. */
export interface Signer {
  readonly kind: 'key' | 'keyless'
  /** Signs bytes, by hash where the kind of key wants one, and says who did. */
  sign(bytes: Uint8Array): Promise<MadeSignature>
}

/** A new signature. */
export interface MadeSignature {
  readonly signature: Uint8Array
  readonly maker: SignatureMaker
}

/** A signer with a key of its own. */
export function keySigner(key: SigningKey): Signer {
  return {
    kind: 'key',
    async sign(bytes) {
      const { id: keyId } = key.publicKey
      return { signature: signBytes(key, bytes), maker: { kind: 'key', keyId, pem: publicKeyPem(key.publicKey) } }
    },
  }
}
