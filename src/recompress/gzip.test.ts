import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { EncoderSpec } from '../kernels/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../stream/index.ts'
import { createInlineRunner } from '../workers/index.ts'
import { containersImageEncoder, gzip } from './gzip.ts'

const content = Buffer.from(Array.from({ length: 30_000 }, (_, at) => `line ${(at * at) % 977}\n`).join(''))

test('gzip() writes what unpacks to the content, the same however it is cut', async () => {
  await using kernels = await createInlineRunner()
  const encoders: readonly EncoderSpec[] = [
    { kind: 'go', level: 6 },
    { kind: 'go', level: 1 },
    { kind: 'klauspost', family: 17, level: 6 },
    { kind: 'pgzip', family: 13, level: 5, blockBytes: 65_536 },
    { kind: 'zlib', level: 9, memLevel: 8 },
    { kind: 'gzip', level: 6, isRsyncable: false },
  ]
  for (const encoder of encoders) {
    const whole = await readAllBytes(gzip(bytesSource(content), { kernels, encoder }), 1e6, 'member')
    const parts = Array.from({ length: 100 }, (_, at) => content.subarray(at * 10_000, at * 10_000 + 10_000))
    assert.deepEqual(await readAllBytes(gzip(bytesSource(...parts), { kernels, encoder }), 1e6, 'member'), whole)
    assert.ok(content.equals(gunzipSync(whole)), encoder.kind)
  }
})

test('gzip() writes the bytes of Go’s compress/gzip unless told otherwise', async () => {
  await using kernels = await createInlineRunner()
  const member = await readAllBytes(gzip(bytesSource(content), { kernels }), 1e6, 'member')
  assert.equal(Buffer.from(member.subarray(0, 10)).toString('hex'), '1f8b08000000000000ff')
  assert.equal(digestOf(member), digestOf(await readAllBytes(gzip(bytesSource(content), { kernels }), 1e6, 'member')))
  const empty = await readAllBytes(gzip(bytesSource(), { kernels }), 100, 'member')
  assert.equal(Buffer.from(empty).toString('hex'), '1f8b08000000000000ff010000ffff0000000000000000')
})

test('containersImageEncoder() is that of pgzip in the release asked for', async () => {
  await using kernels = await createInlineRunner()
  assert.deepEqual(containersImageEncoder({ klauspostRelease: '1.15.15', level: 3 }), {
    kind: 'pgzip',
    family: 13,
    level: 3,
    blockBytes: 1_048_576,
  })
  const member = await readAllBytes(
    gzip(bytesSource(content), { kernels, encoder: containersImageEncoder() }),
    1e6,
    'member',
  )
  assert.equal(Buffer.from(member.subarray(0, 10)).toString('hex'), '1f8b080000096e8800ff')
  assert.throws(() => containersImageEncoder({ klauspostRelease: '0.1.0' }), RangeError)
})
