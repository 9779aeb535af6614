import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Digest } from '../oci/index.ts'
import type { Delta, DeltaSet } from './delta.ts'
import { type ImageSummary, inspectDelta } from './inspect-delta.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'

const MIB = 2 ** 20

function digestNumber(number: number): Digest {
  return `sha256:${number.toString(16).padStart(64, '0')}`
}

function layer(number: number, size: number, from: BlobOrigin): PlannedBlob {
  return { role: 'layer', mediaType: 'layer', digest: digestNumber(number), size, from }
}

function patchOf(size: number, number = 900): BlobOrigin {
  return { kind: 'blob-patch', patch: { size }, source: digestNumber(number) }
}

function refuse(): never {
  throw new Error('nothing of the blobs is read')
}

function deltaOf(name: string, blobs: readonly PlannedBlob[], unused: Delta['unused'] = []): Delta {
  const descriptor = { mediaType: 'plan', digest: digestNumber(1000), size: 1 }
  const plan = { schemaVersion: 1, tool: 'test', target: descriptor, baselines: [], needs: [], blobs } as const
  return { name, reference: 'x', descriptor, plan, recipes: new Map(), unused, openHeld: refuse, openPatch: refuse }
}

function setOf(...deltas: readonly Delta[]): DeltaSet {
  const descriptor = { mediaType: 'index', digest: digestNumber(1001), size: 1 }
  return { format: 'tare', reference: 'x', descriptor, isBundle: deltas.length > 1, deltas }
}

async function imageOf(blobs: readonly PlannedBlob[], unused?: Delta['unused']): Promise<ImageSummary> {
  const [image] = (await inspectDelta(setOf(deltaOf('a', blobs, unused)))).images
  assert.ok(image !== undefined)
  return image
}

describe('inspectDelta()', () => {
  test('lists layers in their order: how each travels, what it takes and saves, and from what it is made', async () => {
    const { layers } = await imageOf([
      layer(1, 100, { kind: 'archive' }),
      layer(2, 100, patchOf(25, 7)),
      layer(3, 100, { kind: 'baseline' }),
      layer(4, 100, { kind: 'baseline-tar' }),
      layer(5, 0, { kind: 'archive' }),
    ])
    assert.deepEqual(
      layers.map(({ kind, shippedBytes, savedBytes, ratio, patchFrom }) => [
        kind,
        shippedBytes,
        savedBytes,
        ratio,
        patchFrom,
      ]),
      [
        ['full', 100, 0, 1, []],
        ['patch', 25, 75, 0.25, [digestNumber(7)]],
        ['baseline', 0, 100, 0, []],
        // Without a recipe the baseline's tar is the layer.
        ['baseline', 0, 100, 0, []],
        ['full', 0, 0, 0, []],
      ],
    )
  })

  test('tells of patches as large as their layers, and of blobs that nothing takes', async () => {
    const unused = { mediaType: 'x', digest: digestNumber(9), size: 70 }
    const { waste } = await imageOf(
      [layer(1, 100, patchOf(100)), layer(2, 100, patchOf(99)), layer(3, 100, { kind: 'archive' })],
      [unused],
    )
    assert.deepEqual(waste, [
      { kind: 'patch-oversized', digest: digestNumber(1), shippedBytes: 100, targetBytes: 100 },
      { kind: 'unused-blob', digest: digestNumber(9), shippedBytes: 70, targetBytes: 0 },
    ])
  })

  test('gives the ten layers that save most, equal ones by digest, and none that save nothing', async () => {
    const blobs = Array.from({ length: 12 }, (_, at) => layer(20 - at, 100, patchOf(at < 2 ? 10 : 50)))
    const { topSavings } = await imageOf([layer(50, 500, { kind: 'archive' }), ...blobs])
    assert.deepEqual(
      topSavings.map(({ digest, savedBytes, savedRatio }) => [digest, savedBytes, savedRatio]),
      [
        [digestNumber(19), 90, 0.9],
        [digestNumber(20), 90, 0.9],
        ...Array.from({ length: 8 }, (_, at) => [digestNumber(9 + at), 50, 0.5]),
      ],
    )
    assert.deepEqual((await imageOf([layer(1, 100, { kind: 'archive' })])).topSavings, [])
  })

  test('counts layers by size in five ranges, each with its lower end', async () => {
    const sizes = [0, MIB - 1, MIB, 10 * MIB - 1, 10 * MIB, 100 * MIB, 1024 * MIB - 1, 1024 * MIB, 4096 * MIB]
    const { histogram } = await imageOf(sizes.map((size, at) => layer(at, size, { kind: 'baseline' })))
    assert.deepEqual(
      histogram.map(({ label, count }) => [label, count]),
      [
        ['<1MiB', 2],
        ['1-10MiB', 2],
        ['10-100MiB', 1],
        ['100MiB-1GiB', 2],
        ['>=1GiB', 2],
      ],
    )
  })

  test('adds up how the blobs of all images travel, each once, as where it takes most', async () => {
    const manifest = { ...layer(9, 10, { kind: 'archive' }), role: 'manifest' } as const
    const set = setOf(
      deltaOf('a', [manifest, layer(1, 100, patchOf(40)), layer(2, 70, { kind: 'baseline' })]),
      // The baseline of the second image has what the first one's lacks.
      deltaOf('b', [manifest, layer(1, 100, { kind: 'baseline' }), layer(3, 30, { kind: 'archive' })]),
    )
    const { totals } = await inspectDelta(set)
    assert.deepEqual(totals, {
      wholeCount: 2,
      wholeBytes: 40,
      patchCount: 1,
      patchBytes: 40,
      patchedBytes: 100,
      leftOutCount: 1,
      leftOutBytes: 70,
    })
  })

  test('has nothing to say of an image without layers', async () => {
    const { layers, topSavings, waste, histogram } = await imageOf([])
    assert.deepEqual([layers, topSavings, waste], [[], [], []])
    assert.ok(histogram.every(({ count }) => count === 0))
  })
})
