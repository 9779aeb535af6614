import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { type Digest, MEDIA_TYPE } from '../oci/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { chooseDestinations, type DestinationChoice } from './destinations.ts'
import type { ArchivedImage } from './read-archive.ts'

const SOURCE: ImageSource = {
  reference: 'test',
  layerForm: 'stored',
  resolve: () => Promise.reject(new Error('not opened')),
  readManifest: () => Promise.reject(new Error('not opened')),
  openBlob: () => Promise.reject(new Error('not opened')),
  async [Symbol.asyncDispose]() {},
}

function image(name: string | undefined, letter = 'a'): ArchivedImage {
  const digest: Digest = `sha256:${letter.repeat(64)}`
  const entry = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest, size: 1 }
  return { entry, name, bases: [], referrers: [], source: SOURCE }
}

function chosen(images: readonly ArchivedImage[], choice: DestinationChoice): readonly string[] {
  return chooseDestinations(images, choice).map(({ reference }) => reference)
}

const isUsage = (error: unknown): boolean => hasErrorCode(error, 'INVALID_ARGUMENT') && error.hint !== undefined

suite('chooseDestinations()', () => {
  const several = [image('registry.example/team/app:v2', 'a'), image('docker.io/library/debian:13', 'b')]

  test('takes the only image to the destination as it is', () => {
    assert.deepEqual(chosen([image('x')], { destination: 'docker://mirror.example/app:v2' }), [
      'docker://mirror.example/app:v2',
    ])
  })

  test('puts repository and tag of each of several behind a prefix, namespaces kept', () => {
    assert.deepEqual(chosen(several, { destination: 'docker://mirror.example:5000/apps/' }), [
      'docker://mirror.example:5000/apps/team/app:v2',
      'docker://mirror.example:5000/apps/debian:13',
    ])
    assert.deepEqual(chosen(several, { destination: 'docker://mirror.example:5000' }), [
      'docker://mirror.example:5000/team/app:v2',
      'docker://mirror.example:5000/debian:13',
    ])
    const untagged = image(`registry.example/app@sha256:${'c'.repeat(64)}`, 'c')
    assert.deepEqual(chosen([image('app'), untagged], { destination: 'docker://mirror.example' }), [
      'docker://mirror.example/app:latest',
      `docker://mirror.example/app@sha256:${'c'.repeat(64)}`,
    ])
    assert.deepEqual(chosen(several, { destination: 'oci:layout' }), [
      'oci:layout:registry.example/team/app:v2',
      'oci:layout:docker.io/library/debian:13',
    ])
  })

  test('lets a mapping win, by name or digest', () => {
    const map = new Map([
      ['registry.example/team/app:v2', 'docker://one.example/x:1'],
      [`sha256:${'b'.repeat(64)}`, 'docker://two.example/y:2'],
    ])
    assert.deepEqual(chosen(several, { map }), ['docker://one.example/x:1', 'docker://two.example/y:2'])
  })

  test('refuses what has no place, one place for two, unknown names, and prefixes that are none', () => {
    const unnamed = image(undefined, 'c')
    for (const [images, choice] of [
      [several, {}],
      [several, { destination: 'docker://mirror.example/app:v2' }],
      [several, { destination: 'dir:somewhere' }],
      [[...several, unnamed], { destination: 'docker://mirror.example' }],
      [[image('not a name'), image('x', 'b')], { destination: 'docker://mirror.example' }],
      [several, { destination: 'docker://mirror.example', map: new Map([['other', 'docker://x.example/y']]) }],
      [[image('a/app:1'), image('b.example/a/app:1', 'b')], { destination: 'docker://mirror.example' }],
    ] as const) {
      assert.throws(() => chosen(images, choice), isUsage, JSON.stringify(choice))
    }
  })
})
