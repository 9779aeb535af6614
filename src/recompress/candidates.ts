import type { GzipHeader } from '../compress/index.ts'
import type { EncoderSpec } from '../kernels/index.ts'
import type { StreamSigns } from './stream-signs.ts'

/** Families of klauspost's encoder, the likeliest first. @see docs/formats/encoders.md */
const KLAUSPOST_FAMILIES: readonly number[] = [17, 16, 13, 12, 14, 11, 10, 9, 8, 7, 6, 5, 4, 3, 15]
/** Families that end a stream with a stored block. */
const KLAUSPOST_STORED_END: readonly number[] = [2, 1, 0]
/** One of each group of families whose output stays the same for long. */
const KLAUSPOST_SCOUTS: readonly number[] = [17, 13, 10, 6, 3]
/** From this one on, dynamic blocks describe only the codes they use. */
const FIRST_DESCRIBING_USED = 15

const DEFAULT_PGZIP_BLOCK = 1_048_576
const UMOCI_PGZIP_BLOCK = 262_144
const DEFAULT_PIGZ_BLOCK = 131_072
const MIN_PGZIP_BLOCK = 16_385
/** Matches farther back are not zlib's. */
const MAX_ZLIB_DISTANCE = 32_506

/** Encoders to try, in rounds: the later ones only when none before made the whole stream. */
export type Rounds = readonly (readonly EncoderSpec[])[]

/**
 * Names the encoders that may have made a stream. The header alone proves nothing: it only orders them.
 *
 * @param signs - of the stream
 */
export function candidateRounds(header: GzipHeader, signs: StreamSigns): Rounds {
  const levels = levelsOf(header)
  const go = levels.map((level): EncoderSpec => ({ kind: 'go', level }))
  const hasShortMatch = signs.shortestMatch === 3
  const zlib = zlibRounds(header, levels)
  if (hasShortMatch || (signs.ending === 'other' && signs.shortestMatch === undefined)) {
    // Only zlib's relatives take matches of three bytes.
    return signs.longestDistance > MAX_ZLIB_DISTANCE
      ? []
      : hasShortMatch
        ? zlib
        : [...zlib, ...klauspostRounds(header, signs), go]
  }
  const blocks = blockSizes(signs)
  const storedEnd = KLAUSPOST_STORED_END.flatMap((family) =>
    levels.flatMap((level) => [
      ...blocks.map((blockBytes): EncoderSpec => ({ kind: 'pgzip', family, level, blockBytes })),
      klauspost(family, level),
    ]),
  )
  if (signs.ending === 'stored') return [go, storedEnd, ...klauspostRounds(header, signs)]
  return [...klauspostRounds(header, signs), go, ...zlib]
}

function levelsOf({ extraFlags }: GzipHeader): readonly number[] {
  const likely = extraFlags === 4 ? [1] : extraFlags === 2 ? [9] : [6, 5]
  return [...new Set([...likely, 6, 5, 1, 9, 4, 3, 2, 7, 8, -2, 0])]
}

function klauspost(family: number, level: number): EncoderSpec {
  return { kind: 'klauspost', family, level }
}

function klauspostRounds(header: GzipHeader, signs: StreamSigns): Rounds {
  const levels = [...new Set([5, ...levelsOf(header)])]
  const blocks = blockSizes(signs)
  const families = signs.describesAllCodes
    ? KLAUSPOST_FAMILIES.toSorted((a, b) => Number(a >= FIRST_DESCRIBING_USED) - Number(b >= FIRST_DESCRIBING_USED))
    : KLAUSPOST_FAMILIES
  const make = (family: number, level: number): readonly EncoderSpec[] => [
    ...blocks.map((blockBytes): EncoderSpec => ({ kind: 'pgzip', family, level, blockBytes })),
    ...(signs.ending === 'sync-fixed' && signs.syncMarkers.length > 0 ? [] : [klauspost(family, level)]),
  ]
  const scouts = families.filter((family) => KLAUSPOST_SCOUTS.includes(family))
  const others = families.filter((family) => !KLAUSPOST_SCOUTS.includes(family))
  return [
    scouts.flatMap((family) => make(family, 5)),
    others.flatMap((family) => make(family, 5)),
    ...levels.slice(1).map((level) => families.flatMap((family) => make(family, level))),
  ]
}

/** Block sizes that the borders seen would fit. */
function blockSizes(signs: StreamSigns): readonly number[] {
  if (signs.ending === 'other') return []
  const [first = 0] = signs.syncMarkers
  // The last one may stand behind the last block, which is shorter.
  const borders = signs.syncMarkers.slice(0, -1)
  const isRegular = first >= MIN_PGZIP_BLOCK && borders.every((at) => at % first === 0)
  if (isRegular && borders.length > 1) return [first]
  return [...new Set([...(isRegular ? [first] : []), DEFAULT_PGZIP_BLOCK, UMOCI_PGZIP_BLOCK])]
}

function zlibRounds(header: GzipHeader, levels: readonly number[]): Rounds {
  const likely = levels.slice(0, 3).filter((level) => level >= 0)
  const rest = levels.filter((level) => level >= 0 && !likely.includes(level))
  const zlib =
    (memLevel: number) =>
    (level: number): EncoderSpec => ({ kind: 'zlib', level, memLevel })
  const gnu = (level: number): EncoderSpec => ({ kind: 'gzip', level, isRsyncable: false })
  const rsyncable = (level: number): EncoderSpec => ({ kind: 'gzip', level, isRsyncable: true })
  const pigz = (level: number, mode: 'parallel' | 'serial' = 'parallel', isIndependent = false): EncoderSpec => ({
    kind: 'pigz',
    level,
    blockBytes: DEFAULT_PIGZ_BLOCK,
    mode,
    isIndependent,
  })
  const withLevel = (list: readonly number[]): readonly number[] => list.filter((level) => level > 0)
  const named = header.operatingSystem === 3
  const first = named
    ? [...withLevel(likely).map(gnu), ...likely.map((level) => pigz(level)), ...likely.map(zlib(8))]
    : [...likely.map(zlib(8)), ...withLevel(likely).map(gnu), ...likely.map((level) => pigz(level))]
  return [
    first,
    [...rest.map(zlib(8)), ...withLevel(rest).map(gnu), ...rest.map((level) => pigz(level))],
    [
      ...levels.filter((level) => level >= 0).map(zlib(9)),
      ...withLevel(levels).map(rsyncable),
      ...[...likely, ...rest].flatMap((level) => [pigz(level, 'serial'), pigz(level, 'parallel', true)]),
    ],
  ]
}
