import { createPublicKey, X509Certificate } from 'node:crypto'
import { isTareError, TareError } from '../errors/index.ts'
import { pemBlocks } from './pem.ts'
import { type VerificationKey, verificationKey } from './verification-key.ts'

/**
 * Reads a public key: PEM (PKIX, PKCS #1), or the key of a PEM certificate, whose names and dates are not looked at.
 *
 * @param subject - which file, for errors
 * @throws {TareError} `INVALID_KEY`
 */
export function readPublicKey(bytes: Uint8Array, subject: string): VerificationKey {
  const [block] = pemBlocks(Buffer.from(bytes).toString('latin1'))
  if (block === undefined) {
    throw new TareError('INVALID_KEY', `${subject} holds no key`, { hint: 'Give a PEM file with a public key' })
  }
  if (block.label.endsWith('PRIVATE KEY')) {
    throw new TareError('INVALID_KEY', `${subject} holds a private key, where the public one belongs`, {
      hint: 'Take cosign.pub, or make one with openssl pkey -in KEY -pubout',
    })
  }
  try {
    switch (block.label) {
      case 'PUBLIC KEY':
      case 'RSA PUBLIC KEY':
        return verificationKey(createPublicKey(block.text), subject)
      case 'CERTIFICATE':
        return verificationKey(new X509Certificate(block.der).publicKey, subject)
    }
  } catch (cause) {
    if (isTareError(cause)) throw cause
    throw new TareError('INVALID_KEY', `${subject}: the ${block.label} in it cannot be read`, { cause })
  }
  throw new TareError('INVALID_KEY', `${subject} holds a ${block.label}, which is no public key`)
}
