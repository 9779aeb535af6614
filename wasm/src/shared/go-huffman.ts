// Huffman codes and dynamic block headers as Go's compress/flate and its descendants make them. Optimal code lengths are
// not unique: package-merge with its rule for ties decides here. Tables hold u32 for each symbol: counts, or code words.

import { putBits } from './deflate-bits'
import { codeWord, LITERAL_SYMBOLS } from './deflate-tokens'

/** The longest code of literals, lengths and distances. */
export const MAX_CODE_BITS: u32 = 15
const MAX_LENGTH_CODE_BITS: u32 = 7

/** Symbols in use as count << 9 | symbol: counts are below 2^23. */
const leaves = memory.data(LITERAL_SYMBOLS * 4, 4)
const sorted = memory.data(LITERAL_SYMBOLS * 4, 4)
const buckets = memory.data(256 * 4, 4)

/** Weights of two neighbouring lists of package-merge. */
const LIST_ITEMS: u32 = 2 * LITERAL_SYMBOLS
const evenWeights = memory.data(LIST_ITEMS * 4, 4)
const oddWeights = memory.data(LIST_ITEMS * 4, 4)
/** For each list and each number of items taken from its front: how many of them are leaves. */
const leavesTaken = memory.data((LIST_ITEMS + 1) * 2 * (MAX_CODE_BITS + 1), 4)
/** For each list: how many leaves were taken in the end. */
const leavesOfList = memory.data((MAX_CODE_BITS + 1) * 4, 4)

const codesOfLength = memory.data((MAX_CODE_BITS + 1) * 4, 4)

/** Counts of symbols in `counts` -> code words in `codes`, 0 for a symbol that doesn't occur. */
export function buildCodes(counts: usize, symbols: u32, longest: u32, codes: usize): void {
  let used: u32 = 0
  let largest: u32 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2))
    store<u32>(codes + (symbol << 2), 0)
    if (count == 0) continue
    store<u32>(leaves + (used++ << 2), (count << 9) | symbol)
    largest = max(largest, count)
  }
  if (used <= 2) {
    for (let i: u32 = 0; i < used; i++) {
      store<u32>(codes + ((load<u32>(leaves + (i << 2)) & 511) << 2), codeWord(i, 1))
    }
    return
  }
  const leavesAt = sortLeaves(used, largest)
  const lists = mergePackages(leavesAt, used, min(longest, used - 1))
  assignCodes(leavesAt, used, lists, symbols, codes)
}

/** Sorts by count, then symbol (in which order they are already); returns where the leaves are now. */
function sortLeaves(used: u32, largest: u32): usize {
  let from = leaves
  let to = sorted
  for (let shift: u32 = 0; largest >> shift != 0; shift += 8) {
    memory.fill(buckets, 0, 256 * 4)
    for (let i: u32 = 0; i < used; i++) {
      const bucket = buckets + (((load<u32>(from + (i << 2)) >> (9 + shift)) & 255) << 2)
      store<u32>(bucket, load<u32>(bucket) + 1)
    }
    let before: u32 = 0
    for (let bucket = buckets; bucket < buckets + 256 * 4; bucket += 4) {
      const size = load<u32>(bucket)
      store<u32>(bucket, before)
      before += size
    }
    for (let i: u32 = 0; i < used; i++) {
      const leaf = load<u32>(from + (i << 2))
      const bucket = buckets + (((leaf >> (9 + shift)) & 255) << 2)
      const place = load<u32>(bucket)
      store<u32>(bucket, place + 1)
      store<u32>(to + (place << 2), leaf)
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}

/**
 * Package-merge over `lists` lists: the first is the leaves; each other merges the leaves with the pairs of the list
 * before, a pair going before a leaf of its weight. 2n - 2 items of the last list count, and twice the pairs among them of
 * the list before, and so on. A leaf's code is as long as the number of lists that count it.
 */
function mergePackages(leavesAt: usize, used: u32, lists: u32): u32 {
  const wanted = 2 * used - 2
  let weights = evenWeights
  let before = oddWeights
  let items: u32 = 0
  for (let list: u32 = 1; list <= lists; list++) {
    const taken = leavesTaken + list * ((LIST_ITEMS + 1) * 2)
    const pairs = items >> 1
    let leaf: u32 = 0
    let pair: u32 = 0
    let leafWeight = load<u32>(leavesAt) >> 9
    let pairWeight = pairs > 0 ? load<u32>(before) + load<u32>(before, 4) : u32.MAX_VALUE
    items = min(used + pairs, wanted)
    for (let item: u32 = 0; item < items; item++) {
      store<u16>(taken + (item << 1), leaf)
      if (leafWeight < pairWeight) {
        store<u32>(weights + (item << 2), leafWeight)
        leaf++
        leafWeight = leaf < used ? load<u32>(leavesAt + (leaf << 2)) >> 9 : u32.MAX_VALUE
      } else {
        store<u32>(weights + (item << 2), pairWeight)
        pair++
        const two = before + (pair << 3)
        pairWeight = pair < pairs ? load<u32>(two) + load<u32>(two, 4) : u32.MAX_VALUE
      }
    }
    store<u16>(taken + (items << 1), leaf)
    const swap = weights
    weights = before
    before = swap
  }

  let need = wanted
  for (let list = lists; list >= 1; list--) {
    const leavesHere = <u32>load<u16>(leavesTaken + list * ((LIST_ITEMS + 1) * 2) + (need << 1))
    store<u32>(leavesOfList + (list << 2), leavesHere)
    need = (need - leavesHere) << 1
  }
  return lists
}

/** Lengths by the leaves each list counts, then canonical codes. */
function assignCodes(leavesAt: usize, used: u32, lists: u32, symbols: u32, codes: usize): void {
  // Later lists count more leaves, and the rarest first: lists - l + 1 bits for those that list l is the first to count.
  memory.fill(codesOfLength, 0, (MAX_CODE_BITS + 1) * 4)
  let leaf: u32 = 0
  for (let list: u32 = 1; list <= lists; list++) {
    const until = load<u32>(leavesOfList + (list << 2))
    const length = lists - list + 1
    if (until > leaf) store<u32>(codesOfLength + (length << 2), until - leaf)
    for (; leaf < until; leaf++) {
      store<u32>(codes + ((load<u32>(leavesAt + (leaf << 2)) & 511) << 2), length << 16)
    }
  }
  let code: u32 = 0
  for (let length: u32 = 1; length <= lists; length++) {
    code <<= 1
    const size = load<u32>(codesOfLength + (length << 2))
    store<u32>(codesOfLength + (length << 2), code)
    code += size
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = load<u32>(codes + (symbol << 2)) >> 16
    if (length == 0) continue
    const next = load<u32>(codesOfLength + (length << 2))
    store<u32>(codesOfLength + (length << 2), next + 1)
    store<u32>(codes + (symbol << 2), codeWord(next, length))
  }
}

/** Bits that the counted symbols take in these codes. */
export function codedBits(counts: usize, codes: usize, symbols: u32): u32 {
  let bits: u32 = 0
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    bits += load<u32>(counts + (symbol << 2)) * <u32>load<u16>(codes + (symbol << 2), 2)
  }
  return bits
}

/** One more than the last symbol that occurs; 0 when none does. */
export function usedSymbols(counts: usize, symbols: u32): u32 {
  while (symbols > 0 && load<u32>(counts + ((symbols - 1) << 2)) == 0) symbols--
  return symbols
}

const LENGTH_SYMBOLS: u32 = 19
const REPEAT: u32 = 16
const ZEROS: u32 = 17
const MANY_ZEROS: u32 = 18

/** The order in which lengths of the length code are sent. */
const lengthCodeOrder = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const lengthCounts = memory.data(LENGTH_SYMBOLS * 4, 4)
const lengthCodes = memory.data(LENGTH_SYMBOLS * 4, 4)
/** Code lengths of both alphabets, one byte each, a mark behind. */
const lengths = memory.data(LITERAL_SYMBOLS + 32 + 1)
/** Their description: symbol and extra value, one byte each. */
const description = memory.data((LITERAL_SYMBOLS + 32) * 2)
let described: u32 = 0
let lengthCodesSent: u32 = 0
let literalsSent: u32 = 0
let distancesSent: u32 = 0

/** Prepares the header of a dynamic block that sends so many lengths of each alphabet; returns its bits, all 17 + … */
export function prepareHeader(literalCodes: usize, literals: u32, distanceCodes: usize, distances: u32): u32 {
  literalsSent = literals
  distancesSent = distances
  for (let symbol: u32 = 0; symbol < literals; symbol++) {
    store<u8>(lengths + symbol, load<u16>(literalCodes + (symbol << 2), 2))
  }
  for (let symbol: u32 = 0; symbol < distances; symbol++) {
    store<u8>(lengths + literals + symbol, load<u16>(distanceCodes + (symbol << 2), 2))
  }
  describeLengths(literals + distances)
  buildCodes(lengthCounts, LENGTH_SYMBOLS, MAX_LENGTH_CODE_BITS, lengthCodes)
  lengthCodesSent = LENGTH_SYMBOLS
  while (
    lengthCodesSent > 4 &&
    load<u32>(lengthCounts + ((<u32>load<u8>(lengthCodeOrder + lengthCodesSent - 1)) << 2)) == 0
  ) {
    lengthCodesSent--
  }
  return (
    3 +
    5 +
    5 +
    4 +
    3 * lengthCodesSent +
    codedBits(lengthCounts, lengthCodes, LENGTH_SYMBOLS) +
    2 * load<u32>(lengthCounts, REPEAT * 4) +
    3 * load<u32>(lengthCounts, ZEROS * 4) +
    7 * load<u32>(lengthCounts, MANY_ZEROS * 4)
  )
}

/** The lengths as runs, which may cross from one alphabet to the other. */
function describeLengths(count: u32): void {
  store<u8>(lengths + count, 0xff)
  memory.fill(lengthCounts, 0, LENGTH_SYMBOLS * 4)
  described = 0
  let at: u32 = 0
  while (at < count) {
    const length = <u32>load<u8>(lengths + at)
    let rest: u32 = 1
    while (load<u8>(lengths + at + rest) == length) rest++
    at += rest
    if (length == 0) {
      while (rest >= 11) {
        const run = min<u32>(138, rest)
        describe(MANY_ZEROS, run - 11)
        rest -= run
      }
      if (rest >= 3) {
        describe(ZEROS, rest - 3)
        rest = 0
      }
    } else {
      describe(length, 0)
      rest--
      while (rest >= 3) {
        const run = min<u32>(6, rest)
        describe(REPEAT, run - 3)
        rest -= run
      }
    }
    while (rest > 0) {
      describe(length, 0)
      rest--
    }
  }
}

function describe(symbol: u32, extra: u32): void {
  const count = lengthCounts + (symbol << 2)
  store<u32>(count, load<u32>(count) + 1)
  store<u8>(description + (described << 1), symbol)
  store<u8>(description + (described << 1), extra, 1)
  described++
}

/** Writes the prepared header. */
export function writeHeader(isFinal: bool): void {
  putBits(isFinal ? 5 : 4, 3)
  putBits(literalsSent - 257, 5)
  putBits(distancesSent - 1, 5)
  putBits(lengthCodesSent - 4, 4)
  for (let i: u32 = 0; i < lengthCodesSent; i++) {
    putBits(load<u16>(lengthCodes + ((<u32>load<u8>(lengthCodeOrder + i)) << 2), 2), 3)
  }
  for (let i: u32 = 0; i < described; i++) {
    const symbol = <u32>load<u8>(description + (i << 1))
    const extra = <u64>load<u8>(description + (i << 1), 1)
    putCode(load<u32>(lengthCodes + (symbol << 2)))
    if (symbol == REPEAT) putBits(extra, 2)
    else if (symbol == ZEROS) putBits(extra, 3)
    else if (symbol == MANY_ZEROS) putBits(extra, 7)
  }
}

/** Writes a code word. */
export function putCode(word: u32): void {
  putBits(word & 0xffff, word >> 16)
}
