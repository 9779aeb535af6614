import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { hasErrorCode } from '../errors/index.ts'
import { bytesSource } from './byte-source.ts'
import { AtomicFile, writeFileAtomically } from './file.ts'

suite('AtomicFile', () => {
  test('leaves nothing when the path turns out to be a directory', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(directory.join('taken'))
    await assert.rejects(writeFileAtomically(directory.join('taken'), bytesSource(Buffer.from('x'))), (error) =>
      hasErrorCode(error, 'FILE_ACCESS'),
    )
    assert.deepEqual(await readdir(directory.path), ['taken'])
  })

  test('keeps the old file until the new one is complete', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    await writeFile(path, 'old')
    {
      await using file = await AtomicFile.create(path)
      await file.handle.write('new')
      assert.equal(await readFile(path, 'utf8'), 'old')
    }
    assert.deepEqual(await readdir(directory.path), ['file'])
    assert.equal(await readFile(path, 'utf8'), 'old')
  })
})
