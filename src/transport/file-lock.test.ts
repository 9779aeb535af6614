import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { withFileLock } from './file-lock.ts'

suite('withFileLock()', () => {
  test('lets one in at a time and leaves no file behind', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('lock')
    let inside = 0
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        withFileLock(path, async () => {
          inside += 1
          assert.equal(inside, 1)
          await readFile(path)
          inside -= 1
          return index
        }),
      ),
    )
    assert.deepEqual(outcomes, [0, 1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('gives the lock back when the work fails', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('lock')
    const failure = new Error('work')
    await assert.rejects(
      withFileLock(path, async () => {
        throw failure
      }),
      failure,
    )
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('takes over the lock of a process that died', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('lock')
    const { pid } = spawnSync('true')
    await writeFile(path, `${pid} ${hostname()} 00\n`)
    const earlier = new Date(Date.now() - 5_000)
    await utimes(path, earlier, earlier)
    assert.equal(await withFileLock(path, async () => 'done'), 'done')
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('takes over a lock of another host only after a minute', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('lock')
    await writeFile(path, '1 elsewhere 00\n')
    const earlier = new Date(Date.now() - 5_000)
    await utimes(path, earlier, earlier)
    const gaveUp = new Error('waited long enough')
    const controller = new AbortController()
    const waiting = withFileLock(path, async () => 'never', { signal: controller.signal })
    controller.abort(gaveUp)
    await assert.rejects(waiting, gaveUp)
    assert.deepEqual(await readdir(directory.path), ['lock'])
    const longAgo = new Date(Date.now() - 120_000)
    await utimes(path, longAgo, longAgo)
    assert.equal(await withFileLock(path, async () => 'done'), 'done')
  })

  test('runs the work again when the lock was taken from it', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('lock')
    let runs = 0
    await withFileLock(path, async (lock) => {
      runs += 1
      if (runs === 1) await writeFile(path, 'somebody else')
      if (runs === 1) {
        const longAgo = new Date(Date.now() - 120_000)
        await utimes(path, longAgo, longAgo)
      }
      await lock.confirm()
    })
    assert.equal(runs, 2)
  })
})
