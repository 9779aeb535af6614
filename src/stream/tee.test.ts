import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesSource, readAllBytes } from './byte-source.ts'
import { teeSource } from './tee.ts'

const PARTS = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5, 6)]

test('teeSource() gives both sides everything, whoever reads first', async () => {
  const [first, second] = teeSource(bytesSource(...PARTS))
  const late = readAllBytes(second, 100, 'second')
  assert.deepEqual([...(await readAllBytes(first, 100, 'first'))], [1, 2, 3, 4, 5, 6])
  assert.deepEqual([...(await late)], [1, 2, 3, 4, 5, 6])
})

test('teeSource() lets go of the source when both sides have left', async () => {
  let ended = false
  async function* source(): AsyncIterable<Uint8Array> {
    try {
      yield* PARTS
    } finally {
      ended = true
    }
  }
  const [first, second] = teeSource(source())
  for await (const chunk of first) {
    assert.deepEqual([...chunk], [1, 2])
    break
  }
  assert.equal(ended, false)
  for await (const chunk of second) {
    assert.deepEqual([...chunk], [1, 2])
    break
  }
  assert.equal(ended, true)
})
