import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { fittingThreads, threadsWithin } from './threads-within.ts'

const GIB = 2 ** 30

test('threadsWithin() gives no more threads than wanted, nor more than fit', () => {
  assert.equal(threadsWithin(64 * GIB, 4), 4)
  const fitting = fittingThreads(2 * GIB)
  assert.ok(fitting >= 1 && fitting < 32)
  assert.equal(threadsWithin(2 * GIB, 32), fitting)
})

test('threadsWithin() refuses a bound that not even one thread fits into; fittingThreads() counts none', () => {
  assert.throws(
    () => threadsWithin(GIB / 16, 1),
    (error) => hasErrorCode(error, 'MEMORY_LIMIT'),
  )
  assert.equal(fittingThreads(GIB / 16), 0)
})
