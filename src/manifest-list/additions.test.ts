import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { test } from 'node:test'
import { fixture } from '../../test/support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../../test/support/image-builder.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { type Descriptor, type Digest, MEDIA_TYPE, parsePlatform, type Platform } from '../oci/index.ts'
import { bytesSource, digestOf } from '../stream/index.ts'
import { openDestination } from '../transport/index.ts'
import { readImage } from './additions.ts'
import { ManifestList } from './manifest-list.ts'

const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const DOCKER = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const SAVED = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
const AMD64: Digest = 'sha256:cb8632dd2a0bea761d652029124e650558a06b96bc26bcc14cf059e042a037bd'
const ARM64: Digest = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
const DOCKER_V1: Digest = 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5'
const ARM_PLATFORM: Platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }

function layer(text: string): readonly Uint8Array[] {
  return [tarOf({ file: text })]
}

/** Writes documents of any kind into a layout, the last under its reference. */
async function writeDocuments(reference: string, documents: readonly (readonly [type: string, value: object])[]) {
  await using destination = await openDestination(reference)
  const contents = documents.map(([mediaType, value]) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value))
    return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
  })
  for (const { descriptor, bytes } of contents) await destination.putBlob(descriptor, async () => bytesSource(bytes))
  const root = contents.at(-1)
  assert.ok(root)
  await destination.putManifest(root)
  await destination.commit(root)
  return contents.map(({ descriptor }): Descriptor => descriptor)
}

test('readImage() takes of a single image its digest, size and type, and the platform from its config', async () => {
  assert.deepEqual(await readImage(DOCKER), {
    kind: 'image',
    location: DOCKER,
    members: [
      {
        mediaType: MEDIA_TYPE.DOCKER_MANIFEST,
        digest: DOCKER_V1,
        size: 945,
        artifactType: undefined,
        platform: { os: 'linux', architecture: 'amd64' },
      },
    ],
  })
  const saved = await readImage(SAVED)
  assert.equal(saved.members[0]?.platform?.architecture, 'amd64')
})

test('readImage() takes a single image whatever platforms were chosen', async () => {
  const { members } = await readImage(DOCKER, { platforms: [parsePlatform('linux/s390x')] })
  assert.equal(members[0]?.digest, DOCKER_V1)
})

test('readImage() takes all members of an index, one for each platform, or says that there is a choice', async () => {
  const digests = async (options: object): Promise<readonly Digest[]> =>
    (await readImage(MULTI, options)).members.map(({ digest }) => digest)
  assert.deepEqual(await digests({ all: true }), [AMD64, ARM64])
  assert.deepEqual(await digests({ platforms: [parsePlatform('linux/arm64')] }), [ARM64])
  assert.deepEqual(await digests({ platforms: ['linux/arm64', 'linux/amd64'].map(parsePlatform) }), [AMD64, ARM64])
  assert.deepEqual((await readImage(MULTI, { all: true })).members[1]?.platform, ARM_PLATFORM)
  await assert.rejects(digests({}), { code: 'PLATFORM_REQUIRED' })
  await assert.rejects(digests({ platforms: [parsePlatform('linux/s390x')] }), { code: 'NO_MATCHING_PLATFORM' })
})

test('readImage() takes URLs, annotations and artifact types of entries over', async () => {
  await using directory = await temporaryDirectory()
  const config = { mediaType: MEDIA_TYPE.OCI_EMPTY, digest: digestOf(Buffer.from('{}')), size: 2 }
  const entry = {
    urls: ['https://example.com'],
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    artifactType: 'application/x',
    platform: { os: 'unknown', architecture: 'unknown' },
  }
  const [member] = await writeDocuments(`oci:${directory.join('a')}`, [
    [MEDIA_TYPE.OCI_MANIFEST, { schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_MANIFEST, config, layers: [] }],
  ])
  assert.ok(member)
  const reference = `oci:${directory.join('index')}`
  const manifests = [{ ...member, ...entry, data: 'e30=', size: 2 }]
  await writeDocuments(reference, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests }]])
  const { members } = await readImage(reference, { all: true })
  assert.deepEqual(members, [{ ...member, ...entry, size: 2, data: undefined }])
})

test('readImage() fills a platform that an entry leaves out, or half out, from the config', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('layout')
  const image = await writeImage(`oci:${path}:image`, { layers: layer('a'), platform: ARM_PLATFORM })
  for (const [platform, expected] of [
    [undefined, ARM_PLATFORM],
    [{ os: 'linux', architecture: '' }, ARM_PLATFORM],
    [
      { os: '', architecture: 'arm' },
      { os: 'linux', architecture: 'arm' },
    ],
    [
      { os: 'windows', architecture: 's390x' },
      { os: 'windows', architecture: 's390x' },
    ],
  ] as const) {
    const manifests = [{ ...image.descriptor, platform }]
    await writeDocuments(`oci:${path}:index`, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests }]])
    const { members } = await readImage(`oci:${path}:index`, { all: true })
    assert.deepEqual(members[0]?.platform, expected)
  }
})

test('readImage() takes a member without a platform where nothing else matches', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('layout')
  const image = await writeImage(`oci:${path}:image`, { layers: layer('a'), platform: ARM_PLATFORM })
  const manifests = [{ ...image.descriptor }]
  await writeDocuments(`oci:${path}:index`, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests }]])
  const { members } = await readImage(`oci:${path}:index`, { platforms: [parsePlatform('linux/amd64')] })
  assert.deepEqual(members[0]?.platform, ARM_PLATFORM)
})

test('readImage() takes artifacts and nested indexes as they are, without a platform', async () => {
  await using directory = await temporaryDirectory()
  const config = { mediaType: 'application/x.config', digest: digestOf(Buffer.from('{}')), size: 2 }
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_MANIFEST, config, layers: [] }
  const artifact = `oci:${directory.join('artifact')}`
  await writeDocuments(artifact, [[MEDIA_TYPE.OCI_MANIFEST, { ...manifest, artifactType: 'application/x' }]])
  const [member] = (await readImage(artifact)).members
  assert.deepEqual([member?.artifactType, member?.platform], ['application/x', undefined])

  const nested = `oci:${directory.join('nested')}`
  const inner = await writeIndex(`${nested}:inner`, [{ layers: layer('a'), platform: ARM_PLATFORM }])
  const manifests = [inner.descriptor]
  await writeDocuments(`${nested}:outer`, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests }]])
  const { members } = await readImage(`${nested}:outer`, { all: true })
  assert.deepEqual(
    members.map(({ mediaType, platform }) => [mediaType, platform]),
    [[MEDIA_TYPE.OCI_INDEX, undefined]],
  )
})

test('readImage() remembers absolute paths', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('layout')
  await writeImage(`oci:${path}:v1`, { layers: layer('a') })
  const { location } = await readImage(`oci:${relative(process.cwd(), path)}:v1`)
  assert.equal(location, `oci:${path}:v1`)
})

test('readImage() fails with what is wrong at the source', async () => {
  await using directory = await temporaryDirectory()
  await assert.rejects(readImage(`oci:${directory.join('absent')}`), { code: 'FILE_NOT_FOUND' })
  await assert.rejects(readImage('app:v1'), { code: 'UNKNOWN_TRANSPORT' })
  const path = directory.join('layout')
  await writeImage(`oci:${path}`, { layers: layer('a') })
  await writeFile(directory.join('layout', 'index.json'), '{')
  await assert.rejects(readImage(`oci:${path}`), { code: 'INVALID_DOCUMENT', side: 'source' })
})

test('ManifestList.add() remembers the first place of a member, and moves it to the end when it comes again', async () => {
  await using directory = await temporaryDirectory()
  const list = ManifestList.create()
  assert.equal(await list.add(MULTI, { all: true }), AMD64)
  assert.equal(await list.add(DOCKER), DOCKER_V1)
  list.setAnnotations(AMD64, { a: 'b' })
  const copy = `oci-archive:${directory.join('copy.tar')}`
  {
    const { copyImage } = await import('../image/index.ts')
    const { openSource } = await import('../transport/index.ts')
    await using source = await openSource(MULTI)
    await using destination = await openDestination(copy)
    await copyImage(source, destination)
  }
  assert.equal(await list.add(copy, { platforms: [parsePlatform('linux/amd64')] }), AMD64)
  assert.deepEqual(list.instances(), [ARM64, DOCKER_V1, AMD64])
  assert.deepEqual(list.annotations(AMD64), {})
  assert.equal(list.locations().get(AMD64), MULTI)
  list.remove(AMD64)
  assert.equal(list.locations().get(AMD64), undefined)
  await list.add(copy, { platforms: [parsePlatform('linux/amd64')] })
  assert.equal(list.locations().get(AMD64), copy)
})

test('ManifestList.add() that fails leaves the list as it was', async () => {
  const list = ManifestList.create()
  await list.add(DOCKER)
  const before = list.serialize()
  await assert.rejects(list.add(MULTI, { platforms: [parsePlatform('linux/s390x')] }), { code: 'NO_MATCHING_PLATFORM' })
  await assert.rejects(list.addArtifact(['/absent/file']), { code: 'FILE_NOT_FOUND' })
  assert.deepEqual(list.serialize(), before)
})

test('ManifestList.add() collapses a digest that an index lists twice; the last platform counts', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('layout')
  const { descriptor } = await writeImage(`oci:${path}:image`, { layers: layer('a') })
  const manifests = [parsePlatform('linux/arm64'), parsePlatform('linux/riscv64')].map((platform) => ({
    ...descriptor,
    platform,
  }))
  await writeDocuments(`oci:${path}:index`, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests }]])
  const list = ManifestList.create()
  await list.add(`oci:${path}:index`, { platforms: [parsePlatform('linux/arm64')] })
  assert.deepEqual(list.instances(), [descriptor.digest])
  assert.equal(list.architecture(descriptor.digest), 'riscv64')
})

test('ManifestList.add() warns where two members claim one platform, but not of variants and attestations', async () => {
  const warnings: string[] = []
  const logger = { warn: (message: string) => warnings.push(message), debug() {} }
  const list = ManifestList.create()
  await list.add(MULTI, { all: true, logger })
  assert.deepEqual(warnings, [])
  await list.add(DOCKER, { logger })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /linux\/amd64/)
  assert.deepEqual(list.instances(), [AMD64, ARM64, DOCKER_V1])
  await list.add(MULTI, { platforms: [parsePlatform('linux/arm64')], logger })
  assert.equal(warnings.length, 1)
})

test('ManifestList.addRead() refuses an addition without members', async () => {
  await using directory = await temporaryDirectory()
  const reference = `oci:${directory.join('layout')}`
  await writeDocuments(reference, [[MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests: [] }]])
  await assert.rejects(ManifestList.create().add(reference, { all: true }), { code: 'NOT_FOUND' })
})
