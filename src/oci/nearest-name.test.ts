import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearestName } from './nearest-name.ts'

const NAMES = ['name', 'baseline', 'target', 'platform']

test('nearestName() finds what a slip of the fingers meant, in any case', () => {
  assert.equal(nearestName('nmae', NAMES), 'name')
  assert.equal(nearestName('base-line', NAMES), 'baseline')
  assert.equal(nearestName('baselines', NAMES), 'baseline')
  assert.equal(nearestName('Target', NAMES), 'target')
  assert.equal(nearestName('platfrom', NAMES), 'platform')
})

test('nearestName() does not guess wildly', () => {
  assert.equal(nearestName('x', NAMES), undefined)
  assert.equal(nearestName('output', NAMES), undefined)
  assert.equal(nearestName('', NAMES), undefined)
  assert.equal(nearestName('t'.repeat(100_000), NAMES), undefined)
})
