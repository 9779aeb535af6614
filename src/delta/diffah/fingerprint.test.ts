import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Digest } from '../../oci/index.ts'
import { bytesSource } from '../../stream/index.ts'
import { tarOf } from '../../../test/support/image-builder.ts'
import { type Fingerprint, fingerprintOf, rankSources } from './fingerprint.ts'

const LAYER = tarOf({ 'a/one': 'same content', 'b/one': 'same content', two: 'other', empty: '' })

async function fingerprint(bytes: Uint8Array): Promise<Fingerprint> {
  return (await fingerprintOf(bytesSource(bytes))) ?? new Map()
}

describe('fingerprintOf()', () => {
  test('counts each content once, whatever its path and time', async () => {
    const sizes = [...(await fingerprint(LAYER)).values()]
    assert.deepEqual(
      sizes.toSorted((a, b) => a - b),
      [0, 5, 12],
    )
    const moved = tarOf({ elsewhere: 'same content', two: 'other', empty: '' }, 99)
    assert.deepEqual(new Set((await fingerprint(moved)).keys()), new Set((await fingerprint(LAYER)).keys()))
  })

  test('looks inside the compression', async () => {
    const plain = await fingerprint(LAYER)
    assert.deepEqual(await fingerprint(gzipSync(LAYER)), plain)
    assert.deepEqual(await fingerprint(zstdCompressSync(LAYER)), plain)
  })

  test('what is no tar, or damaged, has none', async () => {
    const noTar = Buffer.alloc(3000, 'no tar ')
    const cut = gzipSync(LAYER).subarray(0, 60)
    for (const bytes of [noTar, LAYER.subarray(0, 520), cut, gzipSync(noTar)]) {
      assert.equal(await fingerprintOf(bytesSource(bytes)), undefined)
    }
  })
})

test('rankSources() goes by shared bytes, then by size, then by digest', () => {
  const layer = (digit: string, size: number, contents: Readonly<Record<string, number>> = {}) => ({
    digest: `sha256:${digit.repeat(64)}` satisfies Digest,
    size,
    fingerprint: new Map(Object.entries(contents)),
  })
  const target = layer('0', 1000, { x: 500, y: 300, z: 10 })
  const sources = [
    layer('5', 9000),
    layer('4', 990),
    layer('3', 1010),
    layer('2', 77, { z: 10 }),
    layer('1', 100_000, { x: 500, other: 1 }),
    layer('6', 1000, { y: 300 }),
  ]
  const order = rankSources(target, sources).map(({ digest }) => digest[7])
  assert.deepEqual(order, ['1', '6', '2', '3', '4', '5'])
  const blind = rankSources({ ...target, fingerprint: undefined }, sources).map(({ digest }) => digest[7])
  assert.deepEqual(blind, ['6', '3', '4', '2', '5', '1'])
})
