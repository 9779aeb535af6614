import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesSource, readAllBytes } from '../stream/index.ts'
import { compress } from './compress.ts'
import { type Compression, decompress, detectCompression } from './decompress.ts'

const TEXT = Buffer.concat([Buffer.from('the same again and again\n'.repeat(50_000)), randomBytes(300_000)])

function chunksOf(bytes: Uint8Array, length: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, at) =>
    bytes.subarray(at * length, (at + 1) * length),
  )
}

async function compressed(bytes: Uint8Array, format: Compression, level?: number, chunk = 65_536): Promise<Uint8Array> {
  return readAllBytes(compress(bytesSource(...chunksOf(bytes, chunk)), format, { level }), 10_000_000, 'output')
}

for (const format of ['gzip', 'zstd'] as const) {
  test(`compress() with ${format} makes what decompress() reads, the same bytes whatever the chunks`, async () => {
    for (const bytes of [TEXT, TEXT.subarray(0, 1), new Uint8Array(0)]) {
      const packed = await compressed(bytes, format)
      assert.equal(detectCompression(packed), format)
      assert.deepEqual(await compressed(bytes, format, undefined, 1_000_003), packed)
      const { source } = await decompress(bytesSource(packed))
      assert.ok(Buffer.from(bytes).equals(await readAllBytes(source, 10_000_000, 'back')))
    }
  })

  test(`compress() with ${format} refuses levels that there are not`, () => {
    for (const level of [0, -1, 1.5, 23, Number.NaN]) {
      assert.throws(() => compress(bytesSource(), format, { level }), { code: 'INVALID_ARGUMENT' })
    }
  })
}

test('compress() takes a level', async () => {
  const [fast, small] = [await compressed(TEXT, 'zstd', 1), await compressed(TEXT, 'zstd', 19)]
  assert.ok(small.length < fast.length)
})

test('compress() with gzip names no system and no time', async () => {
  const head = (await compressed(TEXT, 'gzip')).subarray(0, 10)
  assert.deepEqual([...head.subarray(4, 8), head[9]], [0, 0, 0, 0, 0xff])
})

test('compress() passes errors of the source, and ends the source when the reader leaves', async () => {
  let isEnded = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield randomBytes(100_000)
    } finally {
      isEnded = true
    }
  }
  for await (const _chunk of compress(endless(), 'zstd')) break
  assert.ok(isEnded)
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield TEXT
    throw new RangeError('source')
  }
  await assert.rejects(readAllBytes(compress(failing(), 'gzip'), 10_000_000, 'output'), RangeError)
})
