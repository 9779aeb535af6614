import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { hasErrorCode } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import { bytesSource, digestOf } from '../stream/index.ts'
import { indexTarFile, readTar } from '../tar/index.ts'
import { createResumableFile } from './archive-output.ts'
import { fileHeader, TarWriter } from './tar-writer.ts'

const text = (content: string): AsyncIterable<Uint8Array> => bytesSource(Buffer.from(content))

async function* failing(): AsyncIterable<Uint8Array> {
  yield Buffer.alloc(3000, 'x')
  throw new Error('cut off')
}

suite('TarWriter', () => {
  test('gives the same bytes whatever the order of filling', async () => {
    await using directory = await temporaryDirectory()
    const write = async (name: string, order: readonly number[]): Promise<Buffer> => {
      await using writer = new TarWriter(directory.join(name))
      await writer.directory('d/')
      const contents = ['', 'a', 'b'.repeat(512), 'c'.repeat(1000)]
      const regions = contents.map((content, index) => writer.reserve(`d/${index}`, content.length))
      await Promise.all(
        order.map((index) => {
          const region = regions[index]
          assert.ok(region)
          return writer.fill(region, text(contents[index] ?? ''))
        }),
      )
      await writer.append('last', text('end'))
      await writer.commit()
      return await readFile(directory.join(name))
    }
    const first = await write('1.tar', [0, 1, 2, 3])
    assert.deepEqual(await write('2.tar', [3, 1, 0, 2]), first)
    const index = await indexTarFile(directory.join('1.tar'))
    assert.deepEqual(
      index.entries.map((entry) => [entry.name, entry.sizeBytes]),
      [
        ['d', 0],
        ['d/0', 0],
        ['d/1', 1],
        ['d/2', 512],
        ['d/3', 1000],
        ['last', 3],
      ],
    )
    assert.equal(first.length % 512, 0)
  })

  test('keeps nothing of a file whose source failed', async () => {
    await using directory = await temporaryDirectory()
    const write = async (name: string, fails: boolean): Promise<Buffer> => {
      await using writer = new TarWriter(directory.join(name))
      const region = writer.reserve('a', 5)
      if (fails) {
        await assert.rejects(writer.fill(region, text('toolong')), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
        await assert.rejects(writer.fill(region, text('ab')), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
      }
      await writer.fill(region, text('hello'))
      if (fails) await assert.rejects(writer.append('b', failing()), /cut off/)
      await writer.append('b', text('b'))
      if (fails) await assert.rejects(writer.append('c', failing()), /cut off/)
      await writer.commit()
      return await readFile(directory.join(name))
    }
    assert.deepEqual(await write('1.tar', true), await write('2.tar', false))
  })

  test('refuses to end while a reserved place is empty, and then leaves nothing', async () => {
    await using directory = await temporaryDirectory()
    {
      await using writer = new TarWriter(directory.join('x.tar'))
      writer.reserve('a', 5)
      await assert.rejects(writer.commit(), (error) => hasErrorCode(error, 'INTERNAL'))
    }
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('leaves the old file alone until the commit', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('x.tar')
    await writeFile(path, 'old')
    {
      await using writer = new TarWriter(path)
      await writer.append('a', text('a'))
      assert.equal(await readFile(path, 'utf8'), 'old')
    }
    assert.equal(await readFile(path, 'utf8'), 'old')
    assert.deepEqual(await readdir(directory.path), ['x.tar'])
  })

  test('writes names and sizes that a plain header cannot hold', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('x.tar')
    const name = `blobs/sha512/${'0'.repeat(128)}`
    const sizeBytes = 9 * 1024 ** 3
    {
      await using writer = new TarWriter(path)
      // Never filled: what matters is where the next entry goes.
      const big = writer.reserve('big', sizeBytes)
      const region = writer.reserve(name, 2)
      assert.equal(region.offset, big.offset + 512 + sizeBytes)
      await writer.fill(region, text('ab'))
      await assert.rejects(writer.commit(), (error) => hasErrorCode(error, 'INTERNAL'))
    }
    await using writer = new TarWriter(path)
    await writer.append(name, text('ab'))
    await writer.commit()
    const [entry] = (await indexTarFile(path)).entries
    assert.deepEqual([entry?.name, entry?.sizeBytes], [name, 2])
    assert.equal((await stat(path)).size, 3 * 512 + 512 + 1024)
  })
})

suite('fileHeader()', () => {
  test('is as long for 20 GiB as for nothing, and holds the size', async () => {
    const sizeBytes = 20 * 1024 ** 3
    const header = fileHeader('big.tar', sizeBytes)
    assert.equal(header.length, fileHeader('big.tar', 0).length)
    const archive = readTar(bytesSource(header), { subject: 'x' })
    const first = await archive[Symbol.asyncIterator]().next()
    assert.equal(
      first.done === true ? undefined : first.value.kind === 'entry' && first.value.entry.sizeBytes,
      sizeBytes,
    )
  })
})

suite('TarWriter with resume', () => {
  const content = (letter: string): string => letter.repeat(1000)
  const digest = (letter: string): Digest => digestOf(Buffer.from(content(letter)))

  async function fill(path: string, letters: readonly string[], until: number): Promise<readonly boolean[]> {
    await using writer = new TarWriter(path, createResumableFile)
    await writer.directory('d/')
    const held: boolean[] = []
    const regions = letters.map((letter) => writer.reserve(`d/${letter}`, 1000))
    for (const [at, letter] of letters.slice(0, until).entries()) {
      const region = regions[at]
      assert.ok(region)
      const isHeld = await writer.holds(region, { digest: digest(letter), size: 1000 })
      held.push(isHeld)
      if (!isHeld) await writer.fill(region, text(content(letter)))
    }
    if (until === letters.length) await writer.commit()
    return held
  }

  test('takes up the places that an unfinished attempt filled, and ends with the same bytes', async () => {
    await using directory = await temporaryDirectory()
    const [path, fresh] = [directory.join('a.tar'), directory.join('b.tar')]
    assert.deepEqual(await fill(path, ['a', 'b', 'c'], 2), [false, false])
    assert.deepEqual(await readdir(directory.path), ['.a.tar.part'])
    assert.deepEqual(await fill(path, ['a', 'b', 'c'], 3), [true, true, false])
    await fill(fresh, ['a', 'b', 'c'], 3)
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['a.tar', 'b.tar'])
    assert.ok((await readFile(path)).equals(await readFile(fresh)))
  })

  test('takes up nothing of another layout, nor what is damaged', async () => {
    await using directory = await temporaryDirectory()
    const [path, fresh] = [directory.join('a.tar'), directory.join('b.tar')]
    await fill(path, ['a', 'b', 'c'], 2)
    const part = directory.join('.a.tar.part')
    const bytes = await readFile(part)
    bytes[bytes.indexOf('bbbb')] = 0
    await writeFile(part, bytes)
    assert.deepEqual(await fill(path, ['x', 'b', 'c'], 3), [false, false, false])
    await fill(fresh, ['x', 'b', 'c'], 3)
    assert.ok((await readFile(path)).equals(await readFile(fresh)))
  })
})
