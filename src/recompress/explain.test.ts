import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, gzipSync } from 'node:zlib'
import { DEFLATE_INPUTS } from '../../test/support/deflate-inputs.ts'
import { hasErrorCode } from '../errors/index.ts'
import { DeflateKernels, type EncoderSpec } from '../kernels/index.ts'
import { bytesSource, digestOf } from '../stream/index.ts'
import { createInlineRunner } from '../workers/index.ts'
import type { RandomBytes } from './detect.ts'
import { explainGzip, type GzipExplanation } from './explain.ts'

const kernels = await createInlineRunner()
const encoders = new DeflateKernels()
const HEADER = Buffer.from('1f8b08000000000000ff', 'hex')
const GO: EncoderSpec = { kind: 'go', level: 6 }
const ZLIB: EncoderSpec = { kind: 'zlib', level: 9, memLevel: 8 }

async function memberOf(spec: EncoderSpec, plain: Uint8Array): Promise<Buffer> {
  const encoder = await encoders.open(spec)
  const deflate = [encoder.write(plain), encoder.end()]
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(plain), 0)
  trailer.writeUInt32LE(plain.length, 4)
  return Buffer.concat([HEADER, ...deflate, trailer])
}

function random(bytes: Uint8Array): RandomBytes {
  return {
    sizeBytes: bytes.length,
    open: ({ offset = 0, length = bytes.length - offset }) => bytesSource(bytes.slice(offset, offset + length)),
  }
}

/** A clock that is asked three times: at the start, when the recipe is found, when the blob is made again. */
function clock(...times: readonly number[]): () => number {
  let asked = 0
  return () => times[asked++] ?? 0
}

function explain(blob: Uint8Array, plain: Uint8Array, now = clock(0, 1000, 3000)): Promise<GzipExplanation> {
  return explainGzip(random(blob), random(plain), { kernels, now, digest: digestOf(blob) })
}

test('explainGzip() groups members by encoder, in the order of the first of each', async () => {
  const parts = [1, 2, 3].map((seed) => DEFLATE_INPUTS.words(20_000, seed))
  const specs = [ZLIB, GO, ZLIB]
  const members: Buffer[] = []
  // One after the other: they share a kernel.
  for (const [at, part] of parts.entries()) members.push(await memberOf(specs[at] ?? GO, part))
  const explanation = await explain(Buffer.concat(members), Buffer.concat(parts))
  assert.equal(explanation.precision, 'exact')
  assert.equal(explanation.memberCount, 3)
  assert.deepEqual(
    explanation.groups.map(({ encoder, level, count, plainBytes }) => [encoder, level, count, plainBytes]),
    [
      ['zlib', 9, 2, 40_000],
      ['go', 6, 1, 20_000],
    ],
  )
  assert.ok((explanation.recipeBytes ?? Infinity) < 64)
})

test('explainGzip() takes its times from the clock it is given', async () => {
  const plain = DEFLATE_INPUTS.words(20_000, 1)
  const explanation = await explain(await memberOf(GO, plain), plain, clock(500, 1500, 3500))
  const { detectSeconds, regenerateSeconds, plainBytesPerSecond } = explanation
  assert.deepEqual([detectSeconds, regenerateSeconds, plainBytesPerSecond], [1, 2, 10_000])
})

test('explainGzip() counts checkpoints of a long stream', async () => {
  const plain = DEFLATE_INPUTS.mixed(9_000_000, 1)
  const explanation = await explain(await memberOf(GO, plain), plain)
  assert.equal(explanation.precision, 'exact')
  assert.ok((explanation.groups[0]?.checkpointCount ?? 0) >= 1)
})

test('explainGzip() shows what the largest member that is not known looks like', async () => {
  const known = DEFLATE_INPUTS.words(20_000, 1)
  const strange = DEFLATE_INPUTS.mixed(200_000, 2)
  // Node's zlib is Chromium's, which no kernel models.
  const blob = Buffer.concat([await memberOf(GO, known), gzipSync(strange)])
  const explanation = await explain(blob, Buffer.concat([known, strange]))
  assert.notEqual(explanation.precision, 'exact')
  assert.equal(explanation.memberCount, 2)
  assert.equal(explanation.signs?.member, 1)
  assert.ok(explanation.signs.seenBytes > 0)
})

test('explainGzip() refuses a stream that is cut off', async () => {
  const plain = DEFLATE_INPUTS.words(20_000, 1)
  const blob = await memberOf(GO, plain)
  await assert.rejects(explain(blob.subarray(0, 3000), plain), (error) => hasErrorCode(error, 'CORRUPT_GZIP'))
})
