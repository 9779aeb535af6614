import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { digestOf } from '../stream/index.ts'
import { dockerManifestBytes, parseDockerManifest, synthesiseManifest } from './docker-manifest.ts'

const parse = (value: unknown): unknown => parseDockerManifest(Buffer.from(JSON.stringify(value)), 'x')

suite('parseDockerManifest()', () => {
  test('reads images with and without tags', () => {
    const images = [
      { config: 'a.json', repoTags: ['app:v1'], layers: ['a/layer.tar'] },
      { config: 'b.json', repoTags: [], layers: [] },
    ]
    assert.deepEqual(
      parse([
        { Config: 'a.json', RepoTags: ['app:v1'], Layers: ['a/layer.tar'], Parent: 'ignored' },
        { Config: 'b.json', RepoTags: null, Layers: [] },
      ]),
      images,
    )
    assert.deepEqual(
      images.flatMap((image) => parseDockerManifest(dockerManifestBytes(image), 'x')),
      images,
    )
  })

  test('lists every problem', () => {
    assert.throws(
      () => parse([{ RepoTags: 'app', Layers: [1] }, { Config: 'b.json' }, null]),
      (error) =>
        error instanceof InvalidDocumentError &&
        error.problems.map((problem) => problem.path).join() === '$[0].Config,$[0].RepoTags,$[0].Layers,$[2].Config',
    )
  })

  test('refuses what is no array', () => {
    for (const text of ['', '{}', '{"schemaVersion":2}', '[', '\u00ff']) {
      assert.throws(
        () => parseDockerManifest(Buffer.from(text, 'latin1'), 'x'),
        (error) => hasErrorCode(error, 'INVALID_ARCHIVE'),
      )
    }
  })
})

suite('synthesiseManifest()', () => {
  test('writes fields in the order of containers/image', () => {
    const config = Buffer.from('{}')
    const diffId = digestOf(Buffer.from('layer'))
    const { descriptor, bytes } = synthesiseManifest(config, [{ diffId, sizeBytes: 7 }])
    assert.equal(
      Buffer.from(bytes).toString(),
      '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",' +
        `"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"${digestOf(config)}"},` +
        `"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":7,"digest":"${diffId}"}]}`,
    )
    assert.deepEqual([descriptor.digest, descriptor.size], [digestOf(bytes), bytes.length])
  })
})
