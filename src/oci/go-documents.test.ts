import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeOciIndex, encodeOciManifest } from './go-documents.ts'
import { MEDIA_TYPE } from './media-type.ts'

const DIGEST = `sha256:${'0'.repeat(64)}` as const

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

test('encodeOciManifest() writes fields in the order of Go’s types, and nothing empty', () => {
  const config = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: DIGEST, size: 2, urls: [], annotations: {}, data: '' }
  const layer = { mediaType: 'l', digest: DIGEST, size: 3, urls: ['u'], annotations: { b: '<', a: '1' }, data: 'e30=' }
  assert.equal(
    text(encodeOciManifest({ config, layers: [layer], annotations: {}, artifactType: '' })),
    `{"schemaVersion":2,"config":{"mediaType":"${MEDIA_TYPE.OCI_CONFIG}","digest":"${DIGEST}","size":2},"layers":[` +
      `{"mediaType":"l","digest":"${DIGEST}","size":3,"urls":["u"],"annotations":{"a":"1","b":"\\u003c"},"data":"e30="}]}`,
  )
  assert.equal(
    text(
      encodeOciManifest({
        annotations: { k: 'v' },
        subject: config,
        layers: [],
        config,
        artifactType: 'a',
        mediaType: 'm',
      }),
    ),
    `{"schemaVersion":2,"mediaType":"m","artifactType":"a","config":{"mediaType":"${MEDIA_TYPE.OCI_CONFIG}","digest":"${DIGEST}","size":2},` +
      `"layers":[],"subject":{"mediaType":"${MEDIA_TYPE.OCI_CONFIG}","digest":"${DIGEST}","size":2},"annotations":{"k":"v"}}`,
  )
})

test('encodeOciIndex() writes platforms without what Docker alone has, and null for none', () => {
  const platform = { os: '', architecture: '', variant: 'v8', 'os.version': '', 'os.features': ['f'], features: ['x'] }
  assert.equal(
    text(encodeOciIndex({ manifests: [{ mediaType: 'm', digest: DIGEST, size: 1, platform, artifactType: 't' }] })),
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.OCI_INDEX}","manifests":[{"mediaType":"m","digest":"${DIGEST}","size":1,` +
      '"platform":{"architecture":"","os":"","os.features":["f"],"variant":"v8"},"artifactType":"t"}]}',
  )
  assert.equal(
    text(encodeOciIndex({ manifests: null, annotations: {} })),
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.OCI_INDEX}","manifests":null}`,
  )
})
