import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compactJson, joinMembers, sortedMembers, splitItems, splitMembers } from './json-text.ts'

test('splitMembers() and splitItems() take texts apart and compactJson() keeps what they mean', () => {
  assert.equal(splitMembers('[1]'), undefined)
  assert.equal(splitItems('{}'), undefined)
  assert.deepEqual(splitItems(' [ ] '), [])
  assert.deepEqual(splitMembers('{}'), new Map())
  assert.deepEqual(
    splitMembers('{ "a,}" : [1, {"b": "]"}] ,"\\u0062":1.50e3, "c":null}'),
    new Map([
      ['a,}', '[1, {"b": "]"}]'],
      ['b', '1.50e3'],
      ['c', 'null'],
    ]),
  )
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
      const value: unknown = JSON.parse(text)
      const spread = JSON.stringify(value, null, indent)
      assert.deepEqual(JSON.parse(compactJson(spread)), value)
      const members = splitMembers(spread)
      if (members !== undefined) {
        assert.deepEqual(JSON.parse(joinMembers(members)), value)
        assert.deepEqual(JSON.parse(joinMembers(sortedMembers(members))), value)
      }
      const items = splitItems(spread)
      if (items !== undefined) assert.deepEqual(JSON.parse(`[${items.join(',')}]`), value)
    }),
  )
})
