import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from './printable.ts'

test('printable() disarms escapes, C1 controls and direction overrides, and keeps lines and tabs', () => {
  assert.equal(printable('a\u001b]0;title\u0007\u009b1m\u202egnp'), 'a\ufffd]0;title\ufffd\ufffd1m\ufffdgnp')
  assert.equal(printable('one\n\ttwo ü 你'), 'one\n\ttwo ü 你')
})
