import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decompress } from '../../src/compress/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  readAllBytes,
  readFileRange,
  sliceSource,
} from '../../src/stream/index.ts'
import {
  isSafeEntryPath,
  readTar,
  safeEntryPath,
  TAR_TRAILER,
  tarBytes,
  tarHeader,
  type TarHeaderFields,
  tarPadding,
} from '../../src/tar/index.ts'
import { cutAt } from '../support/chunking.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { fileEntry, metaEntry, octal, rawHeader } from '../support/tar-blocks.ts'

const MAX = 16 * 1024 * 1024

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 })
const content = fc.uint8Array({ maxLength: 1500 })
const pathText = fc
  .array(fc.stringMatching(/^[a-zé\u{1f40b} .]{1,60}$/u), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('/'))

const ownEntry = fc.tuple(pathText, content).map(([path, bytes]) => Buffer.from(fileEntry(path, bytes)))
const longNameEntry = fc
  .tuple(fc.constantFrom('L', 'K'), pathText, content)
  .map(([flag, path, bytes]) => Buffer.concat([metaEntry(flag, `${path}\0`), fileEntry('cut', bytes)]))
const sparseEntry = fc.tuple(fc.nat(3), content).map(([extensions, bytes]) => {
  const at = { 482: Uint8Array.of(Number(extensions > 0)), 483: octal(1_000_000) }
  const head = rawHeader({ name: 's', typeFlag: 'S', magic: 'ustar  \0', size: octal(bytes.length), prefix: '', at })
  const maps = Array.from({ length: extensions }, (_, index) => Buffer.alloc(512, Number(index < extensions - 1)))
  return Buffer.concat([head, ...maps, bytes, tarPadding(bytes.length)])
})
const oddPaddingEntry = fc
  .tuple(content, fc.integer({ min: 0, max: 255 }))
  .map(([bytes, fill]) =>
    Buffer.concat([
      rawHeader({ name: 'odd', size: octal(bytes.length) }),
      bytes,
      Buffer.alloc(tarPadding(bytes.length).length, fill),
    ]),
  )
const linkWithSize = fc
  .nat(5000)
  .map((size) => Buffer.from(rawHeader({ typeFlag: '1', linkName: 'a', size: octal(size) })))
const entry = fc.oneof(ownEntry, longNameEntry, sparseEntry, oddPaddingEntry, linkWithSize)
const end = fc.oneof(
  fc.constant(TAR_TRAILER),
  fc.nat(2000).map((length) => new Uint8Array(length)),
  content.map((garbage) => Buffer.concat([TAR_TRAILER, garbage])),
)
const archive = fc.tuple(fc.array(entry, { maxLength: 6 }), end)

test('tarBytes(readTar()) is the archive, in any chunking', async () => {
  await fc.assert(
    fc.asyncProperty(archive, cuts, async ([entries, tail], at) => {
      const bytes = Buffer.concat([...entries, tail])
      const written = await readAllBytes(tarBytes(readTar(bytesSource(...cutAt(bytes, at)))), MAX, 'archive')
      assert.equal(Buffer.compare(written, bytes), 0)
      const items = await Array.fromAsync(readTar(bytesSource(...cutAt(bytes, at))))
      assert.equal(items.length, entries.length + 1)
    }),
    { numRuns: 200 },
  )
})

test('readTar() reads what tarHeader() writes', async () => {
  const fields: fc.Arbitrary<TarHeaderFields> = fc.record({
    path: pathText,
    type: fc.constantFrom('file', 'symlink'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtime: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 2 ** 33 - 2, max: 2 ** 40 })),
    linkPath: pathText,
  })
  await fc.assert(
    fc.asyncProperty(fields, async (written) => {
      const [item] = await Array.fromAsync(readTar(bytesSource(tarHeader(written), TAR_TRAILER)))
      assert.ok(item?.kind === 'entry')
      const { path, type, mode, mtime, linkPath } = item.entry
      assert.deepEqual({ path, type, mode, mtime, linkPath }, { ...written })
    }),
    { numRuns: 300 },
  )
})

test('readTar() of a damaged archive gives it back bit for bit or says that it is corrupt', async () => {
  const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  await fc.assert(
    fc.asyncProperty(
      archive,
      position,
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (parts, where, change, cut) => {
        const bytes = Buffer.concat(parts.flat())
        const index = Math.floor(where * bytes.length)
        if (!cut && bytes.length > 0) bytes[index] = (bytes[index] ?? 0) ^ change
        const damaged = cut ? bytes.subarray(0, index) : bytes
        try {
          const written = await readAllBytes(tarBytes(readTar(bytesSource(damaged))), MAX, 'archive')
          assert.equal(Buffer.compare(written, damaged), 0)
        } catch (error) {
          assert.ok(hasErrorCode(error, 'CORRUPT_TAR', 'LIMIT_EXCEEDED'), String(error))
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('safeEntryPath() gives a path that it leaves alone and that stays inside', () => {
  const part = fc.oneof(fc.constantFrom('.', '..', '', '...', '\0'), fc.string({ maxLength: 8 }))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const path = parts.join('/')
      if (!isSafeEntryPath(path)) return
      const safe = safeEntryPath(path)
      assert.equal(safeEntryPath(safe), safe)
      assert.ok(!safe.startsWith('/') && !safe.split('/').some((each) => ['', '.', '..'].includes(each)))
    }),
  )
})

describe('tarBytes(readTar()) is the archive', () => {
  const places = [{ path: fixture('images'), skip: false as const }, sharedFixture('images'), sharedFixture('diffah')]
  for (const { path, skip } of places) {
    test(`for every archive and layer of ${path.split('/').slice(-3).join('/')}`, { skip }, async () => {
      const names = readdirSync(path).filter((name) => /\.tar(\.gz|\.zst)?$/.test(name))
      assert.ok(names.length > 0)
      for (const name of names) {
        const layers = await assertRoundTrip(`${path}/${name}`)
        // Archives of diffah hold patches.
        assert.ok(layers > 0 || path.endsWith('diffah'), `${name} has no layers`)
      }
    })
  }
})

/** Checks an archive and the archives that are its members, all compressed or not. @returns how many members they are */
async function assertRoundTrip(path: string): Promise<number> {
  const plain = async (): Promise<ByteSource> => (await decompress(readFileRange(path))).source
  await assertSameBytes(plain, path)
  let layers = 0
  for await (const item of readTar(await plain())) {
    if (item.kind === 'trailer' || item.entry.sizeBytes === 0) continue
    const { path: name, contentOffset, sizeBytes } = item.entry
    const member = async (): Promise<ByteSource> =>
      (await decompress(sliceSource(await plain(), contentOffset, sizeBytes))).source
    if (!(await isArchive(await member()))) continue
    await assertSameBytes(member, `${path}: ${name}`)
    layers++
  }
  return layers
}

async function assertSameBytes(open: () => Promise<ByteSource>, name: string): Promise<void> {
  assert.equal(await digestOfSource(tarBytes(readTar(await open()))), await digestOfSource(await open()), name)
}

async function isArchive(source: ByteSource): Promise<boolean> {
  try {
    for await (const item of readTar(source)) return item.kind === 'entry'
  } catch (error) {
    // Patches in diffah's archives are zstd frames that only decode beside their baseline.
    if (!hasErrorCode(error, 'CORRUPT_TAR', 'CORRUPT_ZSTD')) throw error
  }
  return false
}

async function digestOfSource(source: ByteSource): Promise<string> {
  const digester = new Digester()
  for await (const chunk of source) digester.update(chunk)
  return digester.digest()
}
