import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileEntry, metaEntry, octal, rawHeader } from '../../test/support/tar-blocks.ts'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../stream/index.ts'
import { CorruptTarError } from './corrupt-tar-error.ts'
import { formatPaxRecords } from './pax-records.ts'
import { readTar, type ReadTarOptions, tarBytes } from './read-tar.ts'
import type { TarEntry } from './tar-entry.ts'
import { TAR_TRAILER, tarHeader } from './tar-header.ts'

const MAX = 64 * 1024 * 1024

async function entriesOf(archive: Uint8Array, options?: ReadTarOptions): Promise<TarEntry[]> {
  const entries: TarEntry[] = []
  for await (const item of readTar(bytesSource(archive), options)) if (item.kind === 'entry') entries.push(item.entry)
  return entries
}

async function onlyEntry(archive: Uint8Array): Promise<TarEntry> {
  const [entry, ...others] = await entriesOf(archive)
  assert.equal(others.length, 0)
  assert.ok(entry)
  return entry
}

async function assertRoundTrip(archive: Uint8Array): Promise<void> {
  const written = await readAllBytes(tarBytes(readTar(bytesSource(archive))), MAX, 'archive')
  assert.equal(Buffer.compare(archive, written), 0)
}

const pax = (typeFlag: 'x' | 'g', records: Readonly<Record<string, string>>): Uint8Array =>
  metaEntry(typeFlag, formatPaxRecords(Object.entries(records)))

const concat = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)

function corruptAt(offset: number): (error: unknown) => boolean {
  return (error) => error instanceof CorruptTarError && error.code === 'CORRUPT_TAR' && error.offset === offset
}

describe('readTar() entries', () => {
  test('gives names, offsets, contents and exact padding', async () => {
    const archive = concat(
      tarHeader({ path: 'dir/', type: 'directory', mtime: 7 }),
      tarHeader({ path: 'dir/a', sizeBytes: 3, mode: 0o600 }),
      Buffer.from('abc'),
      Buffer.alloc(509, 'p'),
      tarHeader({ path: 'dir/l', type: 'symlink', linkPath: 'a' }),
      TAR_TRAILER,
      Buffer.from('and more'),
    )
    const seen: unknown[] = []
    for await (const item of readTar(bytesSource(archive))) {
      const content = await readAllBytes(item.content, MAX, 'content')
      if (item.kind === 'trailer') {
        seen.push({ trailerAt: item.offset, length: content.length })
        continue
      }
      const { path, type, mode, mtime, linkPath, headerOffset, contentOffset, sizeBytes } = item.entry
      const padding = Buffer.from(await item.padding()).toString()
      seen.push({ path, type, mode, mtime, linkPath, headerOffset, contentOffset, sizeBytes })
      seen.push({ content: Buffer.from(content).toString(), padding })
    }
    assert.deepEqual(seen, [
      {
        path: 'dir/',
        type: 'directory',
        mode: 0o755,
        mtime: 7,
        linkPath: '',
        headerOffset: 0,
        contentOffset: 512,
        sizeBytes: 0,
      },
      { content: '', padding: '' },
      {
        path: 'dir/a',
        type: 'file',
        mode: 0o600,
        mtime: 0,
        linkPath: '',
        headerOffset: 512,
        contentOffset: 1024,
        sizeBytes: 3,
      },
      { content: 'abc', padding: 'p'.repeat(509) },
      {
        path: 'dir/l',
        type: 'symlink',
        mode: 0o777,
        mtime: 0,
        linkPath: 'a',
        headerOffset: 1536,
        contentOffset: 2048,
        sizeBytes: 0,
      },
      { content: '', padding: '' },
      { trailerAt: 2048, length: 1032 },
    ])
    await assertRoundTrip(archive)
  })

  test('joins the ustar prefix, and not what GNU and v7 have there', async () => {
    const prefix = 'deep/er'
    assert.equal((await onlyEntry(rawHeader({ name: 'n', prefix }))).path, 'deep/er/n')
    const gnu = { name: 'n', magic: 'ustar  \0' }
    assert.equal((await onlyEntry(rawHeader({ ...gnu, prefix: `${octal(5)}${octal(6)}` }))).path, 'n')
    // Go before 1.8 wrote such prefixes into GNU headers.
    assert.equal((await onlyEntry(rawHeader({ ...gnu, prefix }))).path, 'deep/er/n')
    assert.equal((await onlyEntry(rawHeader({ name: 'n', prefix, magic: '' }))).path, 'n')
    const star = rawHeader({ name: 'n', at: { 345: prefix, 476: octal(1), 488: octal(2), 508: 'tar\0' } })
    assert.equal((await onlyEntry(star)).path, 'deep/er/n')
  })

  test('takes GNU long names over the header and over PAX', async () => {
    const long = 'n/'.repeat(400)
    const archive = concat(
      pax('x', { path: 'pax' }),
      metaEntry('L', `${long}\0`),
      metaEntry('K', `${long}link\0`),
      rawHeader({ name: 'cut', typeFlag: '2', linkName: 'cut', magic: 'ustar  \0' }),
    )
    const entry = await onlyEntry(archive)
    assert.equal(entry.path, long)
    assert.equal(entry.linkPath, `${long}link`)
    assert.equal(entry.headerOffset, 0)
    assert.equal(entry.headerBytes.length, archive.length)
    await assertRoundTrip(archive)
  })

  test('takes PAX records over the header, local over global, empty ones as absent', async () => {
    const archive = concat(
      pax('g', { uname: 'global', comment: 'for all' }),
      pax('x', { uname: 'local', mtime: '-12.345', uid: '3000000000' }),
      fileEntry('a'),
      fileEntry('b'),
      pax('x', { uname: '' }),
      fileEntry('c'),
    )
    const [a, b, c] = await entriesOf(archive)
    assert.ok(a && b && c)
    assert.deepEqual([a.uname, a.mtime, a.uid, a.pax.get('comment')], ['local', -12.345, 3_000_000_000, 'for all'])
    assert.deepEqual([b.uname, b.mtime, b.uid], ['global', 0, 0])
    assert.deepEqual([c.uname, c.pax.has('uname'), c.pax.get('comment')], ['', false, 'for all'])
    await assertRoundTrip(archive)
  })

  test('frames by the size of a local PAX header and not by a global one', async () => {
    const local = concat(
      pax('x', { size: '5' }),
      rawHeader({ name: 'a', size: octal(0) }),
      Buffer.from('12345'.padEnd(512, '\0')),
      fileEntry('b'),
    )
    assert.deepEqual(
      (await entriesOf(local)).map((entry) => [entry.path, entry.sizeBytes]),
      [
        ['a', 5],
        ['b', 0],
      ],
    )
    const global = concat(pax('g', { size: '5' }), fileEntry('a'), fileEntry('b'))
    assert.deepEqual(
      (await entriesOf(global)).map((entry) => [entry.path, entry.sizeBytes]),
      [
        ['a', 0],
        ['b', 0],
      ],
    )
  })

  test('reads base-256 numbers', async () => {
    const entry = await onlyEntry(
      rawHeader({
        mtime: Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        uid: Uint8Array.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
      }),
    )
    assert.deepEqual([entry.mtime, entry.uid], [-2, 0xffff_ffff])
  })

  test('knows devices, old directories, and letters it does not know', async () => {
    const archive = concat(
      rawHeader({ name: 'null', typeFlag: '3', devMajor: octal(1, 8), devMinor: octal(3, 8) }),
      rawHeader({ name: 'disk', typeFlag: '4', devMajor: octal(8, 8), devMinor: octal(0, 8) }),
      rawHeader({ name: 'pipe', typeFlag: '6' }),
      rawHeader({ name: 'old/', typeFlag: '\0', magic: '' }),
      rawHeader({ name: 'plain', typeFlag: '\0', magic: '' }),
      rawHeader({ name: 'tight', typeFlag: '7' }),
      rawHeader({ name: 'odd', typeFlag: 'Z', size: octal(1) }),
      Buffer.alloc(512, 'z'),
    )
    const entries = await entriesOf(archive)
    assert.deepEqual(
      entries.map((entry) => [entry.path, entry.type, entry.devMajor, entry.devMinor, entry.sizeBytes]),
      [
        ['null', 'character-device', 1, 3, 0],
        ['disk', 'block-device', 8, 0, 0],
        ['pipe', 'fifo', 0, 0, 0],
        ['old/', 'directory', 0, 0, 0],
        ['plain', 'file', 0, 0, 0],
        ['tight', 'contiguous', 0, 0, 0],
        ['odd', 'unknown', 0, 0, 1],
      ],
    )
    assert.equal(entries.at(-1)?.typeFlag, 'Z')
    await assertRoundTrip(archive)
  })

  test('tells hard links that repeat a size from hard links that carry content', async () => {
    const link = rawHeader({ name: 'l', typeFlag: '1', linkName: 'a', size: octal(700) })
    for (const after of [fileEntry('b'), TAR_TRAILER, new Uint8Array(0)]) {
      const archive = concat(link, after)
      assert.equal((await entriesOf(archive))[0]?.sizeBytes, 0)
      await assertRoundTrip(archive)
    }
    const carrying = concat(link, Buffer.alloc(1024, 'c'), fileEntry('b'))
    assert.deepEqual(
      (await entriesOf(carrying)).map((entry) => entry.sizeBytes),
      [700, 0],
    )
    await assertRoundTrip(carrying)
  })

  test('keeps the blocks of a GNU sparse map with the header', async () => {
    const more = Buffer.alloc(512)
    more[504] = 1
    const archive = concat(
      rawHeader({
        name: 's',
        typeFlag: 'S',
        size: octal(512),
        magic: 'ustar  \0',
        prefix: '',
        at: { 482: Uint8Array.of(1), 483: octal(1_000_000) },
      }),
      more,
      Buffer.alloc(512),
      Buffer.alloc(512, 's'),
      fileEntry('b'),
    )
    const [sparse, after] = await entriesOf(archive)
    assert.ok(sparse)
    assert.deepEqual(
      [sparse.type, sparse.isSparse, sparse.sizeBytes, sparse.realSizeBytes, sparse.headerBytes.length],
      ['gnu-sparse', true, 512, 1_000_000, 1536],
    )
    assert.equal(after?.path, 'b')
    await assertRoundTrip(archive)
  })

  test('names a PAX sparse file as GNU tar does', async () => {
    const records = {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 'a/real',
      'GNU.sparse.realsize': '1000000',
    }
    const entry = await onlyEntry(concat(pax('x', records), fileEntry('GNUSparseFile.0/real', 'map and data')))
    assert.deepEqual([entry.path, entry.type, entry.isSparse], ['a/real', 'file', true])
    assert.deepEqual([entry.sizeBytes, entry.realSizeBytes], [12, 1_000_000])
  })
})

describe('readTar() ends', () => {
  test('accepts an archive without zero blocks, with one, and nothing at all', async () => {
    for (const end of [new Uint8Array(0), new Uint8Array(512), new Uint8Array(700), new Uint8Array(100)]) {
      await assertRoundTrip(concat(fileEntry('a', 'content'), end))
      await assertRoundTrip(end)
    }
  })

  test('accepts a last content without its padding', async () => {
    const archive = concat(tarHeader({ path: 'a', sizeBytes: 3 }), Buffer.from('abc'))
    assert.equal((await onlyEntry(archive)).sizeBytes, 3)
    await assertRoundTrip(archive)
  })

  test('leaves headers that no entry follows to the trailer', async () => {
    const archive = concat(fileEntry('a'), pax('g', { comment: 'for all' }), TAR_TRAILER)
    assert.equal((await entriesOf(archive)).length, 1)
    await assertRoundTrip(archive)
    await assertRoundTrip(pax('g', { comment: 'for all' }))
  })

  test('reads the source to its end, so that what checks it is asked', async () => {
    async function* checked(): ByteSource {
      yield fileEntry('a')
      yield TAR_TRAILER
      yield Buffer.from('rest')
      throw new RangeError('checked')
    }
    await assert.rejects(Array.fromAsync(readTar(checked())), RangeError)
  })

  test('releases the source when the consumer leaves early', async () => {
    let isReleased = false
    async function* watched(): ByteSource {
      try {
        yield fileEntry('a', 'content')
        yield fileEntry('b')
      } finally {
        isReleased = true
      }
    }
    for await (const item of readTar(watched())) {
      for await (const chunk of item.content) if (chunk.length > 0) break
      break
    }
    assert.equal(isReleased, true)
  })
})

describe('readTar() contents', () => {
  test('are passed over from wherever the consumer stopped', async () => {
    const archive = concat(fileEntry('a', 'x'.repeat(2000)), fileEntry('b', 'y'))
    const paths: string[] = []
    for await (const item of readTar(bytesSource(archive.subarray(0, 600), archive.subarray(600)))) {
      if (item.kind === 'entry') paths.push(item.entry.path)
      for await (const chunk of item.content) if (chunk.length > 0) break
    }
    assert.deepEqual(paths, ['a', 'b'])
  })

  test('throw when they are read too late', async () => {
    const archive = concat(fileEntry('a', 'content'), fileEntry('b'))
    const [first] = await Array.fromAsync(readTar(bytesSource(archive)))
    assert.ok(first)
    await assert.rejects(readAllBytes(first.content, MAX, 'late'), TypeError)
  })
})

describe('readTar() refuses', () => {
  test('a bad checksum, with its offset', async () => {
    const archive = Buffer.from(concat(fileEntry('a', 'content'), fileEntry('b')))
    archive[1024] = 0x63
    await assert.rejects(entriesOf(archive), corruptAt(1024))
  })

  test('what is no archive', async () => {
    await assert.rejects(entriesOf(Buffer.alloc(2048, '{}')), corruptAt(0))
  })

  test('an archive cut off in a header, a long name, a sparse map, a content', async () => {
    const file = fileEntry('a', 'x'.repeat(1000))
    await assert.rejects(entriesOf(file.subarray(0, 300)), corruptAt(300))
    await assert.rejects(entriesOf(file.subarray(0, 1511)), corruptAt(1511))
    const long = concat(metaEntry('L', 'n'.repeat(200)), file)
    await assert.rejects(entriesOf(long.subarray(0, 600)), corruptAt(600))
    await assert.rejects(entriesOf(long.subarray(0, 1024)), corruptAt(1024))
    const sparse = rawHeader({ typeFlag: 'S', magic: 'ustar  \0', at: { 482: Uint8Array.of(1) } })
    await assert.rejects(entriesOf(sparse), corruptAt(512))
  })

  test('fields that are no numbers and sizes that cannot be', async () => {
    await assert.rejects(entriesOf(rawHeader({ size: 'hello' })), corruptAt(0))
    await assert.rejects(entriesOf(rawHeader({ uid: 'root' })), corruptAt(0))
    await assert.rejects(entriesOf(rawHeader({ size: Buffer.alloc(12, 0xff) })), corruptAt(0))
    const huge = Uint8Array.from([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    await assert.rejects(entriesOf(rawHeader({ size: huge })), corruptAt(0))
    await assert.rejects(entriesOf(concat(pax('x', { size: '-1' }), fileEntry('a'))), corruptAt(1024))
    await assert.rejects(entriesOf(concat(pax('x', { mtime: 'no' }), fileEntry('a'))), corruptAt(1024))
  })

  test('malformed PAX records', async () => {
    for (const records of [
      '5 a=b',
      '6 a=bb\n',
      'x a=b\n',
      '5 ab\n\n',
      '5 =ab\n',
      '0 a=b\n',
      '99999999999 a=b\n',
      '3 \n',
    ]) {
      await assert.rejects(entriesOf(concat(metaEntry('x', records), fileEntry('a'))), corruptAt(512), records)
    }
  })

  test('headers beyond their limit, before they are read', async () => {
    const exceeds = (error: unknown): boolean => hasErrorCode(error, 'LIMIT_EXCEEDED')
    await assert.rejects(entriesOf(rawHeader({ typeFlag: 'L', size: octal(5 * 1024 * 1024) })), exceeds)
    await assert.rejects(entriesOf(metaEntry('L', 'n'.repeat(5000)), { maxHeaderBytes: 4096 }), exceeds)
    const globals = Buffer.concat(Array.from({ length: 5 }, () => pax('g', { a: 'b' })))
    await assert.rejects(entriesOf(globals, { maxHeaderBytes: 4096 }), exceeds)
    const collected = Array.from({ length: 9 }, (_, index) => pax('g', { [`key${index}`]: 'v'.repeat(8000) }))
    await assert.rejects(entriesOf(concat(...collected.flatMap((global) => [global, fileEntry('a')]))), exceeds)
    const map = Buffer.alloc(512, 1)
    const sparse = rawHeader({ typeFlag: 'S', magic: 'ustar  \0', at: { 482: Uint8Array.of(1) } })
    await assert.rejects(entriesOf(concat(sparse, map, map, map, map), { maxHeaderBytes: 2048 }), exceeds)
  })
})
