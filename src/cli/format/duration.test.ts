import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration } from './duration.ts'

test('formatDuration() moves to the next unit before a number would overflow', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [3200, '3.2 s'],
    [9960, '10 s'],
    [59_600, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [3_840_000, '1 h 4 min'],
  ]
  for (const [milliseconds, text] of cases) assert.equal(formatDuration(milliseconds), text)
})
