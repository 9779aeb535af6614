import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPercent, formatSize } from './size.ts'

test('formatSize() keeps three digits and never prints a thousand of a unit', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1234, '1.23 kB'],
    [9995, '10.0 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [45_100_000, '45.1 MB'],
    [2 ** 53, '9.01 PB'],
  ]
  for (const [bytes, text] of cases) assert.equal(formatSize(bytes), text)
})

test('formatPercent() shows small parts precisely and takes a whole of nothing as done', () => {
  assert.equal(formatPercent(0, 10), '0 %')
  assert.equal(formatPercent(1, 400), '0.25 %')
  assert.equal(formatPercent(48, 1000), '4.8 %')
  assert.equal(formatPercent(37, 100), '37 %')
  assert.equal(formatPercent(0, 0), '100 %')
})
