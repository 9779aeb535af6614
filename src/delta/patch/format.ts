import { TareError } from '../../errors/index.ts'
import { type Digest, isDigest } from '../../oci/index.ts'
import { ByteParser, ByteWriter } from '../../stream/index.ts'

/** First bytes of every patch blob; the last one is the version. @see docs/formats/patch.md */
export const PATCH_MAGIC: Uint8Array = Uint8Array.from([0x54, 0x41, 0x52, 0x45, 0x50, 0x54, 0x43, 0x48, 1])

/** Bounds that every patch keeps, so that a reader knows its memory beforehand. */
export const PATCH_LIMITS = {
  sources: 4096,
  /** Operations and group table of one frame, before coding. */
  metaBytes: 16_777_216,
  groupsPerFrame: 4096,
  rangesPerGroup: 1_000_000,
  /** Bytes one group makes. */
  groupTargetBytes: 33_554_432,
  /** Bytes one group may look back on. */
  groupReferenceBytes: 67_108_864,
  /** Bytes all groups of a frame make. */
  frameResidueBytes: 67_108_864,
} as const

/** A plain layer that a patch reads from. */
export interface PatchSource {
  /** Digest of the plain bytes: the diffID of a baseline layer. */
  readonly diffId: Digest
  readonly sizeBytes: number
}

/** What a patch makes, and from what. */
export interface PatchHeader {
  /** Digest of the plain bytes the patch makes. */
  readonly targetDigest: Digest
  readonly targetSizeBytes: number
  readonly sources: readonly PatchSource[]
}

/** Bytes of a source. */
export interface SourceRange {
  /** Index into the header's sources. */
  readonly source: number
  readonly offset: number
  readonly length: number
}

/** One step of a frame: copy bytes of a source, take the next bytes of a group, or repeat bytes of a group. */
export type PatchOperation =
  | ({ readonly kind: 'copy' } & SourceRange)
  | { readonly kind: 'take'; readonly group: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly group: number; readonly offset: number; readonly length: number }

/** Bytes coded together against a reference gathered from sources. */
export interface PatchGroup {
  readonly codec: number
  readonly targetBytes: number
  readonly payloadBytes: number
  /** Read one after the other they are the reference. */
  readonly reference: readonly SourceRange[]
}

/** A stretch of the target: how it is put together, and from what groups. */
export interface PatchFrame {
  readonly targetBytes: number
  readonly groups: readonly PatchGroup[]
  readonly operations: readonly PatchOperation[]
}

/** The error for every fault in a patch. */
export function corruptPatch(problem: string): TareError {
  return new TareError('CORRUPT_PATCH', `patch is damaged: ${problem}`, {
    hint: 'Carry the delta over again; if it repeats, make it anew',
  })
}

/** The header's bytes, magic and version included. */
export function formatPatchHeader(header: PatchHeader): Uint8Array {
  const writer = new ByteWriter().bytes(PATCH_MAGIC)
  writer.varint(header.targetSizeBytes).ascii(header.targetDigest).varint(header.sources.length)
  for (const source of header.sources) writer.ascii(source.diffId).varint(source.sizeBytes)
  return writer.finish()
}

/** Checks a digest read from a patch. */
export function digestFromPatch(text: string): Digest {
  if (!isDigest(text)) throw corruptPatch('a digest is malformed')
  return text
}

const COPY_SAME_SOURCE = 0
const COPY_OTHER_SOURCE = 1
const TAKE_SAME_GROUP = 2
const TAKE_OTHER_GROUP = 3
const REPEAT = 4
/** Kinds share a number with the length; there is room for three more. */
const KINDS = 8

/**
 * The group table and operations of a frame as bytes. Positions are written relative to where the last range of the
 * same source ended, because both tars are mostly walked in step.
 */
export function formatFrameMeta(frame: PatchFrame): Uint8Array {
  const writer = new ByteWriter().varint(frame.groups.length)
  const ends = new SourceEnds()
  for (const group of frame.groups) {
    writer.varint(group.codec).varint(group.targetBytes).varint(group.payloadBytes).varint(group.reference.length)
    for (const range of group.reference) {
      writer.varint(range.source).zigzag(ends.advance(range)).varint(range.length)
    }
  }
  ends.reset()
  let lastSource = 0
  let lastGroup = 0
  writer.varint(frame.operations.length)
  for (const operation of frame.operations) {
    if (operation.kind === 'copy') {
      const isSame = operation.source === lastSource
      writer.varint(operation.length * KINDS + (isSame ? COPY_SAME_SOURCE : COPY_OTHER_SOURCE))
      if (!isSame) writer.varint(operation.source)
      writer.zigzag(ends.advance(operation))
      lastSource = operation.source
    } else if (operation.kind === 'repeat') {
      writer
        .varint(operation.length * KINDS + REPEAT)
        .varint(operation.group)
        .varint(operation.offset)
    } else {
      const isSame = operation.group === lastGroup
      writer.varint(operation.length * KINDS + (isSame ? TAKE_SAME_GROUP : TAKE_OTHER_GROUP))
      if (!isSame) writer.varint(operation.group)
      lastGroup = operation.group
    }
  }
  return writer.finish()
}

/**
 * Reads and checks what {@link formatFrameMeta} wrote: every range lies inside its source, every group is used up
 * exactly, and the operations make exactly the frame.
 *
 * @throws {TareError} `CORRUPT_PATCH`
 */
export function parseFrameMeta(meta: Uint8Array, targetBytes: number, sources: readonly PatchSource[]): PatchFrame {
  const parser = new ByteParser(meta, corruptPatch)
  const ends = new SourceEnds()
  const groups = readList(parser, PATCH_LIMITS.groupsPerFrame, (): PatchGroup => {
    const codec = parser.varint()
    const groupTargetBytes = bounded(parser.varint(), PATCH_LIMITS.groupTargetBytes, 'group')
    const payloadBytes = bounded(parser.varint(), PATCH_LIMITS.groupTargetBytes + 1024, 'payload')
    const reference = readList(parser, PATCH_LIMITS.rangesPerGroup, () => readRange(parser, ends, sources))
    bounded(sum(reference.map((range) => range.length)), PATCH_LIMITS.groupReferenceBytes, 'reference')
    return { codec, targetBytes: groupTargetBytes, payloadBytes, reference }
  })
  bounded(sum(groups.map((group) => group.targetBytes)), PATCH_LIMITS.frameResidueBytes, 'frame')
  ends.reset()
  const operations = readOperations(parser, ends, sources, groups)
  if (!parser.isAtEnd) throw corruptPatch('a frame has bytes left over')
  checkCoverage(operations, groups, targetBytes)
  return { targetBytes, groups, operations }
}

function readOperations(
  parser: ByteParser,
  ends: SourceEnds,
  sources: readonly PatchSource[],
  groups: readonly PatchGroup[],
): readonly PatchOperation[] {
  let lastSource = 0
  let lastGroup = 0
  return readList(parser, PATCH_LIMITS.metaBytes, (): PatchOperation => {
    const coded = parser.varint()
    const length = Math.floor(coded / KINDS)
    switch (coded % KINDS) {
      case COPY_OTHER_SOURCE:
        lastSource = parser.varint()
        return { kind: 'copy', ...ends.range(lastSource, parser.zigzag(), length, sources) }
      case COPY_SAME_SOURCE:
        return { kind: 'copy', ...ends.range(lastSource, parser.zigzag(), length, sources) }
      case TAKE_OTHER_GROUP:
        lastGroup = parser.varint()
        return takeOperation(lastGroup, length, groups)
      case TAKE_SAME_GROUP:
        return takeOperation(lastGroup, length, groups)
      case REPEAT:
        return repeatOperation(parser.varint(), parser.varint(), length, groups)
      default:
        throw corruptPatch('an operation is of no known kind')
    }
  })
}

function takeOperation(group: number, length: number, groups: readonly PatchGroup[]): PatchOperation {
  if (groups[group] === undefined) throw corruptPatch('an operation names a group that is not there')
  return { kind: 'take', group, length }
}

function repeatOperation(group: number, offset: number, length: number, groups: readonly PatchGroup[]): PatchOperation {
  if (offset + length > (groups[group]?.targetBytes ?? 0)) throw corruptPatch('a repeat lies outside its group')
  return { kind: 'repeat', group, offset, length }
}

function checkCoverage(
  operations: readonly PatchOperation[],
  groups: readonly PatchGroup[],
  targetBytes: number,
): void {
  const left = groups.map((group) => group.targetBytes)
  let made = 0
  for (const operation of operations) {
    made += operation.length
    if (operation.kind === 'take') left[operation.group] = (left[operation.group] ?? 0) - operation.length
  }
  if (made !== targetBytes) throw corruptPatch('the operations of a frame do not make its length')
  if (left.some((bytes) => bytes !== 0)) throw corruptPatch('a group is not used up exactly')
}

function readRange(parser: ByteParser, ends: SourceEnds, sources: readonly PatchSource[]): SourceRange {
  return ends.range(parser.varint(), parser.zigzag(), parser.varint(), sources)
}

function readList<Item>(parser: ByteParser, limit: number, read: () => Item): readonly Item[] {
  const count = bounded(parser.varint(), limit, 'list')
  const items: Item[] = []
  for (let index = 0; index < count; index++) items.push(read())
  return items
}

function bounded(value: number, limit: number, what: string): number {
  if (value > limit) throw corruptPatch(`a ${what} is larger than ${limit}`)
  return value
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Where the last range of each source ended. */
class SourceEnds {
  readonly #ends = new Map<number, number>()

  reset(): void {
    this.#ends.clear()
  }

  /** Moves on to a range; gives its start relative to where the last one ended. */
  advance(range: SourceRange): number {
    const step = range.offset - (this.#ends.get(range.source) ?? 0)
    this.#ends.set(range.source, range.offset + range.length)
    return step
  }

  /** The inverse of {@link SourceEnds.advance}, checked against the source's size. */
  range(source: number, step: number, length: number, sources: readonly PatchSource[]): SourceRange {
    const sizeBytes = sources[source]?.sizeBytes
    const offset = (this.#ends.get(source) ?? 0) + step
    if (sizeBytes === undefined || offset < 0 || offset + length > sizeBytes) {
      throw corruptPatch('a range lies outside its source')
    }
    this.#ends.set(source, offset + length)
    return { source, offset, length }
  }
}
