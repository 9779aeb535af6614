import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import canonicalize from 'canonicalize'
import { HttpClient } from '../../src/http/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import {
  diffahPayload,
  fetchTrustedRoot,
  type IdentityPolicy,
  keylessSigner,
  keySigner,
  parseTrustedRoot,
  readPrivateKey,
  readPublicKey,
  type SignedDigest,
  signDigest,
  type SignOptions,
  verifyBundle,
  verifyDiffahArchive,
} from '../../src/sign/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { fixture } from '../support/fixtures.ts'
import { identityToken, type SigstoreServices, startSigstore } from '../support/sigstore-services.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startTufRepository } from '../support/tuf-repository.ts'

const DIGEST = digestOf(Buffer.from('a manifest'))
const OTHER = digestOf(Buffer.from('another manifest'))
const IDENTITY = 'https://ci.example/app/.github/workflows/release.yml@refs/heads/main'
const ISSUER = 'https://issuer.example'
const TOKEN = identityToken({ sub: IDENTITY, iss: ISSUER, aud: 'sigstore' })

const PEM = Buffer.from(await readFile(fixture('diffah/keys/ec.key.b64'), 'latin1'), 'base64')
const KEY = await readPrivateKey(PEM, 'ec.key')

function patient(): HttpClient {
  return new HttpClient({ retries: 1, baseDelayMs: 1 })
}

async function signKeyless(
  services: SigstoreServices,
  options: Partial<SignOptions> & { readonly token?: string } = {},
): Promise<SignedDigest> {
  await using http = patient()
  const { token = TOKEN, ...rest } = options
  const signer = keylessSigner({ http, fulcioUrl: services.fulcioUrl, identityToken: async () => token })
  return await signDigest(DIGEST, signer, { http, rekorUrl: services.rekorUrl, ...rest })
}

async function signByKey(services: SigstoreServices, options: Partial<SignOptions> = {}): Promise<SignedDigest> {
  await using http = patient()
  return await signDigest(DIGEST, keySigner(KEY), { http, rekorUrl: services.rekorUrl, ...options })
}

function policyOf(services: SigstoreServices, change: Partial<IdentityPolicy> = {}): IdentityPolicy {
  const { trustedRoot } = services
  return { kind: 'identity', certificateIdentity: IDENTITY, certificateOidcIssuer: ISSUER, trustedRoot, ...change }
}

function verify(bundle: Uint8Array, policy: IdentityPolicy, digest: Digest = DIGEST) {
  return verifyBundle(bundle, { digest }, policy, 'the test')
}

interface LooseBundle {
  readonly verificationMaterial: {
    readonly tlogEntries: readonly Record<string, unknown>[]
    readonly timestampVerificationData: Record<string, unknown>
    readonly certificate: { readonly rawBytes: string }
  }
  readonly dsseEnvelope: { readonly payload: string; readonly signatures: readonly { readonly sig: string }[] }
}

/** A bundle with some of its parts replaced. */
function changed(bundle: Uint8Array, change: (bundle: LooseBundle) => unknown): Uint8Array {
  return Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(bundle).toString()) as LooseBundle)))
}

function withMaterial(
  bundle: Uint8Array,
  material: (found: LooseBundle['verificationMaterial']) => object,
): Uint8Array {
  return changed(bundle, (whole) => ({
    ...whole,
    verificationMaterial: { ...whole.verificationMaterial, ...material(whole.verificationMaterial) },
  }))
}

describe('keylessSigner() and the identity policy', () => {
  test('sign through authority, log and timestamp authority; verification is offline and says who and when', async () => {
    await using services = await startSigstore()
    const { trustedRoot, timestampUrl } = services
    const made = await signKeyless(services, { timestampUrl, trustedRoot })
    const asked = services.requests.length
    const verified = verify(made.bundle, policyOf(services))
    assert.equal(services.requests.length, asked)
    assert.equal(verified.digest, DIGEST)
    assert.deepEqual(verified.signer, {
      kind: 'identity',
      certificateIdentity: IDENTITY,
      certificateOidcIssuer: ISSUER,
    })
    assert.equal(verified.logEntries[0]?.logIndex, made.logIndex)
    assert.match(verified.logEntries[0]?.integratedTime ?? '', /^\d{4}-.*Z$/)
    assert.equal(verified.times.length, 2)
    assert.equal(made.maker.kind === 'certificate' && made.maker.identity, IDENTITY)
    const text = Buffer.from(made.bundle).toString()
    assert.ok(!text.includes(TOKEN))
  })

  test('patterns may match any part of identity and issuer', async () => {
    await using services = await startSigstore()
    const { bundle } = await signKeyless(services)
    verify(bundle, policyOf(services, { certificateIdentity: /@refs\/heads\/main$/, certificateOidcIssuer: /^https:/ }))
    const refused = { code: 'IDENTITY_MISMATCH' }
    assert.throws(() => verify(bundle, policyOf(services, { certificateIdentity: /@refs\/tags/ })), refused)
  })

  test('another identity or issuer is IDENTITY_MISMATCH, and the error says whose the signature is', async () => {
    await using services = await startSigstore()
    const { bundle } = await signKeyless(services)
    const facts = { category: 'trust', certificateIdentity: IDENTITY, certificateOidcIssuer: ISSUER }
    for (const change of [
      { certificateIdentity: 'https://ci.example/app' },
      { certificateIdentity: `${IDENTITY}2` },
      { certificateOidcIssuer: 'https://other.example' },
      { certificateOidcIssuer: /^other/ },
    ]) {
      assert.throws(() => verify(bundle, policyOf(services, change)), { code: 'IDENTITY_MISMATCH', ...facts })
    }
  })

  test('another digest, payload or signature is refused', async () => {
    await using services = await startSigstore()
    const { bundle } = await signKeyless(services)
    const policy = policyOf(services)
    assert.throws(() => verify(bundle, policy, OTHER), { code: 'SIGNATURE_INVALID' })
    const forOther = changed(bundle, (whole) => {
      const payload = Buffer.from(whole.dsseEnvelope.payload, 'base64')
        .toString()
        .replace(DIGEST.slice(7), OTHER.slice(7))
      return { ...whole, dsseEnvelope: { ...whole.dsseEnvelope, payload: Buffer.from(payload).toString('base64') } }
    })
    // The log says first that it knows nothing of such a payload.
    assert.throws(() => verify(forOther, policy, OTHER), { code: 'LOG_PROOF_INVALID', category: 'trust' })
  })

  test('a certificate that had expired when the log took the signature up is CERTIFICATE_INVALID', async () => {
    await using services = await startSigstore({ certificateTime: new Date(Date.now() - 3600_000) })
    const { bundle } = await signKeyless(services)
    assert.throws(() => verify(bundle, policyOf(services)), { code: 'CERTIFICATE_INVALID', category: 'trust' })
  })

  test('a certificate that is not valid yet is CERTIFICATE_INVALID', async () => {
    await using services = await startSigstore({ certificateTime: new Date(Date.now() + 3600_000) })
    const { bundle } = await signKeyless(services)
    assert.throws(() => verify(bundle, policyOf(services)), { code: 'CERTIFICATE_INVALID' })
  })

  test('a certificate of another authority is CERTIFICATE_INVALID, a log of another root LOG_PROOF_INVALID', async () => {
    await using services = await startSigstore()
    await using others = await startSigstore()
    const { bundle } = await signKeyless(services)
    assert.throws(() => verify(bundle, policyOf(others)), { code: 'CERTIFICATE_INVALID' })
    const { material: own } = services.trustedRoot
    const mixed = { origin: 'mixed', material: { ...own, tlogs: others.trustedRoot.material.tlogs } }
    assert.throws(() => verify(bundle, policyOf(services, { trustedRoot: mixed })), { code: 'LOG_PROOF_INVALID' })
    const unlogged = { origin: 'mixed', material: { ...own, ctlogs: others.trustedRoot.material.ctlogs } }
    assert.throws(() => verify(bundle, policyOf(services, { trustedRoot: unlogged })), { code: 'CERTIFICATE_INVALID' })
  })

  test('another certificate of the same authority does not make the signature its own', async () => {
    await using services = await startSigstore()
    const mallory = 'https://mallory.example'
    const [victim, other] = [
      await signKeyless(services),
      await signKeyless(services, { token: identityToken({ sub: mallory, iss: ISSUER }) }),
    ]
    const stolen = withMaterial(other.bundle, () => ({
      certificate: {
        rawBytes: (JSON.parse(Buffer.from(victim.bundle).toString()) as LooseBundle).verificationMaterial.certificate
          .rawBytes,
      },
    }))
    assert.throws(() => verify(stolen, policyOf(services)), { code: 'SIGNATURE_INVALID' })
  })

  test('no log entry, no time, a broken proof: each is LOG_PROOF_INVALID', async () => {
    await using services = await startSigstore()
    const { bundle } = await signKeyless(services, { timestampUrl: services.timestampUrl })
    const policy = policyOf(services)
    const entries = (change: (entry: Record<string, unknown>) => object): Uint8Array =>
      withMaterial(bundle, ({ tlogEntries }) => ({ tlogEntries: tlogEntries.map(change) }))
    const noTimestamps = { timestampVerificationData: { rfc3161Timestamps: [] } }
    const flip = (base64: unknown): string => {
      const bytes = Buffer.from(String(base64), 'base64')
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
      return bytes.toString('base64')
    }
    const variants: Readonly<Record<string, Uint8Array>> = {
      'no entry': withMaterial(bundle, () => ({ tlogEntries: [] })),
      'no entry and no timestamp': withMaterial(bundle, () => ({ tlogEntries: [], ...noTimestamps })),
      'no proof': entries((entry) => ({ ...entry, inclusionProof: undefined })),
      'no promise and no timestamp': withMaterial(bundle, ({ tlogEntries }) => ({
        tlogEntries: tlogEntries.map((entry) => ({ ...entry, inclusionPromise: undefined })),
        ...noTimestamps,
      })),
      'another time': entries((entry) => ({ ...entry, integratedTime: String(Number(entry['integratedTime']) + 60) })),
      'another index': entries((entry) => ({ ...entry, logIndex: '7' })),
      'a body that changed': entries((entry) => ({ ...entry, canonicalizedBody: flip(entry['canonicalizedBody']) })),
      'another log': entries((entry) => ({ ...entry, logId: { keyId: Buffer.alloc(32).toString('base64') } })),
      'a promise that changed': entries((entry) => ({
        ...entry,
        inclusionPromise: { signedEntryTimestamp: Buffer.alloc(70).toString('base64') },
      })),
      'the entry twice': withMaterial(bundle, ({ tlogEntries }) => ({ tlogEntries: [...tlogEntries, ...tlogEntries] })),
      'a proof for another tree': entries((entry) => ({
        ...entry,
        inclusionProof: { ...(entry['inclusionProof'] as object), logIndex: '5' },
      })),
    }
    for (const [what, variant] of Object.entries(variants)) {
      assert.throws(() => verify(variant, policy), { code: 'LOG_PROOF_INVALID', category: 'trust' }, what)
    }
  })

  test('a timestamp over something else is LOG_PROOF_INVALID', async () => {
    await using services = await startSigstore()
    const { timestampUrl } = services
    const [one, two] = [await signKeyless(services, { timestampUrl }), await signKeyless(services, { timestampUrl })]
    const foreign = (JSON.parse(Buffer.from(two.bundle).toString()) as LooseBundle).verificationMaterial
    const swapped = withMaterial(one.bundle, () => ({ timestampVerificationData: foreign.timestampVerificationData }))
    assert.throws(() => verify(swapped, policyOf(services)), { code: 'LOG_PROOF_INVALID' })
  })

  test('a timestamp authority alone will do where the policy asks for no log', async () => {
    await using services = await startSigstore()
    const { timestampUrl } = services
    const { bundle } = await signKeyless(services, { rekorUrl: undefined, timestampUrl })
    assert.throws(() => verify(bundle, policyOf(services)), { code: 'LOG_PROOF_INVALID' })
    const verified = verify(bundle, policyOf(services, { logThreshold: 0 }))
    assert.deepEqual(verified.logEntries, [])
    assert.equal(verified.times.length, 1)
  })

  test('a keyless signature that nobody vouches the time of is not made', async () => {
    await using services = await startSigstore()
    await assert.rejects(signKeyless(services, { rekorUrl: undefined }), { code: 'INVALID_ARGUMENT' })
    assert.deepEqual(services.requests, [])
  })

  test('the certificate of an authority itself is none for signing', async () => {
    await using services = await startSigstore()
    const { bundle } = await signKeyless(services)
    const authority = services.trustedRoot.material.certificateAuthorities[0]?.certChain[0]?.root.toDER()
    assert.ok(authority !== undefined && new X509Certificate(authority).ca)
    const replaced = withMaterial(bundle, () => ({ certificate: { rawBytes: authority.toString('base64') } }))
    assert.throws(() => verify(replaced, policyOf(services)), { code: 'CERTIFICATE_INVALID' })
  })

  for (const [what, token] of [
    ['no token', ''],
    ['a token of two parts', 'a.b'],
    ['a token that is no JSON', 'a.b.c'],
    ['a token that names nobody', identityToken({ iss: ISSUER })],
  ] as const) {
    test(`${what} is IDENTITY_TOKEN, and is not sent`, async () => {
      await using services = await startSigstore()
      await assert.rejects(signKeyless(services, { token }), { code: 'IDENTITY_TOKEN', category: 'environment' })
      assert.deepEqual(services.requests, [])
    })
  }

  test('what the authority says is told, but not the token it quotes', async () => {
    await using services = await startSigstore()
    const body = JSON.stringify({ code: 3, message: `There was an error with ${TOKEN}` })
    services.answerNext('/fulcio/api/v2/signingCert', { status: 400, body })
    await assert.rejects(signKeyless(services), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SIGNING_SERVICE')
      assert.match(error.message, /400/)
      assert.ok(!error.message.includes(TOKEN.slice(-20)))
      return true
    })
  })

  test('the token does not follow a redirect', async () => {
    await using services = await startSigstore()
    const headers = { location: `${services.fulcioUrl.href}/elsewhere` }
    services.answerNext('/fulcio/api/v2/signingCert', { status: 307, headers })
    await assert.rejects(signKeyless(services), { code: 'SIGNING_SERVICE' })
    assert.deepEqual(services.requests, ['POST /fulcio/api/v2/signingCert'])
  })
})

describe('signDigest() with a key and a log', () => {
  test('keeps the proof, which the key policy wants or looks at', async () => {
    await using services = await startSigstore()
    const { trustedRoot } = services
    const { bundle, logIndex } = await signByKey(services, { trustedRoot })
    const key = KEY.publicKey
    const wanted = { kind: 'key', key, trustedRoot, logThreshold: 1 } as const
    const verified = verifyBundle(bundle, { digest: DIGEST }, wanted, 'the test')
    assert.equal(verified.logEntries[0]?.logIndex, logIndex)
    assert.deepEqual(verifyBundle(bundle, { digest: DIGEST }, { kind: 'key', key }, 'the test').logEntries, [])
    await using others = await startSigstore()
    const foreign = { kind: 'key', key, trustedRoot: others.trustedRoot } as const
    assert.throws(() => verifyBundle(bundle, { digest: DIGEST }, foreign, 'the test'), { code: 'LOG_PROOF_INVALID' })
    const bare = (await signDigest(DIGEST, keySigner(KEY))).bundle
    assert.throws(() => verifyBundle(bare, { digest: DIGEST }, wanted, 'the test'), { code: 'LOG_PROOF_INVALID' })
  })

  test('an entry that is in the log already is fetched', async () => {
    await using services = await startSigstore()
    const { rekorUrl, trustedRoot } = services
    await using http = patient()
    // Ed25519 makes the same signature again.
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
    const signer = keySigner(await readPrivateKey(Buffer.from(pem), 'the key'))
    const first = await signDigest(DIGEST, signer, { http, rekorUrl, trustedRoot })
    const again = await signDigest(DIGEST, signer, { http, rekorUrl, trustedRoot })
    assert.deepEqual(again.bundle, first.bundle)
    assert.match(services.requests.at(-1) ?? '', /^GET \/rekor\/api\/v1\/log\/entries\/[0-9a-f]+$/)
  })

  test('a log that leaves out the proof or the promise has proven nothing', async () => {
    for (const without of ['proof', 'promise'] as const) {
      await using services = await startSigstore({ without })
      await assert.rejects(signByKey(services), { code: 'SIGNING_SERVICE', category: 'environment' })
    }
  })

  test('a log of another root is noticed before the signature is given out', async () => {
    await using services = await startSigstore()
    await using others = await startSigstore()
    await assert.rejects(signByKey(services, { trustedRoot: others.trustedRoot }), { code: 'LOG_PROOF_INVALID' })
  })

  test('a log of version 2 proves inclusion, and no time', async () => {
    await using services = await startSigstore({ logVersion: 2 })
    const { trustedRoot, timestampUrl } = services
    const { bundle } = await signByKey(services, { trustedRoot })
    const wanted = { kind: 'key', key: KEY.publicKey, trustedRoot, logThreshold: 1 } as const
    const { logEntries, times } = verifyBundle(bundle, { digest: DIGEST }, wanted, 'the test')
    assert.equal(logEntries.length, 1)
    assert.equal(logEntries[0]?.integratedTime, undefined)
    assert.deepEqual(times, [])
    await assert.rejects(signKeyless(services, { trustedRoot }), { code: 'INVALID_ARGUMENT' })
    const stamped = await signKeyless(services, { trustedRoot, timestampUrl })
    assert.equal(verify(stamped.bundle, policyOf(services)).times.length, 1)
    const unstamped = withMaterial(stamped.bundle, () => ({ timestampVerificationData: { rfc3161Timestamps: [] } }))
    assert.throws(() => verify(unstamped, policyOf(services)), { code: 'LOG_PROOF_INVALID' })
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
    await using http = patient()
    const signer = keySigner(await readPrivateKey(Buffer.from(pem), 'the key'))
    await assert.rejects(signDigest(DIGEST, signer, { http, rekorUrl: services.rekorUrl }), { code: 'INVALID_KEY' })
    for (const body of ['{}', '[]', JSON.stringify({ logIndex: 'x' })]) {
      services.answerNext('/rekor/api/v2/log/entries', { status: 201, body })
      await assert.rejects(signByKey(services), { code: 'SIGNING_SERVICE' })
    }
  })

  for (const [what, answer] of [
    ['an error', { status: 500, body: '{"code":500,"message":"out of order"}' }],
    ['a web page', { status: 201, body: '<html>' }],
    ['an empty object', { status: 201, body: '{}' }],
    ['entries without end', { status: 201, body: JSON.stringify({ a: {}, b: {} }) }],
    ['too much', { status: 201, body: Buffer.alloc(2 * 1024 * 1024, ' ') }],
    ['a conflict without a place', { status: 409 }],
    ['a conflict elsewhere', { status: 409, headers: { location: 'http://127.0.0.2/entry' } }],
  ] as const) {
    test(`a log that answers ${what} makes the signing fail`, async () => {
      await using services = await startSigstore()
      services.answerNext('/rekor/api/v1/log/entries', answer)
      const options = what === 'an error' ? { http: new HttpClient({ retries: 0 }) } : {}
      await assert.rejects(signByKey(services, options), (error: Error & { code?: string }) => {
        assert.ok(error.code === 'SIGNING_SERVICE' || error.code === 'LIMIT_EXCEEDED', error.code)
        return true
      })
    })
  }

  test('an entry for another signature is refused', async () => {
    await using services = await startSigstore()
    const { bundle } = await signByKey(services)
    const [entry] = (JSON.parse(Buffer.from(bundle).toString()) as LooseBundle).verificationMaterial.tlogEntries
    const foreign = {
      body: entry?.['canonicalizedBody'],
      integratedTime: 1,
      logID: 'abcd',
      logIndex: 1,
      verification: {
        signedEntryTimestamp: 'AAAA',
        inclusionProof: { checkpoint: 'x', hashes: [], logIndex: 0, rootHash: 'abcd', treeSize: 1 },
      },
    }
    services.answerNext('/rekor/api/v1/log/entries', { status: 201, body: JSON.stringify({ a: foreign }) })
    await assert.rejects(signByKey(services), { code: 'SIGNING_SERVICE' })
  })

  test('an aborted signing ends with its reason', async () => {
    await using services = await startSigstore()
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(signByKey(services, { signal }), { message: 'enough' })
  })

  test('a timestamp authority that refuses, or answers nonsense, makes the signing fail', async () => {
    await using services = await startSigstore()
    const { timestampUrl } = services
    for (const body of [
      Buffer.from('300530030201022', 'hex'),
      Buffer.from('3005300302010200', 'hex'),
      Buffer.from('noise'),
    ]) {
      services.answerNext('/tsa', { status: 200, body })
      await assert.rejects(signByKey(services, { timestampUrl }), { code: 'SIGNING_SERVICE' })
    }
  })
})

describe('verifyDiffahArchive() with a certificate and a log entry', () => {
  const document = Buffer.from('{"version":"v1","feature":"bundle"}')

  /** The sidecar files of a keyless signature, as cosign would write them. */
  async function writeSidecars(services: SigstoreServices, path: string, change: Partial<RekorPayload> = {}) {
    const { fulcioUrl } = services
    await using http = patient()
    const signer = keylessSigner({ http, fulcioUrl, identityToken: async () => TOKEN })
    const { signature, maker } = await signer.sign(diffahPayload(document))
    const body = {
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha256', value: digestOf(diffahPayload(document)).slice(7) } },
        signature: {
          content: Buffer.from(signature).toString('base64'),
          publicKey: { content: Buffer.from(maker.pem).toString('base64') },
        },
      },
    }
    const payload = {
      body: Buffer.from(canonicalize(body) ?? '').toString('base64'),
      integratedTime: Math.floor(Date.now() / 1000) + 1,
      logIndex: 42,
      logID: LOG_ID,
    }
    const promise = sign('sha256', Buffer.from(canonicalize(payload) ?? ''), LOG.privateKey)
    const bundle = { SignedEntryTimestamp: promise.toString('base64'), Payload: { ...payload, ...change } }
    await writeFile(`${path}.sig`, `${Buffer.from(signature).toString('base64')}\n`)
    await writeFile(`${path}.cert`, maker.pem)
    await writeFile(`${path}.rekor.json`, JSON.stringify(bundle))
  }

  const LOG = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const LOG_DER = LOG.publicKey.export({ type: 'spki', format: 'der' })
  const LOG_ID = digestOf(LOG_DER).slice(7)

  interface RekorPayload {
    readonly body: string
    readonly integratedTime: number
    readonly logIndex: number
    readonly logID: string
  }

  /** The root of the services with the log of this test, whose key signs promises alone. */
  function rootOf(services: SigstoreServices) {
    const text = JSON.parse(Buffer.from(services.trustedRootBytes).toString()) as {
      readonly tlogs: readonly { readonly publicKey: object }[]
    }
    const [log] = text.tlogs
    const own = {
      ...log,
      logId: { keyId: Buffer.from(LOG_ID, 'hex').toString('base64') },
      publicKey: { ...log?.publicKey, rawBytes: LOG_DER.toString('base64') },
    }
    return parseTrustedRoot(Buffer.from(JSON.stringify({ ...text, tlogs: [own] })), 'root of the test')
  }

  test('accepts the identity when the promise of the log holds', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const path = directory.join('a.tar')
    await writeSidecars(services, path)
    const policy = policyOf(services, { trustedRoot: rootOf(services) })
    const verified = await verifyDiffahArchive(path, document, policy)
    assert.equal(verified.logEntries[0]?.logIndex, '42')
    const key = readPublicKey(await readFile(`${path}.cert`), 'its certificate')
    await verifyDiffahArchive(path, document, { kind: 'key', key, trustedRoot: policy.trustedRoot, logThreshold: 1 })
    await writeFile(`${path}.cert`, Buffer.from(await readFile(`${path}.cert`)).toString('base64'))
    await verifyDiffahArchive(path, document, policy)
    const stranger = policyOf(services, { ...policy, certificateIdentity: 'https://other.example' })
    await assert.rejects(verifyDiffahArchive(path, document, stranger), { code: 'IDENTITY_MISMATCH' })
    const unknownLog = policyOf(services)
    await assert.rejects(verifyDiffahArchive(path, document, unknownLog), { code: 'LOG_PROOF_INVALID' })
    await assert.rejects(verifyDiffahArchive(path, Buffer.from('{}'), policy), { category: 'trust' })
  })

  test('refuses a promise for another time, index, log or body', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const path = directory.join('a.tar')
    const policy = policyOf(services, { trustedRoot: rootOf(services) })
    for (const change of [
      { integratedTime: Math.floor(Date.now() / 1000) + 2 },
      { logIndex: 43 },
      { logID: 'ab'.repeat(32) },
      { body: Buffer.from('{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}').toString('base64') },
    ]) {
      await writeSidecars(services, path, change)
      await assert.rejects(verifyDiffahArchive(path, document, policy), { code: 'LOG_PROOF_INVALID' })
    }
  })
})

describe('fetchTrustedRoot()', () => {
  test('fetches through TUF, and again only when that has expired', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const target = services.trustedRootBytes
    await using repository = await startTufRepository({ directory: directory.path, target })
    const options = { cachePath: directory.join('cache'), mirrorUrl: repository.url, rootPath: repository.rootPath }
    const trustedRoot = await fetchTrustedRoot(options)
    const { bundle } = await signKeyless(services)
    verify(bundle, policyOf(services, { trustedRoot }))
    const asked = repository.requests.length
    assert.ok(asked > 3)
    await fetchTrustedRoot(options)
    assert.equal(repository.requests.length, asked)
  })

  test('a repository that lies, is stale or absent is TRUSTED_ROOT', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const target = services.trustedRootBytes
    const lie = Buffer.from(Buffer.from(target).toString().replace('P', 'Q'))
    for (const [name, change] of [
      ['lie', { servedTarget: lie }],
      ['stale', { expires: new Date(Date.now() - 1000) }],
    ] as const) {
      await using repository = await startTufRepository({ directory: directory.join(name), target, ...change })
      const { url: mirrorUrl, rootPath } = repository
      const options = { cachePath: directory.join(name, 'cache'), mirrorUrl, rootPath }
      await assert.rejects(fetchTrustedRoot(options), { code: 'TRUSTED_ROOT', category: 'environment' })
    }
    const nowhere = { cachePath: directory.join('cache'), mirrorUrl: new URL('http://127.0.0.1:9') }
    await assert.rejects(fetchTrustedRoot(nowhere), { code: 'TRUSTED_ROOT' })
  })

  test('an abort ends the wait', async () => {
    await using directory = await temporaryDirectory()
    const options = { cachePath: directory.path, signal: AbortSignal.abort(new Error('enough')) }
    await assert.rejects(fetchTrustedRoot(options), { message: 'enough' })
  })
})

describe('parseTrustedRoot()', () => {
  for (const [what, text] of [
    ['nothing', ''],
    ['an empty object', '{}'],
    ['a list', '[]'],
    ['an authority without certificates', '{"certificateAuthorities":[{}]}'],
    ['a log without a key', '{"tlogs":[{"baseUrl":"https://log.example"}]}'],
    ['a certificate that is none', '{"certificateAuthorities":[{"certChain":{"certificates":[{"rawBytes":"AAAA"}]}}]}'],
  ] as const) {
    test(`${what} is TRUSTED_ROOT`, () => {
      assert.throws(() => parseTrustedRoot(Buffer.from(text), 'the file'), { code: 'TRUSTED_ROOT' })
    })
  }
})
