// Level 1 of Go's compress/flate: one table of four-byte values, no chains, blocks of 65,535 bytes that may copy from the
// block before.

import { putStoredBlock } from './deflate-bits'
import { matchToken } from './deflate-tokens'
import { MAX_STORED_BYTES, tokens, writeFastBlock, writeLiteralBlock } from './go-blocks'

const MAX_DISTANCE: i32 = 32_768
const MAX_MATCH: i32 = 258
/** The last bytes of a block are not searched. */
const TAIL: i32 = 15
const MIN_SEARCHED: i32 = TAIL + 2
/** Short blocks are not worth a search, and shorter ones not even codes. */
const MIN_FAST: u32 = 128
const MAX_TINY: u32 = 16
/** Positions are renumbered from here on. */
const RENUMBER_AT: i32 = i32.MAX_VALUE - 2 * <i32>MAX_STORED_BYTES

const HASH_BITS: u32 = 14
const HASH_FACTOR: u32 = 0x1e35a7bd

/** The block before ends where the block starts. */
const history = memory.data(65_536 + 65_536 + 16, 16)
const block = history + 65_536
let filled: u32 = 0
/** Bytes of the block before that matches may reach. */
let historyBytes: i32 = 0

/** By hash: the four bytes, then their position. */
const table = memory.data(8 << HASH_BITS, 16)
/** Position of the block's first byte. */
let origin: i32 = 0

export function resetFast(): void {
  filled = 0
  historyBytes = 0
  origin = MAX_STORED_BYTES
  memory.fill(table, 0, 8 << HASH_BITS)
}

export function takeForFast(from: usize, count: u32): void {
  while (count > 0) {
    const size = min(count, MAX_STORED_BYTES - filled)
    memory.copy(block + filled, from, size)
    filled += size
    from += size
    count -= size
    if (filled == MAX_STORED_BYTES) encodeBlock()
  }
}

export function finishFast(): void {
  if (filled == 0) return
  if (filled >= MIN_FAST) {
    encodeBlock()
    return
  }
  if (filled <= MAX_TINY) putStoredBlock(block, filled, false)
  else writeLiteralBlock(block, filled)
  filled = 0
  historyBytes = 0
  // Nothing before is in reach of anything to come.
  origin += MAX_DISTANCE
  if (origin >= RENUMBER_AT) renumber()
}

function encodeBlock(): void {
  if (origin >= RENUMBER_AT) renumber()
  const count = findTokens(<i32>filled)
  if (count > filled - (filled >> 4)) writeLiteralBlock(block, filled)
  else writeFastBlock(count, block, filled)
  memory.copy(block - filled, block, filled)
  historyBytes = filled
  origin += filled
  filled = 0
}

function slotOf(value: u32): usize {
  return table + (((value * HASH_FACTOR) >> (32 - HASH_BITS)) << 3)
}

/** Whether the value stood at `position` lately; the slot then says the same four bytes. */
function isNear(entry: u64, value: u32, position: i32): bool {
  return <u32>entry == value && position - <i32>(entry >> 32) <= MAX_DISTANCE
}

function remember(slot: usize, value: u32, position: i32): void {
  store<u64>(slot, <u64>value | ((<u64>(<u32>position)) << 32))
}

function addLiterals(token: usize, from: i32, to: i32): usize {
  for (let at = from; at < to; at++) {
    store<u32>(token, load<u8>(block + at))
    token += 4
  }
  return token
}

/** Tokens of a block of at least `MIN_FAST` bytes; returns how many. */
function findTokens(size: i32): u32 {
  const limit = size - TAIL
  let token = tokens
  /** Everything before has its token. */
  let done: i32 = 0
  let at: i32 = 0
  let value = load<u32>(block)
  while (true) {
    // The longer nothing is found, the fewer positions are tried.
    let counter: i32 = 32
    let next = at
    let entry: u64 = 0
    while (true) {
      at = next
      const step = counter >> 5
      next = at + step
      counter += step
      if (next > limit) return addRest(token, done, size)
      const slot = slotOf(value)
      entry = load<u64>(slot)
      remember(slot, value, origin + at)
      if (isNear(entry, value, origin + at)) break
      value = load<u32>(block + next)
    }
    token = addLiterals(token, done, at)
    while (true) {
      const distance = origin + at - <i32>(entry >> 32)
      const length = matchLength(at, distance, size)
      store<u32>(token, matchToken(length, distance))
      token += 4
      at += length
      done = at
      if (at >= limit) return addRest(token, done, size)
      const bytes = load<u64>(block + at - 1)
      remember(slotOf(<u32>bytes), <u32>bytes, origin + at - 1)
      value = <u32>(bytes >> 8)
      const slot = slotOf(value)
      entry = load<u64>(slot)
      remember(slot, value, origin + at)
      if (!isNear(entry, value, origin + at)) break
    }
    at++
    value = load<u32>(block + at)
  }
}

/** Adds the rest of the block as literals; returns the number of tokens. */
function addRest(token: usize, from: i32, to: i32): u32 {
  return <u32>(addLiterals(token, from, to) - tokens) >> 2
}

/** Four bytes are known to match; more only where the bytes of the source are still here. */
function matchLength(at: i32, distance: i32, size: i32): i32 {
  let length: i32 = 4
  if (at + 4 - distance < -historyBytes) return length
  const limit = min(MAX_MATCH, size - at)
  const here = block + at
  const there = here - distance
  while (length < limit) {
    const difference = load<u64>(here + length) ^ load<u64>(there + length)
    if (difference != 0) {
      length += <i32>(ctz(difference) >> 3)
      break
    }
    length += 8
  }
  return min(length, limit)
}

/** Positions start anew before they overflow: once in 2 GiB. */
function renumber(): void {
  for (let slot = table; slot < table + (8 << HASH_BITS); slot += 8) {
    const position = load<i32>(slot, 4) - origin + MAX_DISTANCE + 1
    if (historyBytes == 0) store<u64>(slot, 0)
    else store<i32>(slot, max(position, 0), 4)
  }
  origin = MAX_DISTANCE + 1
}
