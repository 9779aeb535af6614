// Levels 7, 8 and 9: hash chains, one match put off until the next position was tried, and a look at what follows a match.
// Indexes count from the start of a window of 64 KiB that moves by its half.

import { blockHoldsDictionary, countsWindow, isPlainLazy, looksInside, weighsEvenly } from './klauspost-families'
import { hash4, history, tables } from './klauspost-history'
import { buildCodes, MAX_CODE_BITS } from './go-huffman'
import { distanceSymbol, distanceSymbolExtraBits, lengthSymbol, literalSymbolExtraBits } from './deflate-tokens'
import { addWholeBits } from './klauspost-estimate'
import { addLiteral, addMatch, resetSequences, tokenCount } from './klauspost-sequences'
import { writeClosed, writeTokens } from './klauspost-writer'

const HALF: i32 = 32768
const WINDOW: i32 = 2 * HALF
const LEAST: i32 = 4
const MOST: i32 = 258
const AHEAD: i32 = LEAST + MOST
/** A block start that has left the window, or a block of more bytes than can be stored. */
const UNKNOWN: i32 = i32.MAX_VALUE
const HASH_BITS: u32 = 17
/** Where the first lazy encoder takes matches of 4 bytes from. */
const NEAR: i32 = 4096
/** A match at the longest distance: the original looks up the code of the distance after it. */
const FARTHEST_EXTRA_BITS: i32 = 6

const window = history
const heads = tables
const links = tables + (4 << HASH_BITS)
/** Bits of all literals of the window up to an index, behind the window. */
const literalCost = window + WINDOW + 64
const costCounts = literalCost + 4 * (WINDOW + 16)
const costCodes = costCounts + 4 * 256

/** Positions are index + offset, so that 0 is none. */
let offset: i32 = 1
/** Positions beyond this are made small again. */
const MOST_OFFSET: i32 = 1 << 24

let nice: i32 = 0
let chain: i32 = 0
let lazy: i32 = 0
let weighsCost: bool = false
let mostTokens: u32 = 0

let index: i32 = 0
let filled: i32 = 0
let blockStart: i32 = 0
let length: i32 = 0
let distance: i32 = 0
let isWaiting: bool = false
let dry: i32 = 0
let head: i32 = -1
let insertLimit: i32 = 0

export function resetLazy(level: i32): void {
  memory.fill(tables, 0, (4 << HASH_BITS) + 4 * HALF)
  if (isPlainLazy) {
    nice = level == 9 ? 258 : 24
    chain = level == 7 ? 16 : level == 8 ? 64 : 4096
    lazy = level == 7 ? 8 : level == 8 ? 16 : 258
  } else if (weighsEvenly) {
    nice = level == 7 ? 12 : level == 8 ? 32 : 258
    chain = level == 7 ? 16 : level == 8 ? 64 : 1024
    lazy = level == 7 ? 10 : level == 8 ? 24 : 258
  } else {
    nice = level == 7 ? 16 : level == 8 ? 40 : 258
    chain = level == 7 ? 24 : level == 8 ? 64 : 1024
    lazy = level == 7 ? 12 : level == 8 ? 30 : 258
  }
  weighsCost = level == 9 && !isPlainLazy && !weighsEvenly
  mostTokens = isPlainLazy ? 16384 : 32768
  offset = 1
  index = 0
  filled = 0
  blockStart = 0
  length = LEAST - 1
  distance = 0
  isWaiting = false
  dry = 0
  head = -1
  insertLimit = 0
  resetSequences()
}

/** At most 32,768 bytes of history, right after `resetLazy`. */
export function enterDictionary(from: usize, bytes: i32): void {
  memory.copy(window, from, bytes)
  insertLimit = bytes - (LEAST - 1)
  for (let at = 0; at < insertLimit; at++) link(at)
  filled = bytes
  index = bytes
  if (!blockHoldsDictionary) blockStart = bytes
}

export function encodeLazy(from: usize, bytes: i32): void {
  let at = from
  let left = bytes
  while (left > 0) {
    if (filled == WINDOW) run(false)
    if (index >= WINDOW - AHEAD) slide()
    const room = min(WINDOW - filled, left)
    memory.copy(window + filled, at, room)
    filled += room
    at += room
    left -= room
  }
}

export function flushLazy(): void {
  run(true)
}

function slide(): void {
  memory.copy(window, window + HALF, HALF)
  index -= HALF
  filled -= HALF
  blockStart = blockStart >= HALF && blockStart != UNKNOWN ? blockStart - HALF : UNKNOWN
  offset += HALF
  if (offset > MOST_OFFSET) rebase()
}

function rebase(): void {
  const less = offset - 1
  for (let at = heads; at < links + 4 * HALF; at += 4) store<i32>(at, max(load<i32>(at) - less, 0))
  head -= less
  offset = 1
}

function headOf(at: i32): usize {
  const bytes = load<u32>(window + at)
  return heads + (hash4(isPlainLazy ? bswap(bytes) : bytes, HASH_BITS) << 2)
}

/** Puts an index in front of its chain; gives the position that was there. */
function link(at: i32): i32 {
  const slot = headOf(at)
  const before = load<i32>(slot)
  store<i32>(links + ((at & (HALF - 1)) << 2), before)
  store<i32>(slot, at + offset)
  return before
}

function insert(at: i32): void {
  if (at < insertLimit) head = link(at)
}

function common(a: i32, b: i32, most: i32): i32 {
  let n = 0
  while (n < most) {
    const differing = load<u64>(window + a + n) ^ load<u64>(window + b + n)
    if (differing) return min(n + <i32>(ctz(differing) >> 3), most)
    n += 8
  }
  return most
}

/** The block ends in front of `end`. */
function cut(end: i32, isSync: bool): void {
  const bytes = blockStart <= end ? <u32>(end - blockStart) : <u32>UNKNOWN
  if (isPlainLazy) writeClosed(window + blockStart, bytes)
  else writeTokens(window + blockStart, bytes, isSync)
  blockStart = end
  resetSequences()
}

function putLiteral(at: i32, isSync: bool): void {
  addLiteral(load<u8>(window + at))
  if (tokenCount() == mostTokens) cut(index, isSync)
}

/** Decides positions: all of them when flushing, else those with enough bytes ahead. */
function run(isFlush: bool): void {
  if (filled - index < AHEAD && !isFlush) return
  if (filled != index && weighsCost) prepareCosts()
  if (weighsEvenly) bitsPerByte = isFlush ? 8 : windowBitsPerByte()
  insertLimit = filled - (LEAST - 1)
  while (true) {
    const ahead = filled - index
    if (ahead < AHEAD) {
      if (!isFlush) return
      if (ahead == 0) {
        if (isWaiting) addLiteral(load<u8>(window + index - 1))
        isWaiting = false
        if (tokenCount() != 0) cut(index, isFlush)
        return
      }
    }
    insert(index)
    const lastLength = length
    const lastDistance = distance
    length = LEAST - 1
    distance = 0
    const lowest = max(index - HALF, 0)
    if (head - offset >= lowest && ahead > lastLength && lastLength < lazy) {
      if (weighsCost) searchByCost(head - offset, ahead, lowest)
      else if (weighsEvenly) searchByWeight(head - offset, ahead, lowest)
      else search(head - offset, ahead, lowest)
    }
    if (lastLength >= LEAST && length <= lastLength) takeLast(lastLength, lastDistance, ahead, lowest, isFlush)
    else advance(isFlush)
  }
}

/** The match at the position before this one is the one to take, unless its end leads to a better one. */
function takeLast(lastLength: i32, lastDistance: i32, ahead: i32, lowest: i32, isSync: bool): void {
  found = lastLength
  away = lastDistance
  if (!isPlainLazy) {
    if (looksInside) lookInside(ahead, lowest)
    else lookBehind(ahead, lowest, isSync)
    dry = 0
  }
  addMatch(found, away)
  const next = index + found - 1
  const end = min(next, insertLimit)
  for (let i = index + 1; i < end; i++) link(i)
  index = next
  isWaiting = false
  length = LEAST - 1
  if (tokenCount() == mostTokens) cut(index, isSync)
}

/** The match that `takeLast` takes. */
let found: i32 = 0
let away: i32 = 0

/** Where the last 2 bytes of the match and the next 2 came before, a longer match may have started. */
function lookInside(ahead: i32, lowest: i32): void {
  const at = index - 1
  if (at + found + 2 >= insertLimit) return
  const from = load<i32>(headOf(at + found - 2)) - offset - found + 2
  if (from <= lowest) return
  const longer = common(at, from, min(ahead, MOST))
  if (longer <= found) return
  found = longer
  away = at - from
}

/** The same for the 4 bytes behind the match. The first 2 bytes of what is found may differ, and then are literals. */
function lookBehind(ahead: i32, lowest: i32, isSync: bool): void {
  const at = index - 1
  if (found >= MOST - 2 || at + found >= insertLimit) return
  const from = load<i32>(headOf(at + found)) - offset - found
  if (at - from == away || from <= lowest + 2) return
  const longer = common(at + 2, from + 2, min(ahead, MOST + 2) - 2)
  if (longer <= found) return
  found = longer
  away = at - from
  for (let i = 1; i >= 0; i--) {
    if (found >= MOST || load<u8>(window + at + i) != load<u8>(window + from + i)) {
      for (let j = 0; j <= i; j++) {
        putLiteral(at + j, isSync)
        index++
        insert(index)
      }
      return
    }
    found++
  }
}

/** The byte before this one is a literal, and more of them where nothing was found for long. */
function advance(isSync: bool): void {
  if (length >= LEAST) dry = 0
  if (!isWaiting) {
    index++
    isWaiting = true
    return
  }
  dry = (dry + 1) & 0xffff
  putLiteral(index - 1, isSync)
  index++
  if (dry <= (isPlainLazy ? 31 : chain)) return
  const skipped = isPlainLazy ? dry >> 5 : 1 + ((dry - chain) >> 6)
  for (let i = 0; i < skipped && index < filled - 1; i++) {
    putLiteral(index - 1, isSync)
    if (!isPlainLazy) insert(index)
    index++
  }
  isWaiting = false
  putLiteral(index - 1, isSync)
}

function search(from: i32, ahead: i32, lowest: i32): void {
  const look = min(MOST, ahead)
  const enough = min(nice, look)
  let candidate = from
  let wanted = load<u8>(window + index + length)
  for (let tries = chain; tries > 0; tries--) {
    if (load<u8>(window + candidate + length) == wanted) {
      const same = common(index, candidate, look)
      if (same > length && (!isPlainLazy || same > LEAST || index - candidate <= NEAR)) {
        length = same
        distance = index - candidate
        if (same >= enough) return
        wanted = load<u8>(window + index + same)
      }
    }
    if (candidate <= lowest) return
    candidate = load<i32>(links + ((candidate & (HALF - 1)) << 2)) - offset
    if (candidate < lowest) return
  }
}

/** A longer match is taken only if it also saves more bits of literals than the best one. */
function searchByCost(from: i32, ahead: i32, lowest: i32): void {
  const look = min(MOST, ahead)
  const enough = min(nice, look)
  let best = looksInside ? 0 : 4
  const base = looksInside ? 6 : 3
  let candidate = from
  let wanted = load<u8>(window + index + length)
  for (let tries = chain; tries > 0; tries--) {
    if (load<u8>(window + candidate + length) == wanted) {
      const same = common(index, candidate, look)
      if (same > length) {
        const back = index - candidate
        const gain = costUpTo(index + same) - costUpTo(index) - extraOfDistance(back) - base - extraOfLength(same)
        if (gain > best) {
          best = gain
          length = same
          distance = back
          if (same >= enough) return
          wanted = load<u8>(window + index + same)
        }
      }
    }
    if (candidate <= lowest) return
    candidate = load<i32>(links + ((candidate & (HALF - 1)) << 2)) - offset
    if (candidate < lowest) return
  }
}

/** Bits that a byte is taken to be worth, by the entropy of what lies ahead. */
let bitsPerByte: i32 = 8

/** A longer match is taken only if it also gains more than the best one, the bits of its distance counted. */
function searchByWeight(from: i32, ahead: i32, lowest: i32): void {
  const look = min(MOST, ahead)
  const enough = min(nice, look)
  let best = LEAST * bitsPerByte - 12
  let candidate = from
  let wanted = load<u8>(window + index + length)
  for (let tries = chain; tries > 0; tries--) {
    if (load<u8>(window + candidate + length) == wanted) {
      const same = common(index, candidate, look)
      const gain = same * bitsPerByte - (32 - clz(index - candidate))
      if (same > length && gain > best) {
        best = gain
        length = same
        distance = index - candidate
        if (same >= enough) return
        wanted = load<u8>(window + index + same)
      }
    }
    if (candidate <= lowest) return
    candidate = load<i32>(links + ((candidate & (HALF - 1)) << 2)) - offset
    if (candidate < lowest) return
  }
}

function windowBitsPerByte(): i32 {
  countAhead(filled - index)
  const bytes = <f64>(filled - index)
  return <i32>(1 + addWholeBits(0, costCounts, costCodes, 1 / bytes) / bytes)
}

/** Counts the next so many bytes. */
function countAhead(bytes: i32): void {
  memory.fill(costCounts, 0, 4 * 256)
  for (let at = window + index; at < window + index + bytes; at++) {
    const count = costCounts + ((<i32>load<u8>(at)) << 2)
    store<u32>(count, load<u32>(count) + 1)
  }
}

function costUpTo(at: i32): i32 {
  return load<i32>(literalCost + (at << 2))
}

/** Extra bits of the distance's code, or rather of the distance after it. */
function extraOfDistance(back: i32): i32 {
  return back == HALF ? FARTHEST_EXTRA_BITS : distanceSymbolExtraBits(distanceSymbol(back + 1))
}

function extraOfLength(bytes: i32): i32 {
  return literalSymbolExtraBits(lengthSymbol(bytes))
}

/** What the bytes ahead would cost as literals with a code of their own; bytes not met in the sample cost nothing. */
function prepareCosts(): void {
  const sample = countsWindow ? filled - index : min(filled - index, HALF)
  countAhead(sample)
  // The original counts with 16 bits.
  if (sample == WINDOW) for (let at = costCounts; at < costCodes; at += 4) store<u16>(at, 0, 2)
  buildCodes(costCounts, 256, MAX_CODE_BITS, costCodes)
  let cost = 0
  store<i32>(literalCost + (index << 2), 0)
  for (let at = index; at < filled; at++) {
    cost += <i32>load<u16>(costCodes + ((<i32>load<u8>(window + at)) << 2), 2)
    store<i32>(literalCost + ((at + 1) << 2), cost)
  }
}
