import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { MEDIA_TYPE } from './media-type.ts'
import { parseSchema1Manifest, schema1Payload } from './schema1.ts'

const GOLDEN = new URL('../../test/golden/incremental/schema1/', import.meta.url)
const SIGNED = readFileSync(new URL('v2.json', GOLDEN))
const DIGEST = 'sha256:d8b45aa0bd6ebd7572a6e137ee70c4241794d5530d0a9aa4d31d1b7bfc813ec1'

const id = (letter: string): string => letter.repeat(64)
const layer = (letter: string): { blobSum: string } => ({ blobSum: `sha256:${id(letter)}` })
const step = (fields: Readonly<Record<string, unknown>>): { v1Compatibility: string } => ({
  v1Compatibility: JSON.stringify(fields),
})

function manifest(fields: Readonly<Record<string, unknown>> = {}): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 1,
      name: 'app',
      tag: 'v1',
      architecture: 'amd64',
      fsLayers: [layer('b'), layer('a')],
      history: [
        step({ id: id('2'), parent: id('1'), config: { Env: ['A=1'] }, os: 'linux' }),
        step({ id: id('1'), created: '2026-01-02T03:04:05Z', container_config: { Cmd: ['/bin/sh', '-c', 'x'] } }),
      ],
      ...fields,
    }),
  )
}

function problemPaths(bytes: Uint8Array): readonly string[] {
  try {
    parseSchema1Manifest(bytes, 'test')
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems.map((problem) => problem.path)
    throw error
  }
  return []
}

suite('parseSchema1Manifest()', () => {
  test('lists layers from the lowest, with what they say of themselves', () => {
    const parsed = parseSchema1Manifest(manifest(), 'test')
    assert.deepEqual(parsed.layers, [
      { digest: `sha256:${id('a')}`, isThrowAway: false, created: '2026-01-02T03:04:05Z', createdBy: '/bin/sh -c x' },
      { digest: `sha256:${id('b')}`, isThrowAway: false, createdBy: '' },
    ])
    assert.equal(parsed.mediaType, MEDIA_TYPE.DOCKER_SCHEMA1)
    assert.equal(parsed.image['os'], 'linux')
  })

  test('reads a signed manifest that a registry keeps, throw-away layers included', () => {
    const parsed = parseSchema1Manifest(SIGNED, 'test')
    assert.equal(parsed.mediaType, MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED)
    assert.deepEqual(
      parsed.layers.map((each) => each.isThrowAway),
      [false, true, false, true, false],
    )
    assert.equal(parsed.layers[1]?.createdBy, 'ENV A=1')
  })

  test('lists a layer once whose entry stands twice in a row', () => {
    const twice = manifest({
      fsLayers: [layer('b'), layer('b'), layer('a')],
      history: [step({ id: id('2'), parent: id('1') }), step({ id: id('2'), parent: id('1') }), step({ id: id('1') })],
    })
    assert.deepEqual(
      parseSchema1Manifest(twice, 'test').layers.map((each) => each.digest),
      [`sha256:${id('a')}`, `sha256:${id('b')}`],
    )
  })

  test('tells every fault of a broken document', () => {
    const history = [step({ id: id('2'), parent: id('1') }), step({ id: id('1') })]
    assert.deepEqual(problemPaths(manifest({ history: history.slice(0, 1) })), ['$.history', '$.history'])
    assert.deepEqual(problemPaths(manifest({ schemaVersion: 2 })), ['$.schemaVersion'])
    assert.deepEqual(problemPaths(manifest({ manifests: [] })), ['$.manifests'])
    assert.deepEqual(problemPaths(manifest({ fsLayers: [], history: [] })), ['$.fsLayers'])
    assert.deepEqual(problemPaths(manifest({ fsLayers: [{ blobSum: 'sha256:ab' }, layer('a')] })), [
      '$.fsLayers[0].blobSum',
    ])
    assert.deepEqual(
      problemPaths(manifest({ history: [{ v1Compatibility: '{' }, step({ id: id('1') })] })).slice(0, 1),
      ['$.history[0].v1Compatibility'],
    )
    assert.deepEqual(
      problemPaths(manifest({ history: [step({ id: 'short', parent: id('1') }), step({ id: id('1') })] })),
      ['$.history[0].v1Compatibility.id'],
    )
  })

  test('refuses layers that are no chain', () => {
    const chains = [
      [step({ id: id('2'), parent: id('3') }), step({ id: id('1') })],
      [step({ id: id('2'), parent: id('1') }), step({ id: id('1'), parent: id('0') })],
    ]
    for (const history of chains) assert.deepEqual(problemPaths(manifest({ history })), ['$.history'])
    const circle = [
      step({ id: id('1'), parent: id('2') }),
      step({ id: id('2'), parent: id('1') }),
      step({ id: id('1') }),
    ]
    assert.deepEqual(problemPaths(manifest({ fsLayers: [layer('a'), layer('b'), layer('c')], history: circle })), [
      '$.history',
    ])
  })

  test('refuses a document without end', () => {
    const history = Array.from({ length: 10_001 }, () => step({ id: id('1') }))
    assert.throws(
      () => parseSchema1Manifest(manifest({ history }), 'test'),
      (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'),
    )
  })
})

suite('schema1Payload()', () => {
  test('gives what a registry makes the digest of', () => {
    const payload = schema1Payload(SIGNED, 'test')
    assert.equal(`sha256:${createHash('sha256').update(payload).digest('hex')}`, DIGEST)
    assert.ok(payload.length < SIGNED.length)
  })

  test('gives an unsigned document as it is', () => {
    const bytes = manifest()
    assert.equal(schema1Payload(bytes, 'test'), bytes)
  })

  test('refuses signatures that contradict each other or the document', () => {
    const header = (fields: unknown): { protected: string } => ({
      protected: Buffer.from(JSON.stringify(fields)).toString('base64url'),
    })
    const tail = Buffer.from('}').toString('base64url')
    const cases = [
      [header({ formatLength: 10, formatTail: tail }), header({ formatLength: 11, formatTail: tail })],
      [header({ formatLength: 1_000_000, formatTail: tail })],
      [header({ formatLength: 10, formatTail: '*' })],
      [header({ formatTail: tail })],
      [{ protected: '*' }],
      [{}],
      [],
    ]
    for (const signatures of cases) {
      assert.throws(
        () => schema1Payload(manifest({ signatures }), 'test'),
        (error) => hasErrorCode(error, 'INVALID_DOCUMENT'),
        JSON.stringify(signatures),
      )
    }
  })
})
