import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { decompress, gunzip, unzstd, zstdFrames } from '../../src/compress/index.ts'
import { isTareError } from '../../src/errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../../src/stream/index.ts'
import { cutAt } from '../support/chunking.ts'

const MAX = 16 * 1024 * 1024

/** Text-like, noisy, empty and long-run contents. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.string({ maxLength: 500 }).map((text) => Buffer.from(text.repeat(20))),
  fc.integer({ min: 0, max: 600_000 }).map((length) => Buffer.alloc(length, 'run')),
)
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

async function read(source: ByteSource): Promise<Buffer> {
  return Buffer.from(await readAllBytes(source, MAX, 'output'))
}

test('gunzip() gives the same bytes for any members in any chunking', async () => {
  const member = fc.tuple(
    content,
    fc.constantFrom(1, 6, 9),
    fc.constantFrom(constants.Z_FIXED, constants.Z_DEFAULT_STRATEGY),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(member, { minLength: 1, maxLength: 4 }),
      cuts,
      fc.nat(600),
      async (members, at, zeros) => {
        const parts = members.map(([bytes, level, strategy]) => gzipSync(bytes, { level, strategy }))
        const stream = Buffer.concat([...parts, Buffer.alloc(zeros)])
        const expected = Buffer.concat(members.map(([bytes]) => bytes))
        assert.equal(Buffer.compare(await read(gunzip(bytesSource(...cutAt(stream, at)))), expected), 0)
      },
    ),
    { numRuns: 60 },
  )
})

const frame = fc.tuple(content, fc.constantFrom(-5, 1, 3, 19), fc.boolean()).map(([bytes, level, isChecked]) => ({
  bytes: zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: Number(isChecked) },
  }),
  content: Buffer.from(bytes),
}))
const skippable = fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 50 })).map(([nibble, bytes]) => {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a50 + nibble)
  head.writeUInt32LE(bytes.length, 4)
  return { bytes: Buffer.concat([head, bytes]), content: Buffer.alloc(0) }
})
const zstdStream = fc.array(fc.oneof({ weight: 3, arbitrary: frame }, { weight: 1, arbitrary: skippable }), {
  minLength: 1,
  maxLength: 5,
})

test('unzstd() gives the same bytes for any frames in any chunking', async () => {
  await fc.assert(
    fc.asyncProperty(zstdStream, cuts, async (frames, at) => {
      const stream = Buffer.concat(frames.map(({ bytes }) => bytes))
      const expected = Buffer.concat(frames.map((each) => each.content))
      assert.equal(Buffer.compare(await read(unzstd(bytesSource(...cutAt(stream, at)))), expected), 0)
    }),
    { numRuns: 60 },
  )
})

test('zstdFrames() finds the frames that were joined, in any chunking', async () => {
  await fc.assert(
    fc.asyncProperty(zstdStream, cuts, async (frames, at) => {
      const stream = Buffer.concat(frames.map(({ bytes }) => bytes))
      const found = await Array.fromAsync(zstdFrames(bytesSource(...cutAt(stream, at))))
      assert.deepEqual(
        found.map(({ sizeBytes }) => sizeBytes),
        frames.map(({ bytes }) => bytes.length),
      )
    }),
    { numRuns: 60 },
  )
})

test('decompress() of damaged bytes gives an error of ours or other bytes, and never hangs', async () => {
  const stream = fc.oneof(
    content.map((bytes) => gzipSync(bytes)),
    content.map((bytes) => zstdCompressSync(bytes)),
    content.map((bytes) => Buffer.concat([gzipSync(''), deflateRawSync(bytes)])),
  )
  const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  await fc.assert(
    fc.asyncProperty(stream, position, fc.integer({ min: 1, max: 255 }), cuts, async (bytes, where, change, at) => {
      const damaged = Buffer.from(bytes)
      const index = Math.floor(where * damaged.length)
      damaged[index] = (damaged[index] ?? 0) ^ change
      try {
        const { source } = await decompress(bytesSource(...cutAt(damaged, at)), { maxBytes: MAX })
        await read(source)
      } catch (error) {
        assert.ok(isTareError(error), String(error))
        assert.equal(error.category, 'content')
      }
    }),
    { numRuns: 200 },
  )
})
