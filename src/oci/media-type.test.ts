import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import {
  diffCompression,
  isConfigType,
  isDockerType,
  isEncryptedLayerType,
  isForeignLayerType,
  isIndexType,
  isKnownConfigType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  isUncompressedLayerType,
  MEDIA_TYPE,
  statedCompression,
} from './media-type.ts'

const satisfying = (predicate: (mediaType: string) => boolean): readonly string[] =>
  Object.entries(MEDIA_TYPE).flatMap(([name, mediaType]) => (predicate(mediaType) ? [name] : []))

test('the predicates divide the known types among them', () => {
  assert.deepEqual(satisfying(isIndexType), ['OCI_INDEX', 'DOCKER_LIST'])
  assert.deepEqual(satisfying(isManifestType), ['OCI_MANIFEST', 'DOCKER_MANIFEST'])
  assert.deepEqual(satisfying(isConfigType), ['OCI_CONFIG', 'DOCKER_CONFIG'])
  assert.deepEqual(satisfying(isSchema1Type), ['DOCKER_SCHEMA1', 'DOCKER_SCHEMA1_SIGNED'])
  assert.equal(satisfying(isLayerType).length, 13)
  assert.deepEqual(satisfying(isForeignLayerType), [
    'OCI_FOREIGN_LAYER',
    'OCI_FOREIGN_LAYER_GZIP',
    'OCI_FOREIGN_LAYER_ZSTD',
    'DOCKER_FOREIGN_LAYER',
    'DOCKER_FOREIGN_LAYER_GZIP',
  ])
  assert.deepEqual(satisfying(isKnownConfigType), ['OCI_CONFIG', 'DOCKER_CONFIG', 'CHECKPOINT', 'CHECKPOINT_CONFIG'])
  assert.deepEqual(satisfying(isUncompressedLayerType), [
    'OCI_LAYER',
    'OCI_FOREIGN_LAYER',
    'DOCKER_LAYER',
    'DOCKER_FOREIGN_LAYER',
  ])
  assert.deepEqual(
    satisfying(isDockerType),
    Object.keys(MEDIA_TYPE).filter((name) => name.startsWith('DOCKER')),
  )
  for (const mediaType of ['application/vnd.oci.image.layer.v9.odd', `${MEDIA_TYPE.DOCKER_LAYER_GZIP}+encrypted`]) {
    assert.ok(isLayerType(mediaType))
  }
})

test('isForeignLayerType() and isEncryptedLayerType() know the decorated forms', () => {
  const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd'
  assert.ok(isForeignLayerType(nondistributable) && isLayerType(nondistributable))
  assert.ok(isEncryptedLayerType(`${MEDIA_TYPE.OCI_LAYER_GZIP}+encrypted`))
  assert.ok(!isEncryptedLayerType('application/x+encrypted'))
})

test('statedCompression() goes by the end of the type', () => {
  const stated: Readonly<Record<string, string>> = {
    [MEDIA_TYPE.OCI_LAYER]: 'none',
    [MEDIA_TYPE.OCI_LAYER_GZIP]: 'gzip',
    [MEDIA_TYPE.OCI_LAYER_ZSTD]: 'zstd',
    [MEDIA_TYPE.DOCKER_LAYER]: 'none',
    [MEDIA_TYPE.DOCKER_LAYER_GZIP]: 'gzip',
    [MEDIA_TYPE.DOCKER_LAYER_ZSTD]: 'zstd',
    [MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP]: 'gzip',
    [`${MEDIA_TYPE.OCI_LAYER_GZIP}+encrypted`]: 'unknown',
    [MEDIA_TYPE.OCI_EMPTY]: 'unknown',
    'application/vnd.oci.image.layer.v1.tar+xz': 'unknown',
  }
  for (const [mediaType, compression] of Object.entries(stated)) assert.equal(statedCompression(mediaType), compression)
})

test('diffCompression() follows containerd: suffixes decide for OCI types, Docker’s plain types say nothing', () => {
  const table: readonly (readonly [string, string])[] = [
    [MEDIA_TYPE.DOCKER_LAYER, 'unknown'],
    [MEDIA_TYPE.DOCKER_FOREIGN_LAYER, 'unknown'],
    [MEDIA_TYPE.DOCKER_LAYER_GZIP, 'gzip'],
    [MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP, 'gzip'],
    [MEDIA_TYPE.DOCKER_LAYER_ZSTD, 'zstd'],
    [`${MEDIA_TYPE.DOCKER_LAYER_GZIP}+encrypted`, ''],
    [`${MEDIA_TYPE.DOCKER_LAYER}+enc`, ''],
    [MEDIA_TYPE.OCI_LAYER, ''],
    [MEDIA_TYPE.OCI_LAYER_GZIP, 'gzip'],
    [MEDIA_TYPE.OCI_LAYER_ZSTD, 'zstd'],
    [MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP, 'gzip'],
    [MEDIA_TYPE.OCI_LAYER_GZIP_ENCRYPTED, 'gzip'],
    [MEDIA_TYPE.OCI_LAYER_ENCRYPTED, ''],
    [`${MEDIA_TYPE.OCI_LAYER}+xz`, ''],
  ]
  for (const [mediaType, expected] of table) assert.equal(diffCompression(mediaType), expected, mediaType)
  for (const mediaType of ['', 'application/json', MEDIA_TYPE.OCI_CONFIG, 'application/vnd.oci.image.layer.v2.tar']) {
    assert.throws(
      () => diffCompression(mediaType),
      (error) => hasErrorCode(error, 'NOT_IMPLEMENTED'),
    )
  }
})

test('MEDIA_TYPE has containerd’s names for what images and checkpoints are made of', () => {
  const docker = 'application/vnd.docker.'
  const container = 'application/vnd.containerd.container.'
  assert.deepEqual(
    [
      MEDIA_TYPE.DOCKER_LAYER,
      MEDIA_TYPE.DOCKER_LAYER_GZIP,
      MEDIA_TYPE.DOCKER_FOREIGN_LAYER,
      MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP,
      MEDIA_TYPE.DOCKER_CONFIG,
      MEDIA_TYPE.DOCKER_MANIFEST,
      MEDIA_TYPE.DOCKER_LIST,
      MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED,
      MEDIA_TYPE.CHECKPOINT,
      MEDIA_TYPE.CHECKPOINT_PRE_DUMP,
      MEDIA_TYPE.CHECKPOINT_RESOURCE,
      MEDIA_TYPE.CHECKPOINT_RW,
      MEDIA_TYPE.CHECKPOINT_CONFIG,
      MEDIA_TYPE.CHECKPOINT_OPTIONS,
      MEDIA_TYPE.CHECKPOINT_RUNTIME_NAME,
      MEDIA_TYPE.CHECKPOINT_RUNTIME_OPTIONS,
      MEDIA_TYPE.OCI_LAYER_ENCRYPTED,
      MEDIA_TYPE.OCI_LAYER_GZIP_ENCRYPTED,
    ],
    [
      `${docker}image.rootfs.diff.tar`,
      `${docker}image.rootfs.diff.tar.gzip`,
      `${docker}image.rootfs.foreign.diff.tar`,
      `${docker}image.rootfs.foreign.diff.tar.gzip`,
      `${docker}container.image.v1+json`,
      `${docker}distribution.manifest.v2+json`,
      `${docker}distribution.manifest.list.v2+json`,
      `${docker}distribution.manifest.v1+prettyjws`,
      `${container}criu.checkpoint.criu.tar`,
      `${container}criu.checkpoint.predump.tar`,
      `${container}resource.tar`,
      `${container}rw.tar`,
      `${container}checkpoint.config.v1+proto`,
      `${container}checkpoint.options.v1+proto`,
      `${container}checkpoint.runtime.name`,
      `${container}checkpoint.runtime.options+proto`,
      `${MEDIA_TYPE.OCI_LAYER}+encrypted`,
      `${MEDIA_TYPE.OCI_LAYER_GZIP}+encrypted`,
    ],
  )
})
