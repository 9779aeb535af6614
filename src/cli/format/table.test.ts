import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatFields, formatTable } from './table.ts'

test('formatTable() aligns columns and leaves no trailing space', () => {
  const text = formatTable(
    [{ title: 'layer' }, { title: 'size', align: 'right' }, { title: 'how' }],
    [
      ['a', '12.3 MB', 'patch'],
      ['long-name', '4 B', ''],
    ],
  )
  assert.equal(text, 'layer         size  how\na          12.3 MB  patch\nlong-name      4 B\n')
})

test('formatTable() takes control characters out of cells', () => {
  assert.equal(formatTable([{ title: 'name' }], [['a\u001b[2J']]), 'name\na\ufffd[2J\n')
})

test('formatFields() leaves out what has no value', () => {
  const text = formatFields([
    ['digest', 'sha256:ab'],
    ['index', undefined],
    ['to', 'oci:x'],
  ])
  assert.equal(text, 'digest: sha256:ab\nto:     oci:x\n')
})
