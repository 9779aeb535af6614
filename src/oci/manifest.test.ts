import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { childDescriptors, type ManifestDocument, parseManifestDocument } from './manifest.ts'
import { MEDIA_TYPE } from './media-type.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const CONFIG = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: DIGEST, size: 2 }
const LAYER = { mediaType: MEDIA_TYPE.OCI_LAYER_GZIP, digest: DIGEST, size: 0 }
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] }
const MEMBER = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: DIGEST, size: 7 }
const INDEX = { schemaVersion: 2, manifests: [MEMBER] }

const parseText = (text: string, mediaType?: string): ManifestDocument =>
  parseManifestDocument(new TextEncoder().encode(text), { subject: 'test', mediaType })
const parse = (document: unknown, mediaType?: string): ManifestDocument =>
  parseText(JSON.stringify(document), mediaType)

function problemPaths(document: unknown, mediaType?: string): readonly string[] {
  try {
    parse(document, mediaType)
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems.map((problem) => problem.path)
    throw error
  }
  return []
}

test('parseManifestDocument() takes the kind from the shape when no type is stated', () => {
  assert.deepEqual(parse(MANIFEST), {
    kind: 'manifest',
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    config: CONFIG,
    layers: [LAYER],
  })
  assert.deepEqual(parse(INDEX), { kind: 'index', mediaType: MEDIA_TYPE.OCI_INDEX, manifests: [MEMBER] })
})

test('parseManifestDocument() takes the type from the document or the transport, whichever states one', () => {
  for (const mediaType of [MEDIA_TYPE.OCI_MANIFEST, MEDIA_TYPE.DOCKER_MANIFEST]) {
    assert.equal(parse({ ...MANIFEST, mediaType }).mediaType, mediaType)
    assert.equal(parse(MANIFEST, mediaType).mediaType, mediaType)
    assert.equal(parse({ ...MANIFEST, mediaType }, `${mediaType}; charset=utf-8`).mediaType, mediaType)
    assert.equal(parse({ ...MANIFEST, mediaType }, 'application/json; charset=utf-8').mediaType, mediaType)
    assert.equal(parse({ ...MANIFEST, mediaType: '' }, mediaType).mediaType, mediaType)
  }
  assert.equal(parse({ ...INDEX, mediaType: MEDIA_TYPE.DOCKER_LIST }).kind, 'index')
})

test('parseManifestDocument() keeps every field of artifacts, referrers and platforms', () => {
  const member = {
    ...MEMBER,
    artifactType: 'application/vnd.example.sbom',
    annotations: { 'com.example.key': 'value' },
    platform: {
      os: 'windows',
      architecture: 'amd64',
      'os.version': '10.0.1',
      'os.features': ['win32k'],
      features: ['sse4'],
    },
  }
  const index = { ...INDEX, manifests: [member], subject: MEMBER, artifactType: 'a/b', annotations: { a: '' } }
  const { schemaVersion: _, ...fields } = index
  assert.deepEqual(parse(index), { kind: 'index', mediaType: MEDIA_TYPE.OCI_INDEX, ...fields })

  const empty = { mediaType: MEDIA_TYPE.OCI_EMPTY, digest: DIGEST, size: 2, data: 'e30=' }
  const artifact = {
    schemaVersion: 2,
    artifactType: 'a/b',
    config: empty,
    layers: [{ ...empty, urls: ['https://e.com/x'] }],
  }
  const parsed = parse(artifact)
  assert.deepEqual(childDescriptors(parsed), [artifact.config, ...artifact.layers])
  assert.equal(parsed.artifactType, 'a/b')
})

test('parseManifestDocument() ignores unknown fields, and takes null as absent', () => {
  const document = { ...MANIFEST, layers: null, annotations: null, subject: null, unknown: { deep: [1] } }
  assert.deepEqual(parse(document), {
    kind: 'manifest',
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    config: CONFIG,
    layers: [],
  })
  assert.deepEqual(parse({ schemaVersion: 2, manifests: null }), {
    kind: 'index',
    mediaType: MEDIA_TYPE.OCI_INDEX,
    manifests: [],
  })
})

test('parseManifestDocument() takes platforms whose fields are empty or absent', () => {
  const manifests = [
    { ...MEMBER, platform: {} },
    { ...MEMBER, platform: { os: '', architecture: '', variant: '' } },
  ]
  for (const { platform } of childDescriptors(parse({ ...INDEX, manifests }))) {
    assert.deepEqual(platform, { os: '', architecture: '' })
  }
})

test('parseManifestDocument() refuses a document that is both manifest and index', () => {
  for (const mediaType of [undefined, MEDIA_TYPE.OCI_MANIFEST, MEDIA_TYPE.OCI_INDEX]) {
    assert.ok(problemPaths({ ...MANIFEST, ...INDEX, mediaType }).length > 0)
    assert.ok(problemPaths({ ...MANIFEST, ...INDEX }, mediaType).length > 0)
  }
  assert.deepEqual(problemPaths({ ...MANIFEST, manifests: null }, MEDIA_TYPE.OCI_MANIFEST), ['$.manifests'])
  assert.deepEqual(problemPaths({ ...INDEX, layers: [] }), ['$.layers'])
  assert.deepEqual(problemPaths({ ...INDEX, config: null }), ['$.config'])
})

test('parseManifestDocument() refuses a type that contradicts the announced one', () => {
  const own = MEDIA_TYPE.OCI_MANIFEST
  for (const announced of [MEDIA_TYPE.DOCKER_MANIFEST, MEDIA_TYPE.OCI_INDEX]) {
    assert.ok(problemPaths({ ...MANIFEST, mediaType: own }, announced).includes('$.mediaType'))
  }
  assert.ok(problemPaths(MANIFEST, MEDIA_TYPE.OCI_INDEX).length > 0)
  assert.ok(problemPaths(INDEX, MEDIA_TYPE.OCI_MANIFEST).includes('$.manifests'))
  assert.deepEqual(problemPaths(MANIFEST, MEDIA_TYPE.OCI_LAYER_GZIP), ['$'])
  assert.deepEqual(problemPaths({ ...MANIFEST, mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }), [
    '$.mediaType',
  ])
})

test('parseManifestDocument() refuses fields that other readers would take for known ones', () => {
  assert.deepEqual(problemPaths({ ...MANIFEST, Layers: [], layerſ: [] }), ['$.Layers', '$["layerſ"]'])
  assert.deepEqual(problemPaths({ ...MANIFEST, Manifests: [MEMBER] }), ['$.Manifests'])
  assert.deepEqual(problemPaths({ ...MANIFEST, layers: [{ ...LAYER, Digest: DIGEST }] }), ['$.layers[0].Digest'])
  assert.throws(
    () => parseText('{"schemaVersion":2,"manifests":[],"manifests":[]}'),
    (error) => error instanceof InvalidDocumentError && error.problems[0]?.path === '$.manifests',
  )
})

test('parseManifestDocument() refuses schema 1 by type, version or shape', () => {
  const schema1 = { schemaVersion: 1, name: 'library/app', tag: 'latest', fsLayers: [{ blobSum: DIGEST }] }
  const isSchema1 = (error: unknown): boolean => hasErrorCode(error, 'SCHEMA1_UNSUPPORTED') && error.hint !== undefined
  assert.throws(() => parse(schema1), isSchema1)
  assert.throws(() => parse({ fsLayers: [] }), isSchema1)
  assert.throws(() => parse({ mediaType: MEDIA_TYPE.DOCKER_SCHEMA1 }), isSchema1)
  assert.throws(() => parse(schema1, `${MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED}; charset=utf-8`), isSchema1)
})

test('parseManifestDocument() lists every problem with its path', () => {
  const document = {
    schemaVersion: 3,
    config: { mediaType: 'none', digest: 'sha256:short', size: -1 },
    layers: [LAYER, { ...LAYER, digest: 5, size: 1.5 }, 'layer', { ...LAYER, size: 2 ** 53 }],
    annotations: { fine: 'yes', 'not.fine': 1 },
    subject: {},
  }
  assert.deepEqual(problemPaths(document).toSorted(), [
    '$.annotations["not.fine"]',
    '$.config.digest',
    '$.config.mediaType',
    '$.config.size',
    '$.layers[1].digest',
    '$.layers[1].size',
    '$.layers[2]',
    '$.layers[3].size',
    '$.schemaVersion',
    '$.subject.digest',
    '$.subject.mediaType',
    '$.subject.size',
  ])
})

test('parseManifestDocument() refuses what is neither manifest nor index', () => {
  for (const document of [null, 1, 'text', [], [MANIFEST]]) assert.deepEqual(problemPaths(document), ['$'])
  assert.deepEqual(problemPaths({}).toSorted(), ['$.config', '$.layers', '$.schemaVersion'])
  assert.deepEqual(problemPaths({ ...MANIFEST, layers: {} }), ['$.layers'])
  assert.throws(() => parseText('<html>'), InvalidDocumentError)
})

test('parseManifestDocument() checks what a descriptor carries against its size', () => {
  const carrying = (data: unknown, size: number): readonly string[] =>
    problemPaths({ ...MANIFEST, layers: [{ ...LAYER, size, data }] })
  assert.deepEqual(carrying('e30=', 2), [])
  assert.deepEqual(carrying('', 0), [])
  const large = 'A'.repeat(4 * 350_000)
  for (const path of [
    carrying('e30=', 3),
    carrying('e30', 2),
    carrying('e3_-', 3),
    carrying(5, 0),
    carrying(large, 1_050_000),
  ]) {
    assert.deepEqual(path, ['$.layers[0].data'])
  }
})

test('parseManifestDocument() refuses media types that would break out of a header', () => {
  for (const mediaType of ['', 'a', 'a/', '/a', 'a/b\r\nX: y', 'a/b\u0000', 'ä/b', `a/${'b'.repeat(254)}`]) {
    assert.deepEqual(problemPaths({ ...MANIFEST, layers: [{ ...LAYER, mediaType }] }), ['$.layers[0].mediaType'])
  }
})

test('parseManifestDocument() bounds layers, members and bytes', () => {
  const isLimit = (error: unknown): boolean => hasErrorCode(error, 'LIMIT_EXCEEDED')
  assert.equal(childDescriptors(parse({ ...MANIFEST, layers: Array(10_000).fill(LAYER) })).length, 10_001)
  assert.throws(() => parse({ ...MANIFEST, layers: Array(10_001).fill(LAYER) }), isLimit)
  assert.throws(() => parse({ ...INDEX, manifests: Array(10_001).fill(MEMBER) }), isLimit)
  assert.throws(() => parseText(' '.repeat(8 * 1024 * 1024 + 1)), isLimit)
})

test('parseManifestDocument() lists at most a hundred problems', () => {
  assert.equal(problemPaths({ ...MANIFEST, layers: Array(1000).fill(0) }).length, 100)
})

test('childDescriptors() gives config and layers, or members, in order', () => {
  assert.deepEqual(childDescriptors(parse(MANIFEST)), [CONFIG, LAYER])
  assert.deepEqual(childDescriptors(parse({ ...INDEX, subject: LAYER })), [MEMBER])
})
