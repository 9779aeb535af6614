import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { readAllBytes } from '../stream/index.ts'
import { ArtifactSource, readArtifact } from './artifact.ts'
import { fileMediaType } from './file-media-type.ts'

const EMPTY_DIGEST = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
const SUBJECT: Descriptor = {
  mediaType: MEDIA_TYPE.DOCKER_MANIFEST,
  digest: 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5',
  size: 945,
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

// The expected manifests and digests are what containers/common made of the same files in 2025-08.
test('readArtifact() makes the manifest of two files, with an embedded empty config and titles', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('notes.txt'), 'hello\n')
  await writeFile(directory.join('data.json'), '{"a":1}\n')
  const { artifact, members } = await readArtifact([directory.join('notes.txt'), directory.join('data.json')])
  assert.equal(
    text(artifact.manifest.bytes),
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.OCI_MANIFEST}",` +
      '"artifactType":"application/vnd.unknown.artifact.v1",' +
      `"config":{"mediaType":"${MEDIA_TYPE.OCI_EMPTY}","digest":"${EMPTY_DIGEST}","size":2,"data":"e30="},` +
      '"layers":[{"mediaType":"text/plain",' +
      '"digest":"sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03","size":6,' +
      '"annotations":{"org.opencontainers.image.title":"notes.txt"}},' +
      '{"mediaType":"application/json",' +
      '"digest":"sha256:e346432021b04179518d9614f3560ccd71354a4ee101ddcb893d6959a9d6301c","size":8,' +
      '"annotations":{"org.opencontainers.image.title":"data.json"}}]}',
  )
  const { descriptor } = artifact.manifest
  assert.equal(descriptor.digest, 'sha256:d9d61f2e51e8c90446160b21f5d4271560bdd24825bc0d46af0ef6619a0288fe')
  assert.deepEqual(members, [
    { ...descriptor, artifactType: 'application/vnd.unknown.artifact.v1', platform: undefined },
  ])
  assert.deepEqual(artifact.files, [directory.join('notes.txt'), directory.join('data.json')])
})

test('readArtifact() takes types and a config, and leaves titles out', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('notes.txt'), 'hello\n')
  const { artifact, members } = await readArtifact([directory.join('notes.txt')], {
    artifactType: 'application/x',
    config: new TextEncoder().encode('{"x":1}'),
    configType: 'application/x.config+json',
    layerType: 'application/x.layer',
    excludeTitles: true,
    platform: { os: 'linux', architecture: 'arm64' },
  })
  assert.equal(
    artifact.manifest.descriptor.digest,
    'sha256:811d097e57ddb0d1a102efd084581f5236457e3d4ca28fc9d901c57f0c835320',
  )
  assert.deepEqual(members[0].platform, { os: 'linux', architecture: 'arm64' })
})

test('readArtifact() gives a config without a type that of images, and an empty artifact type none', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('notes.txt'), 'hello\n')
  const { artifact, members } = await readArtifact([directory.join('notes.txt')], {
    config: Buffer.from('{}'),
    artifactType: '',
    subject: SUBJECT,
  })
  assert.equal(
    artifact.manifest.descriptor.digest,
    'sha256:41d214caaceb694e9acc3fc68e562d978f0ec91b60faa5ce474e60a9d0249c5d',
  )
  assert.equal(members[0].artifactType, undefined)
})

test('readArtifact() writes annotations of the manifest last and in order', async () => {
  const { artifact } = await readArtifact([], { annotations: { b: '<2>', a: '1' } })
  assert.match(text(artifact.manifest.bytes), /"annotations":\{"a":"1","b":"\\u003c2\\u003e"\}\}$/)
})

test('readArtifact() of no files has one empty layer', async () => {
  const { artifact } = await readArtifact([])
  assert.equal(
    artifact.manifest.descriptor.digest,
    'sha256:1bb053792feb8d8d590001c212f2defad9277e091d2aa868cde2879ff41abb1b',
  )
  await using source = new ArtifactSource(artifact)
  const [layer] = artifact.document.layers
  assert.ok(layer)
  assert.equal(text(await readAllBytes(await source.openBlob(layer), 10, 'layer')), '{}')
})

test('readArtifact() refuses absent files and large configs', async () => {
  await assert.rejects(readArtifact(['/absent/file']), { code: 'FILE_NOT_FOUND' })
  await assert.rejects(readArtifact(['/']), { code: 'FILE_ACCESS' })
  await assert.rejects(readArtifact([], { config: new Uint8Array(1024 * 1024 + 1) }), { code: 'LIMIT_EXCEEDED' })
})

test('ArtifactSource reads manifest, config and files, also from the middle, and nothing else', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('notes.txt'), 'hello\n')
  const { artifact } = await readArtifact([directory.join('notes.txt')])
  await using source = new ArtifactSource(artifact)
  const { descriptor, bytes } = await source.resolve()
  assert.deepEqual(await source.readManifest(descriptor), bytes)
  const [layer] = artifact.document.layers
  assert.ok(layer)
  assert.equal(text(await readAllBytes(await source.openBlob(layer, { offset: 2 }), 10, 'layer')), 'llo\n')
  const absent = { ...layer, digest: `sha256:${'0'.repeat(64)}` satisfies Digest } as const
  await assert.rejects(source.openBlob(absent), { code: 'BLOB_NOT_FOUND' })
  await assert.rejects(source.readManifest(absent), { code: 'BLOB_NOT_FOUND' })
})

test('ArtifactSource names the file that changed since it was added', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('notes.txt')
  await writeFile(path, 'hello\n')
  const { artifact } = await readArtifact([path])
  await using source = new ArtifactSource(artifact)
  const [layer] = artifact.document.layers
  assert.ok(layer)
  const read = async (): Promise<Uint8Array> => readAllBytes(await source.openBlob(layer), 100, 'layer')
  await writeFile(path, 'HELLO\n')
  await assert.rejects(
    read(),
    (error: Error) => 'code' in error && error.code === 'DIGEST_MISMATCH' && error.message.includes(path),
  )
  await appendFile(path, 'more')
  await assert.rejects(read(), { code: 'SIZE_MISMATCH' })
})

test('fileMediaType() goes by the extension first, then by how the file begins', () => {
  const cases: readonly (readonly [name: string, head: string, mediaType: string])[] = [
    ['a.json', 'not json', 'application/json'],
    ['A.HTML', '', 'text/html'],
    ['archive.tar.svg', '', 'image/svg+xml'],
    ['a', '', 'text/plain'],
    ['a.', 'text', 'text/plain'],
    ['a.unknown', 'text\twith\r\nbreaks\u001b[1m', 'text/plain'],
    ['a', 'a\0b', 'application/octet-stream'],
    ['a', ' \n<!doctype html>', 'text/html'],
    ['a', '<p>', 'text/html'],
    ['a', '<pre>', 'text/plain'],
    ['a', '<?xml version="1.0"?>', 'text/xml'],
    ['a', '%PDF-1.7', 'application/pdf'],
    ['a', '\x89PNG\r\n\x1a\n\0', 'image/png'],
    ['a', '\x1f\x8b\x08\0', 'application/x-gzip'],
    ['a', 'PK\x03\x04\0', 'application/zip'],
    ['a', '\0asm\x01\0\0\0', 'application/wasm'],
    ['a', '\x7fELF\x02\x01\x01\0', 'application/octet-stream'],
  ]
  for (const [name, head, mediaType] of cases) {
    assert.equal(fileMediaType(name, Buffer.from(head, 'latin1')), mediaType, `${name} ${JSON.stringify(head)}`)
  }
})
