import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunkRange, requestedRange } from './byte-range.ts'

test('requestedRange() clips to the content', () => {
  assert.deepEqual(requestedRange('bytes=0-0', 10), { first: 0, last: 0 })
  assert.deepEqual(requestedRange('bytes=2-', 10), { first: 2, last: 9 })
  assert.deepEqual(requestedRange('bytes=2-100', 10), { first: 2, last: 9 })
  assert.deepEqual(requestedRange('bytes=-3', 10), { first: 7, last: 9 })
  assert.deepEqual(requestedRange('bytes=-30', 10), { first: 0, last: 9 })
  assert.deepEqual(requestedRange('bytes=9-99999999999999999999999', 10), { first: 9, last: 9 })
})

test('requestedRange() is unsatisfiable past the end, backwards, and in nothing', () => {
  for (const header of ['bytes=10-', 'bytes=10-20', 'bytes=5-4', 'bytes=-0']) {
    assert.equal(requestedRange(header, 10), 'unsatisfiable', header)
  }
  assert.equal(requestedRange('bytes=0-', 0), 'unsatisfiable')
})

test('requestedRange() means the whole content when it is absent, several, or of another unit', () => {
  for (const header of [undefined, '', 'bytes=-', 'bytes=0-1,3-4', 'lines=0-1', 'bytes 0-1']) {
    assert.equal(requestedRange(header, 10), undefined, header)
  }
})

test('chunkRange() reads the form of the specification and that of HTTP', () => {
  assert.deepEqual(chunkRange('0-999'), { first: 0, last: 999 })
  assert.deepEqual(chunkRange('bytes 0-999/*'), { first: 0, last: 999 })
  assert.deepEqual(chunkRange('bytes 5-5/6'), { first: 5, last: 5 })
  for (const header of ['', '0-', '-5', '5-4', '0-1-2', 'x0-1', '0-9999999999999999']) {
    assert.equal(chunkRange(header), undefined, header)
  }
})
