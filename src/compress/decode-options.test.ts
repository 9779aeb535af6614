import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, counted } from '../stream/index.ts'
import { type DecodeOptions, RATIO_FREE_BYTES, withinLimits } from './decode-options.ts'

const CHUNK = new Uint8Array(64 * 1024 * 1024)
const ONE_BYTE = Uint8Array.of(1)

/** A decoder that makes a chunk of each byte. @returns bytes that came out before the end or the error */
async function amountOut(bytesIn: number, options: DecodeOptions): Promise<number> {
  async function* inflate(source: ByteSource): ByteSource {
    for await (const bytes of source) yield* bytes.fill(0).length === 0 ? [] : [CHUNK]
  }
  let amount = 0
  const source = bytesSource(...Array.from({ length: bytesIn }, () => ONE_BYTE))
  const limited = counted(withinLimits(source, inflate, 'bomb', options), (byteLength) => {
    amount += byteLength
  })
  await assert.rejects(Array.fromAsync(limited), (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
  return amount
}

test('withinLimits() asks for a ratio only beyond the free amount', async () => {
  assert.equal(await amountOut(40, { maxRatio: 1 }), RATIO_FREE_BYTES)
  assert.equal(await amountOut(40, {}), RATIO_FREE_BYTES)
})

test('withinLimits() passes nothing beyond the limit', async () => {
  assert.equal(await amountOut(3, { maxBytes: 2 * CHUNK.length }), 2 * CHUNK.length)
  assert.equal(await amountOut(3, { maxBytes: 2 * CHUNK.length - 1 }), CHUNK.length)
})
