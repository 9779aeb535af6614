import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { zstdCompressSync } from 'node:zlib'
import { startRegistry } from '../../src/registry/index.ts'
import { type KeyPolicy, readPublicKey, verifyDiffahArchive, verifySource } from '../../src/sign/index.ts'
import { TAR_TRAILER, tarHeader, tarPadding } from '../../src/tar/index.ts'
import { openSource } from '../../src/transport/index.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { identityToken, startSigstore } from '../support/sigstore-services.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const COSIGN_BOX = Buffer.from(await readFile(fixture('diffah/keys/cosign.key.b64'), 'latin1'), 'base64')
const EC_PEM = Buffer.from(await readFile(fixture('diffah/keys/ec.key.b64'), 'latin1'), 'base64')
const DOCUMENT = await readFile(fixture('diffah/signed.diffah.json'))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function tare(args: readonly string[], env: Readonly<Record<string, string>> = {}, stdin = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...SCRATCH_ENVIRONMENT, ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
    child.stdin?.end(stdin)
  })
}

function reportIn({ code, stdout, stderr }: Ended): Readonly<Record<string, unknown>> {
  assert.equal(code, 0, stdout + stderr)
  return (JSON.parse(stdout) as { readonly result: Record<string, unknown> }).result
}

function errorIn({ stdout }: Ended): Readonly<Record<string, unknown>> {
  return (JSON.parse(stdout) as { readonly error: Record<string, unknown> }).error
}

async function policyFor(name: string): Promise<KeyPolicy> {
  return { kind: 'key', key: readPublicKey(await readFile(fixture(`diffah/keys/${name}.pub`)), name) }
}

/** A directory with both test keys. */
async function withKeys(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory()
  await writeFile(directory.join('cosign.key'), COSIGN_BOX)
  await writeFile(directory.join('ec.key'), EC_PEM)
  return directory
}

/** What of a diffah archive signatures are about. */
function diffahArchive(): Uint8Array {
  const head = tarHeader({ path: 'diffah.json', type: 'file', sizeBytes: DOCUMENT.length, mtime: 0 })
  return Buffer.concat([head, DOCUMENT, tarPadding(DOCUMENT.length), TAR_TRAILER])
}

describe('tare sign', () => {
  test('signs a delta file with cosign’s key; the bundle lies beside it', async () => {
    await using directory = await withKeys()
    const path = directory.join('app.tare')
    const { descriptor } = await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    const signed = await tare(['sign', path, '--key', directory.join('cosign.key'), '--json'], {
      COSIGN_PASSWORD: 'tare',
    })
    const policy = await policyFor('cosign')
    assert.deepEqual(reportIn(signed), {
      subject: path,
      digest: descriptor.digest,
      signer: { kind: 'key', keyId: policy.key.id },
      signature: `${path}.sigstore.json`,
    })
    await using source = await openSource(`oci-archive:${path}`)
    await verifySource(source, policy, { path })
    await assert.rejects(verifySource(source, await policyFor('ec'), { path }), { code: 'SIGNATURE_INVALID' })
  })

  test('reads the password from standard input, and takes --sign-key for --key', async () => {
    await using directory = await withKeys()
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    const args = ['sign', path, '--sign-key', directory.join('cosign.key'), '--sign-key-password-stdin']
    const signed = await tare(args, {}, 'tare\n')
    assert.equal(signed.code, 0, signed.stderr)
    const refused = await tare([...args, '--json'], {}, 'wrong\n')
    assert.equal(refused.code, 2)
    assert.equal(errorIn(refused)['code'], 'KEY_PASSWORD')
    assert.doesNotMatch(refused.stdout + refused.stderr, /wrong"/)
  })

  test('pushes the signature of an image in a registry, and attaches one that was made elsewhere', async () => {
    await using directory = await withKeys()
    await using registry = await startRegistry()
    const image = `docker://${registry.address}/app:v1`
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    await tare(['copy', `oci-archive:${path}`, image, '--dest-tls-verify=false'])
    const signed = await tare(['sign', image, '--key', directory.join('ec.key'), '--tls-verify=false', '--json'])
    assert.match(String(reportIn(signed)['signature']), /^docker:\/\/.+\/app@sha256:[0-9a-f]{64}$/)
    await tare(['sign', path, '--key', directory.join('cosign.key')], { COSIGN_PASSWORD: 'tare' })
    const bundle = `${path}.sigstore.json`
    const attached = await tare(['sign', image, '--attach', bundle, '--tls-verify=false', '--json'])
    assert.deepEqual(reportIn(attached)['signer'], { kind: 'unverified' })
    await using source = await openSource(image, { registry: { tlsVerify: false } })
    for (const name of ['ec', 'cosign']) await verifySource(source, await policyFor(name))
  })

  test('signs an image in a layout, which stays the one that is meant', async () => {
    await using directory = await withKeys()
    const layout = directory.join('layout')
    const { descriptor } = await writeImage(`oci:${layout}`, { layers: [tarOf({ a: 'one' })] })
    reportIn(await tare(['sign', `oci:${layout}`, '--key', directory.join('ec.key'), '--json']))
    const inspected = reportIn(await tare(['inspect', `oci:${layout}`, '--json']))
    assert.equal(inspected['digest'], descriptor.digest)
    await using source = await openSource(`oci:${layout}`)
    await verifySource(source, await policyFor('ec'))
  })

  test('--output writes the bundle there and nowhere else', async () => {
    await using directory = await withKeys()
    await using registry = await startRegistry()
    const image = `docker://${registry.address}/app:v1`
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    await tare(['copy', `oci-archive:${path}`, image, '--dest-tls-verify=false'])
    const output = directory.join('out/app.json')
    const flags = ['--key', directory.join('ec.key'), '--output', output, '--tls-verify=false']
    assert.equal((await tare(['sign', image, ...flags])).code, 0)
    await using source = await openSource(image, { registry: { tlsVerify: false } })
    await verifySource(source, await policyFor('ec'), { signatureFile: output })
    await assert.rejects(verifySource(source, await policyFor('ec')), { code: 'SIGNATURE_MISSING' })
  })

  test('signs a diffah archive as diffah does, zstd-wrapped or not', async () => {
    await using directory = await withKeys()
    const path = directory.join('a.tar')
    for (const archive of [diffahArchive(), zstdCompressSync(diffahArchive())]) {
      await writeFile(path, archive)
      await rm(`${path}.sig`, { force: true })
      const signed = await tare(['sign', path, '--key', directory.join('ec.key'), '--json'])
      assert.equal(reportIn(signed)['signature'], `${path}.sig`)
      await verifyDiffahArchive(path, DOCUMENT, await policyFor('ec'))
      assert.ok(!existsSync(`${path}.sigstore.json`))
      for (const flags of [
        ['--rekor-url', 'https://log.example'],
        ['--output', directory.join('x')],
      ]) {
        const refused = await tare(['sign', path, '--key', directory.join('ec.key'), ...flags, '--json'])
        assert.equal(errorIn(refused)['code'], 'INVALID_ARGUMENT')
      }
    }
  })

  const real = sharedFixture('diffah/signed.tar')
  test('signs a real archive of diffah’s', { skip: real.skip }, async () => {
    await using directory = await withKeys()
    const path = directory.join('a.tar')
    await copyFile(real.path, path)
    reportIn(await tare(['sign', path, '--key', directory.join('ec.key'), '--json']))
    await verifyDiffahArchive(path, DOCUMENT, await policyFor('ec'))
  })

  test('signs keyless, tells the log, and holds its answer against the trusted root', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const { fulcioUrl, rekorUrl, trustedRoot } = services
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    await writeFile(directory.join('root.json'), services.trustedRootBytes)
    const token = identityToken({ sub: 'https://ci.example/app', iss: 'https://issuer.example' })
    const urls = ['--fulcio-url', fulcioUrl.href, '--rekor-url', rekorUrl.href]
    const args = ['sign', path, '--keyless', ...urls, '--trusted-root', directory.join('root.json'), '--json']
    const report = reportIn(await tare([...args, '--identity-token', '-'], {}, token))
    assert.deepEqual(report['signer'], { kind: 'identity', certificateIdentity: 'https://ci.example/app' })
    assert.match(String(report['logIndex']), /^\d+$/)
    await using source = await openSource(`oci-archive:${path}`)
    const policy = {
      kind: 'identity',
      certificateIdentity: 'https://ci.example/app',
      certificateOidcIssuer: 'https://issuer.example',
      trustedRoot,
    } as const
    await verifySource(source, policy, { path })
    reportIn(await tare(args, { SIGSTORE_ID_TOKEN: token }))
    const failed = await tare(args, { SIGSTORE_ID_TOKEN: 'no token' })
    assert.equal(failed.code, 3)
    assert.equal(errorIn(failed)['code'], 'IDENTITY_TOKEN')
  })

  test('asks GitHub Actions for a token where it runs there', async () => {
    await using directory = await temporaryDirectory()
    await using services = await startSigstore()
    const { fulcioUrl, rekorUrl } = services
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    const value = identityToken({ sub: 'repo:example/app', iss: 'https://token.actions.example' })
    services.answerNext('/token?run=1&audience=sigstore', { status: 200, body: JSON.stringify({ value }) })
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: new URL('/token?run=1', rekorUrl).href,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'secret',
    }
    const args = ['sign', path, '--keyless', '--fulcio-url', fulcioUrl.href, '--rekor-url', rekorUrl.href, '--json']
    const report = reportIn(await tare(args, env))
    assert.deepEqual(report['signer'], { kind: 'identity', certificateIdentity: 'repo:example/app' })
    services.answerNext('/token?run=1&audience=sigstore', { status: 403 })
    const refused = await tare(args, env)
    assert.equal(errorIn(refused)['code'], 'IDENTITY_TOKEN')
    assert.doesNotMatch(refused.stdout + refused.stderr, /secret/)
  })

  test('what cannot be signed is refused, and nothing is written', async () => {
    await using directory = await withKeys()
    const key = ['--key', directory.join('ec.key')]
    const path = directory.join('app.tare')
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'one' })] })
    await writeFile(directory.join('noise'), 'no archive at all')
    const docker = directory.join('docker.tar')
    await tare(['copy', `oci-archive:${path}`, `docker-archive:${docker}:app:v1`])
    for (const [args, code, exit] of [
      [['sign', path], 'INVALID_ARGUMENT', 2],
      [['sign', path, ...key, '--attach', 'x'], 'INVALID_ARGUMENT', 2],
      [['sign', path, '--key', fixture('diffah/keys/ec.pub')], 'INVALID_KEY', 2],
      [['sign', path, '--key', directory.join('none')], 'FILE_NOT_FOUND', 3],
      [['sign', path, '--key', 'cosign://release'], 'INVALID_ARGUMENT', 2],
      [['sign', directory.join('none'), ...key], 'FILE_NOT_FOUND', 3],
      [['sign', directory.join('noise'), ...key], 'INVALID_ARCHIVE', 4],
      [['sign', `docker-archive:${docker}`, ...key], 'INVALID_ARGUMENT', 2],
      [['sign', path, '--attach', fixture('sign/ecdsa-p256.sigstore.json')], 'SIGNATURE_INVALID', 5],
      [['sign', path, '--attach', fixture('README.md')], 'SIGNATURE_INVALID', 5],
    ] as const) {
      const ended = await tare([...args, '--json'])
      assert.equal(errorIn(ended)['code'], code, args.join(' '))
      assert.equal(ended.code, exit, args.join(' '))
    }
    assert.ok(!existsSync(`${path}.sigstore.json`))
  })
})
