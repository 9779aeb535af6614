import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { hasErrorCode } from '../errors/index.ts'
import { DiskFile } from './byte-file.ts'
import { readAllBytes } from './byte-source.ts'
import { JoinedFile } from './joined-file.ts'

async function joined(directory: TemporaryDirectory, ...contents: readonly string[]): Promise<JoinedFile> {
  const files = []
  for (const [index, content] of contents.entries()) {
    await writeFile(directory.join(`${index}`), content)
    files.push(await DiskFile.at(directory.join(`${index}`)))
  }
  return new JoinedFile('whole', files)
}

async function textOf(file: JoinedFile, offset?: number, length?: number): Promise<string> {
  return Buffer.from(await readAllBytes(file.read({ offset, length }), 1000, 'whole')).toString()
}

suite('JoinedFile', () => {
  test('reads ranges within files, across them, and at their borders', async () => {
    await using directory = await temporaryDirectory()
    const file = await joined(directory, 'abc', '', 'd', 'efgh')
    assert.equal(file.sizeBytes, 8)
    assert.equal(await textOf(file), 'abcdefgh')
    assert.equal(await textOf(file, 1, 1), 'b')
    assert.equal(await textOf(file, 2, 3), 'cde')
    assert.equal(await textOf(file, 3, 1), 'd')
    assert.equal(await textOf(file, 4), 'efgh')
    assert.equal(await textOf(file, 8), '')
  })

  test('fills a buffer forwards and backwards, and less of it at the end', async () => {
    await using directory = await temporaryDirectory()
    const file = await joined(directory, 'abc', 'def')
    await using reader = await file.open()
    const buffer = Buffer.alloc(4)
    assert.deepEqual([await reader.read(buffer, 2), buffer.toString()], [4, 'cdef'])
    assert.deepEqual([await reader.read(buffer, 0), buffer.toString()], [4, 'abcd'])
    assert.deepEqual([await reader.read(buffer, 5), buffer.toString('utf8', 0, 1)], [1, 'f'])
    assert.equal(await reader.read(buffer, 6), 0)
  })

  test('never passes a later file off as the rest of one that was cut meanwhile', async () => {
    await using directory = await temporaryDirectory()
    const file = await joined(directory, 'abc', 'def')
    await truncate(directory.join('0'), 1)
    await assert.rejects(textOf(file), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
  })
})
