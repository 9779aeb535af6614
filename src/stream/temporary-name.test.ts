import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { SpoolDirectory } from './spool.ts'
import { removeAbandoned, temporaryName, temporaryToken, tokenOfTemporary } from './temporary-name.ts'

/** A token of a process on this machine that has ended. */
function tokenOfTheDead(): string {
  const { pid } = spawnSync(process.execPath, ['--version'])
  return `${pid.toString(16).padStart(8, '0')}${temporaryToken().slice(8)}`
}

/** A token of a process of another machine or container. */
function tokenFromElsewhere(): string {
  const token = tokenOfTheDead()
  return `${token.slice(0, 8)}${token.slice(8, 16) === '00000000' ? '00000001' : '00000000'}${token.slice(16)}`
}

suite('removeAbandoned()', () => {
  test('removes files of dead processes, and no others', async () => {
    await using directory = await temporaryDirectory()
    const kept = ['.a.0123456789ab.tmp', '.a.tmp', `.a.${tokenFromElsewhere()}.tmp`, temporaryName('a'), 'a']
    for (const name of [...kept, `.a.${tokenOfTheDead()}.tmp`]) await writeFile(directory.join(name), '')
    await removeAbandoned(directory.path, (name) => tokenOfTemporary(name))
    assert.deepEqual((await readdir(directory.path)).toSorted(), kept.toSorted())
  })

  test('with a name leaves the files of other names alone', async () => {
    await using directory = await temporaryDirectory()
    const [mine, other] = [`.a.tar.${tokenOfTheDead()}.tmp`, `.axtar.${tokenOfTheDead()}.tmp`]
    for (const name of [mine, other]) await writeFile(directory.join(name), '')
    await removeAbandoned(directory.path, (name) => tokenOfTemporary(name, 'a.tar'))
    assert.deepEqual(await readdir(directory.path), [other])
  })

  test('does nothing where there is no directory', async () => {
    await using directory = await temporaryDirectory()
    await removeAbandoned(directory.join('none'), (name) => tokenOfTemporary(name))
    assert.deepEqual(await readdir(directory.path), [])
  })
})

suite('SpoolDirectory', () => {
  test('clears away the spools of killed runs when a new one is made', async () => {
    await using directory = await temporaryDirectory()
    const [dead, foreign] = [`tare-${tokenOfTheDead()}`, 'tare-notes']
    for (const name of [dead, foreign]) await mkdir(directory.join(name))
    await writeFile(directory.join(dead, 'layer'), 'x')
    await using spool = await SpoolDirectory.create(directory.path)
    await using second = await SpoolDirectory.create(directory.path)
    assert.deepEqual(
      (await readdir(directory.path)).map((name) => directory.join(name)).toSorted(),
      [directory.join(foreign), spool.path, second.path].toSorted(),
    )
  })
})
