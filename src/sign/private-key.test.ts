import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, scryptSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { secretbox } from '@noble/ciphers/salsa.js'
import { fixture } from '../../test/support/fixtures.ts'
import { readPrivateKey } from './private-key.ts'
import { readPublicKey } from './public-key.ts'
import { isSignedBy, type SigningKey, signBytes } from './verification-key.ts'

const PASSWORD = 'correct horse'
const password = async () => Buffer.from(PASSWORD)
const MESSAGE = Buffer.from('what is signed')

const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const P384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const P521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ED = generateKeyPairSync('ed25519')
const ENCRYPTION = { cipher: 'aes-256-cbc', passphrase: PASSWORD } as const

function pkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** A box as cosign makes it, but with a quick scrypt. */
function boxOf(key: KeyObject, change: Readonly<Record<string, unknown>> = {}): string {
  const salt = Buffer.alloc(32, 1)
  const nonce = Buffer.alloc(24, 2)
  const params = { N: 2, r: 8, p: 1 }
  const boxKey = scryptSync(PASSWORD, salt, 32, { N: 2, r: 8, p: 1 })
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return JSON.stringify({
    kdf: { name: 'scrypt', params, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(secretbox(boxKey, nonce).seal(der)).toString('base64'),
    ...change,
  })
}

function armoured(label: string, content: string): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(content).toString('base64')}\n-----END ${label}-----\n`
}

async function read(text: string, withPassword = true): Promise<SigningKey> {
  return readPrivateKey(Buffer.from(text), 'the key', withPassword ? { password } : {})
}

const FORMS: readonly (readonly [form: string, text: string, pair: { readonly publicKey: KeyObject }])[] = [
  ['PKCS #8, P-256', pkcs8(EC.privateKey), EC],
  ['PKCS #8, P-384', pkcs8(P384.privateKey), P384],
  ['PKCS #8, P-521', pkcs8(P521.privateKey), P521],
  ['PKCS #8, RSA', pkcs8(RSA.privateKey), RSA],
  ['PKCS #8, Ed25519', pkcs8(ED.privateKey), ED],
  ['SEC 1', EC.privateKey.export({ type: 'sec1', format: 'pem' }).toString(), EC],
  [
    'SEC 1 behind its parameters',
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${EC.privateKey.export({ type: 'sec1', format: 'pem' }).toString()}`,
    EC,
  ],
  ['PKCS #1', RSA.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), RSA],
  ['encrypted PKCS #8', EC.privateKey.export({ type: 'pkcs8', format: 'pem', ...ENCRYPTION }).toString(), EC],
  ['encrypted SEC 1', EC.privateKey.export({ type: 'sec1', format: 'pem', ...ENCRYPTION }).toString(), EC],
  ['encrypted PKCS #1', RSA.privateKey.export({ type: 'pkcs1', format: 'pem', ...ENCRYPTION }).toString(), RSA],
  ['the bare JSON of a box', boxOf(EC.privateKey), EC],
  ['a box with today’s label', armoured('ENCRYPTED SIGSTORE PRIVATE KEY', boxOf(RSA.privateKey)), RSA],
  ['a box with the old label', armoured('ENCRYPTED COSIGN PRIVATE KEY', boxOf(ED.privateKey)), ED],
  ['Windows line ends', pkcs8(EC.privateKey).replaceAll('\n', '\r\n'), EC],
]

describe('readPrivateKey()', () => {
  for (const [form, text, pair] of FORMS) {
    test(`reads ${form}`, async () => {
      const key = await read(text)
      assert.ok(key.publicKey.keyObject.equals(pair.publicKey))
      assert.ok(isSignedBy(key.publicKey, MESSAGE, signBytes(key, MESSAGE)))
    })
  }

  test('opens a key that cosign wrote', async () => {
    const text = Buffer.from(readFileSync(fixture('diffah/keys/cosign.key.b64'), 'latin1'), 'base64').toString()
    assert.match(text, /ENCRYPTED SIGSTORE PRIVATE KEY/)
    const key = await readPrivateKey(Buffer.from(text), 'cosign.key', { password: async () => Buffer.from('tare') })
    const publicKey = readPublicKey(readFileSync(fixture('diffah/keys/cosign.pub')), 'cosign.pub')
    assert.equal(key.publicKey.id, publicKey.id)
  })

  test('asks for no password where none is needed', async () => {
    const asked = async () => assert.fail('asked')
    await readPrivateKey(Buffer.from(pkcs8(EC.privateKey)), 'the key', { password: asked })
  })

  const encrypted = FORMS.filter(([form]) => /encrypted|box/.test(form))
  for (const [form, text] of encrypted) {
    test(`${form}: a missing or wrong password is KEY_PASSWORD`, async () => {
      await assert.rejects(read(text, false), { code: 'KEY_PASSWORD', category: 'usage' })
      const wrong = { password: async () => Buffer.from('wrong') }
      await assert.rejects(readPrivateKey(Buffer.from(text), 'the key', wrong), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'KEY_PASSWORD')
        assert.doesNotMatch(error.message, /wrong/)
        return true
      })
    })
  }

  test('an empty password is one', async () => {
    const empty = { password: async () => Buffer.alloc(0) }
    await assert.rejects(readPrivateKey(Buffer.from(boxOf(EC.privateKey)), 'the key', empty), { code: 'KEY_PASSWORD' })
  })

  const publicPem = EC.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const NO_KEYS: readonly (readonly [what: string, text: string])[] = [
    ['nothing', ''],
    ['text', 'no key at all'],
    ['a public key', publicPem],
    ['a PEM block that is cut off', pkcs8(EC.privateKey).slice(0, 80)],
    ['a PEM block of noise', armoured('PRIVATE KEY', 'noise')],
    ['an OpenSSH key', armoured('OPENSSH PRIVATE KEY', 'openssh-key-v1')],
    ['JSON that is no box', '{"kdf": 1}'],
    ['JSON that is cut off', boxOf(EC.privateKey).slice(0, 40)],
    ['another KDF', boxOf(EC.privateKey, { kdf: { name: 'argon2', params: { N: 2, r: 8, p: 1 }, salt: 'AAAA' } })],
    ['another cipher', boxOf(EC.privateKey, { cipher: { name: 'aes', nonce: Buffer.alloc(24).toString('base64') } })],
    ['a short nonce', boxOf(EC.privateKey, { cipher: { name: 'nacl/secretbox', nonce: 'AAAA' } })],
    ['an RSA key of 1,024 bits', pkcs8(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['a key over another curve', pkcs8(secp256k1)],
    ['a key for key agreement', pkcs8(generateKeyPairSync('x25519').privateKey)],
    ['a DSA-like key type', pkcs8(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey)],
  ]
  for (const [what, text] of NO_KEYS) {
    test(`${what} is INVALID_KEY`, async () => {
      await assert.rejects(read(text), { code: 'INVALID_KEY', category: 'usage' })
    })
  }

  for (const params of [
    { N: 2 ** 30, r: 8, p: 1 },
    { N: 65536, r: 8192, p: 1 },
    { N: 2, r: 8, p: 2 ** 30 },
    { N: 3, r: 8, p: 1 },
    { N: 0, r: 8, p: 1 },
    { N: 2, r: 0, p: 1 },
  ]) {
    test(`scrypt with ${JSON.stringify(params)} is refused before it is tried`, async () => {
      const kdf = { name: 'scrypt', params, salt: 'AAAA' }
      const asked = { password: async () => assert.fail('asked') }
      const key = Buffer.from(boxOf(EC.privateKey, { kdf }))
      await assert.rejects(readPrivateKey(key, 'the key', asked), { code: 'INVALID_KEY' })
    })
  }
})

describe('readPublicKey()', () => {
  test('reads PKIX and PKCS #1', () => {
    const pkcs1 = RSA.publicKey.export({ type: 'pkcs1', format: 'pem' })
    assert.equal(readPublicKey(Buffer.from(pkcs1), 'the key').kind, 'rsa')
    const pkix = ED.publicKey.export({ type: 'spki', format: 'pem' })
    assert.equal(readPublicKey(Buffer.from(pkix), 'the key').kind, 'ed25519')
  })

  test('takes the key out of a certificate', () => {
    const key = readPublicKey(readFileSync(fixture('sign/certificate.pem')), 'the certificate')
    assert.equal(key.kind, 'ecdsa')
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['a private key', pkcs8(EC.privateKey)],
    ['noise', armoured('PUBLIC KEY', 'noise')],
    ['a broken certificate', armoured('CERTIFICATE', 'noise')],
    ['a certificate request', armoured('CERTIFICATE REQUEST', 'noise')],
  ] as const) {
    test(`${what} is INVALID_KEY`, () => {
      assert.throws(() => readPublicKey(Buffer.from(text), 'the key'), { code: 'INVALID_KEY', category: 'usage' })
    })
  }
})

describe('isSignedBy()', () => {
  test('holds signatures of the larger curves against their own hash, and SHA-256 of old clients', async () => {
    for (const [pair, own] of [
      [P384, 'sha384'],
      [P521, 'sha512'],
    ] as const) {
      const { publicKey } = await read(pkcs8(pair.privateKey))
      assert.equal(publicKey.hashes[0], own)
      assert.ok(isSignedBy(publicKey, MESSAGE, sign(own, MESSAGE, pair.privateKey)))
      assert.ok(isSignedBy(publicKey, MESSAGE, sign('sha256', MESSAGE, pair.privateKey)))
      assert.ok(!isSignedBy(publicKey, MESSAGE, sign('sha1', MESSAGE, pair.privateKey)))
    }
  })

  test('anything that is no signature is none', async () => {
    for (const pair of [EC, RSA, ED]) {
      const { publicKey } = await read(pkcs8(pair.privateKey))
      for (const bytes of [Buffer.alloc(0), Buffer.from('noise'), Buffer.alloc(70_000)]) {
        assert.ok(!isSignedBy(publicKey, MESSAGE, bytes))
      }
    }
  })
})
