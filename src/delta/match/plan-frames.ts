import type { PatchOperation, SourceRange } from '../patch/format.ts'
import type { PlainLayer } from '../patch/plain-layer.ts'
import type { BaselineEntry, BaselineIndex } from './baseline-index.ts'
import type { LayerEntry, LayerPiece } from './layer-index.ts'

/** Sizes that shape a patch. They are part of what makes its bytes, so they change only with Tare's version. */
const SIZES = {
  /**
   * Content up to this size shares a group with its kind. Executables do better alone: their codec turns jumps into
   * places, which count from the start of the group.
   */
  shared: { structure: 1024 * 1024, text: 1024 * 1024, binary: 1024 * 1024, executable: 64 * 1024 },
  /** A group is closed when it makes this much, … */
  groupTarget: 8 * 1024 * 1024,
  /** … or looks back on this much. */
  groupReference: 16 * 1024 * 1024,
  /** A frame is closed when its groups make this much, … */
  frameResidue: 24 * 1024 * 1024,
  /** … or it has this many operations. */
  frameOperations: 200_000,
} as const

/** Shorter repeats cost less coded again in their group. */
const MIN_REPEATED_BYTES = 64

/** What the bytes of a group are like; decides which codecs are tried. */
export type GroupKind = 'structure' | 'text' | 'binary' | 'executable'

/** A group before it is coded. */
export interface PlannedGroup {
  readonly kind: GroupKind
  /** Stretches of the target that the group makes, in order. */
  readonly target: readonly { readonly offset: number; readonly length: number }[]
  readonly targetBytes: number
  readonly reference: readonly SourceRange[]
}

/** A frame before its groups are coded. */
export interface PlannedFrame {
  readonly targetBytes: number
  readonly groups: readonly PlannedGroup[]
  readonly operations: readonly PatchOperation[]
}

/**
 * Decides for every byte of the target where it comes from: copied from a baseline layer, or made by a group. Equal
 * content anywhere in the baselines is copied; every other content gets one relative to be coded against.
 */
export async function* planFrames(
  target: PlainLayer,
  entries: readonly LayerEntry[],
  baseline: BaselineIndex,
): AsyncGenerator<PlannedFrame, void, undefined> {
  let frame = new FrameBuilder()
  for (const entry of entries) {
    const samePath = entry.path === '' ? undefined : baseline.findSamePath(entry)
    for await (const step of stepsOf(entry, samePath, target, baseline)) {
      if (step.kind === 'copy') frame.copy(step.range)
      else if (!frame.repeat(step)) frame.code(step)
      if (!frame.isFull) continue
      yield frame.finish()
      frame = new FrameBuilder()
    }
  }
  if (frame.targetBytes > 0) yield frame.finish()
}

/** Where a stretch of the target comes from. */
type Step = { readonly kind: 'copy'; readonly range: SourceRange } | ({ readonly kind: 'code' } & Segment)

async function* stepsOf(
  entry: LayerEntry,
  samePath: BaselineEntry | undefined,
  target: PlainLayer,
  baseline: BaselineIndex,
): AsyncGenerator<Step, void, undefined> {
  const { header, content, filling } = entry
  /** The copy that the next piece would make longer. */
  let copied: SourceRange | undefined
  if (header !== undefined) {
    const old = samePath?.header === undefined ? undefined : rangeOf(samePath, samePath.header)
    if (old !== undefined && samePath?.header?.hash === header.hash) {
      copied = old
      yield { kind: 'copy', range: old }
    } else yield* codeSteps('structure', header, old)
  }
  if (content !== undefined) {
    copied = equalTo(content, samePath?.content, samePath) ?? baseline.findEqual(content)
    if (copied !== undefined) yield { kind: 'copy', range: copied }
    else {
      const relative = await baseline.findRelative(entry, target)
      const range = relative?.content === undefined ? undefined : rangeOf(relative, relative.content)
      yield* codeSteps(await kindOf(target, content), content, range)
    }
  }
  if (filling !== undefined) {
    const behind = equalTo(filling, samePath?.filling, samePath)
    // Filling is zeros: cheaper to code than to point at, unless it makes the copy before it longer.
    if (behind !== undefined && copied !== undefined && isBehind(copied, behind)) yield { kind: 'copy', range: behind }
    else yield* codeSteps('structure', filling, undefined)
  }
}

/** Whether one range begins where another ends, so that copying both is one operation. */
function isBehind(first: SourceRange, second: SourceRange): boolean {
  return first.source === second.source && first.offset + first.length === second.offset
}

function equalTo(
  piece: LayerPiece,
  old: LayerPiece | undefined,
  entry: BaselineEntry | undefined,
): SourceRange | undefined {
  return entry !== undefined && old?.hash === piece.hash ? rangeOf(entry, old) : undefined
}

interface Segment {
  readonly group: GroupKind
  readonly isShared: boolean
  /** The same for segments with the same bytes. */
  readonly key: string
  readonly offset: number
  readonly length: number
  readonly reference: readonly SourceRange[]
}

/**
 * Cuts a piece into segments that fit a group, each with the stretch of its relative that lies about as far in. A
 * relative no larger than a reference may be is looked back on whole.
 */
function* codeSteps(group: GroupKind, piece: LayerPiece, relative: SourceRange | undefined): Generator<Step, void> {
  const isShared = piece.length <= SIZES.shared[group] && (relative?.length ?? 0) <= SIZES.groupReference / 4
  for (let start = 0; start < piece.length; start += SIZES.groupTarget) {
    const length = Math.min(SIZES.groupTarget, piece.length - start)
    const reference = relative === undefined ? [] : [windowOf(relative, (start + length / 2) / piece.length)]
    yield {
      kind: 'code',
      group,
      isShared,
      key: `${piece.hash}:${start}`,
      offset: piece.offset + start,
      length,
      reference,
    }
  }
}

/** The stretch of a relative around a place, given as a fraction of its length. */
function windowOf(relative: SourceRange, place: number): SourceRange {
  if (relative.length <= SIZES.groupReference) return relative
  const middle = Math.floor(place * relative.length)
  const first = Math.min(Math.max(0, middle - SIZES.groupReference / 2), relative.length - SIZES.groupReference)
  return { source: relative.source, offset: relative.offset + first, length: SIZES.groupReference }
}

function rangeOf(entry: BaselineEntry, piece: LayerPiece): SourceRange {
  return { source: entry.source, offset: piece.offset, length: piece.length }
}

const ELF_MAGIC = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)

/** Binary when a zero byte is near the start: most formats have one, text has none. */
async function kindOf(target: PlainLayer, content: LayerPiece): Promise<GroupKind> {
  const start = new Uint8Array(Math.min(1024, content.length))
  await target.readInto(start, content.offset)
  if (ELF_MAGIC.every((byte, index) => byte === start[index])) return 'executable'
  return start.includes(0) ? 'binary' : 'text'
}

class GroupBuilder {
  readonly kind: GroupKind
  readonly target: { offset: number; length: number }[] = []
  readonly reference: SourceRange[] = []
  readonly #known = new Set<string>()
  targetBytes = 0
  referenceBytes = 0

  constructor(kind: GroupKind) {
    this.kind = kind
  }

  hasRoomFor(segment: Segment): boolean {
    const referenceBytes = segment.reference.reduce((total, range) => total + range.length, 0)
    return (
      this.targetBytes + segment.length <= SIZES.groupTarget &&
      this.referenceBytes + referenceBytes <= SIZES.groupReference
    )
  }

  add(segment: Segment): void {
    this.target.push({ offset: segment.offset, length: segment.length })
    this.targetBytes += segment.length
    for (const range of segment.reference) this.#addReference(range)
  }

  #addReference(range: SourceRange): void {
    const key = `${range.source}:${range.offset}:${range.length}`
    if (this.#known.has(key)) return
    this.#known.add(key)
    this.referenceBytes += range.length
    const last = this.reference.at(-1)
    if (last !== undefined && isBehind(last, range)) {
      this.reference[this.reference.length - 1] = { ...last, length: last.length + range.length }
    } else this.reference.push(range)
  }
}

class FrameBuilder {
  readonly #operations: PatchOperation[] = []
  readonly #groups: GroupBuilder[] = []
  /** Where the bytes of a segment are made, by its key. */
  readonly #made = new Map<string, { readonly group: number; readonly offset: number }>()
  /** The group of each kind that small content goes to. */
  readonly #open = new Map<GroupKind, number>()
  targetBytes = 0
  #residueBytes = 0

  get isFull(): boolean {
    return this.#residueBytes >= SIZES.frameResidue || this.#operations.length >= SIZES.frameOperations
  }

  copy(range: SourceRange): void {
    this.targetBytes += range.length
    const last = this.#operations.at(-1)
    if (last?.kind === 'copy' && isBehind(last, range)) {
      this.#operations[this.#operations.length - 1] = { ...last, length: last.length + range.length }
    } else this.#operations.push({ kind: 'copy', ...range })
  }

  /** Points at the same bytes made before in this frame; false where there are none. */
  repeat({ key, length }: Segment): boolean {
    const made = length < MIN_REPEATED_BYTES ? undefined : this.#made.get(key)
    if (made === undefined) return false
    this.targetBytes += length
    this.#operations.push({ kind: 'repeat', ...made, length })
    return true
  }

  code(segment: Segment): void {
    const group = segment.isShared ? this.#sharedGroup(segment.group, segment) : this.#newGroup(segment.group)
    this.#made.set(segment.key, { group, offset: this.#groups[group]?.targetBytes ?? 0 })
    this.#groups[group]?.add(segment)
    this.targetBytes += segment.length
    this.#residueBytes += segment.length
    const last = this.#operations.at(-1)
    if (last?.kind === 'take' && last.group === group) {
      this.#operations[this.#operations.length - 1] = { ...last, length: last.length + segment.length }
    } else this.#operations.push({ kind: 'take', group, length: segment.length })
  }

  finish(): PlannedFrame {
    return { targetBytes: this.targetBytes, groups: this.#groups, operations: this.#operations }
  }

  #sharedGroup(kind: GroupKind, segment: Segment): number {
    const open = this.#open.get(kind)
    if (open !== undefined && this.#groups[open]?.hasRoomFor(segment) === true) return open
    const group = this.#newGroup(kind)
    this.#open.set(kind, group)
    return group
  }

  #newGroup(kind: GroupKind): number {
    return this.#groups.push(new GroupBuilder(kind)) - 1
  }
}
