import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { bytesSource, readAllBytes } from '../stream/index.ts'
import { unzstd, zstdFrames } from './unzstd.ts'
import { zstd } from './zstd.ts'

const content = Buffer.from('the same words, over and over; '.repeat(20_000))

test('zstd() makes one frame with a checksum that unpacks to the content, however it is cut', async () => {
  const whole = await readAllBytes(zstd(bytesSource(content)), 1e6, 'frame')
  const parts = Array.from({ length: Math.ceil(content.length / 1000) }, (_, at) =>
    content.subarray(at * 1000, at * 1000 + 1000),
  )
  assert.deepEqual(await readAllBytes(zstd(bytesSource(...parts)), 1e6, 'frame'), whole)
  const frames = await Array.fromAsync(zstdFrames(bytesSource(whole)))
  assert.deepEqual(
    frames.map(({ kind, hasChecksum }) => ({ kind, hasChecksum })),
    [{ kind: 'frame', hasChecksum: true }],
  )
  assert.ok(content.equals(await readAllBytes(unzstd(bytesSource(whole)), 1e6, 'content')))
})

test('zstd() makes a frame of nothing, and refuses levels that are none', async () => {
  const empty = await readAllBytes(zstd(bytesSource()), 100, 'frame')
  assert.equal((await readAllBytes(unzstd(bytesSource(empty)), 100, 'content')).length, 0)
  for (const level of [0, 20, 2.5]) {
    assert.throws(
      () => zstd(bytesSource(), { level }),
      (error) => hasErrorCode(error, 'INVALID_ARGUMENT'),
    )
  }
})
