import { CODEC_IDS, type CodecId } from '../../kernels/index.ts'
import { type ByteSource, ByteWriter, bytesSource, mapOrdered } from '../../stream/index.ts'
import type { KernelRunner, EncodedGroup } from '../../workers/index.ts'
import type { GroupKind, PlannedFrame, PlannedGroup } from '../match/plan-frames.ts'
import { gatherReference } from './apply-patch.ts'
import {
  formatFrameMeta,
  formatPatchHeader,
  type PatchGroup,
  type PatchOperation,
  type PatchSource,
  type SourceRange,
} from './format.ts'
import type { PlainLayer } from './plain-layer.ts'

/** Codecs tried for each kind of group. Text gains nothing from difference coding, and trying costs time. */
const CODECS: Readonly<Record<GroupKind | 'meta', readonly CodecId[]>> = {
  structure: [CODEC_IDS.lz, CODEC_IDS.bsdiff],
  text: [CODEC_IDS.lz],
  binary: [CODEC_IDS.lz, CODEC_IDS.bsdiff],
  executable: [CODEC_IDS.lz, CODEC_IDS.bsdiff],
  meta: [CODEC_IDS.lz, CODEC_IDS.bsdiff],
}

/** New content up to this size is also tried with the codec that decodes slowest. */
const MAX_MIXED_BYTES = 4 * 1024 * 1024

/** What {@link writePatch} works with. */
export interface WritePatchOptions {
  readonly kernels: KernelRunner
  readonly signal?: AbortSignal | undefined
  /** Told after each frame. */
  readonly onTargetBytes?: ((doneBytes: number) => void) | undefined
}

/**
 * Writes the patch that makes `target` from the baseline's layers as planned. The bytes depend on the plan and the
 * layers alone, not on how many workers there are.
 *
 * @param layers - the layers that the plan's sources count in
 * @see docs/formats/patch.md
 */
export async function* writePatch(
  target: PlainLayer,
  layers: readonly PlainLayer[],
  frames: readonly PlannedFrame[],
  options: WritePatchOptions,
): ByteSource {
  const used = usedSources(frames)
  const sources = used.map((position): PatchSource => {
    const layer = layers[position] as PlainLayer
    return { diffId: layer.diffId, sizeBytes: layer.sizeBytes }
  })
  yield formatPatchHeader({ targetDigest: target.diffId, targetSizeBytes: target.sizeBytes, sources })
  const renumbered = new Map(used.map((position, index) => [position, index]))
  const groups = mapOrdered(
    frames.flatMap((frame) => frame.groups),
    options.kernels.concurrency,
    (group, signal) => encodeGroup(group, target, layers, options.kernels, signal),
    { signal: options.signal },
  )
  let doneBytes = 0
  for (const frame of frames) {
    const encoded: EncodedGroup[] = []
    for (let index = 0; index < frame.groups.length; index++) {
      const next = await groups.next()
      if (next.done !== true) encoded.push(next.value)
    }
    yield* frameBytes(frame, encoded, renumbered, options)
    doneBytes += frame.targetBytes
    options.onTargetBytes?.(doneBytes)
  }
  yield new ByteWriter().varint(0).finish()
}

async function* frameBytes(
  frame: PlannedFrame,
  encoded: readonly EncodedGroup[],
  renumbered: ReadonlyMap<number, number>,
  options: WritePatchOptions,
): ByteSource {
  const renumber = <Range extends SourceRange>(range: Range): Range => ({
    ...range,
    source: renumbered.get(range.source) ?? 0,
  })
  const groups = frame.groups.map(
    (group, index): PatchGroup => ({
      codec: (encoded[index] as EncodedGroup).codec,
      targetBytes: group.targetBytes,
      payloadBytes: (encoded[index] as EncodedGroup).payload.length,
      reference: group.reference.map(renumber),
    }),
  )
  const operations = frame.operations.map(
    (operation): PatchOperation => (operation.kind === 'copy' ? renumber(operation) : operation),
  )
  const meta = formatFrameMeta({ targetBytes: frame.targetBytes, groups, operations })
  const metaBytes = meta.length
  const coded = await options.kernels.encode(
    { reference: new Uint8Array(0), target: meta, codecs: CODECS.meta },
    options.signal,
  )
  const head = new ByteWriter().varint(frame.targetBytes).varint(metaBytes).varint(coded.codec)
  yield head.varint(coded.payload.length).bytes(coded.payload).finish()
  yield* bytesSource(...encoded.map((group) => group.payload))
}

async function encodeGroup(
  group: PlannedGroup,
  target: PlainLayer,
  layers: readonly PlainLayer[],
  kernels: KernelRunner,
  signal: AbortSignal,
): Promise<EncodedGroup> {
  const reference = await gatherReference(group.reference, layers)
  const bytes = new Uint8Array(group.targetBytes)
  let filled = 0
  for (const { offset, length } of group.target) {
    await target.readInto(bytes.subarray(filled, filled + length), offset)
    filled += length
  }
  const tried = reference.length === 0 ? codecsForNew(bytes.length) : CODECS[group.kind]
  return kernels.encode({ reference, target: bytes, codecs: tried }, signal)
}

/** Difference coding packs new content best as well, but its decoder mixes every byte: not for much of it. */
function codecsForNew(targetBytes: number): readonly CodecId[] {
  return targetBytes <= MAX_MIXED_BYTES ? [CODEC_IDS.lz, CODEC_IDS.bsdiff] : [CODEC_IDS.lz]
}

/** Positions of the layers that a patch reads from, in the order of its header. */
export function usedSources(frames: readonly PlannedFrame[]): readonly number[] {
  const used = new Set<number>()
  for (const frame of frames) {
    for (const operation of frame.operations) if (operation.kind === 'copy') used.add(operation.source)
    for (const group of frame.groups) for (const range of group.reference) used.add(range.source)
  }
  return [...used].toSorted((a, b) => a - b)
}
