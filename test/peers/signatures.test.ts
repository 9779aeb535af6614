import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { HttpClient } from '../../src/http/index.ts'
import { copyImage } from '../../src/image/index.ts'
import {
  attachSignature,
  diffahPayload,
  type IdentityPolicy,
  keylessSigner,
  keySigner,
  readPrivateKey,
  readPublicKey,
  signatureReferrer,
  type Signer,
  signDiffahArchive,
  signDigest,
  type SignOptions,
  verifyDiffahArchive,
  verifySource,
} from '../../src/sign/index.ts'
import { openDestination, openSource, parseTransportReference } from '../../src/transport/index.ts'
import { startDebianRegistry } from '../support/debian-registry.ts'
import { fixture } from '../support/fixtures.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { identityToken, type SigstoreServices, startSigstore } from '../support/sigstore-services.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'

const DOCUMENT = await readFile(fixture('diffah/signed.diffah.json'))
const CONTEXT = { registry: { tlsVerify: false } }
const IDENTITY = 'https://ci.example/app'
const ISSUER = 'https://issuer.example'

describe('openssl', () => {
  const skip = skipWithout('openssl')

  test('verifies the .sig that Tare wrote, and Tare the one that openssl wrote', { skip }, async () => {
    await using directory = await temporaryDirectory()
    const { path: cwd } = directory
    const openssl = (...args: readonly string[]) => runPeer('openssl', args, { cwd })
    await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', 'ec.key')
    await openssl('ec', '-in', 'ec.key', '-pubout', '-out', 'ec.pub')
    const key = await readPrivateKey(await readFile(directory.join('ec.key')), 'ec.key')
    const path = await signDiffahArchive(directory.join('a.tar'), DOCUMENT, key)
    await writeFile(directory.join('payload'), diffahPayload(DOCUMENT))
    await writeFile(directory.join('der'), Buffer.from(await readFile(path, 'latin1'), 'base64'))
    const verified = await openssl('dgst', '-sha256', '-verify', 'ec.pub', '-signature', 'der', 'payload')
    assert.match(verified.stdout, /Verified OK/)
    await openssl('dgst', '-sha256', '-sign', 'ec.key', '-out', 'der2', 'payload')
    await writeFile(path, (await readFile(directory.join('der2'))).toString('base64'))
    const policy = { kind: 'key', key: readPublicKey(await readFile(directory.join('ec.pub')), 'ec.pub') } as const
    await verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, policy)
  })

  test('verifies a .sig of diffah’s over the payload that Tare makes of its archive', { skip }, async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('payload'), diffahPayload(DOCUMENT))
    const signature = await readFile(fixture('diffah/signed.tar.sig'), 'latin1')
    await writeFile(directory.join('der'), Buffer.from(signature, 'base64'))
    const args = ['dgst', '-sha256', '-verify', fixture('diffah/keys/ec.pub'), '-signature', 'der', 'payload']
    assert.match((await runPeer('openssl', args, { cwd: directory.path })).stdout, /Verified OK/)
  })

  for (const [kind, args] of [
    ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['P-521', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    ['Ed25519', ['-algorithm', 'ed25519']],
    ['encrypted P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-aes256', '-pass', 'pass:tare']],
  ] as const) {
    test(`makes keys that Tare reads: ${kind}`, { skip }, async () => {
      await using directory = await temporaryDirectory()
      const path = directory.join('key')
      await runPeer('openssl', ['genpkey', ...args, '-out', path])
      await runPeer('openssl', ['pkey', '-in', path, '-passin', 'pass:tare', '-pubout', '-out', `${path}.pub`])
      const key = await readPrivateKey(await readFile(path), path, { password: async () => Buffer.from('tare') })
      assert.equal(key.publicKey.id, readPublicKey(await readFile(`${path}.pub`), path).id)
    })
  }
})

describe('cosign', () => {
  const skip = skipWithout('cosign', 'docker-registry', 'openssl')

  /** An image in a registry of Debian's, and cosign with a home of its own. */
  async function start() {
    await using stack = new AsyncDisposableStack()
    const directory = stack.use(await temporaryDirectory())
    const registry = stack.use(await startDebianRegistry())
    const reference = `docker://${registry.address}/app:v2`
    await using from = await openSource(`oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`)
    await using to = await openDestination(reference, CONTEXT)
    await copyImage(from, to)
    const { descriptor } = await from.resolve()
    const name = `${registry.address}/app@${descriptor.digest}`
    const env = { HOME: directory.path, COSIGN_PASSWORD: 'tare' }
    const cosign = (...args: readonly string[]) => runPeer('cosign', args, { cwd: directory.path, env })
    const owned = stack.move()
    return { directory, reference, descriptor, name, cosign, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }

  async function makeKey(kind: string, directory: TemporaryDirectory): Promise<string> {
    const cwd = directory.path
    const algorithm =
      kind === 'rsa' ? ['-algorithm', 'RSA'] : kind === 'ed25519' ? ['-algorithm', 'ed25519'] : undefined
    const args = algorithm ?? ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${kind}`]
    await runPeer('openssl', ['genpkey', ...args, '-out', 'key.pem'], { cwd })
    await runPeer('openssl', ['pkey', '-in', 'key.pem', '-pubout', '-out', 'key.pub'], { cwd })
    return directory.join('key.pem')
  }

  async function signAndAttach(
    { reference, descriptor }: Awaited<ReturnType<typeof start>>,
    signer: Signer,
    options: SignOptions,
  ): Promise<void> {
    const { bundle } = await signDigest(descriptor.digest, signer, options)
    await attachSignature(parseTransportReference(reference), signatureReferrer(bundle, descriptor), CONTEXT)
  }

  const LAX = ['--allow-http-registry', '--insecure-ignore-tlog']

  for (const [kind, hash] of [
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
    ['rsa', 'sha256'],
    ['ed25519', 'sha256'],
  ] as const) {
    test(`finds and accepts what Tare pushed, signed with ${kind}, for its key alone`, { skip }, async () => {
      await using place = await start()
      const { directory, name, cosign } = place
      const key = await readPrivateKey(await readFile(await makeKey(kind, directory)), 'key.pem')
      await signAndAttach(place, keySigner(key), {})
      const { stdout } = await cosign('verify', '--key', 'key.pub', '--signature-digest-algorithm', hash, ...LAX, name)
      assert.match(stdout, /docker-manifest-digest/)
      await assert.rejects(cosign('verify', '--key', fixture('diffah/keys/cosign.pub'), ...LAX, name))
    })
  }

  for (const kind of ['P-256', 'P-384', 'P-521', 'rsa'] as const) {
    test(`pushes what Tare finds and accepts, signed with ${kind}`, { skip }, async () => {
      await using place = await start()
      const { directory, reference, name, cosign } = place
      await makeKey(kind, directory)
      await cosign('import-key-pair', '--key', 'key.pem', '--output-key-prefix', 'cosign')
      // Today's cosign signs by what such a file says; this one names neither log nor authority.
      const config = { mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json' }
      await writeFile(directory.join('config.json'), JSON.stringify(config))
      await cosign(
        'sign',
        '--key',
        'cosign.key',
        '--signing-config',
        'config.json',
        '--allow-http-registry',
        '-y',
        name,
      )
      await using source = await openSource(reference, CONTEXT)
      const key = readPublicKey(await readFile(directory.join('key.pub')), 'key.pub')
      await verifySource(source, { kind: 'key', key })
      const boxed = await readFile(directory.join('cosign.key'))
      const own = await readPrivateKey(boxed, 'cosign.key', { password: async () => Buffer.from('tare') })
      assert.equal(own.publicKey.id, key.id)
    })
  }

  test('accepts Tare’s keyless signatures and log entries, and Tare those of cosign', { skip }, async () => {
    await using services = await startSigstore()
    await using mine = await start()
    await using theirs = await start()
    await using http = new HttpClient()
    const { fulcioUrl, rekorUrl, timestampUrl, trustedRoot } = services
    const now = Math.floor(Date.now() / 1000)
    const token = identityToken({ sub: IDENTITY, iss: ISSUER, aud: 'sigstore', iat: now, exp: now + 600 })
    const signer = keylessSigner({ http, fulcioUrl, identityToken: async () => token })
    await signAndAttach(mine, signer, { http, rekorUrl, timestampUrl, trustedRoot })
    await writeFile(mine.directory.join('root.json'), services.trustedRootBytes)
    const wanted = ['--certificate-identity', IDENTITY, '--certificate-oidc-issuer', ISSUER]
    await mine.cosign('verify', ...wanted, '--trusted-root', 'root.json', '--allow-http-registry', mine.name)
    await signWithCosign(theirs, services, token)
    const policy: IdentityPolicy = {
      kind: 'identity',
      certificateIdentity: IDENTITY,
      certificateOidcIssuer: ISSUER,
      trustedRoot,
    }
    await using source = await openSource(theirs.reference, CONTEXT)
    const { signature } = await verifySource(source, policy)
    assert.equal(signature.logEntries.length, 1)
    const stranger = { ...policy, certificateIdentity: 'https://other.example' }
    await assert.rejects(verifySource(source, stranger), { code: 'IDENTITY_MISMATCH' })
  })

  async function signWithCosign(
    { directory, cosign, name }: Awaited<ReturnType<typeof start>>,
    { fulcioUrl, rekorUrl, timestampUrl, trustedRootBytes }: SigstoreServices,
    token: string,
  ): Promise<void> {
    await writeFile(directory.join('root.json'), trustedRootBytes)
    await writeFile(directory.join('token'), token)
    const service = (url: URL): string => `url=${url.href},api-version=1,start-time=2024-01-01T00:00:00Z,operator=test`
    await cosign(
      'signing-config',
      'create',
      `--fulcio=${service(fulcioUrl)}`,
      `--rekor=${service(rekorUrl)}`,
      '--rekor-config=ANY',
      `--tsa=${service(timestampUrl)}`,
      '--tsa-config=ANY',
      '--out=config.json',
    )
    const flags = ['--signing-config', 'config.json', '--trusted-root', 'root.json', '--identity-token', 'token']
    await cosign('sign', ...flags, '--allow-http-registry', '-y', name)
  }

  test('verify-blob accepts the .sig of a diffah archive', { skip }, async () => {
    await using place = await start()
    const { directory, cosign } = place
    const key = await readPrivateKey(await readFile(await makeKey('P-256', directory)), 'key.pem')
    await signDiffahArchive(directory.join('a.tar'), DOCUMENT, key)
    await writeFile(directory.join('payload'), diffahPayload(DOCUMENT))
    const flags = [
      '--key',
      'key.pub',
      '--signature',
      'a.tar.sig',
      '--insecure-ignore-tlog',
      '--new-bundle-format=false',
    ]
    await cosign('verify-blob', ...flags, 'payload')
  })
})
