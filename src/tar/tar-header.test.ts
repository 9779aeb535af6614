import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytesSource } from '../stream/index.ts'
import { readTar } from './read-tar.ts'
import type { TarEntry } from './tar-entry.ts'
import { TAR_TRAILER, tarHeader, type TarHeaderFields, tarPadding } from './tar-header.ts'

async function readBack(fields: TarHeaderFields): Promise<TarEntry> {
  for await (const item of readTar(bytesSource(tarHeader(fields)))) if (item.kind === 'entry') return item.entry
  return assert.fail('no entry')
}

describe('tarHeader()', () => {
  test('fits short names in one ustar block', async () => {
    const header = tarHeader({ path: 'blobs/sha256/abc' })
    assert.equal(header.length, 512)
    assert.equal(Buffer.from(header).toString('latin1', 257, 265), 'ustar\x0000')
    const { mode, uid, gid, mtime, type, pax } = await readBack({ path: 'blobs/sha256/abc' })
    assert.deepEqual(
      { mode, uid, gid, mtime, type, pax: pax.size },
      { mode: 0o644, uid: 0, gid: 0, mtime: 0, type: 'file', pax: 0 },
    )
  })

  test('splits a long path where ustar can, and uses PAX where it cannot', async () => {
    const splittable = `${'d'.repeat(80)}/${'n'.repeat(90)}`
    assert.equal(tarHeader({ path: splittable }).length, 512)
    assert.equal((await readBack({ path: splittable })).path, splittable)
    for (const path of [
      'n'.repeat(101),
      `${'d'.repeat(156)}/n`,
      'größe',
      `${'ü/'.repeat(90)}n`,
      `d/${'n'.repeat(300)}`,
    ]) {
      const { pax, path: read } = await readBack({ path })
      assert.deepEqual([read, pax.get('path')], [path, path])
    }
  })

  test('carries long and non-ASCII link targets', async () => {
    for (const linkPath of ['target', `../${'t'.repeat(120)}`, 'größe']) {
      const entry = await readBack({ path: 'link', type: 'symlink', linkPath })
      assert.deepEqual([entry.type, entry.linkPath, entry.mode], ['symlink', linkPath, 0o777])
    }
  })

  test('gives sizes and times beyond eleven octal digits as PAX records', async () => {
    const edge = tarHeader({ path: 'a', type: 'file', mtime: 2 ** 33 - 1 })
    assert.equal(edge.length, 512)
    assert.equal((await readBack({ path: 'a', mtime: 2 ** 33 })).mtime, 2 ** 33)
    const sized = tarHeader({ path: 'a', sizeBytes: 2 ** 33 })
    assert.equal(sized.length, 1536)
    assert.match(Buffer.from(sized).toString('latin1', 512, 1024), /^19 size=8589934592\n\0+$/)
    assert.equal(tarHeader({ path: 'a', sizeBytes: 2 ** 33 - 1 }).length, 512)
  })

  test('refuses what no header can hold', () => {
    for (const fields of [
      { path: '' },
      { path: 'a\0b' },
      { path: 'a', linkPath: '\0' },
      { path: 'a', sizeBytes: -1 },
      { path: 'a', sizeBytes: 0.5 },
      { path: 'a', mtime: Number.NaN },
      { path: 'a', mode: 0o10000 },
    ]) {
      assert.throws(() => tarHeader(fields), RangeError)
    }
  })
})

test('tarPadding() fills the last block, and TAR_TRAILER is two blocks', () => {
  assert.deepEqual(
    [0, 1, 511, 512, 513].map((size) => tarPadding(size).length),
    [0, 511, 1, 0, 511],
  )
  assert.equal(TAR_TRAILER.length, 1024)
})
