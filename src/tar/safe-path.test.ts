import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { isSafeEntryPath, safeEntryPath } from './safe-path.ts'

test('safeEntryPath() gives one spelling to a path', () => {
  for (const path of ['a/b', './a/b', 'a//b/', '././a/./b', 'a/b/.']) assert.equal(safeEntryPath(path), 'a/b')
  assert.equal(safeEntryPath('..a/b..'), '..a/b..')
})

test('safeEntryPath() refuses paths that leave the archive or name nothing', () => {
  for (const path of ['', '.', './', '/', '/etc/passwd', '..', '../a', 'a/../b', 'a/..', 'a\0b', '//a']) {
    assert.throws(
      () => safeEntryPath(path),
      (error) => hasErrorCode(error, 'UNSAFE_PATH'),
      JSON.stringify(path),
    )
    assert.equal(isSafeEntryPath(path), false)
  }
  assert.equal(isSafeEntryPath('a'), true)
})
