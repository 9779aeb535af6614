import { createPrivateKey, type KeyObject } from 'node:crypto'
import { TareError } from '../errors/index.ts'
import { openKeyBox } from './boxed-key.ts'
import { type PemBlock, pemBlocks } from './pem.ts'
import { type SigningKey, signingKey } from './verification-key.ts'

/** Options of {@link readPrivateKey}. */
export interface ReadPrivateKeyOptions {
  /** Gives the password, and is called only when the key is encrypted; undefined where there is none. */
  readonly password?: (() => Promise<Uint8Array | undefined>) | undefined
}

const PLAIN_LABELS: ReadonlySet<string> = new Set(['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY'])
/** cosign's, of today and of old. */
const BOX_LABELS: ReadonlySet<string> = new Set(['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY'])
const PUBLIC_LABELS: ReadonlySet<string> = new Set(['PUBLIC KEY', 'RSA PUBLIC KEY', 'CERTIFICATE'])

/**
 * Reads a private key: PEM (PKCS #8, also encrypted, SEC 1, PKCS #1), cosign's encrypted key files with either label,
 * and the bare JSON of such a file.
 *
 * @param subject - which file, for errors
 * @throws {TareError} `INVALID_KEY`; `KEY_PASSWORD` where a password is missing or wrong
 */
export async function readPrivateKey(
  bytes: Uint8Array,
  subject: string,
  options: ReadPrivateKeyOptions = {},
): Promise<SigningKey> {
  const password = async (): Promise<Uint8Array> => {
    const given = await options.password?.()
    if (given !== undefined) return given
    throw new TareError('KEY_PASSWORD', `${subject} is encrypted, and there is no password`, {
      hint: 'Pipe it in with --sign-key-password-stdin, or set TARE_SIGN_PASSWORD or COSIGN_PASSWORD',
    })
  }
  return signingKey(await openPrivateKey(Buffer.from(bytes).toString('latin1'), subject, password), subject)
}

async function openPrivateKey(text: string, subject: string, password: () => Promise<Uint8Array>): Promise<KeyObject> {
  if (text.trimStart().startsWith('{')) {
    return fromPkcs8(await openKeyBox(Buffer.from(text, 'latin1'), subject, password), subject)
  }
  const blocks = pemBlocks(text)
  for (const block of blocks) {
    if (BOX_LABELS.has(block.label)) return fromPkcs8(await openKeyBox(block.der, subject, password), subject)
    if (block.label === 'ENCRYPTED PRIVATE KEY' || (PLAIN_LABELS.has(block.label) && block.hasHeaders)) {
      return fromEncryptedPem(block, subject, await password())
    }
    if (PLAIN_LABELS.has(block.label)) return fromPem(block, subject)
  }
  throw notPrivate(blocks[0]?.label, subject)
}

function fromPkcs8(der: Uint8Array, subject: string): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  } catch (cause) {
    throw new TareError('INVALID_KEY', `${subject} opens, but holds no PKCS #8 key`, { cause })
  }
}

function fromPem({ label, text }: PemBlock, subject: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw new TareError('INVALID_KEY', `${subject}: the ${label} in it cannot be read`, { cause })
  }
}

function fromEncryptedPem({ text }: PemBlock, subject: string, password: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: text, passphrase: Buffer.from(password) })
  } catch (cause) {
    // OpenSSL can't tell a wrong password from a damaged file either.
    throw new TareError('KEY_PASSWORD', `${subject} does not open with this password`, {
      cause,
      hint: 'Check the password; if it is right, the file is damaged, or encrypted by something OpenSSL does not know',
    })
  }
}

function notPrivate(label: string | undefined, subject: string): TareError {
  if (label === undefined) {
    return new TareError('INVALID_KEY', `${subject} holds no key`, {
      hint: 'Give a PEM file, or a key file that cosign generate-key-pair wrote',
    })
  }
  if (PUBLIC_LABELS.has(label)) {
    return new TareError('INVALID_KEY', `${subject} holds a ${label}, not a private key`, {
      hint: 'Signing takes the private key; the public one is for --verify',
    })
  }
  const hint = label === 'OPENSSH PRIVATE KEY' ? 'Convert a copy of it with ssh-keygen -p -m PKCS8 -f COPY' : undefined
  return new TareError('INVALID_KEY', `${subject} holds a ${label}, which is not used for signing`, { hint })
}
