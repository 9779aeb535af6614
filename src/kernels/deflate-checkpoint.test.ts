import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../errors/index.ts'
import { formatCheckpoint, parseCheckpoint } from './deflate-checkpoint.ts'
import type { DeflateCheckpoint } from './deflate-kernel.ts'

const checkpoints = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 50 }), fc.nat(2 ** 50), fc.nat(2 ** 31 - 1))
  .map(([inputBytes, outputBits, state]): DeflateCheckpoint => ({ inputBytes, outputBits, state }))

test('parseCheckpoint() gives what formatCheckpoint() got, alone or behind another', () => {
  fc.assert(
    fc.property(checkpoints, checkpoints, (first, step) => {
      const second: DeflateCheckpoint = {
        inputBytes: first.inputBytes + step.inputBytes,
        outputBits: first.outputBits + step.outputBits,
        state: step.state,
      }
      assert.deepEqual(parseCheckpoint(formatCheckpoint(first)), first)
      assert.deepEqual(parseCheckpoint(formatCheckpoint(second, first), first), second)
    }),
  )
})

test('formatCheckpoint() takes at most 13 bytes when checkpoints are 8 MiB apart', () => {
  const previous: DeflateCheckpoint = { inputBytes: 2 ** 33, outputBits: 2 ** 35, state: 0 }
  const next: DeflateCheckpoint = {
    inputBytes: previous.inputBytes + 2 ** 23,
    outputBits: previous.outputBits + 2 ** 26,
    state: 2 ** 31 - 1,
  }
  assert.equal(formatCheckpoint(next, previous).length, 13)
  assert.equal(formatCheckpoint({ ...next, state: 7 }, previous).length, 9)
})

test('parseCheckpoint() refuses bytes that are cut, too many or out of range', () => {
  const sound = formatCheckpoint({ inputBytes: 5_000_000, outputBits: 9_000_000, state: 0x80 })
  const stands: DeflateCheckpoint = { inputBytes: 0, outputBits: 1, state: 0 }
  for (const [bytes, previous] of [
    [sound.subarray(0, -1), undefined],
    [new Uint8Array(), undefined],
    [Uint8Array.of(...sound, 0), undefined],
    [formatCheckpoint(stands), undefined],
    [Uint8Array.of(1, 1, 0x80, 0x80, 0x80, 0x80, 0x08), undefined],
    [sound, { inputBytes: Number.MAX_SAFE_INTEGER, outputBits: 0, state: 0 }],
  ] as const) {
    assert.throws(
      () => parseCheckpoint(bytes, previous),
      (error) => hasErrorCode(error, 'CORRUPT_RECIPE'),
    )
  }
})
