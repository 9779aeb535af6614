import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { startRegistry } from '../../src/registry/index.ts'
import { bytesSource, digestOf } from '../../src/stream/index.ts'
import { openDestination } from '../../src/transport/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type Ended, errorIn, resultIn, runTare } from '../support/run-tare.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

let dir: TemporaryDirectory

function tare(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return runTare(args, { cwd: dir.path, env })
}

async function writeKeyPair(name: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(dir.join(`${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(dir.join(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
}

function apply(delta: string, out: string, ...options: readonly string[]): Promise<Ended> {
  return tare(['apply', delta, 'oci:images:v1', out, '--json', ...options])
}

before(async () => {
  dir = await temporaryDirectory()
  for (const name of ['good', 'other']) await writeKeyPair(name)
  const text = (release: string): string => Array.from({ length: 200 }, (_, line) => `${line} ${release}`).join('\n')
  for (const release of ['v1', 'v2', 'v3']) {
    await writeImage(`oci:${dir.join('images')}:${release}`, {
      layers: [tarOf({ a: text(release) })],
      compression: 'gzip',
    })
  }
  const signed = await tare(['diff', 'oci:images:v1', 'oci:images:v2', 'app.tare', '--sign-key', 'good.key', '--json'])
  assert.equal(signed.code, 0, signed.stdout)
  assert.equal((resultIn(signed)['signature'] as { readonly path: string }).path, 'app.tare.sigstore.json')
  assert.equal((await tare(['diff', 'oci:images:v1', 'oci:images:v3', 'unsigned.tare'])).code, 0)
})

after(() => dir[Symbol.asyncDispose]())

test('tare apply --verify accepts the key that signed, and says so in its report', async () => {
  const ended = await apply('app.tare', 'oci:out:v2', '--verify', 'good.pub')
  assert.equal(ended.code, 0, ended.stdout)
  const signature = resultIn(ended)['signature'] as {
    readonly signer: { readonly kind: string }
    readonly origin: string
  }
  assert.deepEqual([signature.signer.kind, signature.origin], ['key', 'app.tare.sigstore.json'])
})

test('tare apply --verify refuses another key, a tampered signature and a missing one, and writes nothing', async () => {
  const other = await apply('app.tare', 'dir:none', '--verify', 'other.pub')
  assert.deepEqual([other.code, errorIn(other)['category']], [5, 'trust'])

  await copyFile(dir.join('app.tare'), dir.join('tampered.tare'))
  const bundle = JSON.parse(await readFile(dir.join('app.tare.sigstore.json'), 'utf8')) as {
    dsseEnvelope: { signatures: { sig: string }[] }
  }
  const [first] = bundle.dsseEnvelope.signatures
  assert.ok(first !== undefined)
  const bytes = Buffer.from(first.sig, 'base64')
  first.sig = bytes.fill(bytes.readUInt8(20) ^ 1, 20, 21).toString('base64')
  await writeFile(dir.join('tampered.tare.sigstore.json'), JSON.stringify(bundle))
  const tampered = await apply('tampered.tare', 'dir:none', '--verify', 'good.pub')
  assert.deepEqual([tampered.code, errorIn(tampered)['code']], [5, 'SIGNATURE_INVALID'])

  const missing = await apply('unsigned.tare', 'dir:none', '--verify', 'good.pub')
  assert.deepEqual([missing.code, errorIn(missing)['code']], [5, 'SIGNATURE_MISSING'])
  assert.ok(!(await readdir(dir.path)).includes('none'))
})

test('tare apply --verify refuses an archive that was swapped after it was signed', async () => {
  await copyFile(dir.join('unsigned.tare'), dir.join('swapped.tare'))
  await copyFile(dir.join('app.tare.sigstore.json'), dir.join('swapped.tare.sigstore.json'))
  const ended = await apply('swapped.tare', 'dir:none', '--verify', 'good.pub')
  assert.deepEqual([ended.code, errorIn(ended)['category']], [5, 'trust'])
})

test('signatures are checked before anything of a delta is parsed', async () => {
  // A manifest that no parser gets through: a hundred thousand lists in each other.
  const depth = 100_000
  const bytes = Buffer.from(`{"schemaVersion":2,"config":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const content = { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
  {
    await using archive = await openDestination(`oci-archive:${dir.join('crash.tare')}`)
    await archive.prepare?.({ blobs: [], manifests: [content] })
    await archive.putBlob(content.descriptor, async () => bytesSource(bytes))
    await archive.commit(content)
  }
  await copyFile(dir.join('app.tare.sigstore.json'), dir.join('crash.tare.sigstore.json'))
  const parsed = await apply('crash.tare', 'dir:none')
  assert.notEqual(parsed.code, 0)
  assert.notEqual(errorIn(parsed)['category'], 'trust')
  for (const verb of ['apply', 'verify']) {
    const images = verb === 'apply' ? ['oci:images:v1', 'dir:none'] : []
    const verified = await tare([verb, 'crash.tare', ...images, '--verify', 'good.pub', '--json'])
    assert.deepEqual([verified.code, errorIn(verified)['category']], [5, 'trust'])
  }
})

test('require-signature in the configuration refuses deltas without a key to check, and without a signature', async () => {
  await writeFile(dir.join('policy.yaml'), 'require-signature: true\n')
  const env = { TARE_CONFIG: dir.join('policy.yaml') }
  const args = ['apply', 'app.tare', 'oci:images:v1', 'dir:none', '--json']
  const nobody = await tare(args, env)
  assert.deepEqual([nobody.code, errorIn(nobody)['code']], [2, 'INVALID_ARGUMENT'])
  await writeFile(dir.join('policy.yaml'), 'require-signature: true\nverify: good.pub\n')
  assert.equal((await tare(['apply', 'app.tare', 'oci:images:v1', 'dir:policy', '--json'], env)).code, 0)
  const unsigned = ['unsigned.tare', 'oci:images:v1', 'dir:none', '--json']
  const refused = await tare(['apply', ...unsigned], env)
  assert.deepEqual([refused.code, errorIn(refused)['code']], [5, 'SIGNATURE_MISSING'])
  // A variable does not get around it; who may write the command line may.
  assert.equal((await tare(['apply', ...unsigned], { ...env, TARE_REQUIRE_SIGNATURE: 'false' })).code, 5)
  await writeFile(dir.join('policy.yaml'), 'require-signature: true\n')
  const waived = await tare(['apply', 'unsigned.tare', 'oci:images:v1', 'dir:waived', '--no-require-signature'], env)
  assert.equal(waived.code, 0, waived.stderr)
})

test('a signature holds when its delta moves into a registry and back', async () => {
  await using registry = await startRegistry({ port: 0 })
  const reference = `docker://${registry.host}:${registry.port}/deltas/app:v1-to-v2`
  const plain = ['--tls-verify', 'false', '--json']
  assert.equal((await tare(['copy', 'oci-archive:app.tare', reference, '--dest-tls-verify', 'false'])).code, 0)
  const unsigned = await tare(['apply', reference, 'oci:images:v1', 'dir:none', '--verify', 'good.pub', ...plain])
  assert.deepEqual([unsigned.code, errorIn(unsigned)['code']], [5, 'SIGNATURE_MISSING'])
  const attached = await tare(['sign', reference, '--attach', 'app.tare.sigstore.json', ...plain])
  assert.equal(attached.code, 0, attached.stdout)
  const applied = await tare([
    'apply',
    reference,
    'oci:images:v1',
    'dir:from-registry',
    '--verify',
    'good.pub',
    ...plain,
  ])
  assert.equal(applied.code, 0, applied.stdout)

  assert.equal((await tare(['copy', reference, 'oci-archive:back.tare', '--src-tls-verify', 'false'])).code, 0)
  await copyFile(dir.join('app.tare.sigstore.json'), dir.join('back.tare.sigstore.json'))
  assert.equal((await tare(['verify', 'back.tare', '--verify', 'good.pub'])).code, 0)
})

test('a bundle is signed as a whole, and unbundle checks it', async () => {
  const pair = 'a=oci:images:v1,oci:images:v2'
  const made = await tare(['bundle', '--pair', pair, 'bundle.tare', '--sign-key', 'good.key', '--json'])
  assert.equal(made.code, 0, made.stdout)
  const images = ['--baseline', 'a=oci:images:v1', '--output', 'a=dir:unbundled', '--json']
  const refused = await tare(['unbundle', 'bundle.tare', ...images, '--verify', 'other.pub'])
  assert.equal(refused.code, 5)
  const accepted = await tare(['unbundle', 'bundle.tare', ...images, '--verify', 'good.pub'])
  assert.equal(accepted.code, 0, accepted.stdout)
})

test('a delta whose signing fails is not written, and the one before it stays', async () => {
  await mkdir(dir.join('unwilling'))
  const old = dir.join('unwilling', 'app.tare')
  await writeFile(old, 'the delta before')
  const args = ['diff', 'oci:images:v1', 'oci:images:v2', 'unwilling/app.tare', '--sign-key', 'good.key']
  const failed = await tare([...args, '--rekor-url', 'http://127.0.0.1:9', '--retry-times', '0'])
  assert.equal(failed.code, 3)
  assert.deepEqual(await readdir(dir.join('unwilling')), ['app.tare'])
  assert.equal(await readFile(old, 'utf8'), 'the delta before')
  // A key that can't be opened shows before any work, in a dry run too.
  await writeFile(dir.join('broken.key'), 'no key')
  const dry = await tare([
    'diff',
    '--dry-run',
    'oci:images:v1',
    'oci:images:v2',
    'x.tare',
    '--sign-key',
    'broken.key',
    '--json',
  ])
  assert.deepEqual([dry.code, errorIn(dry)['code']], [2, 'INVALID_KEY'])
})

test('archives of diffah are signed and verified with their own kind of signature', async () => {
  const args = ['diff', 'oci:images:v1', 'oci:images:v2', 'partner.tar', '--archive-format', 'diffah']
  const made = await tare([...args, '--sign-key', 'good.key', '--json'])
  assert.equal(made.code, 0, made.stdout)
  assert.match(await readFile(dir.join('partner.tar.sig'), 'utf8'), /^[A-Za-z0-9+/]+=*\n$/)
  const accepted = await apply('partner.tar', 'dir:partner', '--verify', 'good.pub')
  assert.equal(accepted.code, 0, accepted.stdout)
  const refused = await apply('partner.tar', 'dir:none', '--verify', 'other.pub')
  assert.deepEqual([refused.code, errorIn(refused)['category']], [5, 'trust'])
  await writeFile(dir.join('partner.tar.sig'), 'not base64!\n')
  assert.equal((await apply('partner.tar', 'dir:none', '--verify', 'good.pub')).code, 5)
  await rm(dir.join('partner.tar.sig'))
  const missing = await apply('partner.tar', 'dir:none', '--verify', 'good.pub')
  assert.deepEqual([missing.code, errorIn(missing)['code']], [5, 'SIGNATURE_MISSING'])
  assert.ok(!(await readdir(dir.path)).includes('none'))
})

test('tare verify tells who signed, and the signature may lie elsewhere', async () => {
  await rename(dir.join('bundle.tare.sigstore.json'), dir.join('elsewhere.json'))
  assert.equal((await tare(['verify', 'bundle.tare', '--verify', 'good.pub'])).code, 5)
  const { code, stdout } = await tare([
    'verify',
    'bundle.tare',
    '--verify',
    'good.pub',
    '--signature',
    'elsewhere.json',
  ])
  assert.equal(code, 0)
  assert.match(stdout, /^signed by: key \S+$/m)
})
