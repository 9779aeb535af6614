import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidDocumentError } from '../../errors/index.ts'
import { MEDIA_TYPE } from '../../oci/index.ts'
import { readManifestDocument } from './manifest-document.ts'

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`
const entry = (digit: string, mediaType: string): object => ({ mediaType, digest: digest(digit), size: 1 })
const bytes = (document: unknown): Uint8Array => Buffer.from(JSON.stringify(document))

const MANIFEST = {
  schemaVersion: 2,
  config: entry('0', MEDIA_TYPE.OCI_CONFIG),
  layers: [
    entry('1', MEDIA_TYPE.OCI_LAYER_GZIP),
    entry('2', MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP),
    entry('3', 'application/x'),
  ],
}

/** Paths of the problems that reading reports. */
function problemsOf(document: Uint8Array, contentType?: string): readonly string[] {
  try {
    readManifestDocument(document, contentType)
    return []
  } catch (error) {
    assert.ok(error instanceof InvalidDocumentError)
    return error.problems.map(({ path }) => path)
  }
}

test('readManifestDocument() lists what must be present, without layers from elsewhere', () => {
  const document = readManifestDocument(bytes(MANIFEST), MEDIA_TYPE.OCI_MANIFEST)
  assert.deepEqual(document.blobs, [digest('0'), digest('1'), digest('3')])
  assert.deepEqual(document.manifests, [])
  assert.equal(document.artifactType, MEDIA_TYPE.OCI_CONFIG)
})

test('readManifestDocument() reads subject, artifact type and annotations of an index', () => {
  const index = {
    manifests: [entry('1', MEDIA_TYPE.OCI_MANIFEST)],
    subject: entry('2', MEDIA_TYPE.OCI_INDEX),
    annotations: { a: 'b' },
  }
  assert.deepEqual(readManifestDocument(bytes(index), MEDIA_TYPE.OCI_INDEX), {
    mediaType: MEDIA_TYPE.OCI_INDEX,
    blobs: [],
    manifests: [digest('1')],
    subject: digest('2'),
    artifactType: undefined,
    annotations: { a: 'b' },
  })
})

test('readManifestDocument() takes the type from the document when the request has none', () => {
  const document = bytes({ ...MANIFEST, mediaType: MEDIA_TYPE.OCI_MANIFEST })
  assert.equal(readManifestDocument(document, undefined).mediaType, MEDIA_TYPE.OCI_MANIFEST)
  assert.deepEqual(problemsOf(bytes(MANIFEST)), ['$.mediaType'])
  assert.deepEqual(problemsOf(bytes({ mediaType: 'text/x\r\nSet-Cookie: a' })), ['$.mediaType'])
})

test('readManifestDocument() takes documents of other types as they are', () => {
  const document = readManifestDocument(bytes({ layers: 7 }), 'application/vnd.example+json')
  assert.deepEqual(document, { mediaType: 'application/vnd.example+json', blobs: [], manifests: [] })
})

test('readManifestDocument() refuses a document that is both manifest and index', () => {
  assert.deepEqual(problemsOf(bytes({ ...MANIFEST, manifests: [] }), MEDIA_TYPE.OCI_MANIFEST), ['$.manifests'])
  const index = { ...MANIFEST, manifests: [] }
  assert.deepEqual(problemsOf(bytes(index), MEDIA_TYPE.DOCKER_LIST), ['$.config', '$.layers'])
})

test('readManifestDocument() reports every problem', () => {
  const document = {
    mediaType: MEDIA_TYPE.OCI_INDEX,
    config: { mediaType: 1, digest: 'sha256:../../x', size: -1 },
    layers: [null, { ...entry('1', 'a/b'), size: 1.5 }],
    subject: 'x',
    artifactType: 5,
    annotations: { a: 1 },
  }
  assert.deepEqual(problemsOf(bytes(document), MEDIA_TYPE.OCI_MANIFEST), [
    '$.mediaType',
    '$.subject',
    '$.config.size',
    '$.config.mediaType',
    '$.config.digest',
    '$.layers[0]',
    '$.layers[1].size',
    '$.artifactType',
    '$.annotations["a"]',
  ])
})

test('readManifestDocument() refuses what is not a JSON object in UTF-8', () => {
  for (const text of ['', '{', '[]', 'null', '7', '\u{feff}{}']) {
    assert.notDeepEqual(problemsOf(Buffer.from(text), 'application/x'), [], JSON.stringify(text))
  }
  assert.notDeepEqual(problemsOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 'application/x'), [])
})

test('readManifestDocument() survives absurd depth', () => {
  const deep = Buffer.from(`{"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)
  assert.equal(readManifestDocument(deep, 'application/x').mediaType, 'application/x')
})
