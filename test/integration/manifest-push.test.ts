import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { CopyError } from '../../src/errors/index.ts'
import { copyImage, inspectImage, readRawManifest } from '../../src/image/index.ts'
import {
  ManifestList,
  type PushListOptions,
  type SignatureCarrier,
  ZSTD_ANNOTATION,
} from '../../src/manifest-list/index.ts'
import {
  type Descriptor,
  type Digest,
  MEDIA_TYPE,
  parseManifestDocument,
  parsePlatform,
  type Platform,
} from '../../src/oci/index.ts'
import {
  type RegistryRequest,
  type RequestHook,
  type RunningRegistry,
  startRegistry,
} from '../../src/registry/index.ts'
import { MemoryListStore } from '../../src/store/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { type ImageSource, openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const CONTEXT: OpenContext = { registry: { tlsVerify: false, retries: 0 } }
const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const DOCKER = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const ZSTD = `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`
const SAVED = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`
const [AMD64, ARM64, DOCKER_V1]: readonly [Digest, Digest, Digest] = [
  'sha256:cb8632dd2a0bea761d652029124e650558a06b96bc26bcc14cf059e042a037bd',
  'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0',
  'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5',
]
const { OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST } = MEDIA_TYPE

/** A stored list of images, all members of each index. */
async function listOf(...references: readonly string[]): Promise<ManifestList> {
  const list = ManifestList.create()
  for (const reference of references) await list.add(reference, { ...CONTEXT, all: true })
  await list.saveToImage(new MemoryListStore())
  return list
}

function push(list: ManifestList, destination: string, options: PushListOptions = {}) {
  return list.push(destination, { sources: CONTEXT, destination: CONTEXT, maxRetries: 0, ...options })
}

async function documentAt(reference: string): Promise<ReturnType<typeof parseManifestDocument>> {
  await using source = await openSource(reference, CONTEXT)
  return parseManifestDocument(await readRawManifest(source), { subject: reference })
}

async function membersAt(reference: string): Promise<readonly Descriptor[]> {
  const document = await documentAt(reference)
  return document.kind === 'index' ? document.manifests : []
}

/** Copies everything somewhere, which verifies every digest. */
async function readWhole(reference: string): Promise<void> {
  await using directory = await temporaryDirectory()
  await using source = await openSource(reference, CONTEXT)
  await using destination = await openDestination(`oci:${directory.join('read')}`)
  await copyImage(source, destination)
}

/** Takes one platform as plain tars, which verifies its diffIDs. */
async function unpack(reference: string): Promise<void> {
  await using directory = await temporaryDirectory()
  await using source = await openSource(reference, CONTEXT)
  await using destination = await openDestination(`docker-archive:${directory.join('image.tar')}`)
  await copyImage(source, destination)
}

async function isAbsent(reference: string): Promise<boolean> {
  await using source = await openSource(reference, CONTEXT)
  return await source.resolve().then(
    () => false,
    () => true,
  )
}

/** A registry that notes every request. */
async function recordingRegistry(
  hook: RequestHook = () => {},
): Promise<RunningRegistry & { readonly log: readonly string[] }> {
  const log: string[] = []
  const registry = await startRegistry({
    onRequest: (request, exchange) => {
      log.push(`${request.method} ${request.path}`)
      return hook(request, exchange)
    },
  })
  return { ...registry, log }
}

function platforms(...texts: readonly string[]): readonly Platform[] {
  return texts.map((text) => parsePlatform(text))
}

/** Images of several platforms that share layers, in a layout. */
async function sharingImages(directory: TemporaryDirectory, count: number): Promise<readonly string[]> {
  const shared = [tarOf({ base: 'b'.repeat(20_000) }), tarOf({ more: 'm'.repeat(20_000) })]
  const wanted = platforms('linux/amd64', 'linux/arm64', 'linux/arm/v7', 'linux/s390x').slice(0, count)
  return Promise.all(
    wanted.map(async (platform, at) => {
      const reference = `oci:${directory.join(`image-${at}`)}`
      await writeImage(reference, { layers: [...shared, tarOf({ own: `own ${at}` })], compression: 'gzip', platform })
      return reference
    }),
  )
}

suite('push all', () => {
  test('pushList() writes members by digest and the list under the tag, byte for byte', async () => {
    await using registry = await recordingRegistry()
    const list = await listOf(MULTI, DOCKER)
    const report = await push(list, `docker://${registry.address}/app:v1`)
    assert.equal(report.digest, digestOf(list.serialize()))
    assert.equal(report.index, 'kept')
    assert.deepEqual(
      report.members.map(({ digest, pushedDigest, outcome }) => [digest, pushedDigest, outcome]),
      [AMD64, ARM64, DOCKER_V1].map((digest) => [digest, digest, 'kept']),
    )
    assert.equal(report.listedCount, 3)
    await using source = await openSource(`docker://${registry.address}/app:v1`, CONTEXT)
    assert.ok(Buffer.from(list.serialize()).equals((await source.resolve()).bytes))
    await readWhole(`docker://${registry.address}/app:v1`)
  })

  test('pushList() sends a blob once that several platforms share', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const list = await listOf(...(await sharingImages(directory, 4)))
    const { blobs } = await push(list, `docker://${registry.address}/app:v1`)
    assert.equal(blobs.length, 2 + 4 + 4)
    assert.equal(registry.log.filter((line) => line.startsWith('POST ')).length, blobs.length)
    assert.ok(blobs.every((blob) => blob.outcome === 'written'))
  })

  test('pushList() sends blobs of several members at a time', { timeout: 30_000 }, async () => {
    await using directory = await temporaryDirectory()
    // Nothing is answered before as many uploads are under way as two members of two blobs each have.
    const all = Promise.withResolvers<undefined>()
    let uploadCount = 0
    await using registry = await recordingRegistry(async ({ method }) => {
      if (method !== 'POST') return
      uploadCount++
      if (uploadCount === 4) all.resolve(undefined)
      await all.promise
    })
    const images = platforms('linux/amd64', 'linux/arm64').map((platform, at) => ({
      reference: `oci:${directory.join(`image-${at}`)}`,
      image: { layers: [tarOf({ own: `own ${at}` })], platform },
    }))
    for (const { reference, image } of images) await writeImage(reference, image)
    const list = await listOf(...images.map(({ reference }) => reference))
    assert.equal((await push(list, `docker://${registry.address}/app:v1`)).blobs.length, 4)
  })

  test('pushList() reads members of a registry, layouts, archives, a directory and files in one push', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const [amd64, arm64, arm] = await sharingImages(directory, 3)
    const remote = `docker://${registry.address}/source:v1`
    const plain = `dir:${directory.join('plain')}`
    for (const [from, to] of [
      [amd64, remote],
      [arm64, plain],
    ] as const) {
      await using source = await openSource(from ?? '')
      await using destination = await openDestination(to, CONTEXT)
      await copyImage(source, destination)
    }
    const list = ManifestList.create()
    for (const reference of [remote, plain, arm ?? '', MULTI, ZSTD, SAVED]) {
      await list.add(reference, { ...CONTEXT, all: true })
    }
    await writeFile(directory.join('notes.txt'), 'hello\n')
    const artifact = await list.addArtifact([directory.join('notes.txt')])
    await list.saveToImage(new MemoryListStore())
    const report = await push(list, `docker://${registry.address}/target:v1`)
    assert.equal(report.members.length, 8)
    assert.ok(list.has(artifact))
    await readWhole(`docker://${registry.address}/target:v1`)
  })

  test('pushList() mounts blobs from the repositories where each is', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const images = await sharingImages(directory, 2)
    const remotes: string[] = []
    for (const [at, image] of images.entries()) {
      const remote = `docker://${registry.address}/source-${at}:v1`
      await using source = await openSource(image)
      await using destination = await openDestination(remote, CONTEXT)
      await copyImage(source, destination)
      remotes.push(remote)
    }
    const report = await push(await listOf(...remotes), `docker://${registry.address}/target:v1`)
    assert.equal(report.writtenBytes, 0)
    assert.ok(report.blobs.every((blob) => blob.outcome === 'mounted'))
    await readWhole(`docker://${registry.address}/target:v1`)
  })

  test('pushList() of a nested index brings everything below it', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const inner = `docker://${registry.address}/inner:v1`
    await push(await listOf(MULTI), inner)
    await using source = await openSource(inner, CONTEXT)
    const { descriptor } = await source.resolve()
    const list = ManifestList.create()
    list.addInstance({ mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size })
    list.setLocation(descriptor.digest, inner)
    await list.saveToImage(new MemoryListStore())
    await push(list, `oci:${directory.join('layout')}:v1`)
    await readWhole(`oci:${directory.join('layout')}:v1`)
    assert.deepEqual(
      (await membersAt(`oci:${directory.join('layout')}:v1`)).map((member) => member.digest),
      [descriptor.digest],
    )
  })

  test('pushList() writes an empty list with an empty array, as containers’ tools do', async () => {
    await using registry = await startRegistry()
    const list = await listOf()
    assert.match(new TextDecoder().decode(list.serialize()), /"manifests":null/)
    const report = await push(list, `docker://${registry.address}/app:v1`)
    const expected = `{"schemaVersion":2,"mediaType":"${DOCKER_LIST}","manifests":[]}`
    assert.equal(report.digest, digestOf(Buffer.from(expected)))
    assert.equal(report.index, 'rewritten')
  })

  test('pushList() to a digest is for the list that has it', async () => {
    await using registry = await startRegistry()
    const list = await listOf(DOCKER)
    const digest = digestOf(list.serialize())
    assert.equal((await push(list, `docker://${registry.address}/app@${digest}`)).digest, digest)
    await assert.rejects(push(list, `docker://${registry.address}/app@${AMD64}`), { code: 'INVALID_ARGUMENT' })
  })

  for (const [transport, name] of [
    ['oci', 'layout:v1'],
    ['oci-archive', 'archive.tar:v1'],
    ['dir', 'directory'],
  ] as const) {
    test(`pushList() writes ${transport}: with its digest`, async () => {
      await using directory = await temporaryDirectory()
      const list = await listOf(MULTI, DOCKER)
      const destination = `${transport}:${directory.join(name)}`
      const report = await push(list, destination)
      assert.equal(report.digest, digestOf(list.serialize()))
      await readWhole(destination)
    })
  }

  test('pushList() to docker-archive: needs one platform', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(MULTI)
    const destination = `docker-archive:${directory.join('image.tar')}:app:v1`
    await assert.rejects(push(list, destination), { code: 'PLATFORM_REQUIRED' })
    await assert.rejects(push(list, destination, { selection: { kind: 'specific', instances: [AMD64] } }), {
      code: 'PLATFORM_REQUIRED',
    })
    const platform = parsePlatform('linux/arm64')
    const report = await push(list, destination, { selection: { kind: 'system', platform } })
    assert.equal(report.index, 'dropped')
  })
})

suite('push some', () => {
  test('pushList() of one platform writes its manifest for itself, and opens no other place', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const images = await sharingImages(directory, 3)
    const list = await listOf(...images)
    const opened: string[] = []
    const report = await push(list, `docker://${registry.address}/app:arm64`, {
      selection: { kind: 'system', platform: parsePlatform('linux/arm64') },
      open: (location, context) => {
        opened.push(location)
        return openSource(location, context)
      },
    })
    assert.deepEqual(opened, [images[1]])
    assert.equal(report.digest, list.instances()[1])
    assert.equal((await documentAt(`docker://${registry.address}/app:arm64`)).kind, 'manifest')
    await assert.rejects(
      push(list, 'dir:/never', { selection: { kind: 'system', platform: parsePlatform('linux/riscv64') } }),
      { code: 'NO_MATCHING_PLATFORM' },
    )
  })

  test('pushList() of some, or none, says that the registry lacks the others, and leaves no tag', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI, DOCKER)
    const destination = `docker://${registry.address}/app:v1`
    for (const instances of [[], [AMD64, DOCKER_V1]]) {
      await assert.rejects(
        push(list, destination, { selection: { kind: 'specific', instances } }),
        (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, 'SPARSE_INDEX')
          assert.ok(error.message.includes(ARM64))
          assert.match(error.hint ?? '', /rewrite/)
          return true
        },
      )
      assert.ok(await isAbsent(destination))
    }
  })

  test('pushList() of none keeps the list where the registry has its members', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI)
    await push(list, `docker://${registry.address}/app:v1`)
    list.setAnnotations(undefined, { a: 'b' })
    const none: PushListOptions = { selection: { kind: 'specific', instances: [] } }
    const report = await push(list, `docker://${registry.address}/app:v2`, none)
    assert.equal(report.digest, digestOf(list.serialize()))
    assert.deepEqual(report.members, [])
    assert.equal(report.listedCount, 2)
  })

  test('pushList() of some with `rewrite` lists those alone', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI, DOCKER)
    const destination = `docker://${registry.address}/app:v1`
    const report = await push(list, destination, {
      selection: { kind: 'specific', instances: [DOCKER_V1, AMD64] },
      partial: 'rewrite',
    })
    assert.equal(report.index, 'rewritten')
    assert.deepEqual(
      (await membersAt(destination)).map(({ digest }) => digest),
      [AMD64, DOCKER_V1],
    )
    await readWhole(destination)
  })

  test('pushList() of some writes a list with absent members where a place keeps anything', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(MULTI)
    const destination = `oci:${directory.join('layout')}:v1`
    const report = await push(list, destination, { selection: { kind: 'specific', instances: [ARM64] } })
    assert.equal(report.digest, digestOf(list.serialize()))
    await assert.rejects(readWhole(destination), { code: 'BLOB_NOT_FOUND' })
  })

  test('pushList() of a digest that is not listed is INSTANCE_NOT_FOUND', async () => {
    const instances: readonly Digest[] = [`sha256:${'0'.repeat(64)}`]
    await assert.rejects(push(await listOf(DOCKER), 'dir:/never', { selection: { kind: 'specific', instances } }), {
      code: 'INSTANCE_NOT_FOUND',
    })
  })
})

suite('formats', () => {
  test('pushList() in Docker’s format converts members and list', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI, DOCKER)
    list.setVariant(AMD64, 'v2')
    list.setFeatures(AMD64, ['sse'])
    const destination = `docker://${registry.address}/app:v1`
    const report = await push(list, destination, { format: 'docker' })
    assert.equal(report.mediaType, DOCKER_LIST)
    assert.deepEqual(
      report.members.map(({ outcome }) => outcome),
      ['changed', 'changed', 'kept'],
    )
    const members = await membersAt(destination)
    assert.deepEqual(
      members.map(({ mediaType }) => mediaType),
      [DOCKER_MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST],
    )
    assert.deepEqual(members[0]?.platform, { os: 'linux', architecture: 'amd64', variant: 'v2', features: ['sse'] })
    assert.deepEqual(
      members.map(({ digest }) => digest),
      report.members.map(({ pushedDigest }) => pushedDigest),
    )
    await readWhole(destination)
    // The list that was pushed from is as it was.
    assert.deepEqual(list.instances(), [AMD64, ARM64, DOCKER_V1])
  })

  test('pushList() in the OCI format converts members and list', async () => {
    await using registry = await startRegistry()
    const list = await listOf(DOCKER)
    const destination = `docker://${registry.address}/app:v1`
    const report = await push(list, destination, { format: 'oci' })
    assert.equal(report.mediaType, OCI_INDEX)
    assert.equal((await membersAt(destination))[0]?.mediaType, OCI_MANIFEST)
    await readWhole(destination)
  })

  test('pushList() converts one member that stands for itself', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(MULTI)
    const destination = `dir:${directory.join('image')}`
    const selection = { kind: 'system', platform: parsePlatform('linux/amd64') } as const
    await push(list, destination, { format: 'docker', selection })
    assert.equal((await documentAt(destination)).mediaType, DOCKER_MANIFEST)
    await readWhole(destination)
  })

  test('pushList() refuses to write attestations, and zstd layers, in Docker’s format, and leaves no tag', async () => {
    await using registry = await startRegistry()
    const destination = `docker://${registry.address}/app:v1`
    await assert.rejects(push(await listOf(ZSTD), destination, { format: 'docker' }), { code: 'CANNOT_CONVERT' })
    const list = await listOf(MULTI)
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('provenance.json'), '{}')
    await list.addArtifact([directory.join('provenance.json')], {
      platform: { os: 'unknown', architecture: 'unknown' },
      artifactType: '',
    })
    await assert.rejects(push(list, destination, { format: 'docker' }), { code: 'CANNOT_CONVERT' })
    assert.ok(await isAbsent(destination))
  })

  test('pushList() says what a format loses', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(MULTI)
    list.setAnnotations(undefined, { a: 'b' })
    const warnings: string[] = []
    const report = await push(list, `dir:${directory.join('image')}`, {
      format: 'docker',
      logger: { warn: (message) => warnings.push(message), debug() {} },
    })
    assert.deepEqual(report.losses, [
      { what: 'annotations' },
      { what: 'artifact type', digest: report.members[0]?.pushedDigest },
      { what: 'artifact type', digest: report.members[1]?.pushedDigest },
    ])
    assert.equal(warnings.length, 1)
  })

  test('pushList() offers the other format of lists to a registry that refuses the first', async () => {
    const refusing: string[] = [OCI_INDEX]
    await using registry = await recordingRegistry((request, { incoming, outgoing }) => {
      if (request.method !== 'PUT' || !refusing.includes(String(incoming.headers['content-type']))) return
      outgoing.writeHead(415, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ errors: [{ code: 'MANIFEST_INVALID', message: 'not here' }] }))
    })
    const destination = `docker://${registry.address}/app:v1`
    const list = await listOf(MULTI)
    const report = await push(list, destination)
    assert.equal(report.mediaType, DOCKER_LIST)
    assert.equal(report.index, 'rewritten')
    assert.equal(report.digest, digestOf(list.serialize(DOCKER_LIST)))
    await readWhole(destination)
    await assert.rejects(push(list, destination, { format: 'oci' }), { code: 'REGISTRY_REFUSED' })
    refusing.push(DOCKER_LIST)
    await assert.rejects(push(list, destination), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'REGISTRY_REFUSED')
      return error.message.includes(OCI_INDEX) && error.message.includes(DOCKER_LIST)
    })
  })
})

suite('compression', () => {
  test('pushList() adds a zstd copy for every platform that lacks one, marked and last, each layer made once', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const list = await listOf(...(await sharingImages(directory, 3)))
    const [first] = list.instances()
    assert.ok(first)
    list.setAnnotations(first, { kept: 'yes' })
    const steps = new Set<string>()
    const destination = `docker://${registry.address}/app:v1`
    const report = await push(list, destination, {
      addCompression: ['zstd'],
      onProgress: ({ kind, id }) => void (kind === 'step' && steps.add(id)),
    })
    assert.equal(steps.size, 2 + 3)
    const members = await membersAt(destination)
    assert.deepEqual(
      members.map(({ annotations }) => annotations?.[ZSTD_ANNOTATION]),
      [undefined, undefined, undefined, 'true', 'true', 'true'],
    )
    assert.deepEqual(members[3]?.annotations, { kept: 'yes', [ZSTD_ANNOTATION]: 'true' })
    assert.deepEqual(
      members.slice(3).map(({ platform }) => platform),
      members.slice(0, 3).map(({ platform }) => platform),
    )
    assert.deepEqual(
      report.members.map(({ outcome }) => outcome),
      ['kept', 'kept', 'kept', 'variant', 'variant', 'variant'],
    )
    await readWhole(destination)
    for (const { digest } of members) await unpack(`docker://${registry.address}/app@${digest}`)
  })

  test('pushList() adds no copy where a platform has one, and marks what is zstd already', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(ZSTD, DOCKER)
    const destination = `dir:${directory.join('image')}`
    const report = await push(list, destination, { addCompression: ['zstd', 'gzip', 'zstd'] })
    assert.deepEqual(
      report.members.map(({ outcome }) => outcome),
      ['kept', 'kept'],
    )
    assert.deepEqual(
      (await membersAt(destination)).map(({ digest, annotations }) => [digest, annotations]),
      [
        [DOCKER_V1, undefined],
        [list.instances()[0], { [ZSTD_ANNOTATION]: 'true' }],
      ],
    )
  })

  test('pushList() adds a zstd copy of a Docker image as an OCI one, and the list becomes an index', async () => {
    await using registry = await startRegistry()
    const list = await listOf(DOCKER)
    await list.saveToImage(new MemoryListStore(), { mediaType: DOCKER_LIST })
    const destination = `docker://${registry.address}/app:v1`
    await push(list, destination, { addCompression: ['zstd'] })
    const members = await membersAt(destination)
    assert.deepEqual(
      members.map(({ mediaType }) => mediaType),
      [DOCKER_MANIFEST, OCI_MANIFEST],
    )
    assert.equal((await documentAt(destination)).mediaType, OCI_INDEX)
    await unpack(`docker://${registry.address}/app@${members[1]?.digest}`)
  })

  test('pushList() compresses anew, but keeps layers that the destination has, unless it is forced', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI)
    await push(list, `docker://${registry.address}/app:gzip`)
    const compression = { format: 'zstd', level: 5 }
    const kept = await push(list, `docker://${registry.address}/app:kept`, { compression })
    assert.deepEqual(
      kept.members.map(({ outcome }) => outcome),
      ['kept', 'kept'],
    )
    const destination = `docker://${registry.address}/app:zstd`
    const forced = await push(list, destination, { compression, forceCompression: true })
    assert.deepEqual(
      forced.members.map(({ outcome }) => outcome),
      ['changed', 'changed'],
    )
    await using source = await openSource(destination, CONTEXT)
    const { manifests } = await inspectImage(source)
    assert.ok(manifests.every(({ layers }) => layers.every((layer) => layer.compression === 'zstd')))
    for (const { digest } of await membersAt(destination)) {
      await unpack(`docker://${registry.address}/app@${digest}`)
    }
  })

  test('pushList() takes the mark of zstd away from members that become gzip', async () => {
    await using directory = await temporaryDirectory()
    const list = await listOf(ZSTD)
    const [digest] = list.instances()
    list.setAnnotations(digest, { [ZSTD_ANNOTATION]: 'true', a: 'b' })
    const destination = `dir:${directory.join('image')}`
    await push(list, destination, { compression: { format: 'gzip' }, forceCompression: true, format: 'docker' })
    const [member] = await membersAt(destination)
    assert.equal(member?.mediaType, DOCKER_MANIFEST)
    const oci = `dir:${directory.join('oci')}`
    await push(list, oci, { compression: { format: 'gzip' }, forceCompression: true })
    assert.deepEqual((await membersAt(oci))[0]?.annotations, { a: 'b' })
    await readWhole(oci)
  })

  test('pushList() refuses compressions that contradict each other before it reads anything', async () => {
    const list = await listOf()
    for (const options of [
      { forceCompression: true },
      { addCompression: ['bzip2'] },
      { addCompression: ['zstd:chunked'] },
      { compression: { format: 'xz' } },
      { compression: { format: 'gzip', level: 10 } },
      { compression: { format: 'zstd', level: 20 } },
      { compression: { format: 'zstd', level: 1.5 } },
      { addCompression: ['zstd'], selection: { kind: 'specific', instances: [] } },
      { addCompression: ['zstd'], format: 'docker' },
      { compression: { format: 'zstd' }, format: 'docker' },
    ] as const) {
      await assert.rejects(push(list, 'dir:/never', options), { code: 'INVALID_ARGUMENT' })
    }
  })

  test('pushList() fails over a layer that is damaged, and leaves no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const reference = `oci:${directory.join('image')}`
    // The compressed bytes are what the manifest says; the tar in them is not what the config says.
    const other = gzipSync(tarOf({ other: 'tar' }))
    const { descriptor } = await writeImage(reference, {
      layers: [tarOf({ a: 'b' })],
      compression: () => other,
    })
    const list = await listOf(reference)
    const destination = `docker://${registry.address}/app:v1`
    await assert.rejects(push(list, destination, { addCompression: ['zstd'] }), {
      code: 'DIGEST_MISMATCH',
      side: 'source',
    })
    assert.ok(await isAbsent(destination))
    assert.deepEqual(list.instances(), [descriptor.digest])
  })
})

suite('what else happens on the way', () => {
  test('pushList() reads through a source filter, whose error ends the push', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI)
    const read: Digest[] = []
    await push(list, `docker://${registry.address}/app:v1`, {
      sourceFilter: (source): ImageSource => ({
        reference: source.reference,
        layerForm: source.layerForm,
        resolve: (options) => source.resolve(options),
        readManifest: (descriptor, options) => {
          read.push(descriptor.digest)
          return source.readManifest(descriptor, options)
        },
        openBlob: (descriptor, options) => source.openBlob(descriptor, options),
        [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
      }),
    })
    assert.deepEqual(read.sort(), [ARM64, AMD64])
    const failing = push(list, `docker://${registry.address}/app:v2`, {
      sourceFilter: () => Promise.reject(new RangeError('filter')),
    })
    await assert.rejects(failing, RangeError)
  })

  test('pushList() signs every manifest that was pushed, the list last', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI)
    const destination = `docker://${registry.address}/app:v1`
    const signed: (readonly [Digest, string])[] = []
    const { digest } = await push(list, destination, {
      signer: {
        async sign(manifest, reference) {
          assert.equal(digestOf(manifest.bytes), manifest.descriptor.digest)
          assert.ok(!(await isAbsent(destination)))
          signed.push([manifest.descriptor.digest, reference])
        },
      },
    })
    assert.deepEqual(
      signed,
      [AMD64, ARM64, digest].map((one) => [one, destination]),
    )
  })

  test('pushList() takes signatures along, refuses to change what is signed, and leaves them behind when told', async () => {
    await using registry = await startRegistry()
    const list = await listOf(MULTI)
    const destination = `docker://${registry.address}/app:v1`
    const carried: (readonly [Digest, string])[] = []
    const signatures: SignatureCarrier = {
      find: async (manifest) => (manifest.descriptor.digest === ARM64 ? [{ manifest, blobs: [] }] : []),
      put: async ({ manifest }, place) => void carried.push([manifest.descriptor.digest, place]),
    }
    await assert.rejects(push(list, destination, { signatures, format: 'docker' }), {
      code: 'SIGNATURE_FORBIDS_CHANGE',
      category: 'trust',
    })
    assert.ok(await isAbsent(destination))
    await push(list, destination, { signatures, addCompression: ['zstd'] })
    assert.deepEqual(carried, [[ARM64, destination]])
    await push(list, destination, { signatures, removeSignatures: true, format: 'docker' })
    assert.equal(carried.length, 1)
  })

  test('pushList() starts over when the registry is out of order for a while', async () => {
    let failures = 2
    await using registry = await recordingRegistry((request: RegistryRequest, { outgoing }) => {
      if (request.method !== 'PUT' || !request.path.includes('/manifests/') || failures-- <= 0) return
      outgoing.writeHead(503).end()
    })
    const list = await listOf(DOCKER)
    const warnings: string[] = []
    const logger = { warn: (message: string) => warnings.push(message), debug() {} }
    const destination = `docker://${registry.address}/app:v1`
    const options = { maxRetries: 2, retryDelayMs: 1, logger }
    assert.equal((await push(list, destination, options)).digest, digestOf(list.serialize()))
    assert.equal(warnings.length, 2)
    failures = 10
    await assert.rejects(push(list, `docker://${registry.address}/app:v2`, { ...options, maxRetries: 1 }), {
      code: 'REGISTRY_REFUSED',
    })
    assert.equal(warnings.length, 3)
  })

  test('pushList() fails over a member that disappeared, names it, and leaves no tag and the list as it was', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const [amd64, arm64] = await sharingImages(directory, 2)
    const remote = `docker://${registry.address}/source:v1`
    {
      await using source = await openSource(arm64 ?? '')
      await using destination = await openDestination(remote, CONTEXT)
      await copyImage(source, destination)
    }
    const list = await listOf(amd64 ?? '', remote)
    const before = list.serialize()
    const [, gone] = list.instances()
    await registry.storage.deleteManifest('source', gone ?? AMD64)
    const destination = `docker://${registry.address}/app:v1`
    await assert.rejects(push(list, destination), (error: Error & { code?: string; hint?: string }) => {
      assert.ok(error instanceof CopyError)
      assert.equal(error.code, 'BLOB_NOT_FOUND')
      assert.equal(error.side, 'source')
      for (const part of [gone ?? '', remote, 'linux/arm64']) assert.ok(error.message.includes(part), part)
      assert.match(error.hint ?? '', /add it/i)
      return true
    })
    assert.ok(await isAbsent(destination))
    assert.ok(!registry.log.some((line) => /^(?:POST|PUT) \/v2\/app\//.test(line)))
    assert.deepEqual(list.serialize(), before)
  })

  test('pushList() fails over a layer that disappeared, and leaves no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startRegistry()
    const [image] = await sharingImages(directory, 1)
    const list = await listOf(image ?? '')
    await rm(directory.join('image-0', 'blobs'), { recursive: true })
    const destination = `docker://${registry.address}/app:v1`
    await assert.rejects(push(list, destination), { code: 'BLOB_NOT_FOUND', side: 'source' })
    assert.ok(await isAbsent(destination))
  })

  test('pushList() ends with its signal, and leaves no tag', async () => {
    const controller = new AbortController()
    await using registry = await recordingRegistry((request) => {
      if (request.method === 'PUT') controller.abort(new RangeError('aborted'))
    })
    const list = await listOf(MULTI)
    const destination = `docker://${registry.address}/app:v1`
    await assert.rejects(push(list, destination, { signal: controller.signal }), RangeError)
    assert.ok(await isAbsent(destination))
  })
})
