import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceDateEpoch } from './source-date-epoch.ts'

test('sourceDateEpoch() reads seconds, takes none from nothing, and refuses anything else', () => {
  assert.equal(sourceDateEpoch({ SOURCE_DATE_EPOCH: '1700000000' }), 1_700_000_000)
  assert.equal(sourceDateEpoch({ SOURCE_DATE_EPOCH: '0' }), 0)
  assert.equal(sourceDateEpoch({}), undefined)
  assert.equal(sourceDateEpoch({ SOURCE_DATE_EPOCH: '' }), undefined)
  for (const text of ['now', '-1', '1.5', '253402300800']) {
    assert.throws(() => sourceDateEpoch({ SOURCE_DATE_EPOCH: text }), { code: 'INVALID_ARGUMENT' }, text)
  }
})
