import { TareError } from '../errors/index.ts'
import { type DeflateCheckpoint, type EncoderSpec, formatCheckpoint, parseCheckpoint } from '../kernels/index.ts'
import { type Digest, isDigest } from '../oci/index.ts'
import { ByteParser, ByteWriter } from '../stream/index.ts'
import type { EqualRange } from './tokens/index.ts'

/**
 * The encoders whose output Tare can make again. Ids are append-only and mean the same for ever.
 *
 * @see docs/formats/recipe.md
 */
export const ENCODER_ID = {
  /** The deflate bytes themselves, in the recipe. */
  verbatim: 0,
  /** Go's `compress/flate`, Go 1.7 to 1.26. */
  go: 1,
  /** klauspost's flate as one stream; also Go 1.27's `compress/flate`. */
  klauspost: 2,
  /** klauspost's pgzip: blocks with the end of the block before as dictionary, each flushed. */
  pgzip: 3,
  /** zlib 1.2 and 1.3, default strategy. */
  zlib: 4,
  /** GNU gzip. */
  gzip: 5,
  /** pigz: zlib blocks of 128 KiB, joined at byte borders. */
  pigz: 6,
  /** None that is known: the corrections hold everything the plain bytes do not tell. */
  unknown: 7,
  /** As a blob of the baseline was made, where both have the same content. */
  baseline: 8,
} as const

/** How the deflate stream of a member is made from its plain bytes. */
export type Encoder =
  | EncoderSpec
  | { readonly kind: 'verbatim'; readonly deflate: Uint8Array }
  | { readonly kind: 'unknown' }
  | BaselineEncoder

/** Expects of a stream what the first member of a compressed baseline blob holds, where their content is the same. */
export interface BaselineEncoder {
  readonly kind: 'baseline'
  readonly blob: Digest
  readonly ranges: readonly EqualRange[]
}

/** The CRC-32 and length that end a member, or other bytes in their place. */
export type Trailer = { readonly kind: 'standard' } | { readonly kind: 'verbatim'; readonly bytes: Uint8Array }

/** One gzip member. */
export interface MemberRecipe {
  /** The header, byte for byte. */
  readonly header: Uint8Array
  readonly plainBytes: number
  readonly encoder: Encoder
  /** Plain positions, ascending, at which the encoder was flushed. */
  readonly flushes: readonly number[]
  /** Places at which regeneration can begin anew, ascending. */
  readonly checkpoints: readonly DeflateCheckpoint[]
  /**
   * What the stream has otherwise than the encoder makes it, as `tokens/` codes it; empty where it is exact.
   *
   * @see docs/formats/token-recipe.md
   */
  readonly corrections: Uint8Array
  readonly trailer: Trailer
}

/** How a compressed blob is made from its plain bytes, bit for bit. */
export interface Recipe {
  readonly blobBytes: number
  readonly members: readonly MemberRecipe[]
  /** Bytes behind the last member. */
  readonly trailing: Uint8Array
}

/** No recipe larger than this is read. */
export const MAX_RECIPE_BYTES: number = 64 * 1024 * 1024
/** The first byte of every recipe. */
const VERSION = 1
const MAX_MEMBERS = 1_000_000
const MAX_TEMPLATES = 65_536

const HAS_FLUSHES = 1
const HAS_CHECKPOINTS = 2
const HAS_CORRECTIONS = 4
const HAS_TRAILER = 8
const FLAG_VALUES = 16

/** The recipe's exact bytes. What members share, their header and encoder, is written once. */
export function formatRecipe(recipe: Recipe): Uint8Array {
  const templates = new Map<string, { readonly index: number; readonly bytes: Uint8Array }>()
  const templateOf = (member: MemberRecipe): number => {
    const bytes = formatTemplate(member)
    const key = Buffer.from(bytes).toString('latin1')
    const known = templates.get(key) ?? { index: templates.size, bytes }
    templates.set(key, known)
    return known.index
  }
  const members = new ByteWriter()
  for (const member of recipe.members) writeMember(members, member, templateOf(member))
  const writer = new ByteWriter().varint(VERSION).varint(recipe.blobBytes).varint(templates.size)
  for (const { bytes } of templates.values()) writer.bytes(bytes)
  writer.varint(recipe.members.length).bytes(members.finish())
  return writeBytes(writer, recipe.trailing).finish()
}

function formatTemplate({ header, encoder }: MemberRecipe): Uint8Array {
  const writer = writeBytes(new ByteWriter(), header).varint(ENCODER_ID[encoder.kind])
  switch (encoder.kind) {
    case 'verbatim':
      // The bytes differ from member to member, so they stand there.
      break
    case 'unknown':
      break
    case 'baseline':
      writer.ascii(encoder.blob).varint(encoder.ranges.length)
      for (const [index, range] of encoder.ranges.entries()) {
        const last = encoder.ranges[index - 1]
        writer.zigzag(range.baselineStart - (last === undefined ? 0 : last.baselineStart + last.bytes))
        writer.zigzag(range.targetStart - (last === undefined ? 0 : last.targetStart + last.bytes)).varint(range.bytes)
      }
      break
    case 'go':
      writer.zigzag(encoder.level)
      break
    case 'gzip':
      writer.zigzag(encoder.level).varint(encoder.isRsyncable ? 1 : 0)
      break
    case 'klauspost':
      writer.varint(encoder.family).zigzag(encoder.level)
      break
    case 'pgzip':
      writer.varint(encoder.family).zigzag(encoder.level).varint(encoder.blockBytes)
      break
    case 'zlib':
      writer.zigzag(encoder.level).varint(encoder.memLevel)
      break
    case 'pigz':
      writer.zigzag(encoder.level).varint(encoder.blockBytes).varint(pigzFlags(encoder))
      break
  }
  return writer.finish()
}

const PIGZ_SERIAL = 1
const PIGZ_INDEPENDENT = 2

function pigzFlags({ mode, isIndependent }: Extract<EncoderSpec, { kind: 'pigz' }>): number {
  return (mode === 'serial' ? PIGZ_SERIAL : 0) | (isIndependent ? PIGZ_INDEPENDENT : 0)
}

function writeMember(writer: ByteWriter, member: MemberRecipe, template: number): void {
  const { plainBytes, encoder, flushes, checkpoints, corrections, trailer } = member
  const flags =
    (flushes.length > 0 ? HAS_FLUSHES : 0) |
    (checkpoints.length > 0 ? HAS_CHECKPOINTS : 0) |
    (corrections.length > 0 ? HAS_CORRECTIONS : 0) |
    (trailer.kind === 'verbatim' ? HAS_TRAILER : 0)
  writer.varint(template * FLAG_VALUES + flags).varint(plainBytes)
  if (encoder.kind === 'verbatim') writeBytes(writer, encoder.deflate)
  if (flushes.length > 0) {
    writer.varint(flushes.length)
    for (const [index, position] of flushes.entries()) writer.varint(position - (flushes[index - 1] ?? 0))
  }
  if (checkpoints.length > 0) {
    writer.varint(checkpoints.length)
    for (const [index, checkpoint] of checkpoints.entries()) {
      writeBytes(writer, formatCheckpoint(checkpoint, checkpoints[index - 1]))
    }
  }
  if (corrections.length > 0) writeBytes(writer, corrections)
  if (trailer.kind === 'verbatim') writeBytes(writer, trailer.bytes)
}

/**
 * Parses and checks a recipe; nothing is made yet.
 *
 * @throws {TareError} `CORRUPT_RECIPE`; `UNSUPPORTED_FORMAT` for a version or encoder this Tare does not know
 */
export function parseRecipe(bytes: Uint8Array): Recipe {
  if (bytes.length > MAX_RECIPE_BYTES) throw corruptRecipe(`it is larger than ${MAX_RECIPE_BYTES} bytes`)
  const parser = new ByteParser(bytes, corruptRecipe)
  const version = parser.varint()
  if (version !== VERSION) throw unsupported(`version ${version}`)
  const blobBytes = parser.varint()
  const templates = readList(parser, MAX_TEMPLATES, () => readTemplate(parser))
  const members = readList(parser, MAX_MEMBERS, () => readMember(parser, templates))
  const trailing = readBytes(parser)
  if (!parser.isAtEnd) throw corruptRecipe('bytes are left over')
  return { blobBytes, members, trailing }
}

interface Template {
  readonly header: Uint8Array
  /** Undefined for `verbatim`, whose bytes stand in the member. */
  readonly encoder: Encoder | undefined
}

function readTemplate(parser: ByteParser): Template {
  return { header: readBytes(parser), encoder: readEncoder(parser) }
}

function readEncoder(parser: ByteParser): Encoder | undefined {
  const id = parser.varint()
  switch (id) {
    case ENCODER_ID.verbatim:
      return undefined
    case ENCODER_ID.go:
      return { kind: 'go', level: readLevel(parser) }
    case ENCODER_ID.klauspost:
      return { kind: 'klauspost', family: readSmall(parser), level: readLevel(parser) }
    case ENCODER_ID.pgzip:
      return { kind: 'pgzip', family: readSmall(parser), level: readLevel(parser), blockBytes: readBlockBytes(parser) }
    case ENCODER_ID.zlib:
      return { kind: 'zlib', level: readLevel(parser), memLevel: readSmall(parser) }
    case ENCODER_ID.gzip:
      return { kind: 'gzip', level: readLevel(parser), isRsyncable: readSmall(parser) === 1 }
    case ENCODER_ID.pigz:
      return { kind: 'pigz', level: readLevel(parser), blockBytes: readBlockBytes(parser), ...readPigzFlags(parser) }
    case ENCODER_ID.unknown:
      return { kind: 'unknown' }
    case ENCODER_ID.baseline:
      return readBaseline(parser)
    default:
      throw unsupported(`encoder ${id}`)
  }
}

function readBaseline(parser: ByteParser): BaselineEncoder {
  const blob = new TextDecoder().decode(readBytes(parser))
  if (!isDigest(blob)) throw corruptRecipe('a digest is malformed')
  let [baselineEnd, targetEnd] = [0, 0]
  const ranges = readList(parser, MAX_MEMBERS, () => {
    const baselineStart = baselineEnd + parser.zigzag()
    const targetStart = targetEnd + parser.zigzag()
    const bytes = parser.varint()
    if (baselineStart < 0 || targetStart < 0) throw corruptRecipe('a range is out of bounds')
    baselineEnd = baselineStart + bytes
    targetEnd = targetStart + bytes
    return { baselineStart, targetStart, bytes }
  })
  return { kind: 'baseline', blob, ranges }
}

function readMember(parser: ByteParser, templates: readonly Template[]): MemberRecipe {
  const coded = parser.varint()
  const flags = coded % FLAG_VALUES
  const template = templates[Math.floor(coded / FLAG_VALUES)]
  if (template === undefined) throw corruptRecipe('a member names a template that is not there')
  const plainBytes = parser.varint()
  const encoder: Encoder = template.encoder ?? { kind: 'verbatim', deflate: readBytes(parser) }
  let position = 0
  const flushes = (flags & HAS_FLUSHES) === 0 ? [] : readList(parser, MAX_MEMBERS, () => (position += parser.varint()))
  if (position > plainBytes) throw corruptRecipe('a flush lies behind the end of its member')
  const checkpoints = (flags & HAS_CHECKPOINTS) === 0 ? [] : readCheckpoints(parser, plainBytes)
  const corrections = (flags & HAS_CORRECTIONS) === 0 ? new Uint8Array(0) : readBytes(parser)
  const trailer: Trailer =
    (flags & HAS_TRAILER) === 0 ? { kind: 'standard' } : { kind: 'verbatim', bytes: readBytes(parser) }
  return { header: template.header, plainBytes, encoder, flushes, checkpoints, corrections, trailer }
}

function readCheckpoints(parser: ByteParser, plainBytes: number): readonly DeflateCheckpoint[] {
  let last: DeflateCheckpoint | undefined
  const checkpoints = readList(parser, MAX_MEMBERS, () => (last = parseCheckpoint(readBytes(parser), last)))
  if ((last?.inputBytes ?? 0) > plainBytes) throw corruptRecipe('a checkpoint lies behind the end of its member')
  return checkpoints
}

function readPigzFlags(parser: ByteParser): Pick<Extract<EncoderSpec, { kind: 'pigz' }>, 'mode' | 'isIndependent'> {
  const flags = readSmall(parser)
  return { mode: (flags & PIGZ_SERIAL) === 0 ? 'parallel' : 'serial', isIndependent: (flags & PIGZ_INDEPENDENT) !== 0 }
}

function readLevel(parser: ByteParser): number {
  const level = parser.zigzag()
  if (level < -2 || level > 9) throw unsupported(`level ${level}`)
  return level
}

function readSmall(parser: ByteParser): number {
  const value = parser.varint()
  if (value > 255) throw corruptRecipe('a parameter is out of range')
  return value
}

function readBlockBytes(parser: ByteParser): number {
  const blockBytes = parser.varint()
  if (blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES) throw corruptRecipe('a block size is absurd')
  return blockBytes
}

/** Blocks are held whole while they are made, so their size is bounded. */
const MIN_BLOCK_BYTES = 1024
const MAX_BLOCK_BYTES = 64 * 1024 * 1024

function readList<Item>(parser: ByteParser, limit: number, read: () => Item): readonly Item[] {
  const count = parser.varint()
  if (count > limit) throw corruptRecipe(`a list has more than ${limit} entries`)
  const items: Item[] = []
  for (let index = 0; index < count; index++) items.push(read())
  return items
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  return writer.varint(bytes.length).bytes(bytes)
}

function readBytes(parser: ByteParser): Uint8Array {
  return parser.bytes(parser.varint())
}

/** The error for every fault in a recipe. */
export function corruptRecipe(problem: string): TareError {
  return new TareError('CORRUPT_RECIPE', `recipe is damaged: ${problem}`, {
    hint: 'Carry the delta over again; if it repeats, make it anew',
  })
}

function unsupported(what: string): TareError {
  return new TareError('UNSUPPORTED_FORMAT', `recipe uses ${what}, which this Tare does not know`, {
    hint: 'Apply it with the Tare that made it, or a newer one',
  })
}
