import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paintFor } from './colour.ts'

const terminal = { isTTY: true, write: () => true }
const pipe = { write: () => true }
const isColoured = (...args: Parameters<typeof paintFor>): boolean => paintFor(...args)('red', 'x') !== 'x'

test('paintFor() colours terminals alone, unless told otherwise', () => {
  assert.equal(isColoured(terminal, {}, true), true)
  assert.equal(isColoured(pipe, {}, true), false)
  assert.equal(isColoured(pipe, { FORCE_COLOR: '1' }, true), true)
  assert.equal(isColoured(terminal, { TERM: 'dumb' }, true), false)
})

test('paintFor() obeys --no-color and NO_COLOR before anything else', () => {
  assert.equal(isColoured(terminal, { FORCE_COLOR: '1' }, false), false)
  assert.equal(isColoured(terminal, { FORCE_COLOR: '1', NO_COLOR: '1' }, true), false)
  assert.equal(isColoured(terminal, { NO_COLOR: '' }, true), true)
})
