import type { PlainLayer } from '../patch/plain-layer.ts'
import type { BaselineIndex } from './baseline-index.ts'
import { indexLayer } from './layer-index.ts'
import { type PlannedFrame, planFrames } from './plan-frames.ts'

/** A source that gives less than this is left out, … */
const MIN_SOURCE_BYTES = 64 * 1024
/** … unless it gives this part of itself: the receiver reads a source whole. */
const MIN_SOURCE_SHARE = 1 / 8

/** Decides how a layer is patched from the baseline. @see planFrames */
export async function planPatch(
  target: PlainLayer,
  baseline: BaselineIndex,
  signal?: AbortSignal,
): Promise<readonly PlannedFrame[]> {
  const entries = await indexLayer(target, signal)
  const frames = await Array.fromAsync(planFrames(target, entries, baseline))
  const minor = minorSources(frames, baseline)
  if (minor.size === 0) return frames
  return Array.fromAsync(planFrames(target, entries, baseline.without(minor)))
}

/** Sources that give so little that fetching and unpacking them would cost the receiver more than it saves. */
function minorSources(frames: readonly PlannedFrame[], { layers }: BaselineIndex): ReadonlySet<number> {
  const given = new Map<number, number>()
  const add = (source: number, length: number): void => void given.set(source, (given.get(source) ?? 0) + length)
  for (const { operations, groups } of frames) {
    for (const operation of operations) if (operation.kind === 'copy') add(operation.source, operation.length)
    for (const { reference } of groups) for (const range of reference) add(range.source, range.length)
  }
  const minor = new Set<number>()
  for (const [source, bytes] of given) {
    if (bytes < MIN_SOURCE_BYTES && bytes < (layers[source]?.sizeBytes ?? 0) * MIN_SOURCE_SHARE) minor.add(source)
  }
  return minor
}
