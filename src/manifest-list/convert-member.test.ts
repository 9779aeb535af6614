import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ManifestNode } from '../image/index.ts'
import { type Descriptor, type Manifest, MEDIA_TYPE, parseManifestDocument } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { convertMember } from './convert-member.ts'

const CONFIG = Buffer.from(
  '{"container":"gone","os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":["A=<b>"]}}',
)

function member(mediaType: string, config: string, ...layers: readonly string[]): ManifestNode {
  const described = (type: string): Descriptor => ({ mediaType: type, digest: digestOf(Buffer.from(type)), size: 5 })
  const document: Manifest = {
    kind: 'manifest',
    mediaType,
    config: { mediaType: config, digest: digestOf(CONFIG), size: CONFIG.length },
    layers: layers.map(described),
    annotations: { a: 'b' },
  }
  const bytes = Buffer.from(JSON.stringify(document))
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  return { kind: 'manifest', descriptor, bytes, document }
}

function docker(...layers: readonly string[]): ManifestNode {
  return member(MEDIA_TYPE.DOCKER_MANIFEST, MEDIA_TYPE.DOCKER_CONFIG, ...layers)
}

function oci(...layers: readonly string[]): ManifestNode {
  return member(MEDIA_TYPE.OCI_MANIFEST, MEDIA_TYPE.OCI_CONFIG, ...layers)
}

const readConfig = async (): Promise<Uint8Array> => CONFIG

function manifestOf(bytes: Uint8Array): Manifest {
  const document = parseManifestDocument(bytes, { subject: 'converted' })
  assert.ok(document.kind === 'manifest')
  return document
}

test('convertMember() gives layers their types in the other format, foreign ones too, and keeps their bytes', async () => {
  const dockers = [
    MEDIA_TYPE.DOCKER_LAYER,
    MEDIA_TYPE.DOCKER_LAYER_GZIP,
    MEDIA_TYPE.DOCKER_FOREIGN_LAYER,
    MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP,
  ]
  const ocis = [
    MEDIA_TYPE.OCI_LAYER,
    MEDIA_TYPE.OCI_LAYER_GZIP,
    MEDIA_TYPE.OCI_FOREIGN_LAYER,
    MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP,
  ]
  for (const [from, format, wanted] of [
    [docker(...dockers), 'oci', ocis],
    [oci(...ocis), 'docker', dockers],
  ] as const) {
    const { layers } = manifestOf((await convertMember(from, format, readConfig)).bytes)
    assert.deepEqual(
      layers.map(({ mediaType }) => mediaType),
      wanted,
    )
    assert.deepEqual(
      layers.map(({ digest }) => digest),
      from.document.layers.map(({ digest }) => digest),
    )
  }
})

test('convertMember() writes an OCI config anew, without what OCI does not know', async () => {
  const { bytes, mediaType, config } = await convertMember(docker(), 'oci', readConfig)
  assert.equal(mediaType, MEDIA_TYPE.OCI_MANIFEST)
  assert.equal(
    Buffer.from(config?.bytes ?? []).toString(),
    '{"architecture":"amd64","os":"linux","config":{"Env":["A=\\u003cb\\u003e"]},"rootfs":{"type":"layers","diff_ids":[]}}',
  )
  assert.deepEqual(manifestOf(bytes).config, config?.descriptor)
  assert.equal(config?.descriptor.digest, digestOf(config?.bytes ?? Buffer.alloc(0)))
})

test('convertMember() keeps a config for Docker, and leaves annotations out', async () => {
  const never = async (): Promise<Uint8Array> => assert.fail('read')
  const { bytes, config } = await convertMember(oci(), 'docker', never)
  const manifest = manifestOf(bytes)
  assert.equal(config, undefined)
  assert.deepEqual(
    [manifest.config.mediaType, manifest.config.digest, manifest.annotations],
    [MEDIA_TYPE.DOCKER_CONFIG, digestOf(CONFIG), undefined],
  )
})

test('convertMember() refuses what the other format has no type for, and a config that is none', async () => {
  for (const [node, format] of [
    [docker('application/vnd.docker.image.rootfs.other.tar'), 'oci'],
    [docker('application/octet-stream'), 'oci'],
    [oci(MEDIA_TYPE.OCI_LAYER_ZSTD), 'docker'],
    [oci(`${MEDIA_TYPE.OCI_LAYER_GZIP}+encrypted`), 'docker'],
    [member(MEDIA_TYPE.OCI_MANIFEST, 'application/vnd.in-toto+json'), 'docker'],
  ] as const) {
    await assert.rejects(convertMember(node, format, readConfig), { code: 'CANNOT_CONVERT' })
  }
  await assert.rejects(
    convertMember(docker(), 'oci', async () => Buffer.from('{"architecture":7}')),
    { code: 'INVALID_DOCUMENT' },
  )
})
