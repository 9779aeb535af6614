import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { fixture, sharedFixture } from '../../../test/support/fixtures.ts'
import { buildImage, tarOf } from '../../../test/support/image-builder.ts'
import { contentText, digestsIn, putContent, temporaryStore } from '../../../test/support/store-content.ts'
import { rawHeader } from '../../../test/support/tar-blocks.ts'
import { hasErrorCode, type ErrorCode } from '../../errors/index.ts'
import {
  ALL_PLATFORMS,
  type ContentStore,
  type Descriptor,
  IMAGE_NAME_ANNOTATION,
  MEDIA_TYPE,
  anyPlatform,
  onlyPlatform,
  parsePlatform,
  REF_NAME_ANNOTATION,
} from '../../oci/index.ts'
import { gzip } from '../../recompress/index.ts'
import type { StoreNamespace } from '../../store/index.ts'
import { bytesSource, digestOf, readAllBytes, readFileRange } from '../../stream/index.ts'
import { readTar, TAR_TRAILER, tarHeader, tarPadding } from '../../tar/index.ts'
import { createInlineRunner } from '../../workers/index.ts'
import { checkImage } from '../content/check-image.ts'
import { readChildren } from '../content/children.ts'
import { type ExportOptions, type ExportTarget, exportArchive, exportTargets } from './export.ts'
import { type ImportOptions, type ImportReport, importImages } from './import.ts'
import { addReferencePrefix, digestTranslator } from './reference-names.ts'

const amd64 = onlyPlatform(parsePlatform('linux/amd64'))
const arm64 = onlyPlatform(parsePlatform('linux/arm64'))

/** An archive of files, links among them: `name: ['->', target]`. */
function archiveOf(files: readonly (readonly [string, string | Uint8Array | readonly ['->', string]])[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [path, content] of files) {
    if (Array.isArray(content)) {
      parts.push(tarHeader({ path, type: 'symlink', linkPath: String(content[1]) }))
      continue
    }
    const bytes = Buffer.from(content as string | Uint8Array)
    parts.push(tarHeader({ path, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length))
  }
  return Buffer.concat([...parts, TAR_TRAILER])
}

function importBytes(namespace: StoreNamespace, bytes: Uint8Array, options: ImportOptions = {}): Promise<ImportReport> {
  return importImages(namespace, bytesSource(bytes), options)
}

function importFile(namespace: StoreNamespace, name: string, options: ImportOptions = {}): Promise<ImportReport> {
  return importImages(namespace, readFileRange(fixture(`images/${name}`)), options)
}

async function exportBytes(
  content: ContentStore,
  targets: readonly ExportTarget[],
  options: ExportOptions = {},
): Promise<Uint8Array> {
  return readAllBytes(exportArchive(content, targets, options), 50_000_000, 'archive')
}

async function filesOf(archive: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for await (const item of readTar(bytesSource(archive))) {
    if (item.kind !== 'entry') continue
    const { path, mode, mtime, uid } = item.entry
    const text = Buffer.from(await readAllBytes(item.content, 10_000_000, path)).toString()
    files.set(`${path} ${mode.toString(8)} ${mtime} ${uid}`, text)
  }
  return files
}

const names = (report: ImportReport): readonly string[] => report.images.map(({ name }) => name)

const image = buildImage({ layers: [tarOf({ a: 'one' }), tarOf({ b: 'two' })] })
const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`

/** A layout of the image with an index entry of these annotations for each. */
function layoutOf(
  entries: readonly (Partial<Descriptor> & { readonly annotations?: Record<string, string> })[],
  { without = [] as readonly string[], more = [] as readonly (readonly [string, string])[] } = {},
): Uint8Array {
  const manifests = entries.map((entry) => ({ ...image.manifest.descriptor, ...entry }))
  const files = [image.manifest, ...image.blobs].map(
    ({ descriptor, bytes }) => [blobPath(descriptor.digest), bytes] as const,
  )
  return archiveOf([
    ...files.filter(([path]) => !without.includes(path)),
    ['index.json', JSON.stringify({ schemaVersion: 2, manifests })],
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
    ...more,
  ])
}

async function assertImportFails(archive: Uint8Array, code: ErrorCode, options: ImportOptions = {}): Promise<void> {
  await using target = await temporaryStore()
  const namespace = target.store.namespace()
  await assert.rejects(importBytes(namespace, archive, options), (error) => hasErrorCode(error, code))
  assert.deepEqual(await namespace.images.list(), [])
  assert.deepEqual(await namespace.content.listStatuses(), [])
  await target.store.collect()
  assert.deepEqual(await digestsIn(namespace.content), [])
}

describe('importImages() of a layout', () => {
  test('makes records by full name, by translated tag, by digest, and for the index', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const archive = layoutOf([
      { annotations: { [IMAGE_NAME_ANNOTATION]: 'docker.io/library/full:1', [REF_NAME_ANNOTATION]: 'ignored' } },
      { annotations: { [REF_NAME_ANNOTATION]: 'v2' } },
      {},
    ])
    const options = { translateReference: addReferencePrefix('example.com/app'), labels: { source: 'test' } }
    assert.deepEqual(names(await importBytes(namespace, archive, options)), [
      'docker.io/library/full:1',
      'example.com/app:v2',
    ])
    const { digest } = image.manifest.descriptor
    const report = await importBytes(namespace, archive, {
      indexName: 'whole',
      digestReference: digestTranslator('by'),
      skipDigestReference: (name) => name !== '',
    })
    assert.deepEqual(names(report), ['whole', 'docker.io/library/full:1', 'v2', `by@${digest}`])
    assert.equal((await namespace.images.get('whole')).target.digest, report.index.digest)
    // Labels of a record that is there stay.
    assert.deepEqual((await namespace.images.get('docker.io/library/full:1')).labels, { source: 'test' })
    await target.store.collect()
    const check = await checkImage(namespace.content, image.manifest.descriptor, ALL_PLATFORMS)
    assert.deepEqual([check.isAvailable, check.missing], [true, []])
  })

  test('takes the last of several images of one name', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const annotations = { [REF_NAME_ANNOTATION]: 'docker.io/library/app:v1' }
    const { descriptor, bytes } = image.manifest
    const other = Buffer.concat([bytes, Buffer.from('\n')])
    const last = { digest: digestOf(other), size: other.length }
    const archive = layoutOf([{ annotations }, { annotations, ...last }], {
      more: [[blobPath(last.digest), other.toString()]],
    })
    await importBytes(namespace, archive)
    const records = await namespace.images.list()
    assert.deepEqual(
      records.map((record) => [record.name, record.target.digest]),
      [['docker.io/library/app:v1', last.digest]],
    )
    assert.notEqual(last.digest, descriptor.digest)
  })

  test('without a name keeps nothing longer than the next collection', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    assert.deepEqual(names(await importBytes(namespace, layoutOf([{}]))), [])
    await target.store.collect()
    assert.deepEqual(await digestsIn(namespace.content), [])
  })

  test('keeps only what is for the platform, and fails where that is nothing', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const options = { platform: arm64, digestReference: digestTranslator('multi') }
    const { images } = await importFile(namespace, 'app-multi-v2.oci.tar', options)
    const [record] = images
    assert.ok(record)
    await target.store.collect()
    const members = await readChildren(namespace.content, record.target)
    const present = await Promise.all(
      members.map(({ digest }) =>
        namespace.content.info(digest).then(
          () => 1,
          () => 0,
        ),
      ),
    )
    assert.deepEqual([members.length, present.reduce<number>((sum, one) => sum + one, 0)], [2, 1])
    const windows = onlyPlatform(parsePlatform('windows/amd64'))
    await assertImportFails(layoutOf([{ platform: parsePlatform('linux/amd64') }]), 'EMPTY_WALK', { platform: windows })
  })

  test('takes an incomplete one, and checkImage() says so', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const layer = image.blobs[1]?.descriptor.digest ?? ''
    const archive = layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }], { without: [blobPath(layer)] })
    await importBytes(namespace, archive)
    const check = await checkImage(namespace.content, image.manifest.descriptor, amd64)
    assert.deepEqual([check.isAvailable, check.missing.map(({ digest }) => digest)], [true, [layer]])
  })

  test('refuses what is missing or wrong, and leaves nothing', async () => {
    const named = [{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }]
    const manifestPath = blobPath(image.manifest.descriptor.digest)
    const layer = image.blobs[1]
    assert.ok(layer)
    const path = blobPath(layer.descriptor.digest)
    await assertImportFails(layoutOf(named, { without: [manifestPath] }), 'BLOB_NOT_FOUND')
    await assertImportFails(layoutOf(named, { without: [path], more: [[path, 'forged']] }), 'DIGEST_MISMATCH')
    await assertImportFails(layoutOf(named, { more: [['index.json', '{}']] }), 'INVALID_ARCHIVE')
    await assertImportFails(archiveOf([['oci-layout', '{"imageLayoutVersion":"1.0.0"}']]), 'INVALID_ARCHIVE')
    await assertImportFails(archiveOf([['oci-layout', '{"imageLayoutVersion":"2.0.0"}']]), 'UNSUPPORTED_FORMAT')
    await assertImportFails(archiveOf([['oci-layout', '[]']]), 'INVALID_DOCUMENT')
    await assertImportFails(archiveOf([['something', 'else']]), 'INVALID_ARCHIVE')
    await assertImportFails(Buffer.from('no tar at all, but a text that goes on and on'.repeat(30)), 'CORRUPT_TAR')
    await assertImportFails(layoutOf(named).subarray(0, 3000), 'CORRUPT_TAR')
  })

  test('refuses hostile names of files and images, and a store of records is not touched', async () => {
    for (const path of ['../../etc/passwd', '/etc/passwd', 'blobs/../../x']) {
      await assertImportFails(
        Buffer.concat([rawHeader({ name: path }), layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }])]),
        'UNSAFE_PATH',
      )
    }
    for (const name of ['evil\u001b[2Jname', 'two\nlines', 'x'.repeat(5000)]) {
      await assertImportFails(layoutOf([{ annotations: { [IMAGE_NAME_ANNOTATION]: name } }]), 'INVALID_ARGUMENT')
    }
  })

  test('reads archives in gzip and zstd, and blobs that are there already only once', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const archive = layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }])
    for (const pack of [gzipSync, zstdCompressSync, (bytes: Uint8Array) => bytes]) {
      assert.deepEqual(names(await importBytes(namespace, pack(archive))), ['v1'])
    }
    assert.equal((await digestsIn(namespace.content)).length, 5)
  })

  test('several at once import the same archive', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const archive = layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }])
    await Promise.all(Array.from({ length: 5 }, () => importBytes(namespace, archive)))
    assert.equal((await digestsIn(namespace.content)).length, 5)
    assert.deepEqual(await namespace.leases.list(), [])
  })
})

describe('importImages() of a Docker archive', () => {
  const [config, ...layers] = image.blobs
  const configBytes = config?.bytes ?? Buffer.alloc(0)
  const [first, second] = layers.map(({ bytes }) => bytes)

  function dockerArchive(
    element: Readonly<Record<string, unknown>>,
    more: Parameters<typeof archiveOf>[0] = [],
  ): Uint8Array {
    return archiveOf([
      ['config.json', configBytes],
      ['1/layer.tar', first ?? ''],
      ['2/layer.tar', second ?? ''],
      ...more,
      [
        'manifest.json',
        JSON.stringify([{ Config: 'config.json', Layers: ['1/layer.tar', '2/layer.tar'], ...element }]),
      ],
    ])
  }

  test('makes records for all tags, normalised, and one manifest', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const archive = dockerArchive({ RepoTags: ['app', 'example.com/app:v1'] })
    const { images, index } = await importBytes(namespace, archive)
    assert.deepEqual(
      images.map(({ name }) => name),
      ['docker.io/library/app:latest', 'example.com/app:v1'],
    )
    const [one, two] = images
    assert.equal(one?.target.digest, two?.target.digest)
    const members = await readChildren(namespace.content, index)
    assert.equal(members[0]?.platform?.architecture, 'amd64')
    const children = await readChildren(namespace.content, members[0] as Descriptor)
    assert.deepEqual(
      children.map(({ mediaType, digest }) => [mediaType, digest]),
      [
        [MEDIA_TYPE.DOCKER_CONFIG, digestOf(configBytes)],
        [MEDIA_TYPE.DOCKER_LAYER, digestOf(first ?? Buffer.alloc(0))],
        [MEDIA_TYPE.DOCKER_LAYER, digestOf(second ?? Buffer.alloc(0))],
      ],
    )
    const nameless = await importBytes(namespace, dockerArchive({ RepoTags: null }))
    assert.deepEqual(nameless.images, [])
  })

  test('follows links, tells compressions apart, and takes an empty layer', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const tar = Buffer.from(first ?? '')
    const archive = dockerArchive(
      { RepoTags: ['app:1'], Layers: ['linked/layer.tar', 'g.tar', 'z.tar', 'empty.tar'] },
      [
        ['linked/layer.tar', ['->', '../1/layer.tar']],
        ['g.tar', gzipSync(tar)],
        ['z.tar', zstdCompressSync(tar)],
        ['empty.tar', ''],
      ],
    )
    const { images } = await importBytes(namespace, archive)
    const [, ...found] = await readChildren(namespace.content, images[0]?.target as Descriptor)
    assert.deepEqual(
      found.map(({ mediaType }) => mediaType),
      [MEDIA_TYPE.DOCKER_LAYER, MEDIA_TYPE.DOCKER_LAYER_GZIP, MEDIA_TYPE.DOCKER_LAYER_ZSTD, MEDIA_TYPE.DOCKER_LAYER],
    )
    assert.equal(found[0]?.digest, digestOf(tar))
  })

  test('compresses plain layers, and uses compressed twins that are there, every time a layer is listed', async () => {
    await using target = await temporaryStore()
    await using kernels = await createInlineRunner()
    const namespace = target.store.namespace()
    const compression = {
      compression: 'gzip' as const,
      compress: (plain: AsyncIterable<Uint8Array>) => gzip(plain, { kernels }),
    }
    const Layers = ['1/layer.tar', '2/layer.tar', '1/layer.tar']
    const once = await importBytes(namespace, dockerArchive({ RepoTags: ['app:1'], Layers }), { compression })
    const [, ...packed] = await readChildren(namespace.content, once.images[0]?.target as Descriptor)
    assert.ok(packed.every(({ mediaType }) => mediaType === MEDIA_TYPE.DOCKER_LAYER_GZIP))
    assert.equal(packed[0]?.digest, packed[2]?.digest)
    const { labels } = await namespace.content.info(packed[0]?.digest ?? digestOf(Buffer.alloc(0)))
    assert.equal(labels['containerd.io/uncompressed'], digestOf(first ?? Buffer.alloc(0)))
    const again = await importBytes(namespace, dockerArchive({ RepoTags: ['app:2'], Layers }))
    assert.equal(again.images[0]?.target.digest, once.images[0]?.target.digest)
  })

  test('refuses what is missing or malformed', async () => {
    await assertImportFails(dockerArchive({ Config: 'nowhere.json' }), 'INVALID_ARCHIVE')
    await assertImportFails(dockerArchive({ Layers: ['nowhere.tar'] }), 'INVALID_ARCHIVE')
    await assertImportFails(dockerArchive({ Layers: ['../1/layer.tar'] }), 'UNSAFE_PATH')
    await assertImportFails(dockerArchive({ Layers: 'x' }), 'INVALID_DOCUMENT')
    await assertImportFails(dockerArchive({ RepoTags: ['Not A Name'] }), 'INVALID_REFERENCE')
    await assertImportFails(dockerArchive({}, [['dangling', ['->', 'nowhere']]]), 'INVALID_ARCHIVE')
    await assertImportFails(
      dockerArchive({}, [
        ['a', ['->', 'b']],
        ['b', ['->', 'a']],
      ]),
      'INVALID_ARCHIVE',
    )
    await assertImportFails(dockerArchive({}, [['up', ['->', '../../x']]]), 'UNSAFE_PATH')
    await assertImportFails(archiveOf([['manifest.json', '{"Config":1}']]), 'INVALID_DOCUMENT')
    await assertImportFails(dockerArchive({ RepoTags: ['app:1'] }), 'EMPTY_WALK', { platform: arm64 })
  })

  test('takes an archive that is both for a layout', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const manifest = [{ Config: 'nowhere.json', RepoTags: ['docker:1'], Layers: ['nowhere.tar'] }]
    const archive = layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'layout:1' } }], {
      more: [['manifest.json', JSON.stringify(manifest)]],
    })
    assert.deepEqual(names(await importBytes(namespace, archive)), ['layout:1'])
  })

  test('takes members without an image config: artifacts, attestations, and schema 1 as it is', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const empty = { mediaType: MEDIA_TYPE.OCI_EMPTY, digest: digestOf(Buffer.from('{}')), size: 2 }
    const statement = { mediaType: 'application/vnd.in-toto+json', digest: digestOf(Buffer.from('{"a":1}')), size: 7 }
    const artifact = Buffer.from(JSON.stringify({ schemaVersion: 2, config: empty, layers: [statement] }))
    const old = Buffer.from('{"schemaVersion":1,"fsLayers":[]}')
    const descriptors = [
      { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(artifact), size: artifact.length },
      { mediaType: MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED, digest: digestOf(old), size: old.length },
    ]
    const { images } = await importBytes(
      namespace,
      archiveOf([
        ...[artifact, old, Buffer.from('{}'), Buffer.from('{"a":1}')].map(
          (bytes) => [blobPath(digestOf(bytes)), bytes] as const,
        ),
        ['index.json', JSON.stringify({ schemaVersion: 2, manifests: descriptors })],
        ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
      ]),
      { digestReference: digestTranslator('odd') },
    )
    assert.equal(images.length, 2)
    await target.store.collect()
    const [one, two] = images
    assert.deepEqual((await checkImage(namespace.content, one?.target as Descriptor, amd64)).missing, [])
    assert.equal((await checkImage(namespace.content, two?.target as Descriptor, amd64)).isAvailable, false)
  })

  const docker29 = sharedFixture('images/app-docker29-save-v1.tar')
  test('takes what docker save of Docker 29 writes', { skip: docker29.skip }, async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const { images } = await importImages(namespace, readFileRange(docker29.path))
    assert.ok(images.length > 0)
    for (const { target: root } of images) {
      assert.deepEqual((await checkImage(namespace.content, root, amd64)).missing, [])
    }
  })
})

describe('exportArchive()', () => {
  async function multi(namespace: StoreNamespace): Promise<Descriptor> {
    const { images } = await importFile(namespace, 'app-multi-v2.oci.tar', {
      digestReference: digestTranslator('multi'),
    })
    return { ...(images[0]?.target as Descriptor), annotations: undefined }
  }

  test('writes sorted entries with fixed modes and times, and documents as containerd does', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    await importBytes(namespace, layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'example.com/app:v1' } }]))
    const targets = await exportTargets(namespace.images, ['example.com/app:v1'])
    const archive = await exportBytes(namespace.content, targets)
    const files = await filesOf(archive)
    const digests = [image.manifest, ...image.blobs].map(({ descriptor }) => blobPath(descriptor.digest)).toSorted()
    assert.deepEqual(
      [...files.keys()],
      [
        'blobs/ 755 0 0',
        'blobs/sha256/ 755 0 0',
        ...digests.map((path) => `${path} 444 0 0`),
        'index.json 644 0 0',
        'manifest.json 644 0 0',
        'oci-layout 444 0 0',
      ],
    )
    const { digest, size } = image.manifest.descriptor
    assert.equal(
      files.get('index.json 644 0 0'),
      `{"schemaVersion":2,"manifests":[{"mediaType":"${MEDIA_TYPE.OCI_MANIFEST}","digest":"${digest}","size":${size},` +
        `"annotations":{"${IMAGE_NAME_ANNOTATION}":"example.com/app:v1","${REF_NAME_ANNOTATION}":"v1"}}]}`,
    )
    const [config, ...layers] = image.blobs.map(({ descriptor }) => blobPath(descriptor.digest))
    assert.equal(
      files.get('manifest.json 644 0 0'),
      JSON.stringify([{ Config: config, RepoTags: ['example.com/app:v1'], Layers: layers }]),
    )
    assert.ok(Buffer.from(archive).equals(await exportBytes(namespace.content, targets)))
  })

  test('lists an image of several names once, and several images in the order they are named', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const index = await multi(namespace)
    await importBytes(namespace, layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'example.com/one:1' } }]))
    const { target: one } = await namespace.images.get('example.com/one:1')
    const targets = [
      { descriptor: { ...one, annotations: undefined }, names: ['example.com/b:1', 'example.com/a:1'] },
      { descriptor: index, names: ['example.com/multi:1'] },
    ]
    const files = await filesOf(await exportBytes(namespace.content, targets, { platform: amd64 }))
    const tags = JSON.parse(files.get('manifest.json 644 0 0') ?? '').map(
      (element: { readonly RepoTags: unknown }) => element.RepoTags,
    )
    assert.deepEqual(tags, [['example.com/b:1', 'example.com/a:1'], ['example.com/multi:1']])
    assert.equal(JSON.parse(files.get('index.json 644 0 0') ?? '').manifests.length, 3)
    const nameless = await filesOf(await exportBytes(namespace.content, [{ descriptor: one }]))
    assert.match(nameless.get('manifest.json 644 0 0') ?? '', /"RepoTags":null/)
  })

  test('takes members of an index by platform, all of them, or all without choosing', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const index = await multi(namespace)
    const count = async (options: ExportOptions): Promise<readonly [number, boolean]> => {
      const files = await filesOf(await exportBytes(namespace.content, [{ descriptor: index }], options))
      const blobs = [...files.keys()].filter((path) => /^blobs\/sha256\/[0-9a-f]/.test(path)).length
      return [blobs, files.has('manifest.json 644 0 0')]
    }
    const [everything, listsNone] = await count({})
    assert.equal(listsNone, false)
    assert.deepEqual(await count({ platform: amd64, allPlatforms: true }), [everything, true])
    const [some] = await count({ platform: amd64 })
    assert.ok(some < everything)
    assert.deepEqual(await count({ platform: amd64, skipDockerManifest: true }), [some, false])
    const s390x = onlyPlatform(parsePlatform('linux/s390x'))
    await assert.rejects(count({ platform: s390x }), (error) => hasErrorCode(error, 'NO_MATCHING_PLATFORM'))
    assert.deepEqual(await count({ platform: s390x, skipDockerManifest: true }), [1, false])
  })

  test('leaves out what is not there where that is wanted: members, and all below an incomplete manifest', async () => {
    await using target = await temporaryStore()
    const { content } = target.store.namespace()
    const member = async (architecture: string): Promise<readonly Descriptor[]> => {
      const config = await putContent(content, `{"architecture":"${architecture}"}`, {
        mediaType: MEDIA_TYPE.OCI_CONFIG,
      })
      const layer = await putContent(content, architecture, { mediaType: MEDIA_TYPE.OCI_LAYER })
      const document = JSON.stringify({ schemaVersion: 2, config, layers: [layer] })
      return [await putContent(content, document, { mediaType: MEDIA_TYPE.OCI_MANIFEST }), config, layer]
    }
    const members = [await member('amd64'), await member('arm64'), await member('s390x')] as const
    const manifests = members.map(([manifest], at) => ({
      ...manifest,
      platform: parsePlatform(['linux/amd64', 'linux/arm64', 'linux/s390x'][at] ?? ''),
    }))
    const index = await putContent(content, JSON.stringify({ schemaVersion: 2, manifests }), {
      mediaType: MEDIA_TYPE.OCI_INDEX,
    })
    const [[amd], [arm, armConfig, armLayer], [whole, config, layer]] = members
    assert.ok(amd && arm && armConfig && armLayer && whole && config && layer)
    await content.delete(amd.digest)
    await content.delete(armLayer.digest)
    const exported = async (options: ExportOptions): Promise<ReadonlyMap<string, unknown>> =>
      filesOf(await exportBytes(content, [{ descriptor: index, names: ['app:v1'] }], options))
    await assert.rejects(exported({}), (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
    const files = await exported({ skipMissing: true })
    const held = [index, arm, whole, config, layer].map(({ digest }) => `${blobPath(digest)} 444 0 0`)
    assert.deepEqual(
      [...files.keys()].filter((path) => / 444 /.test(path) && path.startsWith('blobs/')).toSorted(),
      held.toSorted(),
    )
    // What docker load would look for is not there.
    const forArm = await exported({
      skipMissing: true,
      platform: anyPlatform(parsePlatform('linux/arm64')),
      skipDockerManifest: true,
    })
    assert.ok(forArm.has(`${blobPath(arm.digest)} 444 0 0`) && !forArm.has(`${blobPath(armConfig.digest)} 444 0 0`))
    const direct = await filesOf(
      await exportBytes(content, [{ descriptor: arm, names: ['app:arm'] }], { skipMissing: true }),
    )
    assert.ok(!direct.has('manifest.json 644 0 0'))
  })

  test('leaves out what a filter drops and what may not be passed on', async () => {
    await using target = await temporaryStore()
    const { content } = target.store.namespace()
    const foreign = await putContent(content, 'foreign', { mediaType: MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP })
    const config = await putContent(content, '{}', { mediaType: MEDIA_TYPE.DOCKER_CONFIG })
    const manifest = await putContent(content, JSON.stringify({ schemaVersion: 2, config, layers: [foreign] }), {
      mediaType: MEDIA_TYPE.DOCKER_MANIFEST,
    })
    const has = async (options: ExportOptions, { digest }: Descriptor): Promise<boolean> =>
      (await filesOf(await exportBytes(content, [{ descriptor: manifest }], options))).has(
        `${blobPath(digest)} 444 0 0`,
      )
    assert.equal(await has({}, foreign), true)
    assert.equal(await has({ skipNonDistributable: true }, foreign), false)
    const blobFilter = ({ digest }: Descriptor): boolean => digest !== config.digest
    assert.equal(await has({ blobFilter }, config), false)
    // Both count together.
    assert.equal(await has({ blobFilter, skipNonDistributable: true }, foreign), false)
    await content.delete(foreign.digest)
    assert.equal(await has({ skipNonDistributable: true }, manifest), true)
  })

  test('tells before the first byte what is missing, of another size, or no image', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    const { content, images } = namespace
    await importBytes(namespace, layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }]))
    const { target: root } = await images.get('v1')
    const fails = async (descriptor: Descriptor, code: ErrorCode, names?: readonly string[]): Promise<void> => {
      const reading = exportArchive(content, [{ descriptor, names }])[Symbol.asyncIterator]()
      await assert.rejects(reading.next(), (error) => hasErrorCode(error, code))
    }
    await fails(root, 'INVALID_REFERENCE', ['No Docker Name'])
    await fails({ ...root, mediaType: MEDIA_TYPE.OCI_LAYER }, 'INVALID_ARGUMENT')
    await fails({ ...root, size: root.size + 1 }, 'SIZE_MISMATCH')
    await content.delete(image.blobs[1]?.descriptor.digest ?? root.digest)
    await fails(root, 'BLOB_NOT_FOUND')
    await assert.rejects(exportTargets(images, ['v1', 'v2']), (error) => hasErrorCode(error, 'NOT_FOUND'))
  })

  test('notices a blob that rotted on the disk', async () => {
    await using target = await temporaryStore()
    const namespace = target.store.namespace()
    await importBytes(namespace, layoutOf([{ annotations: { [REF_NAME_ANNOTATION]: 'v1' } }]))
    const layer = image.blobs[1]?.descriptor as Descriptor
    const { rm, writeFile } = await import('node:fs/promises')
    const path = `${target.store.directory}/${blobPath(layer.digest)}`
    await rm(path)
    await writeFile(path, Buffer.alloc(layer.size, 'x'))
    const { target: root } = await namespace.images.get('v1')
    await assert.rejects(exportBytes(namespace.content, [{ descriptor: root }]), (error) =>
      hasErrorCode(error, 'DIGEST_MISMATCH'),
    )
  })

  test('comes back the same when it is imported', async () => {
    await using one = await temporaryStore()
    await using two = await temporaryStore()
    const from = one.store.namespace()
    const index = await multi(from)
    const archive = await exportBytes(from.content, [{ descriptor: index, names: ['example.com/multi:1'] }])
    const { images } = await importBytes(two.store.namespace(), archive)
    assert.deepEqual(
      images.map(({ name, target: { digest } }) => [name, digest]),
      [['example.com/multi:1', index.digest]],
    )
    assert.equal(
      await contentText(two.store.namespace().content, index.digest),
      await contentText(from.content, index.digest),
    )
  })
})
