import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { type Descriptor, type ImageIndex, MEDIA_TYPE } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { checkLayoutFile, destinationName, parseLayoutIndex, pickEntry, updatedLayoutIndex } from './layout-index.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const FULL_NAME = 'io.containerd.image.name'

function entry(content: string, annotations?: Readonly<Record<string, string>>): Descriptor {
  const bytes = Buffer.from(content)
  const descriptor = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length }
  return annotations === undefined ? descriptor : { ...descriptor, annotations }
}

function indexOf(...manifests: readonly Descriptor[]): ImageIndex {
  return { kind: 'index', mediaType: MEDIA_TYPE.OCI_INDEX, manifests }
}

suite('pickEntry()', () => {
  const one = entry('one', { [REF_NAME]: 'v1', [FULL_NAME]: 'docker.io/library/app:v1' })
  const two = entry('two', { [REF_NAME]: 'v2', [FULL_NAME]: 'example.com/app:v2' })

  test('takes the only entry where nothing is picked', () => {
    assert.equal(pickEntry(indexOf(one), undefined, 'x'), one)
  })

  test('takes entries of equal digest for one', () => {
    assert.equal(pickEntry(indexOf(one, { ...one, annotations: { [REF_NAME]: 'again' } }), undefined, 'x'), one)
  })

  test('passes over signatures where nothing is picked, unless there is nothing else', () => {
    const signature = { ...entry('signature'), artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' }
    assert.equal(pickEntry(indexOf(signature, one), undefined, 'x'), one)
    assert.equal(pickEntry(indexOf(signature), undefined, 'x'), signature)
    assert.equal(pickEntry(indexOf(one, signature), { kind: 'position', position: 1 }, 'x'), signature)
    const other = { ...entry('other'), artifactType: 'application/vnd.example' }
    assert.throws(
      () => pickEntry(indexOf(one, other), undefined, 'x'),
      (error) => hasErrorCode(error, 'AMBIGUOUS_IMAGE'),
    )
  })

  test('lists names, digests and positions where several could be meant', () => {
    assert.throws(
      () => pickEntry(indexOf(one, two), undefined, 'x'),
      (error) =>
        hasErrorCode(error, 'AMBIGUOUS_IMAGE') &&
        [one.digest, two.digest, 'v1', 'v2'].every((part) => error.hint?.includes(part)),
    )
  })

  test('refuses a name that two different images have', () => {
    assert.throws(
      () => pickEntry(indexOf(one, entry('other', { [REF_NAME]: 'v1' })), { kind: 'name', name: 'v1' }, 'x'),
      (error) => hasErrorCode(error, 'AMBIGUOUS_IMAGE'),
    )
  })

  test('knows tags, full names and familiar names', () => {
    for (const name of ['v1', 'docker.io/library/app:v1', 'library/app:v1', 'app:v1']) {
      assert.equal(pickEntry(indexOf(one, two), { kind: 'name', name }, 'x'), one, name)
    }
    assert.equal(pickEntry(indexOf(one, two), { kind: 'name', name: 'example.com/app:v2' }, 'x'), two)
  })

  test('picks by digest and by position', () => {
    assert.equal(pickEntry(indexOf(one, two), { kind: 'digest', digest: two.digest }, 'x'), two)
    assert.equal(pickEntry(indexOf(one), { kind: 'digest', digest: two.digest }, 'x'), undefined)
    assert.equal(pickEntry(indexOf(one, two), { kind: 'position', position: 1 }, 'x'), two)
  })

  test('says NOT_FOUND for an unknown name, a position beyond the end and an empty layout', () => {
    const attempts = [
      () => pickEntry(indexOf(one), { kind: 'name', name: 'v9' }, 'x'),
      () => pickEntry(indexOf(one), { kind: 'position', position: 1 }, 'x'),
      () => pickEntry(indexOf(), undefined, 'x'),
    ]
    for (const attempt of attempts) assert.throws(attempt, (error) => hasErrorCode(error, 'NOT_FOUND'))
  })
})

suite('updatedLayoutIndex()', () => {
  const names = (bytes: Uint8Array): unknown =>
    parseLayoutIndex(bytes, 'x').manifests.map((known) => [known.digest, known.annotations?.[REF_NAME]])
  const one = entry('one')
  const two = entry('two')

  test('makes an index where there is none', () => {
    const bytes = updatedLayoutIndex(undefined, one, 'v1')
    assert.deepEqual(JSON.parse(bytes.toString()), {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.OCI_INDEX,
      manifests: [{ ...one, annotations: { [REF_NAME]: 'v1' } }],
    })
  })

  test('moves a name and keeps what it does not know', () => {
    const stranger = {
      ...entry('stranger', { 'com.example': 'kept', [REF_NAME]: 'other' }),
      'x-unknown': [1, { a: null }],
    }
    const before = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        'x-top': true,
        manifests: [stranger, entry('old', { [REF_NAME]: 'v1' })],
        annotations: { a: 'b' },
      }),
    )
    const after: unknown = JSON.parse(updatedLayoutIndex(before, two, 'v1').toString())
    assert.deepEqual(after, {
      schemaVersion: 2,
      'x-top': true,
      manifests: [stranger, { ...two, annotations: { [REF_NAME]: 'v1' } }],
      annotations: { a: 'b' },
    })
  })

  test('gives a name to an entry that had none', () => {
    const before = updatedLayoutIndex(undefined, one, undefined)
    assert.deepEqual(names(updatedLayoutIndex(before, one, 'v1')), [[one.digest, 'v1']])
  })

  test('adds no nameless twin of an image that has a name', () => {
    const before = updatedLayoutIndex(undefined, one, 'v1')
    assert.deepEqual(names(updatedLayoutIndex(before, one, undefined)), [[one.digest, 'v1']])
    assert.deepEqual(names(updatedLayoutIndex(before, two, undefined)), [
      [one.digest, 'v1'],
      [two.digest, undefined],
    ])
  })

  test('gives the same bytes when nothing changes', () => {
    const once = updatedLayoutIndex(updatedLayoutIndex(undefined, one, 'v1'), two, 'v2')
    assert.deepEqual(updatedLayoutIndex(once, one, 'v1'), once)
  })
})

suite('checkLayoutFile()', () => {
  test('accepts version 1 with any spacing', () => {
    checkLayoutFile(Buffer.from('{\n  "imageLayoutVersion": "1.0.0"\n}\n'), 'x')
    checkLayoutFile(Buffer.from('{"imageLayoutVersion":"1.1.0"}'), 'x')
  })

  test('refuses a newer version and anything else', () => {
    assert.throws(
      () => checkLayoutFile(Buffer.from('{"imageLayoutVersion":"2.0.0"}'), 'x'),
      (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
    )
    for (const text of ['', '[]', '{}', 'null', '{"imageLayoutVersion":1}', '\u00ff']) {
      assert.throws(
        () => checkLayoutFile(Buffer.from(text, 'latin1'), 'x'),
        (error) => hasErrorCode(error, 'INVALID_ARCHIVE'),
      )
    }
  })
})

suite('destinationName()', () => {
  test('accepts what other tools read', () => {
    for (const name of ['v1', 'app:v1.2_3', 'docker.io/library/app:v1', 'a--b', '127.0.0.1:5000/app:v1']) {
      assert.equal(destinationName({ kind: 'name', name }, 'x'), name)
    }
    assert.equal(destinationName(undefined, 'x'), undefined)
  })

  test('refuses names with odd characters, digests and positions', () => {
    for (const name of ['a b', '-a', 'a/', 'a..b', 'ä']) {
      assert.throws(
        () => destinationName({ kind: 'name', name }, 'x'),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
      )
    }
    assert.throws(
      () => destinationName({ kind: 'position', position: 0 }, 'x'),
      (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
    )
  })
})
