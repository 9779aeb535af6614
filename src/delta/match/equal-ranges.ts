import type { Digest } from '../../oci/index.ts'
import type { EqualRange } from '../../recompress/index.ts'
import type { PlainLayer } from '../patch/plain-layer.ts'
import type { PlannedFrame } from './plan-frames.ts'

/** Where a target is the same as one baseline layer. */
export interface BaselineRanges {
  readonly diffId: Digest
  readonly ranges: readonly EqualRange[]
}

/** Shorter stretches tell nothing of how they were compressed. */
const MIN_RANGE_BYTES = 1024

/** What a patch copies, by layer: the one that gives most first. */
export function equalRanges(frames: readonly PlannedFrame[], layers: readonly PlainLayer[]): readonly BaselineRanges[] {
  const bySource = new Map<number, { bytes: number; readonly ranges: EqualRange[] }>()
  let targetStart = 0
  for (const operation of frames.flatMap((frame) => frame.operations)) {
    if (operation.kind === 'copy' && operation.length >= MIN_RANGE_BYTES) {
      const copied = bySource.get(operation.source) ?? { bytes: 0, ranges: [] }
      copied.bytes += operation.length
      copied.ranges.push({ baselineStart: operation.offset, targetStart, bytes: operation.length })
      bySource.set(operation.source, copied)
    }
    targetStart += operation.length
  }
  return [...bySource]
    .toSorted(([, a], [, b]) => b.bytes - a.bytes)
    .flatMap(([source, { ranges }]) => {
      const diffId = layers[source]?.diffId
      return diffId === undefined ? [] : [{ diffId, ranges }]
    })
}
