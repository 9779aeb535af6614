import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encoderName, klauspostFamily } from './encoder-names.ts'

test('klauspostFamily() compares releases by their numbers', () => {
  assert.deepEqual(
    ['1.9.0', '1.9.8', '1.10.0', '1.10.1', '1.15.9', '1.15.10', '1.17.11', '1.20.3'].map(klauspostFamily),
    [0, 1, 1, 2, 10, 11, 13, 17],
  )
})

test('klauspostFamily() does not guess about releases that nobody ran', () => {
  assert.deepEqual(['1.8.6', '1.20.4', '2.0.0', ''].map(klauspostFamily), [undefined, undefined, undefined, undefined])
})

test('encoderName() tells one release from several', () => {
  assert.equal(encoderName({ kind: 'klauspost', family: 2, level: 5 }), 'klauspost/compress 1.10.1')
  const pgzip = { kind: 'pgzip', family: 13, level: 5, blockBytes: 1_048_576 } as const
  assert.equal(encoderName(pgzip), 'pgzip with klauspost/compress 1.15.15 to 1.17.11')
})

test("encoderName() knows that Go 1.27 took klauspost's encoder", () => {
  assert.match(encoderName({ kind: 'klauspost', family: 17, level: 6 }), /^Go 1\.27, or klauspost/)
})

test('encoderName() has the options that change what pigz and gzip write', () => {
  const pigz = { kind: 'pigz', level: 6, blockBytes: 131_072 } as const
  assert.equal(encoderName({ ...pigz, mode: 'parallel', isIndependent: false }), 'pigz')
  assert.equal(encoderName({ ...pigz, mode: 'serial', isIndependent: true }), 'pigz -p 1 -i')
  assert.equal(encoderName({ kind: 'gzip', level: 6, isRsyncable: true }), 'GNU gzip --rsyncable')
})
