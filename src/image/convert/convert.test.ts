import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fixture } from '../../../test/support/fixtures.ts'
import { contentText, putContent, temporaryStore } from '../../../test/support/store-content.ts'
import { hasErrorCode } from '../../errors/index.ts'
import {
  ALL_PLATFORMS,
  type ContentStore,
  type Descriptor,
  type DiffId,
  MEDIA_TYPE,
  onlyPlatformStrict,
  parsePlatform,
} from '../../oci/index.ts'
import type { ImageRecord, StoreNamespace } from '../../store/index.ts'
import { digestOf, readFileRange } from '../../stream/index.ts'
import { createInlineRunner } from '../../workers/index.ts'
import { importImages } from '../archive/import.ts'
import { checkImage } from '../content/check-image.ts'
import { readChildren } from '../content/children.ts'
import { readConfigBlob } from '../content/read-blob.ts'
import { convertImage } from './convert-image.ts'
import { clearGcLabels, imageConverter } from './image-converter.ts'
import { type ContentConverter, gzipLayer, uncompressLayer, zstdLayer } from './layer-converters.ts'
import { toDockerMediaType, toOciMediaType, withCompression } from './media-types.ts'
import { rewriteConfig, rewriteDocument } from './rewrite-document.ts'

async function importFixture(namespace: StoreNamespace, name: string): Promise<ImageRecord> {
  const { images } = await importImages(namespace, readFileRange(fixture(`images/${name}`)), {
    translateReference: () => 'example.com/app:v1',
    digestReference: () => 'example.com/app:v1',
    labels: { own: 'label' },
  })
  const [image] = images
  assert.ok(image)
  return image
}

const typesOf = async (content: ContentStore, root: Descriptor): Promise<readonly string[]> =>
  (await readChildren(content, root)).map(({ mediaType }) => mediaType)

async function assertComplete(content: ContentStore, root: Descriptor): Promise<void> {
  const check = await checkImage(content, root, ALL_PLATFORMS)
  assert.deepEqual([check.isAvailable, check.missing], [true, []])
}

describe('convertImage()', () => {
  test('changes types of Docker to those of OCI and back, with the labels of the record', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const { content } = namespace
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    const oci = await convertImage(namespace, 'oci', before.name, { mediaTypes: 'oci' })
    assert.equal(oci.target.mediaType, MEDIA_TYPE.OCI_MANIFEST)
    assert.deepEqual(oci.labels, { own: 'label' })
    assert.deepEqual(
      new Set(await typesOf(content, oci.target)),
      new Set([MEDIA_TYPE.OCI_CONFIG, MEDIA_TYPE.OCI_LAYER_GZIP]),
    )
    const docker = await convertImage(namespace, 'docker', 'oci', { mediaTypes: 'docker' })
    assert.equal(docker.target.mediaType, MEDIA_TYPE.DOCKER_MANIFEST)
    assert.deepEqual(
      (await readChildren(content, docker.target)).map(({ digest }) => digest),
      (await readChildren(content, before.target)).map(({ digest }) => digest),
    )
    await namespace.images.delete(before.name)
    await fixture.store.collect()
    await assertComplete(content, oci.target)
    await assertComplete(content, docker.target)
  })

  test('unpacks layers, and packs them in zstd and gzip again: diffIDs and config stay', async () => {
    await using fixture = await temporaryStore()
    await using kernels = await createInlineRunner()
    const namespace = fixture.store.namespace()
    const { content } = namespace
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    const [config] = await readChildren(content, before.target)
    const plain = await convertImage(namespace, 'plain', before.name, { layer: uncompressLayer })
    const zstd = await convertImage(namespace, 'zstd', 'plain', { layer: zstdLayer({ level: 1 }), mediaTypes: 'oci' })
    const gzip = await convertImage(namespace, 'gzip', 'zstd', { layer: gzipLayer({ kernels }), mediaTypes: 'docker' })
    for (const { target } of [plain, zstd, gzip]) {
      assert.equal((await readChildren(content, target))[0]?.digest, config?.digest)
    }
    const { rootfs } = await readConfigBlob(content, config as Descriptor)
    const [, ...plainLayers] = await readChildren(content, plain.target)
    assert.deepEqual(
      plainLayers.map(({ digest }) => digest),
      rootfs.diffIds,
    )
    const [, ...zstdLayers] = await readChildren(content, zstd.target)
    assert.ok(zstdLayers.every(({ mediaType }) => mediaType === MEDIA_TYPE.OCI_LAYER_ZSTD))
    for (const [position, { digest }] of zstdLayers.entries()) {
      const { labels } = await content.info(digest)
      assert.equal(labels['containerd.io/uncompressed'], rootfs.diffIds[position])
    }
    // Docker packs with Go's encoder, and so do we: the layers are the ones it began with.
    assert.deepEqual(await readChildren(content, gzip.target), await readChildren(content, before.target))
    for (const name of [before.name, 'plain', 'gzip']) await namespace.images.delete(name)
    await fixture.store.collect()
    await assertComplete(content, zstd.target)
  })

  test('leaves alone what has nothing to convert, and moves the record all the same', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    for (const options of [{}, { platform: ALL_PLATFORMS }]) {
      const after = await convertImage(namespace, 'same', before.name, options)
      assert.equal(after.target.digest, before.target.digest)
    }
    const plain = await convertImage(namespace, 'same', before.name, { layer: uncompressLayer })
    const again = await convertImage(namespace, 'same', 'same', { layer: uncompressLayer })
    assert.equal(again.target.digest, plain.target.digest)
    assert.equal(again.createdAt.getTime(), (await namespace.images.get('same')).createdAt.getTime())
  })

  test('keeps the members of an index that match, in place, with references to just these', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const { content } = namespace
    const before = await importFixture(namespace, 'app-multi-v2.oci.tar')
    const members = await readChildren(content, before.target)
    const platform = onlyPlatformStrict(parsePlatform('linux/arm64'))
    const after = await convertImage(namespace, before.name, before.name, { platform })
    const kept = await readChildren(content, after.target)
    assert.deepEqual(
      kept,
      members.filter((member) => member.platform?.architecture === 'arm64'),
    )
    const labels = Object.entries((await content.info(after.target.digest)).labels)
    assert.deepEqual(
      labels.filter(([key]) => key.startsWith('containerd.io/gc.ref')).map(([, digest]) => digest),
      kept.map(({ digest }) => digest),
    )
    const windows = onlyPlatformStrict(parsePlatform('windows/amd64'))
    await assert.rejects(convertImage(namespace, 'none', before.name, { platform: windows }), (error) =>
      hasErrorCode(error, 'NO_MATCHING_PLATFORM'),
    )
    await assert.rejects(namespace.images.get('none'), (error) => hasErrorCode(error, 'NOT_FOUND'))
  })

  test('changes diffIDs in the config when layers change, and drops the old image name there', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const { content } = namespace
    const layer = await putContent(content, 'layer', { mediaType: MEDIA_TYPE.OCI_LAYER })
    const config = await putContent(
      content,
      JSON.stringify({
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
        config: { Image: 'sha256:old', Env: ['A=1'] },
        container_config: { Image: 'sha256:old', Z: 1, B: '<&>' },
        architecture: 'amd64',
        odd: { b: 1.0, a: 1 },
      }),
      { mediaType: MEDIA_TYPE.OCI_CONFIG, labels: { source: 'here' } },
    )
    const manifest = await putContent(content, JSON.stringify({ schemaVersion: 2, config, layers: [layer], odd: 1 }), {
      mediaType: MEDIA_TYPE.OCI_MANIFEST,
    })
    await namespace.images.create({ name: 'a', target: manifest })
    const shout: ContentConverter = async (into, descriptor) => {
      const text = (await contentText(into, descriptor.digest)).toUpperCase()
      return { ...descriptor, ...(await putContent(into, text, { mediaType: descriptor.mediaType })) }
    }
    const after = await convertImage(namespace, 'b', 'a', { layer: shout })
    assert.match(await contentText(content, after.target.digest), /"odd":1}$/)
    const [newConfig, newLayer] = await readChildren(content, after.target)
    assert.equal(newLayer?.digest, digestOf(Buffer.from('LAYER')))
    assert.equal(
      await contentText(content, newConfig?.digest ?? config.digest),
      `{"architecture":"amd64","config":{"Env":["A=1"]},"container_config":{"B":"\\u003c\\u0026\\u003e","Z":1},` +
        `"odd":{"b":1,"a":1},"os":"linux","rootfs":{"type":"layers","diff_ids":["${newLayer?.digest}"]}}`,
    )
    assert.deepEqual((await content.info(newConfig?.digest ?? config.digest)).labels, { source: 'here' })
    const { labels } = await content.info(after.target.digest)
    assert.deepEqual(labels, {
      'containerd.io/gc.ref.content.config': newConfig?.digest,
      'containerd.io/gc.ref.content.l.0': newLayer?.digest,
    })
  })

  test('tells a hook of everything, and lets it replace what was converted', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    const seen: string[] = []
    const after = await convertImage(namespace, 'hooked', before.name, {
      async afterEach(_content, original, converted) {
        seen.push(`${original.mediaType.split('.').at(-1)} ${converted !== undefined}`)
        if (original.mediaType !== MEDIA_TYPE.DOCKER_LAYER_GZIP) return undefined
        return { ...original, mediaType: MEDIA_TYPE.OCI_LAYER_GZIP, annotations: { seen: 'yes' } }
      },
    })
    assert.deepEqual(seen.toSorted(), ['gzip false', 'gzip false', 'gzip false', 'v1+json false', 'v2+json true'])
    const [, layer] = await readChildren(namespace.content, after.target)
    assert.deepEqual(layer?.annotations, { seen: 'yes' })
  })

  test('leaves everything to a function for the whole image', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    const target = await putContent(namespace.content, 'anything', { mediaType: MEDIA_TYPE.OCI_MANIFEST })
    const after = await convertImage(namespace, 'other', before.name, { convert: async () => target })
    assert.equal(after.target.digest, target.digest)
    const same = await convertImage(namespace, 'other', before.name, { convert: async () => undefined })
    assert.equal(same.target.digest, before.target.digest)
  })

  test('fails without its source, and without a layer that has to be converted, and leaves no record', async () => {
    await using fixture = await temporaryStore()
    const namespace = fixture.store.namespace()
    const before = await importFixture(namespace, 'app-docker-v1.oci.tar')
    await assert.rejects(convertImage(namespace, 'b', 'a'), (error) => hasErrorCode(error, 'NOT_FOUND'))
    const [, layer] = await readChildren(namespace.content, before.target)
    await namespace.content.delete(layer?.digest ?? before.target.digest)
    await assert.rejects(convertImage(namespace, 'b', before.name, { layer: uncompressLayer }), (error) =>
      hasErrorCode(error, 'BLOB_NOT_FOUND'),
    )
    await assert.rejects(namespace.images.get('b'), (error) => hasErrorCode(error, 'NOT_FOUND'))
    // Where only types change, layers need not be there.
    await convertImage(namespace, 'b', before.name, { mediaTypes: 'oci' })
    assert.deepEqual(await namespace.leases.list(), [])
  })

  test('leaves layers alone that are encrypted or of no known kind, and attestations', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    for (const mediaType of [MEDIA_TYPE.OCI_LAYER_GZIP_ENCRYPTED, 'application/vnd.in-toto+json']) {
      const layer = await putContent(content, 'opaque', { mediaType })
      const config = await putContent(content, '{}', { mediaType: MEDIA_TYPE.OCI_EMPTY })
      const text = JSON.stringify({ schemaVersion: 2, artifactType: 'application/x', config, layers: [layer] })
      const manifest = await putContent(content, text, { mediaType: MEDIA_TYPE.OCI_MANIFEST })
      for (const convert of [uncompressLayer, zstdLayer()]) {
        assert.equal(await imageConverter({ layer: convert, mediaTypes: 'oci' })(content, manifest), undefined)
      }
    }
  })
})

test('media types pair up, and change their compression within their family', () => {
  for (const mediaType of [
    MEDIA_TYPE.DOCKER_LIST,
    MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP,
    MEDIA_TYPE.DOCKER_LAYER_ZSTD,
  ]) {
    assert.notEqual(toOciMediaType(mediaType), mediaType)
    assert.equal(toDockerMediaType(toOciMediaType(mediaType)), mediaType)
  }
  assert.equal(toOciMediaType('application/x'), 'application/x')
  assert.equal(withCompression(MEDIA_TYPE.OCI_FOREIGN_LAYER_ZSTD, 'none'), MEDIA_TYPE.OCI_FOREIGN_LAYER)
  assert.equal(withCompression(MEDIA_TYPE.DOCKER_LAYER, 'gzip'), MEDIA_TYPE.DOCKER_LAYER_GZIP)
  assert.equal(withCompression(MEDIA_TYPE.OCI_LAYER_ENCRYPTED, 'none'), undefined)
})

test('clearGcLabels() takes references to one digest away', () => {
  const [one, two] = [digestOf(Buffer.from('1')), digestOf(Buffer.from('2'))]
  const labels = new Map([
    ['containerd.io/gc.ref.content.l.0', one],
    ['containerd.io/gc.ref.content', one],
    ['containerd.io/gc.ref.content.l.1', two],
    ['note', one],
  ])
  clearGcLabels(labels, one)
  assert.deepEqual([...labels.keys()], ['containerd.io/gc.ref.content.l.1', 'note'])
})

test('rewriteDocument() orders what it knows, and carries along what it does not', () => {
  const digest = digestOf(Buffer.from('x'))
  const text = `{
    "odd": [1, 2.50], "annotations": {"b": "2", "a": "<1>"}, "mediaType": "old", "schemaVersion": 2,
    "manifests": [
      {"size": 1, "digest": "${digest}", "platform": {"variant": "v8", "os": "linux", "features": ["sse4"], "architecture": "arm64"},
       "mediaType": "m", "urls": [], "x": {"y": null}},
      {"mediaType": "gone", "digest": "${digest}", "size": 2}
    ]
  }`
  assert.equal(
    rewriteDocument(text, { mediaType: 'new', manifests: [undefined, 'removed'] }),
    `{"schemaVersion":2,"mediaType":"new","manifests":[{"mediaType":"m","digest":"${digest}","size":1,` +
      `"platform":{"architecture":"arm64","os":"linux","variant":"v8","features":["sse4"]},"x":{"y":null}}],` +
      `"annotations":{"a":"\\u003c1\\u003e","b":"2"},"odd":[1,2.50]}`,
  )
  assert.equal(
    rewriteDocument('{"schemaVersion":2,"annotations":{"a":"b"}}', { dropAnnotations: true }),
    '{"schemaVersion":2}',
  )
})

test('rewriteConfig() changes nothing where no diffID changes, or the config lists none', () => {
  const changed = new Map<DiffId, DiffId>([[digestOf(Buffer.from('a')), digestOf(Buffer.from('b'))]])
  for (const text of [
    '{}',
    '{"rootfs":{"type":"layers","diff_ids":[]}}',
    '{"rootfs":{"type":"other"}}',
    '{"rootfs":null}',
  ]) {
    assert.equal(rewriteConfig(text, changed), undefined)
  }
})
