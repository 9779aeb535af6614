import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fixture } from '../../test/support/fixtures.ts'
import type { Digest } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import type { KeyPolicy } from './policy.ts'
import { readPublicKey } from './public-key.ts'
import { signDigest } from './sign-digest.ts'
import { keySigner } from './signer.ts'
import { preAuthEncoding, signatureStatement } from './statement.ts'
import { signingKey } from './verification-key.ts'
import { checkCovers, verifyBundle } from './verify-bundle.ts'

/** What the signatures in `fixtures/sign` are over: the manifest of `app-zstd-v2.oci.tar`. */
const FIXTURE_DIGEST: Digest = 'sha256:201f6273f7c2d5518dd1b93e59cbea20dfe747b789b4f6e1bac4328d4810208f'
const FIXTURE_MANIFEST = readFileSync(fixture('sign/signed-manifest.json'))
const DIGEST = digestOf(Buffer.from('a manifest'))
const OTHER = digestOf(Buffer.from('another manifest'))

function policyFor(pem: string | Buffer): KeyPolicy {
  return { kind: 'key', key: readPublicKey(Buffer.from(pem), 'the key') }
}

function policyOf({ publicKey }: { readonly publicKey: KeyObject }): KeyPolicy {
  return policyFor(publicKey.export({ type: 'spki', format: 'pem' }))
}

const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const POLICY = policyOf(PAIR)

async function bundleOf(digest: Digest, pair: { readonly privateKey: KeyObject } = PAIR): Promise<Uint8Array> {
  return (await signDigest(digest, keySigner(signingKey(pair.privateKey, 'the key')))).bundle
}

/** A bundle around any payload, signed as it should be. */
function bundleAround(payload: Uint8Array, payloadType = 'application/vnd.in-toto+json'): Record<string, unknown> {
  const signature = sign('sha256', preAuthEncoding(payloadType, payload), PAIR.privateKey)
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: '' } },
    dsseEnvelope: {
      payload: Buffer.from(payload).toString('base64'),
      payloadType,
      signatures: [{ sig: signature.toString('base64') }],
    },
  }
}

function bytesOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

describe('verifyBundle()', () => {
  for (const [name, publicKey] of [
    ['ecdsa-p256', 'diffah/keys/cosign.pub'],
    ['ecdsa-p384', 'sign/ecdsa-p384.pub'],
    ['ecdsa-p521', 'sign/ecdsa-p521.pub'],
    ['rsa', 'sign/rsa.pub'],
  ] as const) {
    test(`accepts what cosign sign made with ${name}, and no other key`, () => {
      const bundle = readFileSync(fixture(`sign/${name}.sigstore.json`))
      const policy = policyFor(readFileSync(fixture(publicKey)))
      const verified = verifyBundle(bundle, { digest: FIXTURE_DIGEST }, policy, name)
      assert.equal(verified.digest, FIXTURE_DIGEST)
      assert.deepEqual(verified.signer, { kind: 'key', keyId: policy.key.id })
      const refused = { code: 'SIGNATURE_INVALID', category: 'trust', origin: name }
      assert.throws(() => verifyBundle(bundle, { digest: FIXTURE_DIGEST }, POLICY, name), refused)
      assert.throws(() => verifyBundle(bundle, { digest: OTHER }, policy, name), refused)
    })
  }

  for (const [name, publicKey] of [
    ['blob-ecdsa-p256', 'diffah/keys/cosign.pub'],
    ['blob-ecdsa-p384', 'sign/ecdsa-p384.pub'],
  ] as const) {
    test(`accepts what cosign sign-blob made of the manifest: ${name}`, () => {
      const bundle = readFileSync(fixture(`sign/${name}.sigstore.json`))
      const policy = policyFor(readFileSync(fixture(publicKey)))
      const subject = { digest: FIXTURE_DIGEST, bytes: FIXTURE_MANIFEST }
      assert.equal(verifyBundle(bundle, subject, policy, name).digest, FIXTURE_DIGEST)
      const refused = { code: 'SIGNATURE_INVALID' }
      assert.throws(() => verifyBundle(bundle, subject, POLICY, name), refused)
      assert.throws(() => verifyBundle(bundle, { digest: FIXTURE_DIGEST }, policy, name), refused)
      const changed = { digest: OTHER, bytes: Buffer.from('another manifest') }
      assert.throws(() => verifyBundle(bundle, changed, policy, name), refused)
    })
  }

  test('refuses Ed25519ph, which cosign signs with and verifies no more than Tare', () => {
    const bundle = readFileSync(fixture('sign/ed25519ph.sigstore.json'))
    const policy = policyFor(readFileSync(fixture('sign/ed25519ph.pub')))
    assert.throws(() => verifyBundle(bundle, { digest: FIXTURE_DIGEST }, policy, 'ed'), { code: 'SIGNATURE_INVALID' })
  })

  for (const [kind, pair] of [
    ['P-256', PAIR],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ] as const) {
    test(`accepts what signDigest() made with ${kind}, for its digest alone`, async () => {
      const bundle = await bundleOf(DIGEST, pair)
      assert.equal(verifyBundle(bundle, { digest: DIGEST }, policyOf(pair), 'made').origin, 'made')
      assert.throws(() => verifyBundle(bundle, { digest: OTHER }, policyOf(pair), 'made'), {
        code: 'SIGNATURE_INVALID',
      })
    })
  }

  test('signs sha512 digests too', async () => {
    const digest = digestOf(Buffer.from('a manifest'), 'sha512')
    assert.equal(verifyBundle(await bundleOf(digest), { digest }, POLICY, 'made').digest, digest)
  })

  test('refuses every change of the payload and of the signature', async () => {
    const made = JSON.parse(Buffer.from(await bundleOf(DIGEST)).toString()) as {
      readonly dsseEnvelope: { readonly payload: string; readonly signatures: readonly { readonly sig: string }[] }
    }
    const { payload, signatures } = made.dsseEnvelope
    const changed = (envelope: Record<string, unknown>): Uint8Array =>
      bytesOf({ ...made, dsseEnvelope: { ...made.dsseEnvelope, ...envelope } })
    const flipped = (base64: string, at: number): string => {
      const bytes = Buffer.from(base64, 'base64')
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
      return bytes.toString('base64')
    }
    const signature = signatures[0]?.sig ?? ''
    const variants = [
      ...Array.from(Buffer.from(payload, 'base64'), (_, at) => changed({ payload: flipped(payload, at) })),
      ...Array.from(Buffer.from(signature, 'base64'), (_, at) =>
        changed({ signatures: [{ sig: flipped(signature, at) }] }),
      ),
      changed({ payloadType: 'application/json' }),
      changed({ signatures: [] }),
      changed({ signatures: [{ sig: signature }, { sig: signature }] }),
      changed({ payload: '' }),
    ]
    assert.ok(variants.length > 200)
    for (const variant of variants) {
      assert.throws(() => verifyBundle(variant, { digest: DIGEST }, POLICY, 'made'), { code: 'SIGNATURE_INVALID' })
    }
  })

  const statement = JSON.parse(signatureStatement(DIGEST).toString()) as Record<string, unknown>
  for (const [what, payload, type] of [
    ['an attestation', bytesOf({ ...statement, predicateType: 'https://slsa.dev/provenance/v1' }), undefined],
    ['a statement without subjects', bytesOf({ ...statement, subject: [] }), undefined],
    ['a statement of another type', bytesOf({ ...statement, _type: 'https://example.com/Statement' }), undefined],
    [
      'a digest by another algorithm',
      bytesOf({ ...statement, subject: [{ digest: { sha512: DIGEST.slice(7) } }] }),
      undefined,
    ],
    ['a payload of another type', bytesOf(statement), 'application/json'],
    ['a payload that is no JSON', Buffer.from('{'), undefined],
    ['a payload with a key twice', Buffer.from('{"subject":[],"subject":[]}'), undefined],
  ] as const) {
    test(`refuses ${what}, though it is signed by the right key`, () => {
      const bundle = bytesOf(bundleAround(payload, type))
      assert.throws(() => verifyBundle(bundle, { digest: DIGEST }, POLICY, 'made'), { code: 'SIGNATURE_INVALID' })
    })
  }

  const sound = bundleAround(signatureStatement(DIGEST))
  test('the bundle that the next ones are made of is accepted', () => {
    verifyBundle(bytesOf(sound), { digest: DIGEST }, POLICY, 'sound')
  })
  for (const [what, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['noise', Buffer.from([0xff, 0xfe, 0, 1])],
    ['JSON of another kind', Buffer.from('[]')],
    ['an empty object', Buffer.from('{}')],
    ['an unknown media type', bytesOf({ ...sound, mediaType: 'application/json' })],
    ['no verification material', bytesOf({ ...sound, verificationMaterial: undefined })],
    ['no content', bytesOf({ ...sound, dsseEnvelope: undefined })],
    ['fields of wrong types', bytesOf({ ...sound, verificationMaterial: { tlogEntries: 'many' } })],
    ['a certificate that is none', bytesOf({ ...sound, verificationMaterial: { certificate: { rawBytes: 'AAAA' } } })],
    [
      'a timestamp that is none',
      bytesOf({
        ...sound,
        verificationMaterial: {
          publicKey: { hint: '' },
          timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: 'AAAA' }] },
        },
      }),
    ],
    ['a bundle of more than 1 MiB', Buffer.concat([bytesOf(sound), Buffer.alloc(1024 * 1024, ' ')])],
    ['deep nesting', Buffer.from('['.repeat(100_000))],
  ] as const) {
    test(`refuses ${what} as SIGNATURE_INVALID`, () => {
      assert.throws(() => verifyBundle(bytes, { digest: DIGEST }, POLICY, 'made'), {
        code: 'SIGNATURE_INVALID',
        category: 'trust',
      })
    })
  }

  test('a log entry without its proof is LOG_PROOF_INVALID', () => {
    const entry = {
      logIndex: '1',
      logId: { keyId: 'AAAA' },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: '1',
      canonicalizedBody: 'AAAA',
    }
    const bundle = bytesOf({ ...sound, verificationMaterial: { publicKey: { hint: '' }, tlogEntries: [entry] } })
    assert.throws(() => verifyBundle(bundle, { digest: DIGEST }, POLICY, 'made'), { code: 'LOG_PROOF_INVALID' })
  })

  test('an identity is not what a bare key has', () => {
    const nobody = {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      publicKey: assert.fail,
    }
    const trustedRoot = { origin: 'nowhere', material: nobody }
    const policy = { kind: 'identity', certificateIdentity: /./, certificateOidcIssuer: /./, trustedRoot } as const
    assert.throws(() => verifyBundle(bytesOf(sound), { digest: DIGEST }, policy, 'made'), { code: 'IDENTITY_MISMATCH' })
  })

  test('log entries cannot be required without a trusted root', () => {
    const policy: KeyPolicy = { ...POLICY, logThreshold: 1 }
    assert.throws(() => verifyBundle(bytesOf(sound), { digest: DIGEST }, policy, 'made'), { code: 'INVALID_ARGUMENT' })
  })
})

test('checkCovers() looks at the digest and at nothing else', async () => {
  const bundle = await bundleOf(DIGEST)
  checkCovers(bundle, DIGEST, 'made')
  assert.throws(() => checkCovers(bundle, OTHER, 'made'), { code: 'SIGNATURE_INVALID' })
  const blob = readFileSync(fixture('sign/blob-ecdsa-p256.sigstore.json'))
  assert.throws(() => checkCovers(blob, FIXTURE_DIGEST, 'blob'), { code: 'SIGNATURE_INVALID' })
})
