import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPaxRecords, parsePaxRecords } from './pax-records.ts'

test('formatPaxRecords() counts the digits of the length too', () => {
  const text = (key: string, value: string): string => Buffer.from(formatPaxRecords([[key, value]])).toString()
  assert.equal(text('a', 'b'), '6 a=b\n')
  assert.equal(text('a', 'bbbb'), '9 a=bbbb\n')
  assert.equal(text('a', 'bbbbb'), '11 a=bbbbb\n')
  for (let length = 80; length < 110; length++) {
    const record = text('path', 'p'.repeat(length))
    assert.equal(Number.parseInt(record, 10), record.length)
  }
})

test('parsePaxRecords() reads what formatPaxRecords() writes, the last of equal keys, and NULs after the records', () => {
  const written = formatPaxRecords([
    ['path', 'ü=\n'],
    ['empty', ''],
    ['twice', '1'],
    ['twice', '2'],
  ])
  const read = parsePaxRecords(Buffer.concat([written, Buffer.alloc(3)]), 'archive', 0)
  assert.deepEqual(Object.fromEntries(read), { path: 'ü=\n', empty: '', twice: '2' })
})
