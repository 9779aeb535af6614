import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { copyImage } from '../../src/image/index.ts'
import { type Descriptor, MEDIA_TYPE, parseManifestDocument } from '../../src/oci/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import {
  attachSignature,
  BUNDLE_MEDIA_TYPE,
  type KeyPolicy,
  keySigner,
  readPrivateKey,
  readPublicKey,
  signatureFileOf,
  signatureReferrer,
  signDigest,
  type SignaturePlaces,
  verifySource,
} from '../../src/sign/index.ts'
import { bytesSource, digestOf } from '../../src/stream/index.ts'
import { TAR_TRAILER, tarHeader, tarPadding } from '../../src/tar/index.ts'
import {
  type ManifestContent,
  openDestination,
  openSource,
  parseTransportReference,
} from '../../src/transport/index.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Keys {
  readonly policy: KeyPolicy
  readonly sign: (subject: Pick<Descriptor, 'digest'>) => Promise<Uint8Array>
}

async function makeKeys(): Promise<Keys> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = (key: KeyObject, type: 'pkcs8' | 'spki'): Buffer => Buffer.from(key.export({ type, format: 'pem' }))
  const signer = keySigner(await readPrivateKey(pem(pair.privateKey, 'pkcs8'), 'the key'))
  const key = readPublicKey(pem(pair.publicKey, 'spki'), 'the key')
  return {
    policy: { kind: 'key', key },
    sign: async ({ digest }) => (await signDigest(digest, signer)).bundle,
  }
}

const ALICE = await makeKeys()
const BOB = await makeKeys()
const IMAGE = { layers: [tarOf({ a: 'one' })] }
const CONTEXT = { registry: { tlsVerify: false } }

async function verify(reference: string, { policy }: Keys, places: SignaturePlaces = {}) {
  await using source = await openSource(reference, CONTEXT)
  return await verifySource(source, policy, places)
}

async function attach(reference: string, bundle: Uint8Array, { descriptor }: ManifestContent): Promise<Descriptor> {
  const referrer = signatureReferrer(bundle, descriptor)
  return (await attachSignature(parseTransportReference(reference), referrer, CONTEXT)).descriptor
}

async function pushImage(reference: string, directory: string, text = 'one'): Promise<ManifestContent> {
  const layout = `oci:${directory}/${text}`
  const manifest = await writeImage(layout, { layers: [tarOf({ a: text })] })
  await using from = await openSource(layout)
  await using to = await openDestination(reference, CONTEXT)
  await copyImage(from, to)
  return manifest
}

async function startPlace() {
  const registry = await startRegistry()
  return { reference: `docker://${registry.address}/app:v1`, registry }
}

describe('attachSignature() and verifySource() in a registry', () => {
  test('a signature is found among the referrers, for its key alone', async () => {
    await using directory = await temporaryDirectory()
    const { reference, registry } = await startPlace()
    await using _ = registry
    const image = await pushImage(reference, directory.path)
    await assert.rejects(verify(reference, ALICE), { code: 'SIGNATURE_MISSING', category: 'trust' })
    const referrer = await attach(reference, await ALICE.sign(image.descriptor), image)
    const { content, signature } = await verify(reference, ALICE)
    assert.deepEqual(content.bytes, image.bytes)
    assert.equal(signature.origin, referrer.digest)
    assert.equal(signature.digest, image.descriptor.digest)
    await assert.rejects(verify(reference, BOB), { code: 'SIGNATURE_INVALID', origin: referrer.digest })
    await attach(reference, await BOB.sign(image.descriptor), image)
    await verify(reference, ALICE)
    await verify(reference, BOB)
    await assert.rejects(verify(reference, await makeKeys()), { code: 'SIGNATURE_INVALID' })
  })

  test('a tag that moves takes no signature along', async () => {
    await using directory = await temporaryDirectory()
    const { reference, registry } = await startPlace()
    await using _ = registry
    const image = await pushImage(reference, directory.path)
    await attach(reference, await ALICE.sign(image.descriptor), image)
    await pushImage(reference, directory.path, 'two')
    await assert.rejects(verify(reference, ALICE), { code: 'SIGNATURE_MISSING' })
  })

  test('a signature of something else that claims to refer is not accepted', async () => {
    await using directory = await temporaryDirectory()
    const { reference, registry } = await startPlace()
    await using _ = registry
    const image = await pushImage(reference, directory.path)
    const other = { digest: digestOf(Buffer.from('another manifest')) }
    await attach(reference, await ALICE.sign(other), image)
    await assert.rejects(verify(reference, ALICE), { code: 'SIGNATURE_INVALID' })
  })

  test('referrers that are no signatures, or broken ones, are in nobody’s way', async () => {
    await using directory = await temporaryDirectory()
    const { reference, registry } = await startPlace()
    await using _ = registry
    const image = await pushImage(reference, directory.path)
    await attach(reference, Buffer.from('no bundle'), image)
    await attach(reference, Buffer.from('{}'), image)
    await assert.rejects(verify(reference, ALICE), { code: 'SIGNATURE_INVALID' })
    await pushReferrer(reference, image, { artifactType: 'application/spdx+json' })
    await pushReferrer(reference, image, { artifactType: BUNDLE_MEDIA_TYPE, layers: 'none' })
    await pushReferrer(reference, image, { artifactType: BUNDLE_MEDIA_TYPE, layers: 'huge' })
    await attach(reference, await ALICE.sign(image.descriptor), image)
    await verify(reference, ALICE)
  })

  test('is what cosign looks for, to the byte the same each time', async () => {
    await using directory = await temporaryDirectory()
    const { reference, registry } = await startPlace()
    await using _ = registry
    const image = await pushImage(reference, directory.path)
    const bundle = await ALICE.sign(image.descriptor)
    const { manifest } = signatureReferrer(bundle, image.descriptor)
    assert.deepEqual(signatureReferrer(bundle, image.descriptor).manifest.bytes, manifest.bytes)
    const document = parseManifestDocument(manifest.bytes, { subject: 'the referrer' })
    assert.equal(document.kind, 'manifest')
    assert.equal(document.artifactType, 'application/vnd.dev.sigstore.bundle.v0.3+json')
    assert.equal(document.config.mediaType, 'application/vnd.oci.empty.v1+json')
    assert.equal(document.layers[0]?.mediaType, 'application/vnd.dev.sigstore.bundle.v0.3+json')
    assert.deepEqual(document.annotations, {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
    })
    const dated = signatureReferrer(bundle, image.descriptor, { createdSeconds: 0 }).manifest
    assert.match(Buffer.from(dated.bytes).toString(), /"org.opencontainers.image.created":"1970-01-01T00:00:00Z"/)
  })
})

/** Pushes an artifact that refers to an image, as others would. */
async function pushReferrer(
  reference: string,
  { descriptor }: ManifestContent,
  { artifactType, layers = 'one' }: { readonly artifactType: string; readonly layers?: 'one' | 'none' | 'huge' },
): Promise<void> {
  const empty = Buffer.from('{}')
  const large = Buffer.alloc(2 * 1024 * 1024, ' ')
  const blob = (mediaType: string, bytes: Uint8Array): Descriptor => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  })
  const config = blob(MEDIA_TYPE.OCI_EMPTY, empty)
  const content = { one: [blob('application/json', empty)], none: [], huge: [blob(BUNDLE_MEDIA_TYPE, large)] }[layers]
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.OCI_MANIFEST,
      artifactType,
      config,
      layers: content,
      subject: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
    }),
  )
  const manifest = { descriptor: blob(MEDIA_TYPE.OCI_MANIFEST, bytes), bytes }
  const parsed = parseTransportReference(reference)
  assert.equal(parsed.transport, 'docker')
  const { registry, repository } = parsed.reference
  const place = {
    transport: 'docker',
    reference: { registry, repository, digest: manifest.descriptor.digest },
  } as const
  await using destination = await openDestination(place, CONTEXT)
  await destination.putBlob(config, async () => bytesSource(empty))
  for (const layer of content) {
    await destination.putBlob(layer, async () => bytesSource(layer.size === 2 ? empty : large))
  }
  await destination.putManifest(manifest)
}

describe('attachSignature() and verifySource() in a layout', () => {
  test('the signature lies in it, and the image is still the one that is meant', async () => {
    await using directory = await temporaryDirectory()
    const reference = `oci:${directory.join('layout')}`
    const image = await writeImage(reference, IMAGE)
    const referrer = await attach(reference, await ALICE.sign(image.descriptor), image)
    const { content, signature } = await verify(reference, ALICE)
    assert.equal(content.descriptor.digest, image.descriptor.digest)
    assert.equal(signature.origin, referrer.digest)
    await assert.rejects(verify(reference, BOB), { code: 'SIGNATURE_INVALID' })
    await attach(reference, await BOB.sign(image.descriptor), image)
    await verify(reference, BOB)
    await using source = await openSource(`${reference}@${referrer.digest}`)
    assert.equal((await source.resolve()).descriptor.digest, referrer.digest)
  })

  test('named images keep their names, and each has its own signatures', async () => {
    await using directory = await temporaryDirectory()
    const layout = directory.join('layout')
    const one = await writeImage(`oci:${layout}:one`, IMAGE)
    await writeImage(`oci:${layout}:two`, { layers: [tarOf({ a: 'two' })] })
    await attach(`oci:${layout}:one`, await ALICE.sign(one.descriptor), one)
    await verify(`oci:${layout}:one`, ALICE)
    await assert.rejects(verify(`oci:${layout}:two`, ALICE), { code: 'SIGNATURE_MISSING' })
    await assert.rejects(verify(`oci:${layout}`, ALICE), { code: 'AMBIGUOUS_IMAGE' })
  })

  test('an entry whose blob is gone is in nobody’s way', async () => {
    await using directory = await temporaryDirectory()
    const layout = directory.join('layout')
    const image = await writeImage(`oci:${layout}:one`, IMAGE)
    const lost = await attach(`oci:${layout}`, await BOB.sign(image.descriptor), image)
    await attach(`oci:${layout}`, await ALICE.sign(image.descriptor), image)
    await rename(`${layout}/blobs/sha256/${lost.digest.slice(7)}`, directory.join('gone'))
    await verify(`oci:${layout}:one`, ALICE)
  })
})

describe('verifySource() with a file', () => {
  test('finds the bundle beside it, and it holds wherever the delta goes', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const path = directory.join('app.tare')
    const image = await writeImage(`oci-archive:${path}`, IMAGE)
    assert.equal(signatureFileOf(path), `${path}.sigstore.json`)
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, { path }), { code: 'SIGNATURE_MISSING' })
    const bundle = await ALICE.sign(image.descriptor)
    await writeFile(signatureFileOf(path), bundle)
    const { signature } = await verify(`oci-archive:${path}`, ALICE, { path })
    assert.equal(signature.origin, `${path}.sigstore.json`)
    await assert.rejects(verify(`oci-archive:${path}`, BOB, { path }), { code: 'SIGNATURE_INVALID' })
    // Into a registry, verified by the file; then with the signature beside it there, and back again.
    const remote = `docker://${registry.address}/deltas:app`
    await using file = await openSource(`oci-archive:${path}`)
    await using destination = await openDestination(remote, CONTEXT)
    await copyImage(file, destination)
    await verify(remote, ALICE, { signatureFile: signatureFileOf(path) })
    await assert.rejects(verify(remote, ALICE), { code: 'SIGNATURE_MISSING' })
    await attach(remote, bundle, image)
    await verify(remote, ALICE)
    const back = directory.join('back.tare')
    await using from = await openSource(remote, CONTEXT)
    await using to = await openDestination(`oci-archive:${back}`)
    await copyImage(from, to)
    await copyFile(signatureFileOf(path), signatureFileOf(back))
    await verify(`oci-archive:${back}`, ALICE, { path: back })
  })

  test('a file that was swapped after signing is SIGNATURE_INVALID', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('app.tare')
    const image = await writeImage(`oci-archive:${path}`, IMAGE)
    await writeFile(signatureFileOf(path), await ALICE.sign(image.descriptor))
    await writeImage(`oci-archive:${path}`, { layers: [tarOf({ a: 'two' })] })
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, { path }), {
      code: 'SIGNATURE_INVALID',
      category: 'trust',
    })
  })

  test('a signature file that is named is the only one, and has to exist', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('app.tare')
    const image = await writeImage(`oci-archive:${path}`, IMAGE)
    await writeFile(signatureFileOf(path), await ALICE.sign(image.descriptor))
    const signatureFile = directory.join('other.json')
    const places = { path, signatureFile }
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, places), { code: 'FILE_NOT_FOUND' })
    await writeFile(signatureFile, await BOB.sign(image.descriptor))
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, places), { code: 'SIGNATURE_INVALID' })
    await verify(`oci-archive:${path}`, BOB, places)
    await writeFile(signatureFile, Buffer.alloc(2 * 1024 * 1024))
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, places), { category: 'trust' })
  })

  test('reads index and manifest, hashes, and parses nothing that is not signed', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('app.tare')
    // A manifest that no parser would survive, with the right digest in the index.
    const manifest = Buffer.from('['.repeat(1_000_000))
    const archive = await archiveAround(manifest)
    await writeFile(path, archive)
    const unsigned = verify(`oci-archive:${path}`, ALICE, { path })
    await assert.rejects(unsigned, { code: 'SIGNATURE_MISSING' })
    await writeFile(signatureFileOf(path), await ALICE.sign({ digest: digestOf(Buffer.from('the true manifest')) }))
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, { path }), { code: 'SIGNATURE_INVALID' })
    // With a manifest other than the index says, it doesn't even get to the signature.
    await writeFile(path, await archiveAround(manifest, digestOf(Buffer.from('the true manifest'))))
    await assert.rejects(verify(`oci-archive:${path}`, ALICE, { path }), { code: 'DIGEST_MISMATCH' })
  })
})

async function archiveAround(manifest: Uint8Array, digest = digestOf(manifest)): Promise<Uint8Array> {
  const entry = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest, size: manifest.length }
  const files: readonly (readonly [path: string, content: Uint8Array])[] = [
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }))],
    [`blobs/sha256/${digest.slice(7)}`, manifest],
  ]
  const parts = files.flatMap(([path, content]) => [
    tarHeader({ path, type: 'file', sizeBytes: content.length, mtime: 0 }),
    content,
    tarPadding(content.length),
  ])
  return Buffer.concat([...parts, TAR_TRAILER])
}

test('a bundle of cosign’s is found in a layout', async () => {
  await using directory = await temporaryDirectory()
  const reference = `oci:${directory.join('layout')}`
  await using from = await openSource(`oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`)
  await using to = await openDestination(reference)
  await copyImage(from, to)
  const image = await from.resolve()
  await attach(reference, await readFile(fixture('sign/ecdsa-p384.sigstore.json')), image)
  const key = readPublicKey(await readFile(fixture('sign/ecdsa-p384.pub')), 'the key')
  await using source = await openSource(reference)
  await verifySource(source, { kind: 'key', key })
})
