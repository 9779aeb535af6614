import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { putContent, temporaryStore } from '../../../test/support/store-content.ts'
import { tarOf } from '../../../test/support/image-builder.ts'
import { hasErrorCode } from '../../errors/index.ts'
import {
  ALL_PLATFORMS,
  type ContentProvider,
  type ContentStore,
  type Descriptor,
  formatPlatform,
  handleInOrder,
  MEDIA_TYPE,
  onlyPlatform,
  parsePlatform,
  type Platform,
  walk,
} from '../../oci/index.ts'
import { digestOf } from '../../stream/index.ts'
import { checkImage } from './check-image.ts'
import { childrenHandler, readChildren } from './children.ts'
import { imagePlatforms } from './image-platforms.ts'
import { imageSize } from './image-size.ts'
import { layerDiffId } from './layer-diff-id.ts'
import { readRootFs, resolveConfig, resolveManifest } from './resolve-manifest.ts'

const amd64 = onlyPlatform(parsePlatform('linux/amd64'))
const arm64 = onlyPlatform(parsePlatform('linux/arm64'))
const s390x = onlyPlatform(parsePlatform('linux/s390x'))

async function withContent(work: (content: ContentStore) => Promise<void>): Promise<void> {
  await using fixture = await temporaryStore()
  await work(fixture.store.namespace().content)
}

function putJson(content: ContentStore, mediaType: string, value: unknown): Promise<Descriptor> {
  return putContent(content, JSON.stringify(value), { mediaType })
}

interface ImageParts {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** An image with a config for a platform, and layers of these texts. */
async function putImage(
  content: ContentStore,
  platform: string | undefined,
  texts: readonly string[] = ['layer'],
): Promise<ImageParts> {
  const { os, architecture, variant } = platform === undefined ? ({} as Partial<Platform>) : parsePlatform(platform)
  const layers: Descriptor[] = []
  for (const text of texts) layers.push(await putContent(content, text, { mediaType: MEDIA_TYPE.OCI_LAYER }))
  const config = await putJson(content, MEDIA_TYPE.OCI_CONFIG, {
    os,
    architecture,
    variant,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  })
  const manifest = await putJson(content, MEDIA_TYPE.OCI_MANIFEST, { schemaVersion: 2, config, layers })
  return { manifest, config, layers }
}

function putIndex(content: ContentStore, manifests: readonly Descriptor[]): Promise<Descriptor> {
  return putJson(content, MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests })
}

const on = (descriptor: Descriptor, platform: string): Descriptor => ({
  ...descriptor,
  platform: parsePlatform(platform),
})

describe('readChildren()', () => {
  test('gives config and layers, members, and nothing for anything else', async () => {
    await withContent(async (content) => {
      const { manifest, config, layers } = await putImage(content, 'linux/amd64', ['a', 'b'])
      assert.deepEqual(await readChildren(content, manifest), [config, ...layers])
      const index = await putIndex(content, [on(manifest, 'linux/amd64')])
      assert.deepEqual(await readChildren(content, index), [on(manifest, 'linux/amd64')])
      const odd = await putJson(content, 'application/vnd.example.thing', { layers: 1 })
      const schema1 = await putJson(content, MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED, { fsLayers: [] })
      for (const leaf of [config, layers[0], odd, schema1]) {
        assert.deepEqual(await readChildren(content, leaf as Descriptor), [])
      }
    })
  })

  test('refuses documents that could be taken for two things', async () => {
    await withContent(async (content) => {
      const { config, layers } = await putImage(content, 'linux/amd64')
      const manifest = { schemaVersion: 2, config, layers }
      const mixed: readonly (readonly [string, unknown])[] = [
        [MEDIA_TYPE.OCI_MANIFEST, { ...manifest, manifests: null }],
        [MEDIA_TYPE.OCI_MANIFEST, { ...manifest, manifests: [] }],
        [MEDIA_TYPE.OCI_MANIFEST, { ...manifest, mediaType: MEDIA_TYPE.OCI_INDEX }],
        [MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests: [], config: null }],
        [MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests: [], layers: [] }],
        [MEDIA_TYPE.OCI_INDEX, { schemaVersion: 2, manifests: [], mediaType: MEDIA_TYPE.DOCKER_MANIFEST }],
        [MEDIA_TYPE.OCI_MANIFEST, { schemaVersion: 2, Config: config, layers }],
        [MEDIA_TYPE.OCI_MANIFEST, { schemaVersion: 2, layers }],
        [MEDIA_TYPE.OCI_MANIFEST, 'no document'],
      ]
      for (const [mediaType, value] of mixed) {
        const descriptor = await putJson(content, mediaType, value)
        await assert.rejects(readChildren(content, descriptor), (error) => hasErrorCode(error, 'INVALID_DOCUMENT'))
      }
      const old = await putJson(content, MEDIA_TYPE.DOCKER_MANIFEST, { schemaVersion: 1, fsLayers: [] })
      await assert.rejects(readChildren(content, old), (error) => hasErrorCode(error, 'SCHEMA1_UNSUPPORTED'))
    })
  })

  test('follows a whole tree as a handler', async () => {
    await withContent(async (content) => {
      const { manifest } = await putImage(content, 'linux/amd64', ['a', 'b'])
      const seen: string[] = []
      const index = await putIndex(content, [manifest, manifest])
      const note = async (descriptor: Descriptor): Promise<readonly Descriptor[]> => {
        seen.push(descriptor.mediaType.split('.').at(-1) ?? '')
        return []
      }
      await walk(handleInOrder(note, childrenHandler(content)), [index])
      assert.equal(seen.length, 9)
    })
  })
})

describe('resolveManifest()', () => {
  test('takes a manifest for itself, whatever its platform', async () => {
    await withContent(async (content) => {
      const { manifest, config, layers } = await putImage(content, 'linux/amd64')
      const resolved = await resolveManifest(content, manifest, s390x)
      assert.deepEqual([resolved.descriptor, resolved.document.config], [manifest, config])
      assert.deepEqual(await resolveConfig(content, manifest, s390x), config)
      assert.deepEqual(await readRootFs(content, config), [layers[0]?.digest])
    })
  })

  test('takes the best member of an index, in nested ones too, and without a matcher the first', async () => {
    await withContent(async (content) => {
      const amd = await putImage(content, 'linux/amd64', ['amd'])
      const arm = await putImage(content, 'linux/arm64', ['arm'])
      const inner = await putIndex(content, [on(amd.manifest, 'linux/386'), on(arm.manifest, 'linux/arm64')])
      const index = await putIndex(content, [on(amd.manifest, 'linux/amd64'), inner])
      assert.equal((await resolveManifest(content, index, arm64)).descriptor.digest, arm.manifest.digest)
      assert.equal((await resolveManifest(content, index, amd64)).descriptor.platform?.architecture, 'amd64')
      assert.equal((await resolveManifest(content, index, undefined)).descriptor.digest, amd.manifest.digest)
      await assert.rejects(resolveManifest(content, index, s390x), (error) =>
        hasErrorCode(error, 'NO_MATCHING_PLATFORM'),
      )
    })
  })

  test('asks the config of a member without a platform, last, and goes on where it does not fit', async () => {
    await withContent(async (content) => {
      const bare = await putImage(content, 'linux/amd64', ['bare'])
      const stated = await putImage(content, 'linux/arm64', ['stated'])
      const other = await putImage(content, 'linux/amd64', ['other'])
      const index = await putIndex(content, [bare.manifest, on(stated.manifest, 'linux/arm64'), other.manifest])
      assert.equal((await resolveManifest(content, index, amd64)).descriptor.digest, bare.manifest.digest)
      assert.equal((await resolveManifest(content, index, arm64)).descriptor.digest, stated.manifest.digest)
      const armFirst = await putIndex(content, [stated.manifest, bare.manifest])
      assert.equal((await resolveManifest(content, armFirst, amd64)).descriptor.digest, bare.manifest.digest)
    })
  })

  test('tells what is missing from what is no manifest', async () => {
    await withContent(async (content) => {
      const { manifest, layers } = await putImage(content, 'linux/amd64')
      const [layer] = layers
      assert.ok(layer)
      await assert.rejects(resolveManifest(content, layer, amd64), (error) => hasErrorCode(error, 'NOT_FOUND'))
      const index = await putIndex(content, [on(manifest, 'linux/amd64')])
      await content.delete(manifest.digest)
      await assert.rejects(resolveManifest(content, index, amd64), (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
      const empty = await putIndex(content, [])
      await assert.rejects(resolveManifest(content, empty, undefined), (error) =>
        hasErrorCode(error, 'NO_MATCHING_PLATFORM'),
      )
    })
  })
})

describe('imagePlatforms()', () => {
  test('goes by descriptors, else by configs, and leaves attestations out', async () => {
    await withContent(async (content) => {
      const arm = await putImage(content, 'linux/arm/v6')
      const attestation = { ...arm.manifest, platform: { os: 'unknown', architecture: 'unknown' } }
      const index = await putIndex(content, [on(arm.manifest, 'linux/arm64'), arm.manifest, attestation])
      const found = await imagePlatforms(content, index)
      assert.deepEqual(found.map(formatPlatform), ['linux/arm64', 'linux/arm/v6'])
      assert.deepEqual(await imagePlatforms(content, (await putImage(content, undefined)).manifest), [])
      await content.delete(arm.config.digest)
      await assert.rejects(imagePlatforms(content, arm.manifest), (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
    })
  })
})

describe('checkImage()', () => {
  test('tells complete from incomplete from unavailable from broken', async () => {
    await withContent(async (content) => {
      const { manifest, config, layers } = await putImage(content, 'linux/amd64', ['a', 'b', 'a'])
      const index = await putIndex(content, [on(manifest, 'linux/amd64')])
      const complete = await checkImage(content, index, amd64)
      assert.equal(complete.isAvailable, true)
      assert.deepEqual([complete.required, complete.missing], [[config, ...layers], []])
      await content.delete(layers[0]?.digest ?? config.digest)
      const incomplete = await checkImage(content, manifest, amd64)
      // What is listed twice is missing twice.
      assert.deepEqual([incomplete.isAvailable, incomplete.present.length, incomplete.missing.length], [true, 2, 2])
      assert.deepEqual(await checkImage(content, index, s390x), {
        isAvailable: false,
        required: [index],
        present: [],
        missing: [index],
      })
      await content.delete(manifest.digest)
      assert.equal((await checkImage(content, index, amd64)).isAvailable, false)
      const broken = await putJson(content, MEDIA_TYPE.OCI_MANIFEST, { schemaVersion: 2, layers: [] })
      await assert.rejects(checkImage(content, broken, amd64), (error) => hasErrorCode(error, 'INVALID_DOCUMENT'))
    })
  })
})

describe('imageSize()', () => {
  test('adds up target, best manifest, config and layers, each as often as it is listed', async () => {
    await withContent(async (content) => {
      const { manifest, config, layers } = await putImage(content, 'linux/amd64', ['a', 'bb', 'a'])
      const other = await putImage(content, 'linux/arm64', ['cccc'])
      const index = await putIndex(content, [on(other.manifest, 'linux/arm64'), on(manifest, 'linux/amd64')])
      const blobs = config.size + 4
      assert.equal(await imageSize(content, manifest, amd64), manifest.size + blobs)
      assert.equal(await imageSize(content, index, amd64), index.size + manifest.size + blobs)
      for (const { digest } of layers.slice(0, 2)) await content.delete(digest)
      assert.equal(await imageSize(content, manifest, ALL_PLATFORMS), manifest.size + blobs)
      await assert.rejects(imageSize(content, index, s390x), (error) => hasErrorCode(error, 'NO_MATCHING_PLATFORM'))
      await assert.rejects(imageSize(content, { ...manifest, size: -1 }, amd64), (error) =>
        hasErrorCode(error, 'INVALID_ARGUMENT'),
      )
    })
  })
})

describe('layerDiffId()', () => {
  const tar = tarOf({ file: 'content' })

  test('takes plain types at their word, remembers what it unpacked, and believes the label', async () => {
    await withContent(async (content) => {
      const absent = { mediaType: MEDIA_TYPE.OCI_LAYER, digest: digestOf(Buffer.from('absent')), size: 1 }
      assert.equal(await layerDiffId(content, absent), absent.digest)
      for (const [mediaType, bytes] of [
        [MEDIA_TYPE.OCI_LAYER_GZIP, gzipSync(tar)],
        [MEDIA_TYPE.OCI_LAYER_ZSTD, zstdCompressSync(tar)],
        ['application/vnd.example', Buffer.concat([tar, tar])],
      ] as const) {
        const layer = await putContent(content, bytes, { mediaType, labels: { own: '1' } })
        const plain = mediaType === 'application/vnd.example' ? bytes : tar
        assert.equal(await layerDiffId(content, layer), digestOf(plain))
        assert.deepEqual((await content.info(layer.digest)).labels, {
          own: '1',
          'containerd.io/uncompressed': digestOf(plain),
        })
        const said = digestOf(Buffer.from('said'))
        await content.updateLabels(layer.digest, { 'containerd.io/uncompressed': said })
        assert.equal(await layerDiffId(content, layer), said)
      }
    })
  })

  test('fails for absent and damaged layers', async () => {
    await withContent(async (content) => {
      const mediaType = MEDIA_TYPE.OCI_LAYER_GZIP
      const absent = { mediaType, digest: digestOf(Buffer.from('absent')), size: 1 }
      await assert.rejects(layerDiffId(content, absent), (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
      const cut = await putContent(content, gzipSync(tar).subarray(0, -9), { mediaType })
      await assert.rejects(layerDiffId(content, cut), (error) => hasErrorCode(error, 'CORRUPT_GZIP'))
    })
  })
})

test('documents are verified when they are read, whoever keeps them', async () => {
  await withContent(async (content) => {
    const { manifest } = await putImage(content, 'linux/amd64')
    const liar: ContentProvider = {
      openReader: async () => ({
        sizeBytes: 2,
        async *read() {
          yield Buffer.from('{}')
        },
        async [Symbol.asyncDispose]() {},
      }),
    }
    await assert.rejects(readChildren(liar, manifest), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
    await assert.rejects(readChildren(liar, { ...manifest, size: 2 }), (error) =>
      hasErrorCode(error, 'DIGEST_MISMATCH'),
    )
  })
})
