import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBoolean, parseBound, parseCount, parseDuration, parseSize } from './option-values.ts'

const INVALID = { code: 'commander.invalidArgument' }

test('parseSize() counts bare letters and …iB in 1,024 and …B in 1,000', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['1048576', 1048576],
    ['1b', 1],
    ['512MiB', 512 * 2 ** 20],
    ['512m', 512 * 2 ** 20],
    ['1.5G', 1.5 * 2 ** 30],
    ['200MB', 200_000_000],
    ['64 kB', 64_000],
  ]
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text)
})

test('parseSize() refuses nothing, negatives, unknown units and what cannot be counted exactly', () => {
  for (const text of ['', '0', '-1', '1X', 'MiB', '1e3', '0.1b', '99999999999T', '1 2']) {
    assert.throws(() => parseSize(text), INVALID, text)
  }
})

test('parseBound() takes 0 for no bound, and sizes', () => {
  assert.deepEqual(['0', ' 00', '1k'].map(parseBound), [0, 0, 1024])
  assert.throws(() => parseBound('-0'), INVALID)
})

test('parseDuration() reads units and takes a bare number as seconds', () => {
  assert.equal(parseDuration('500ms'), 500)
  assert.equal(parseDuration('2'), 2000)
  assert.equal(parseDuration('1.5s'), 1500)
  assert.equal(parseDuration('1m'), 60_000)
  for (const text of ['', 's', '-1s', '1d', '2 s']) assert.throws(() => parseDuration(text), INVALID, text)
})

test('parseCount() takes whole numbers within its limits', () => {
  const parse = parseCount(1, 256)
  assert.equal(parse('256'), 256)
  for (const text of ['0', '257', '1.5', 'x', '', '1e2']) assert.throws(() => parse(text), INVALID, text)
})

test('parseBoolean() takes true and false and guesses at nothing else', () => {
  assert.equal(parseBoolean('true'), true)
  assert.equal(parseBoolean('0'), false)
  assert.throws(() => parseBoolean('docker://host/app'), INVALID)
})
