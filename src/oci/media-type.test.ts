import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isConfigType,
  isEncryptedLayerType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
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
  assert.equal(satisfying(isLayerType).length, 11)
  assert.deepEqual(satisfying(isForeignLayerType), [
    'OCI_FOREIGN_LAYER',
    'OCI_FOREIGN_LAYER_GZIP',
    'OCI_FOREIGN_LAYER_ZSTD',
    'DOCKER_FOREIGN_LAYER',
    'DOCKER_FOREIGN_LAYER_GZIP',
  ])
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
