import assert from 'node:assert/strict'
import { open, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { fileEntry, octal, rawHeader } from '../../test/support/tar-blocks.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { hasErrorCode } from '../errors/index.ts'
import { readAllBytes, readFileRange } from '../stream/index.ts'
import { CorruptTarError } from './corrupt-tar-error.ts'
import { indexTarFile, type IndexTarOptions, resolveTarMember, type TarFileIndex } from './index-tar-file.ts'
import { TAR_TRAILER, tarHeader } from './tar-header.ts'

async function indexOf(parts: readonly Uint8Array[], options?: IndexTarOptions): Promise<TarFileIndex> {
  await using directory = await temporaryDirectory()
  const path = directory.join('archive.tar')
  await writeFile(path, Buffer.concat(parts))
  return await indexTarFile(path, options)
}

const link = (path: string, linkPath: string): Uint8Array => tarHeader({ path, type: 'symlink', linkPath })

describe('indexTarFile()', () => {
  test('finds members under one spelling, with where their bytes are', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('archive.tar')
    const parts = [
      tarHeader({ path: './', type: 'directory' }),
      fileEntry('./a', 'first'),
      tarHeader({ path: 'dir/', type: 'directory' }),
      fileEntry('dir/b', 'x'.repeat(100_000)),
      fileEntry('c', 'last'),
      TAR_TRAILER,
    ]
    await writeFile(path, Buffer.concat(parts))
    const index = await indexTarFile(path)
    assert.deepEqual([...index.members.keys()], ['a', 'dir', 'dir/b', 'c'])
    const last = index.members.get('c')
    assert.ok(last)
    const bytes = await readAllBytes(readFileRange(path, { offset: last.offset, length: last.sizeBytes }), 100, 'c')
    assert.equal(Buffer.from(bytes).toString(), 'last')
  })

  test('does not read contents', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('large.tar')
    const sizeBytes = 6 * 1024 ** 3
    const handle = await open(path, 'w')
    await handle.write(tarHeader({ path: 'large', sizeBytes }))
    await handle.write(fileEntry('after', 'it'), 0, 1024, 512 + sizeBytes)
    await handle.close()
    const index = await indexTarFile(path)
    assert.deepEqual(
      [index.members.get('large')?.sizeBytes, index.members.get('after')?.offset],
      [sizeBytes, sizeBytes + 1024],
    )
  })

  test('lets the last of equal names stand and lists them all', async () => {
    const index = await indexOf([fileEntry('a', '1'), fileEntry('./a', '22'), TAR_TRAILER])
    assert.equal(index.members.get('a')?.sizeBytes, 2)
    assert.deepEqual(
      index.entries.map((member) => member.sizeBytes),
      [1, 2],
    )
  })

  test('refuses a file that ends inside a member', async () => {
    const whole = Buffer.concat([fileEntry('a', 'first'), fileEntry('b', 'x'.repeat(600))])
    for (const size of [1024 + 512 + 599, 1024 + 512, 1024 + 100]) {
      await assert.rejects(
        indexOf([whole.subarray(0, size)]),
        (error) => error instanceof CorruptTarError && error.offset === size,
      )
    }
    await assert.rejects(indexOf([rawHeader({ size: octal(2 ** 32) })]), CorruptTarError)
  })

  test('refuses names that leave the archive, too many entries, and a file that is not there', async () => {
    await assert.rejects(indexOf([fileEntry('../a')]), (error) => hasErrorCode(error, 'UNSAFE_PATH'))
    await assert.rejects(indexOf([fileEntry('/a')]), (error) => hasErrorCode(error, 'UNSAFE_PATH'))
    const three = [fileEntry('a'), fileEntry('b'), fileEntry('c')]
    await assert.rejects(indexOf(three, { maxEntries: 2 }), (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
    await using directory = await temporaryDirectory()
    await assert.rejects(indexTarFile(directory.join('none')), (error) => hasErrorCode(error, 'FILE_NOT_FOUND'))
  })
})

describe('resolveTarMember()', () => {
  test('follows symbolic links from their directory and hard links from the root', async () => {
    const index = await indexOf([
      fileEntry('one/layer.tar', 'layer'),
      link('two/layer.tar', '../one/layer.tar'),
      link('three/layer.tar', '../two/layer.tar'),
      rawHeader({ name: 'four/layer.tar', typeFlag: '1', linkName: './one/layer.tar' }),
      link('dangling', 'nowhere'),
    ])
    for (const name of ['one', 'two', 'three', 'four']) {
      assert.equal(resolveTarMember(index, `${name}/layer.tar`)?.name, 'one/layer.tar')
    }
    assert.equal(resolveTarMember(index, 'dangling'), undefined)
    assert.equal(resolveTarMember(index, 'absent'), undefined)
  })

  test('refuses circles and links that leave the archive', async () => {
    const index = await indexOf([link('a', 'b'), link('b', 'a'), link('up', '../out'), link('root', '/etc/passwd')])
    assert.throws(
      () => resolveTarMember(index, 'a'),
      (error) => hasErrorCode(error, 'INVALID_ARCHIVE'),
    )
    assert.throws(
      () => resolveTarMember(index, 'up'),
      (error) => hasErrorCode(error, 'UNSAFE_PATH'),
    )
    assert.throws(
      () => resolveTarMember(index, 'root'),
      (error) => hasErrorCode(error, 'UNSAFE_PATH'),
    )
  })
})
