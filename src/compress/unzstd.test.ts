import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../stream/index.ts'
import { unzstd, type UnzstdOptions, zstdFrames } from './unzstd.ts'

const TEXT = Buffer.from('What goes in comes out. '.repeat(200))
const MAX = 64 * 1024 * 1024

const CHECKED = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }

async function decoded(chunks: readonly Uint8Array[], options?: UnzstdOptions): Promise<Buffer> {
  return Buffer.from(await readAllBytes(unzstd(bytesSource(...chunks), options), MAX, 'output'))
}

/** What no compressor makes smaller: enough of it takes the streaming path. */
function noise(byteLength: number): Buffer {
  const bytes = Buffer.alloc(byteLength)
  let state = 1
  for (let at = 0; at < byteLength; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[at] = state >>> 16
  }
  return bytes
}

function skippable(content: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a5e)
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, Buffer.from(content)])
}

/** A frame of zeros: each block is four bytes and gives 128 KiB. */
function zeroFrame(blockCount: number): Buffer {
  const blocks = Array.from({ length: blockCount }, (_, index) => {
    const block = Buffer.alloc(4)
    block.writeUInt32LE(((128 * 1024) << 3) | (1 << 1) | Number(index === blockCount - 1))
    return block
  })
  return Buffer.concat([Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x50), ...blocks])
}

const isCorrupt = (error: unknown): boolean => hasErrorCode(error, 'CORRUPT_ZSTD')
const exceeds = (error: unknown): boolean => hasErrorCode(error, 'LIMIT_EXCEEDED')

describe('unzstd()', () => {
  test('decodes all frames, small and large, and passes over skippable ones', async () => {
    const large = noise(3 * 1024 * 1024)
    const stream = Buffer.concat([
      skippable('first'),
      zstdCompressSync(TEXT, CHECKED),
      skippable(''),
      zstdCompressSync(large, CHECKED),
      zstdCompressSync(''),
      zstdCompressSync(TEXT),
      skippable('last'),
    ])
    assert.equal(Buffer.compare(await decoded([stream]), Buffer.concat([TEXT, large, TEXT])), 0)
  })

  test('decodes whatever lies on the edge of a chunk', async () => {
    const stream = Buffer.concat([skippable('first'), zstdCompressSync(TEXT, CHECKED), zstdCompressSync('second')])
    const bytewise = Array.from(stream, (byte) => Uint8Array.of(byte))
    assert.equal((await decoded(bytewise)).toString(), `${TEXT.toString()}second`)
  })

  test('gives nothing for streams of empty and skippable frames', async () => {
    assert.equal((await decoded([zstdCompressSync('')])).length, 0)
    assert.equal((await decoded([skippable('only')])).length, 0)
  })

  test('refuses input cut off anywhere but between frames', async () => {
    const first = Buffer.concat([skippable('first'), zstdCompressSync('first', CHECKED)])
    const whole = Buffer.concat([first, zstdCompressSync(TEXT, CHECKED)])
    const edges = [skippable('first').length, first.length]
    for (let length = 0; length < whole.length; length++) {
      if (edges.includes(length)) continue
      await assert.rejects(decoded([whole.subarray(0, length)]), isCorrupt, `${length} bytes`)
    }
    const large = zstdCompressSync(noise(3 * 1024 * 1024))
    for (const length of [2 * 1024 * 1024, large.length - 1]) {
      await assert.rejects(decoded([large.subarray(0, length)]), isCorrupt, `${length} bytes`)
    }
  })

  test('refuses what follows the last frame, zeros too', async () => {
    for (const rest of ['x', 'garbage after the end', '\0\0\0\0', '\0'.repeat(512)]) {
      await assert.rejects(decoded([zstdCompressSync(TEXT), Buffer.from(rest)]), isCorrupt)
    }
  })

  test('refuses a wrong checksum, damaged blocks, reserved bits and what is no zstd', async () => {
    for (const frame of [zstdCompressSync(TEXT, CHECKED), zstdCompressSync(noise(3 * 1024 * 1024), CHECKED)]) {
      for (const at of [frame.length - 1, frame.length >> 1, 0]) {
        const changed = Buffer.from(frame)
        changed[at] = (changed[at] ?? 0) ^ 0xff
        await assert.rejects(decoded([changed]), isCorrupt, `byte ${at} of ${frame.length}`)
      }
    }
    const magic = [0x28, 0xb5, 0x2f, 0xfd]
    await assert.rejects(decoded([Uint8Array.of(...magic, 0x08, 0x50, 1, 0, 0)]), isCorrupt)
    await assert.rejects(decoded([Uint8Array.of(...magic, 0, 0x50, 7, 0, 0)]), isCorrupt)
    await assert.rejects(decoded([Uint8Array.of(...magic, 0, 0x50, 1, 0, 0xff)]), isCorrupt)
  })

  test('ends bombs by size, also many small ones, and by window', async () => {
    await assert.rejects(decoded([zeroFrame(10_000)], { maxBytes: 1024 * 1024 }), exceeds)
    const many = Buffer.concat(Array.from({ length: 100 }, () => zeroFrame(8)))
    await assert.rejects(decoded([many], { maxBytes: 10 * 1024 * 1024 }), exceeds)
    assert.equal((await decoded([many.subarray(0, zeroFrame(8).length)])).length, 1024 * 1024)
  })

  test('refuses a window beyond the limit and a dictionary', async () => {
    const window27 = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 1, 0, 0)
    const window28 = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0)
    assert.equal((await decoded([window27])).length, 0)
    await assert.rejects(decoded([window28]), exceeds)
    assert.equal((await decoded([window28], { maxWindowBytes: 2 ** 28 })).length, 0)
    const dictionary = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 0x50, 7, 1, 0, 0)
    await assert.rejects(decoded([dictionary]), (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'))
  })

  test('passes the error of its source unchanged, in small frames and large', async () => {
    const reason = new Error('gone')
    async function* failing(bytes: Uint8Array): ByteSource {
      yield bytes
      throw reason
    }
    const large = zstdCompressSync(noise(3 * 1024 * 1024))
    for (const bytes of [large.subarray(0, 10), large.subarray(0, 2 * 1024 * 1024), large]) {
      await assert.rejects(readAllBytes(unzstd(failing(bytes)), MAX, 'output'), reason)
    }
  })

  test('releases its source when the consumer leaves early', async () => {
    for (const frame of [zstdCompressSync(TEXT), zeroFrame(1000)]) {
      let isReleased = false
      async function* endless(): ByteSource {
        try {
          for (;;) yield frame
        } finally {
          isReleased = true
        }
      }
      for await (const chunk of unzstd(endless())) if (chunk.length > 0) break
      assert.equal(isReleased, true)
    }
  })
})

test('zstdFrames() says where frames are and what their headers state', async () => {
  const first = zstdCompressSync(TEXT, CHECKED)
  const stream = Buffer.concat([skippable('note'), first, zeroFrame(3)])
  const frames = await Array.fromAsync(zstdFrames(bytesSource(stream.subarray(0, 17), stream.subarray(17))))
  assert.deepEqual(
    frames.map(({ kind, offset, sizeBytes, blockCount, hasChecksum }) => [
      kind,
      offset,
      sizeBytes,
      blockCount,
      hasChecksum,
    ]),
    [
      ['skippable', 0, 12, 0, false],
      ['frame', 12, first.length, 1, true],
      ['frame', 12 + first.length, 18, 3, false],
    ],
  )
  assert.deepEqual(
    frames.map((frame) => frame.contentBytes),
    [0, TEXT.length, undefined],
  )
  assert.equal(frames[2]?.windowBytes, 2 ** 20)
})
