// The window, the hash chains and the two search loops of zlib and GNU gzip. Positions are indexes into a window of 64 KiB whose
// upper half moves down when it is used up; index 0 is never a match source. Input waits until the window is full or a flush
// asks for it, so how the caller cuts its writes plays no part.

import { putStoredBlock, unfinishedBits } from './deflate-bits'
import { addLiteral, addMatch, cutBlock, hasSymbols, isWorthCutting } from './zlib-block'

const HALF: u32 = 0x8000
const WINDOW: u32 = 2 * HALF
const LINK_MASK: u32 = HALF - 1
const MIN_MATCH: u32 = 3
const MAX_MATCH: u32 = 258
/** A longest match and the three bytes that the string behind it hashes. */
const MIN_AHEAD: u32 = MAX_MATCH + MIN_MATCH + 1
const MAX_DISTANCE: u32 = HALF - MIN_AHEAD
/** From here on the upper half moves down when less than `MIN_AHEAD` lies ahead; nothing is searched behind it. */
const LAST_SEARCHED: u32 = HALF + MAX_DISTANCE
/** The lazy loop drops matches of three bytes that are farther away. */
const TOO_FAR: u32 = 4096

/** `gzip --rsyncable` cuts where the sum of so many bytes is a multiple of their number. */
const ROLLED_BYTES: u32 = 4096
const NO_CUT: u32 = u32.MAX_VALUE

/** Behind the window, room for loads that reach beyond it. */
const window = memory.data(0x10000 + 320, 16)
const heads = memory.data(2 * 0x10000, 16)
const links = memory.data(2 * 0x8000, 16)

let position: u32 = 0
let end: u32 = 0
/** Where the block began; below 0 when that has left the window. */
let blockStart: i32 = 0
/** Positions before `position` that had too few bytes ahead of them to be hashed. */
let unhashed: u32 = 0
/** State of the lazy loop between two positions. */
let matchLength: u32 = 2
let matchStart: u32 = 0
let isByteWaiting: bool = false

let hashShift: u32 = 0
let hashMask: u32 = 0
let isLazy: bool = false
let good: u32 = 0
/** Lazy levels: no search behind a match this long. Others: no hashing inside of matches longer than this. */
let lazy: u32 = 0
let nice: u32 = 0
let depth: u32 = 0
let isGnu: bool = false
let cutsEarly: bool = false
/** GNU gzip has seen the end of its input: the window moves no more. */
let isFixed: bool = false
let isRsyncable: bool = false
let rolledSum: u32 = 0
/** The block is cut behind this position, once that is decided. */
let cutBehind: u32 = NO_CUT

/** By level: good, lazy, nice, chain. */
const levels = memory.data<u16>([
  4, 4, 8, 4, 4, 5, 16, 8, 4, 6, 32, 32, 4, 4, 16, 16, 8, 16, 32, 32, 8, 16, 128, 128, 8, 32, 128, 256, 32, 128, 258,
  1024, 32, 258, 258, 4096,
])

/** Levels 1 to 9, a hash of at most 16 bits. */
export function resetSearch(level: u32, hashBits: u32, gnu: bool, rsyncable: bool): void {
  const parameters = levels + ((level - 1) << 3)
  good = load<u16>(parameters)
  lazy = load<u16>(parameters, 2)
  nice = load<u16>(parameters, 4)
  depth = load<u16>(parameters, 6)
  isLazy = level > 3
  hashShift = (hashBits + 2) / 3
  hashMask = (1 << hashBits) - 1
  isGnu = gnu
  cutsEarly = gnu && level > 2
  isFixed = false
  isRsyncable = rsyncable
  rolledSum = 0
  cutBehind = NO_CUT
  matchLength = 2
  matchStart = 0
  isByteWaiting = false
  // GNU gzip compares bytes behind the end of its input: whatever the window held before.
  if (gnu) memory.fill(window, 0, WINDOW)
  forgetHistory()
}

/** What lies behind is no longer used for matches; everything taken has been written. */
export function forgetHistory(): void {
  memory.fill(heads, 0, 2 * (hashMask + 1))
  position = 0
  end = 0
  blockStart = 0
  unhashed = 0
}

/** The last 32 KiB of these bytes are what the first matches reach back to. */
export function setHistory(from: usize, bytes: u32): void {
  const kept = min(bytes, HALF)
  memory.copy(window, from + bytes - kept, kept)
  position = end = kept
  blockStart = kept
  unhashed = kept
  hashLeftOver()
}

/** Takes input; writes blocks as they fill up. */
export function take(from: usize, bytes: u32): void {
  while (bytes != 0) {
    const piece = min(bytes, WINDOW - end)
    memory.copy(window + end, from, piece)
    end += piece
    from += piece
    bytes -= piece
    if (end == WINDOW) decide()
  }
}

/** Decides every position that has enough ahead of it, as zlib does before it asks for more. */
export function decide(): void {
  hashLeftOver()
  search(false)
  if (position >= LAST_SEARCHED) slide()
}

/** Decides everything and writes the block. Without symbols there is none, unless it is the final one. */
export function drain(isFinal: bool): void {
  hashLeftOver()
  search(true)
  if (isByteWaiting) {
    addLiteral(load<u8>(window + position - 1))
    isByteWaiting = false
  }
  unhashed = min(position, MIN_MATCH - 1)
  if (isFinal || hasSymbols()) cut(isFinal)
}

function cut(isFinal: bool): void {
  const from: usize = blockStart < 0 ? 0 : window + blockStart
  cutBlock(from, <i32>position - blockStart, isFinal)
  blockStart = position
}

/** Cuts the block for rsync's sake when `position` is behind the border, and ends it on a byte border. */
function cutForRsync(): bool {
  if (!isRsyncable || cutBehind == NO_CUT || position <= cutBehind) return false
  cutBehind = NO_CUT
  cut(false)
  if (unfinishedBits() != 0) putStoredBlock(0, 0, false)
  return true
}

/** Moves rsync's sum on over what has been decided; the first border found counts until the block is cut there. */
function roll(from: u32, past: u32): void {
  if (!isRsyncable) return
  for (let at = from; at < past; at++) {
    rolledSum += load<u8>(window + at)
    if (at < ROLLED_BYTES) continue
    rolledSum -= load<u8>(window + at - ROLLED_BYTES)
    if (cutBehind == NO_CUT && rolledSum % ROLLED_BYTES == 0) cutBehind = at
  }
}

function search(isDraining: bool): void {
  if (isLazy) searchLazily(isDraining)
  else searchGreedily(isDraining)
}

/** Moves the upper half down, as soon as less than `MIN_AHEAD` lies ahead in it. */
function slide(): void {
  memory.copy(window, window + HALF, HALF)
  position -= HALF
  matchStart -= HALF
  end -= HALF
  blockStart -= HALF
  if (cutBehind != NO_CUT) cutBehind -= HALF
  lower(heads, 2 * (hashMask + 1))
  lower(links, 2 * HALF)
}

/** Positions in the lower half become 0: none. */
function lower(positions: usize, bytes: usize): void {
  const half = i16x8.splat(<i16>HALF)
  for (let at = positions; at < positions + bytes; at += 16) {
    v128.store(at, i16x8.sub_sat_u(v128.load(at), half))
  }
}

/** Less than `MIN_AHEAD` lies ahead and no input will come before the block is cut. */
function makeRoom(): void {
  if (isFixed) return
  if (position >= LAST_SEARCHED) slide()
  if (!isGnu) return
  isFixed = true
  store<u16>(window + end, 0)
}

function hash(at: u32): u32 {
  const bytes = load<u32>(window + at)
  return (
    (((bytes & 0xff) << (hashShift << 1)) ^ (((bytes >> 8) & 0xff) << hashShift) ^ ((bytes >> 16) & 0xff)) & hashMask
  )
}

/** Makes a position findable; gives the last one with the same hash. */
function insert(at: u32): u32 {
  const head = heads + (hash(at) << 1)
  const last = load<u16>(head)
  store<u16>(links + ((at & LINK_MASK) << 1), last)
  store<u16>(head, <u16>at)
  return last
}

function hashLeftOver(): void {
  while (unhashed != 0 && end - (position - unhashed) >= MIN_MATCH) {
    insert(position - unhashed)
    unhashed--
  }
}

/**
 * The longest match for `at` that is longer than `best` among up to `chain` candidates, the newest first; ends with the first
 * of at least `enough` bytes. Gives its start and length << 16, or just `best` << 16. Bytes behind the input count as well.
 */
function longestMatch(at: u32, candidate: u32, best: u32, chain: u32, enough: u32): u32 {
  const scan = window + at
  const oldest = at > MAX_DISTANCE ? at - MAX_DISTANCE : 0
  let start: u32 = 0
  // The last four bytes that a longer match would need; at first three, which share their register with the byte before.
  let mask: u32 = best < 3 ? 0xffffff00 : 0xffffffff
  best = max(best, 2)
  let tail = load<u32>(scan + best - 3)
  do {
    const match = window + candidate
    if (((load<u32>(match + best - 3) ^ tail) & mask) == 0) {
      const length = commonLength(scan, match)
      if (length > best) {
        best = length
        start = candidate
        if (length >= enough) break
        tail = load<u32>(scan + best - 3)
        mask = 0xffffffff
      }
    }
    candidate = load<u16>(links + ((candidate & LINK_MASK) << 1))
  } while (candidate > oldest && --chain != 0)
  return start | (best << 16)
}

/** At most 258. */
function commonLength(a: usize, b: usize): u32 {
  let length: u32 = 0
  do {
    const differing = load<u64>(a + length) ^ load<u64>(b + length)
    if (differing != 0) return length + (<u32>ctz(differing) >> 3)
    length += 8
  } while (length < 256)
  if (load<u8>(a, 256) != load<u8>(b, 256)) return 256
  return load<u8>(a, 257) != load<u8>(b, 257) ? 257 : 258
}

/** Levels 1 to 3: the first match found is taken. */
function searchGreedily(isDraining: bool): void {
  while (true) {
    let ahead = end - position
    if (ahead < MIN_AHEAD) {
      if (!isDraining) return
      makeRoom()
      if (ahead == 0) return
    }
    const candidate = ahead >= MIN_MATCH ? insert(position) : 0
    let length: u32 = 0
    let start: u32 = 0
    if (candidate != 0 && position - candidate <= MAX_DISTANCE && position <= LAST_SEARCHED) {
      const found = longestMatch(position, candidate, 2, depth, isGnu ? nice : min(nice, ahead))
      length = min(found >> 16, ahead)
      start = found & 0xffff
    }
    const decided = position
    let isFull: bool
    if (length >= MIN_MATCH) {
      isFull = addMatch(length - MIN_MATCH, position - start)
      ahead -= length
      position += length
      if (length <= lazy && ahead >= MIN_MATCH) {
        for (let at = decided + 1; at < position; at++) insert(at)
      }
    } else {
      isFull = addLiteral(load<u8>(window + position))
      position++
    }
    roll(decided, position)
    const mustCut = isFull || (cutsEarly && isWorthCutting(decided - blockStart))
    if (!cutForRsync() && mustCut) cut(false)
  }
}

/** Levels 4 to 9: a match is taken only when the next position has no longer one. */
function searchLazily(isDraining: bool): void {
  while (true) {
    const ahead = end - position
    if (ahead < MIN_AHEAD) {
      if (!isDraining) return
      makeRoom()
      if (ahead == 0) return
    }
    const candidate = ahead >= MIN_MATCH ? insert(position) : 0
    const lastLength = matchLength
    const lastStart = matchStart
    matchLength = 2
    if (candidate != 0 && lastLength < lazy && position - candidate <= MAX_DISTANCE && position <= LAST_SEARCHED) {
      const chain = lastLength >= good ? depth >> 2 : depth
      const found = longestMatch(position, candidate, lastLength, chain, isGnu ? nice : min(nice, ahead))
      matchLength = min(found >> 16, ahead)
      matchStart = found & 0xffff
      if (matchLength == MIN_MATCH && position - matchStart > TOO_FAR) matchLength = 2
    }
    if (lastLength >= MIN_MATCH && matchLength <= lastLength) {
      // The match began one position ago, and that position and this one are hashed.
      const isFull = addMatch(lastLength - MIN_MATCH, position - 1 - lastStart)
      const mustCut = isFull || (cutsEarly && isWorthCutting(position - blockStart))
      const behind = position + lastLength - 1
      const past = min(behind, end - (MIN_MATCH - 1))
      for (let at = position + 1; at < past; at++) insert(at)
      roll(position, behind)
      position = behind
      isByteWaiting = false
      matchLength = 2
      if (!cutForRsync() && mustCut) cut(false)
    } else {
      let mustCut = false
      if (isByteWaiting) {
        const isFull = addLiteral(load<u8>(window + position - 1))
        mustCut = isFull || (cutsEarly && isWorthCutting(position - blockStart))
      }
      if (!cutForRsync() && mustCut) cut(false)
      roll(position, position + 1)
      isByteWaiting = true
      position++
    }
  }
}
