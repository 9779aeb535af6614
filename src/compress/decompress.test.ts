import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../stream/index.ts'
import { decompress, detectCompression } from './decompress.ts'

const TEXT = Buffer.from('What goes in comes out. '.repeat(20))

test('detectCompression() goes by magic numbers alone', () => {
  assert.equal(detectCompression(gzipSync(TEXT)), 'gzip')
  assert.equal(detectCompression(zstdCompressSync(TEXT)), 'zstd')
  assert.equal(detectCompression(Uint8Array.of(0x5c, 0x2a, 0x4d, 0x18)), 'zstd')
  for (const bytes of [[], [0x1f], [0x1f, 0x8b, 7], [0x28, 0xb5, 0x2f], [0x6c, 0x2a, 0x4d, 0x18]]) {
    assert.equal(detectCompression(Uint8Array.from(bytes)), 'none')
  }
})

describe('decompress()', () => {
  test('decodes what it finds, in chunks of one byte too', async () => {
    for (const [compression, bytes] of [
      ['gzip', gzipSync(TEXT)],
      ['zstd', zstdCompressSync(TEXT)],
      ['none', TEXT],
      ['none', Buffer.from('abc')],
    ] as const) {
      const expected = compression === 'none' ? bytes : TEXT
      for (const chunks of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
        const found = await decompress(bytesSource(...chunks))
        assert.equal(found.compression, compression)
        assert.deepEqual(Buffer.from(await readAllBytes(found.source, 1e6, 'output')), expected)
      }
    }
  })

  test('passes an empty source through', async () => {
    const found = await decompress(bytesSource())
    assert.equal(found.compression, 'none')
    assert.equal((await readAllBytes(found.source, 0, 'output')).length, 0)
  })

  test('hands its limits on', async () => {
    const { source } = await decompress(bytesSource(gzipSync(TEXT)), { maxBytes: 10 })
    await assert.rejects(readAllBytes(source, 1e6, 'output'), (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
  })

  test('releases its source when the consumer leaves early', async () => {
    let isReleased = false
    async function* endless(): ByteSource {
      try {
        for (;;) yield TEXT
      } finally {
        isReleased = true
      }
    }
    const { source } = await decompress(endless())
    for await (const chunk of source) if (chunk.length > 0) break
    assert.equal(isReleased, true)
  })
})
