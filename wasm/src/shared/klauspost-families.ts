// The families of klauspost/compress/flate: releases whose output is the same. Ids are append-only; docs/formats/encoders.md
// lists the releases of each. The kernel works with what `chooseFamily` sets, so that ids need no order.

/** Ids in the order of their releases. */
const B = 0
const C_PRIME = 1
const C = 2
const D = 3
const F = 5
const G = 6
const H1A = 7
const H1B = 8
const H2 = 9
const J0 = 11
const J1 = 12
const J2 = 13
const J3 = 14
const K2A = 16
const K2 = 17

/** Hash tables twice as large. */
export let hasWideTables: bool = false
/** A dictionary is not history, but at the levels of the lazy encoder. */
export let ignoresDictionary: bool = false
/** The empty block that ends a stream is stored, not fixed. */
export let endsStored: bool = false
/** Every symbol gets a count of at least 1 before anything is measured, so that any table can be used again. */
export let fills: bool = false
/** Estimates are of double precision, in whole bits for each symbol. */
export let estimatesWholeBits: bool = false
/** Estimates take no symbol for cheaper than 1 bit or dearer than 15. */
export let clampsEstimate: bool = false
/** Literal-only blocks are judged by an estimate, not by a code made on trial. */
export let estimatesLiterals: bool = false
/** Such an estimate counts unused bytes as used once, and 1 / 32 of the bytes instead of 15. */
export let estimatesShare: bool = false
/** The end of a match may lead to a better one. */
export let probesEnd: bool = false
/** Bytes that such a better match may skip at its start. */
export let probeSkip: i32 = 0
/** Matches above 258 go in pieces of 255, not 258. */
export let cutsShort: bool = false
/** Fixed blocks are considered below this many tokens. */
export let fixedBelow: u32 = 0
/** Blocks of bytes as frequent as each other are stored without a trial. */
export let looksForNoise: bool = false
/** Estimates count the end-of-block token of a block that is followed by a flush. */
export let estimatesEnd: bool = false
/** A table that stays open describes all symbols, used or not. */
export let describesAll: bool = false
/** The end-of-block symbol counts from the start. */
export let countsEnd: bool = false
/** Level 4 takes an index for a distance when it measures the next position's match. */
export let mistakesDistance: bool = false
/** Levels 1 to 3 hash 5 bytes, not 4. */
export let hashesFive: bool = false
/** Level 3 inserts positions inside matches. */
export let insertsInPairs: bool = false
/** The lazy encoder takes the dictionary for part of its first block. */
export let blockHoldsDictionary: bool = false
/** The lazy encoder is the first one: no costs, no look at what follows a match, tables that never stay open. */
export let isPlainLazy: bool = false
/** The lazy encoder looks at what follows a match from 2 bytes before its end, and weighs costs differently. */
export let looksInside: bool = false
/** The lazy encoder takes all bytes of its window for equally dear, at every level. */
export let weighsEvenly: bool = false
/** Level 9 counts all bytes of its window for their cost, not the next 32,768. */
export let countsWindow: bool = false
/** A new table has to save 1 / 2^n of its estimate. */
export let penalty: u32 = 0
/** Bytes of a block of level -2. */
export let literalBlock: i32 = 0

/** False when there is no such family or level. */
export function chooseFamily(family: i32, level: i32): bool {
  if (family < B || family > K2 || level < -2 || level > 9 || level == -1) return false
  hasWideTables = family <= C
  ignoresDictionary = family <= C_PRIME
  endsStored = family <= C
  fills = family <= G
  clampsEstimate = family >= G
  estimatesWholeBits = family == B
  estimatesLiterals = family <= F
  estimatesShare = family > D
  probesEnd = family >= F
  probeSkip = family >= J0 ? 2 : 0
  cutsShort = family <= H2
  fixedBelow = family <= G ? 0 : family <= H1B ? u32.MAX_VALUE : 250
  looksForNoise = family >= H2
  estimatesEnd = family >= H1B
  describesAll = family <= J3
  countsEnd = family >= K2A
  mistakesDistance = family >= J3
  hashesFive = family >= J1
  insertsInPairs = family >= H2
  blockHoldsDictionary = family <= K2A
  isPlainLazy = family <= G
  looksInside = family <= J1
  weighsEvenly = family == H1A
  countsWindow = family < K2A
  if (level < 0) penalty = family <= D ? 4 : family <= F ? 8 : 10
  else if (family == B) penalty = level + 1
  else penalty = level > 6 ? 8 : family <= D ? 6 : family <= G ? 8 : 7
  literalBlock = family <= D ? 65535 : 32768
  return true
}
