// Levels 2 to 9 of Go's compress/flate: hash chains over four bytes in a buffer of two windows, greedy at 2 and 3, lazy
// above. Which block a token falls into depends on the number of tokens alone, never on how blocks were written.

import { addLiteral, addMatch, tokens, writeCheapestBlock } from './go-blocks'
import { markCheckpoint } from './go-checkpoint'

const WINDOW: u32 = 32_768
const FULL: u32 = 2 * WINDOW
const MIN_MATCH: u32 = 4
const MAX_MATCH: u32 = 258
/** What `length` says when there is no match. */
const NO_MATCH: u32 = MIN_MATCH - 1
/** Positions are decided with this much ahead, unless flushing. */
const LOOK_AHEAD: u32 = MIN_MATCH + MAX_MATCH
/** From here on the buffer slides before it takes more. */
const SLIDE_AT: u32 = FULL - LOOK_AHEAD
const BLOCK_TOKENS: usize = 16_384
/** A match of `MIN_MATCH` bytes costs more than it saves from farther away. */
const SHORT_MATCH_REACH: u32 = 4096

const HASH_BITS: u32 = 17
const HASH_FACTOR: u32 = 0x1e35a7bd

/** Bytes before and behind the buffer, which may be read, never minded. */
const MARGIN: u32 = 16
const buffer = memory.data(FULL + 2 * MARGIN, 16) + MARGIN

// A place is a buffer index plus 1; 0 is none. Sliding subtracts a window from all of them, and what falls below 0 was out
// of reach anyway.
const heads = memory.data(2 << HASH_BITS, 16)
/** The place before, of the same hash, for each place modulo the window. */
const links = memory.data(2 * WINDOW, 16)

let nice: u32 = 0
let chain: u32 = 0
/** Lazy levels look for something better than a match shorter than this; 0 at greedy levels. */
let lazyBelow: u32 = 0
/** Greedy levels enter the bytes of matches up to this long. */
let enterUpTo: u32 = 0

/** Next byte to decide, and how far the buffer is filled. */
let position: u32 = 0
let end: u32 = 0
/** Where the bytes of the current block start, -1 when they have left the buffer. */
let blockStart: i32 = 0
let nextToken: usize = 0

/** The match found at the position before. */
let length: u32 = 0
let distance: u32 = 0
/** Whether the byte before `position` is still to be emitted. */
let isWaiting: bool = false

/** Input bytes before the buffer. */
let bufferStart: i64 = 0
/** Input position of the last flush. The three places before it are not in the chains. */
let lastFlush: i64 = 0
/** Places from this index on wait to be entered after a resumption; -1 when none do. */
let enterFrom: i32 = 0

export function resetChains(niceLength: u32, candidates: u32, lazy: u32, enter: u32): void {
  nice = niceLength
  chain = candidates
  lazyBelow = lazy
  enterUpTo = enter
  position = 0
  end = 0
  blockStart = 0
  nextToken = tokens
  length = NO_MATCH
  distance = 0
  isWaiting = false
  bufferStart = 0
  lastFlush = i64.MIN_VALUE >> 1
  enterFrom = -1
  memory.fill(heads, 0, 2 << HASH_BITS)
  memory.fill(links, 0, 2 * WINDOW)
}

/** History that is not part of the stream: the last window of it counts. */
export function setHistory(from: usize, count: u32): void {
  const size = min(count, WINDOW)
  memory.copy(buffer, from + (count - size), size)
  position = size
  end = size
  blockStart = size
  bufferStart = -(<i64>size)
  // Checkpoints count input bytes from the start of the buffer, which here is another one.
  lastFlush = i64.MAX_VALUE >> 1
  for (let place: u32 = 0; place + NO_MATCH < size; place++) enter(keyAt(place), place)
}

/** Takes input; decides only when the buffer is full, so the result does not depend on how the input comes in pieces. */
export function takeForChains(from: usize, count: u32): void {
  while (count > 0) {
    if (end == FULL) decide(false)
    if (position >= SLIDE_AT) slide()
    const size = min(count, FULL - end)
    memory.copy(buffer + end, from, size)
    end += size
    from += size
    count -= size
  }
}

/** Decides all that can be decided before more input comes: what Go does at the start of each of its caller's writes. */
export function decideSoFar(): void {
  decide(false)
}

/** Decides everything and closes the block. */
export function finishChains(): void {
  decide(true)
  if (lastFlush < i64.MAX_VALUE >> 1) lastFlush = bufferStart + end
}

function slide(): void {
  memory.copy(buffer, buffer + WINDOW, end - WINDOW)
  position -= WINDOW
  end -= WINDOW
  blockStart = blockStart >= <i32>WINDOW ? blockStart - WINDOW : -1
  bufferStart += WINDOW
  const window = i16x8.splat(<i16>0x8000)
  for (let at = heads; at < heads + (2 << HASH_BITS); at += 16) {
    v128.store(at, i16x8.sub_sat_u(v128.load(at), window))
  }
  for (let at = links; at < links + 2 * WINDOW; at += 16) v128.store(at, i16x8.sub_sat_u(v128.load(at), window))
}

function decide(isFlushing: bool): void {
  // Right after a resumption `position` may be one ahead of `end`.
  if (end < position + LOOK_AHEAD && !isFlushing) return
  if (enterFrom >= 0) enterResumed()
  if (lazyBelow != 0) decideLazily(isFlushing)
  else decideGreedily(isFlushing)
}

/** Four bytes as the hash takes them. */
function keyAt(index: u32): u32 {
  return bswap(load<u32>(buffer + index))
}

/** Makes `index` the head of its chain; returns the head before, for `link`. */
function makeHead(key: u32, index: u32): u32 {
  const slot = heads + (((key * HASH_FACTOR) >> (32 - HASH_BITS)) << 1)
  const before = <u32>load<u16>(slot)
  store<u16>(slot, index + 1)
  return before
}

function link(index: u32, before: u32): void {
  store<u16>(links + (((index + 1) & (WINDOW - 1)) << 1), before)
}

function enter(key: u32, index: u32): void {
  link(index, makeHead(key, index))
}

/** The least place that is in reach. */
function reachOf(index: u32): u32 {
  return index > WINDOW ? index - WINDOW + 1 : 1
}

/**
 * The longest match at `index` along the chain that starts at place `candidate`, the nearest of equals; length << 16 |
 * distance, or 0. The chain must not hold `index` itself yet: so the place a window back still has its own link.
 */
function longestMatch(index: u32, candidate: u32, reach: u32, ahead: u32): u32 {
  const here = buffer + index
  const look = min(MAX_MATCH, ahead)
  const stop = min(nice, look)
  let best = NO_MATCH
  let found: u32 = 0
  // What beats the best has its last four bytes and one more, or differs before.
  let tail = load<u32>(here)
  let tries = chain
  do {
    const there = buffer - 1 + candidate
    if (load<u32>(there + (best - NO_MATCH)) == tail) {
      const size = commonBytes(there, here, look)
      if (size > best) {
        const back = index + 1 - candidate
        if (size > MIN_MATCH || back <= SHORT_MATCH_REACH) {
          found = (size << 16) | back
          if (size >= stop) break
          best = size
          tail = load<u32>(here + (best - NO_MATCH))
        }
      }
    }
    candidate = load<u16>(links + ((candidate & (WINDOW - 1)) << 1))
  } while (candidate >= reach && --tries != 0)
  return found
}

function commonBytes(a: usize, b: usize, limit: u32): u32 {
  let size: u32 = 0
  do {
    const difference = load<u64>(a + size) ^ load<u64>(b + size)
    if (difference != 0) {
      size += <u32>(ctz(difference) >> 3)
      break
    }
    size += 8
  } while (size < limit)
  return min(size, limit)
}

function decideLazily(isFlushing: bool): void {
  const stop = end
  /** Only whole keys are entered. */
  const enterBefore = max<i32>(stop - NO_MATCH, 0)
  let at = position
  let token = nextToken
  let currentLength = length
  let currentDistance = distance
  let waits = isWaiting
  let key = keyAt(at - 1)
  while (true) {
    const ahead = stop - at
    if (ahead < LOOK_AHEAD) {
      if (!isFlushing) break
      if (ahead == 0) {
        if (waits) {
          addLiteral(token, load<u8>(buffer + at - 1))
          token += 4
          waits = false
        }
        if (token != tokens) token = cutBlock(token, at, false, NO_MATCH, 1)
        break
      }
    }
    const beforeLength = currentLength
    const beforeDistance = currentDistance
    currentLength = NO_MATCH
    if (at < <u32>enterBefore) {
      key = (key << 8) | load<u8>(buffer + at, NO_MATCH)
      const head = makeHead(key, at)
      if (beforeLength < lazyBelow && ahead > beforeLength) {
        const reach = reachOf(at)
        if (head >= reach) {
          const found = longestMatch(at, head, reach, ahead)
          if (found != 0) {
            currentLength = found >> 16
            currentDistance = found & 0xffff
          }
        }
      }
      link(at, head)
    }
    if (beforeLength >= MIN_MATCH && currentLength <= beforeLength) {
      addMatch(token, beforeLength, beforeDistance)
      token += 4
      const after = at + beforeLength - 1
      const entered = min(after, <u32>enterBefore)
      while (++at < entered) {
        key = (key << 8) | load<u8>(buffer + at, NO_MATCH)
        enter(key, at)
      }
      at = after
      waits = false
      currentLength = NO_MATCH
      if (token == tokens + 4 * BLOCK_TOKENS) token = cutBlock(token, at, false, NO_MATCH, 1)
    } else {
      if (waits) {
        addLiteral(token, load<u8>(buffer + at - 1))
        token += 4
        if (token == tokens + 4 * BLOCK_TOKENS) token = cutBlock(token, at, true, currentLength, currentDistance)
      }
      at++
      waits = true
    }
  }
  position = at
  nextToken = token
  length = currentLength
  distance = currentDistance
  isWaiting = waits
}

function decideGreedily(isFlushing: bool): void {
  const stop = end
  const enterBefore = max<i32>(stop - NO_MATCH, 0)
  let at = position
  let token = nextToken
  while (true) {
    const ahead = stop - at
    if (ahead < LOOK_AHEAD) {
      if (!isFlushing) break
      if (ahead == 0) {
        if (token != tokens) token = cutBlock(token, at, false, NO_MATCH, 1)
        break
      }
    }
    let found: u32 = 0
    if (at < <u32>enterBefore) {
      const head = makeHead(keyAt(at), at)
      const reach = reachOf(at)
      if (head >= reach) found = longestMatch(at, head, reach, ahead)
      link(at, head)
    }
    if (found != 0) {
      const size = found >> 16
      addMatch(token, size, found & 0xffff)
      const after = at + size
      if (size <= enterUpTo) {
        const entered = min(after, <u32>enterBefore)
        while (++at < entered) enter(keyAt(at), at)
      }
      at = after
    } else {
      addLiteral(token, load<u8>(buffer + at))
      at++
    }
    token += 4
    if (token == tokens + 4 * BLOCK_TOKENS) token = cutBlock(token, at, false, NO_MATCH, 1)
  }
  position = at
  nextToken = token
}

/** Writes the block that ends before `border`; returns where the next one's first token goes. */
function cutBlock(token: usize, border: u32, waits: bool, matchLength: u32, matchDistance: u32): usize {
  const raw = blockStart < 0 ? 0 : border - blockStart
  writeCheapestBlock(<u32>(token - tokens) >> 2, buffer + blockStart, raw)
  blockStart = border
  if (isResumable(border, waits)) {
    markCheckpoint(bufferStart + border, waits, matchLength, matchLength == NO_MATCH ? 1 : matchDistance)
  }
  return tokens
}

/**
 * Whether input alone tells the chains at this border. At greedy levels it doesn't: the bytes of long matches are not
 * entered. Behind a flush it doesn't. And one place may be decided before or after sliding.
 */
function isResumable(border: u32, waits: bool): bool {
  return lazyBelow != 0 && bufferStart + border - WINDOW >= lastFlush && border + <u32>waits != SLIDE_AT
}

/** Goes on at a border, behind `count` bytes of input: the last window, or all there were. */
export function resumeChains(
  border: i64,
  waits: bool,
  matchLength: u32,
  matchDistance: u32,
  from: usize,
  count: u32,
): void {
  const next = border + <i64>waits
  bufferStart = next < <i64>SLIDE_AT ? 0 : ((next - SLIDE_AT) / WINDOW + 1) * WINDOW
  position = <u32>(next - bufferStart)
  end = <u32>(border - bufferStart)
  blockStart = end
  isWaiting = waits
  length = matchLength
  distance = matchDistance
  const kept = min(count, end)
  memory.copy(buffer + (end - kept), from + (count - kept), kept)
  enterFrom = end - kept
}

/** Enters the history of a resumed stream, now that the bytes behind it are here. */
function enterResumed(): void {
  // A checkpoint that promises bytes which never come is a false one: no harm may come of it.
  position = min(position, end)
  if (length > end - position + 1) length = NO_MATCH
  const stop = min<i32>(position, <i32>end - <i32>NO_MATCH)
  for (let index = enterFrom; index < stop; index++) enter(keyAt(index), index)
  enterFrom = -1
}
