import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { removeParts, ResumableFile } from './resumable-file.ts'
import { temporaryToken } from './temporary-name.ts'

/** A token of a process on this machine that has ended. */
function tokenOfTheDead(): string {
  const { pid } = spawnSync(process.execPath, ['--version'])
  return `${pid.toString(16).padStart(8, '0')}${temporaryToken().slice(8)}`
}

suite('ResumableFile', () => {
  test('leaves what an unfinished attempt wrote to the next one, and nothing when it is committed', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    {
      await using first = await ResumableFile.open(path)
      assert.equal(first.isResumed, false)
      await first.handle.write('one')
    }
    assert.deepEqual(await readdir(directory.path), ['.file.part'])
    {
      await using second = await ResumableFile.open(path)
      assert.equal(second.isResumed, true)
      await second.handle.write('two', 3)
      await second.commit()
    }
    assert.deepEqual(await readdir(directory.path), ['file'])
    assert.equal(await readFile(path, 'utf8'), 'onetwo')
  })

  test('leaves nothing where nothing was written', async () => {
    await using directory = await temporaryDirectory()
    {
      await using _file = await ResumableFile.open(directory.join('file'))
    }
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('takes over what a killed process left, and not what another is at', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    const [dead, alive] = [`.file.${tokenOfTheDead()}.part`, `.file.${temporaryToken()}.part`]
    await writeFile(directory.join(dead), 'dead')
    await writeFile(directory.join(alive), 'alive')
    await writeFile(directory.join('.other.part'), 'other')
    await using file = await ResumableFile.open(path)
    assert.equal(file.isResumed, true)
    await file.commit()
    assert.equal(await readFile(path, 'utf8'), 'dead')
    assert.deepEqual((await readdir(directory.path)).toSorted(), [alive, '.other.part', 'file'].toSorted())
  })

  test('two attempts at a time never share one', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    await writeFile(directory.join('.file.part'), 'x')
    await using one = await ResumableFile.open(path)
    await using two = await ResumableFile.open(path)
    assert.deepEqual([one.isResumed, two.isResumed], [true, false])
  })

  test('tells where a file can’t be made', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('file'), '')
    await assert.rejects(ResumableFile.open(directory.join('file', 'inside')), { category: 'environment' })
  })
})

test('removeParts() removes what attempts at one file left', async () => {
  await using directory = await temporaryDirectory()
  for (const name of ['.file.part', '.other.part']) await writeFile(directory.join(name), 'x')
  await removeParts(directory.join('file'))
  assert.deepEqual(await readdir(directory.path), ['.other.part'])
})
