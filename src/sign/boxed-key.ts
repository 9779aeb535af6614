import { scrypt } from 'node:crypto'
import { secretbox } from '@noble/ciphers/salsa.js'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { type DocumentNode, parseJson, readDocument } from '../oci/index.ts'

/** A key in cosign's box: how the box's key comes from the password, and what is inside. */
interface KeyBox {
  readonly kdf: string
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly cipher: string
  readonly nonce: Buffer
  readonly ciphertext: Buffer
}

/** Boxes of real keys have some 700 bytes. */
const MAX_BOX_BYTES = 64 * 1024
/** What scrypt may take, four times the strongest setting in use (N 131072, r 8). */
const MAX_SCRYPT_BYTES = 512 * 1024 * 1024
const MAX_PARALLELIZATION = 16
const BOX_KEY_BYTES = 32
const NONCE_BYTES = 24

/**
 * Opens the box in which cosign keeps a private key: scrypt makes the key of a NaCl secret box from the password. It is
 * JSON, in cosign's files inside a PEM block.
 *
 * @param password - asked for only when the box itself is sound
 * @returns the private key, PKCS #8 DER
 * @throws {TareError} `INVALID_KEY` for a box that is malformed, too costly or of another make; `KEY_PASSWORD`
 * @see https://pkg.go.dev/github.com/secure-systems-lab/go-securesystemslib/encrypted
 */
export async function openKeyBox(
  bytes: Uint8Array,
  subject: string,
  password: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const box = parseKeyBox(bytes, subject)
  if (box.kdf !== 'scrypt' || box.cipher !== 'nacl/secretbox') {
    throw new TareError('INVALID_KEY', `${subject} is encrypted by ${box.kdf} and ${box.cipher}`, {
      hint: 'Tare opens scrypt with nacl/secretbox, as cosign writes it, and encrypted PKCS #8',
    })
  }
  checkCost(box, subject)
  const key = await boxKey(await password(), box)
  try {
    return secretbox(key, box.nonce).open(box.ciphertext)
  } catch {
    // The box has no other way to be wrong: its tag covers everything.
    throw new TareError('KEY_PASSWORD', `${subject} does not open with this password`, {
      hint: 'Check the password; if it is right, the file is damaged',
    })
  } finally {
    key.fill(0)
  }
}

function parseKeyBox(bytes: Uint8Array, subject: string): KeyBox {
  try {
    return readDocument(parseJson(bytes, subject, MAX_BOX_BYTES), subject, readKeyBox)
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw new TareError('INVALID_KEY', cause.message, { cause })
  }
}

function readKeyBox(root: DocumentNode): KeyBox {
  root.object(['kdf', 'cipher', 'ciphertext'])
  const kdf = root.at('kdf').object(['name', 'params', 'salt'])
  const parameters = kdf.at('params').object(['N', 'r', 'p'])
  const cipher = root.at('cipher').object(['name', 'nonce'])
  return {
    kdf: kdf.at('name').string(),
    cost: parameters.at('N').size(),
    blockSize: parameters.at('r').size(),
    parallelization: parameters.at('p').size(),
    salt: readBase64(kdf.at('salt')),
    cipher: cipher.at('name').string(),
    nonce: readBase64(cipher.at('nonce'), NONCE_BYTES),
    ciphertext: readBase64(root.at('ciphertext')),
  }
}

function readBase64(node: DocumentNode, sizeBytes?: number): Buffer {
  const text = node.string()
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) node.report('must be base64')
  else if (sizeBytes !== undefined && bytes.length !== sizeBytes) node.report(`must hold ${sizeBytes} bytes`)
  return bytes
}

/** Refuses what would take minutes or gigabytes before the password could be wrong. */
function checkCost({ cost, blockSize, parallelization }: KeyBox, subject: string): void {
  const isPower = cost > 1 && Number.isInteger(Math.log2(cost))
  const isSound = isPower && blockSize > 0 && parallelization > 0
  if (isSound && parallelization <= MAX_PARALLELIZATION && scryptBytes(cost, blockSize) <= MAX_SCRYPT_BYTES) return
  throw new TareError(
    'INVALID_KEY',
    `${subject} asks for scrypt with N ${cost}, r ${blockSize}, p ${parallelization}`,
    {
      hint: 'cosign writes N 65536, r 8, p 1; the file was made to be slow, or is damaged',
    },
  )
}

function scryptBytes(cost: number, blockSize: number): number {
  return 128 * cost * blockSize
}

function boxKey(password: Uint8Array, box: KeyBox): Promise<Buffer> {
  const { cost: N, blockSize: r, parallelization: p } = box
  // Node refuses more than 32 MiB unless it is told; a little is needed beside the large table.
  const maxmem = scryptBytes(N, r) + 128 * r * (p + 2) + 1024 * 1024
  return new Promise((resolve, reject) => {
    scrypt(password, box.salt, BOX_KEY_BYTES, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
