import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { hasErrorCode } from '../errors/index.ts'
import { bytesSource, type ProgressEvent } from '../stream/index.ts'
import { VolumeWriter } from './volume-writer.ts'

const text = (content: string): AsyncIterable<Uint8Array> => bytesSource(Buffer.from(content))

async function writeVolumes(directory: TemporaryDirectory, content: string, volumeBytes: number): Promise<void> {
  await using writer = await VolumeWriter.create(directory.join('x'), volumeBytes)
  await writer.write(0, text(content))
  await writer.commit()
}

const namesIn = async (directory: TemporaryDirectory): Promise<readonly string[]> =>
  (await readdir(directory.path)).toSorted()

suite('VolumeWriter', () => {
  test('cuts what is written anywhere into volumes of one size, with a list of checksums', async () => {
    await using directory = await temporaryDirectory()
    await using writer = await VolumeWriter.create(directory.join('x'), 4)
    await Promise.all([writer.write(6, text('ghijk')), writer.write(0, text('abc')), writer.write(3, text('def'))])
    assert.ok((await namesIn(directory)).every((name) => name.startsWith('.')))
    await writer.commit()
    assert.deepEqual(await namesIn(directory), ['x.001', 'x.002', 'x.003', 'x.sha256'])
    const contents = ['abcd', 'efgh', 'ijk']
    for (const [index, content] of contents.entries()) {
      assert.equal(await readFile(directory.join(`x.00${index + 1}`), 'utf8'), content)
    }
    const lines = contents.map((content, index) => {
      return `${createHash('sha256').update(content).digest('hex')}  x.00${index + 1}\n`
    })
    assert.equal(await readFile(directory.join('x.sha256'), 'utf8'), lines.join(''))
  })

  test('makes no empty volume, drops what was cut away, and fills what was never written with zeros', async () => {
    await using directory = await temporaryDirectory()
    await using writer = await VolumeWriter.create(directory.join('x'), 4)
    await writer.write(9, text('jklmnopq'))
    await writer.truncate(12)
    await writer.commit()
    assert.deepEqual(await namesIn(directory), ['x.001', 'x.002', 'x.003', 'x.sha256'])
    assert.deepEqual(await readFile(directory.join('x.003')), Buffer.from('\0jkl'))
    assert.deepEqual(await readFile(directory.join('x.002')), Buffer.alloc(4))
  })

  test('holds few files open, whatever the number of volumes', {
    skip: existsSync('/proc/self/fd') ? false : 'no /proc/self/fd',
  }, async () => {
    await using directory = await temporaryDirectory()
    const openFiles = (): number => readdirSync('/proc/self/fd').length
    const before = openFiles()
    let most = 0
    await using writer = await VolumeWriter.create(directory.join('x'), 2)
    async function* bytes(): AsyncIterable<Uint8Array> {
      for (let at = 0; at < 120; at++) {
        yield Buffer.of(at)
        most = Math.max(most, openFiles())
      }
    }
    await writer.write(0, bytes())
    await writer.commit()
    assert.equal((await namesIn(directory)).length, 61)
    assert.ok(most - before < 10, `${most - before} files open`)
  })

  test('refuses more volumes than names can count, and leaves nothing', async () => {
    await using directory = await temporaryDirectory()
    {
      await using writer = await VolumeWriter.create(directory.join('x'), 1)
      await assert.rejects(writer.write(9999, text('a')), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
    assert.deepEqual(await namesIn(directory), [])
    await assert.rejects(VolumeWriter.create(directory.join('x'), 0), RangeError)
  })

  test('leaves an earlier set alone until the new one is complete, then removes what is surplus of it', async () => {
    await using directory = await temporaryDirectory()
    await writeVolumes(directory, 'abcdefgh', 2)
    // Volumes by their name alone: nobody says that they belong to the set.
    for (const name of ['x.005', 'x.2024', 'x.old']) await writeFile(directory.join(name), 'mine')
    const before = await namesIn(directory)
    {
      await using writer = await VolumeWriter.create(directory.join('x'), 4)
      await writer.write(0, text('ABCDEFG'))
      assert.equal(await readFile(directory.join('x.001'), 'utf8'), 'ab')
    }
    assert.deepEqual(await namesIn(directory), before)
    await writeVolumes(directory, 'ABCDEFG', 4)
    assert.deepEqual(await namesIn(directory), ['x.001', 'x.002', 'x.005', 'x.2024', 'x.old', 'x.sha256'])
    assert.equal(await readFile(directory.join('x.002'), 'utf8'), 'EFG')
  })

  test('replaces a set that is named by a path with dots', async () => {
    await using directory = await temporaryDirectory()
    for (const content of ['abcdef', 'ABCD']) {
      await using writer = await VolumeWriter.create(`${directory.path}/./x`, 2)
      await writer.write(0, text(content))
      await writer.commit()
    }
    assert.deepEqual(await namesIn(directory), ['x.001', 'x.002', 'x.sha256'])
  })

  test('changes nothing where a name is taken by a directory, or the run is aborted at the end', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(directory.join('x.002'))
    await assert.rejects(writeVolumes(directory, 'abcd', 2), (error) => hasErrorCode(error, 'DESTINATION_EXISTS'))
    assert.deepEqual(await namesIn(directory), ['x.002'])

    await using writer = await VolumeWriter.create(directory.join('y'), 2)
    await writer.write(0, text('abcd'))
    const controller = new AbortController()
    const reason = new Error('enough')
    const onProgress = ({ doneBytes }: ProgressEvent): void => {
      if (doneBytes > 2) controller.abort(reason)
    }
    await assert.rejects(writer.commit({ signal: controller.signal, onProgress }), reason)
    await writer[Symbol.asyncDispose]()
    assert.deepEqual(await namesIn(directory), ['x.002'])
  })

  test('takes away what killed runs left of the same set, and of no other', async () => {
    await using directory = await temporaryDirectory()
    const names: string[] = []
    {
      await using writer = await VolumeWriter.create(directory.join('x'), 2)
      await writer.write(0, text('abcd'))
      names.push(...(await namesIn(directory)))
    }
    // As if a process that is gone had made them.
    const gone = names.map((name) => name.replace(/\.[0-9a-f]{8}([0-9a-f]{16})\.tmp$/, '.7fffffff$1.tmp'))
    const other = gone.map((name) => name.replace('.x.', '.xy.'))
    for (const name of [...gone, ...other]) await writeFile(directory.join(name), 'left')
    await writeVolumes(directory, 'ab', 2)
    assert.deepEqual(await namesIn(directory), [...other, 'x.001', 'x.sha256'].toSorted())
  })
})
