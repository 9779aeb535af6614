// The plain bytes around the token being coded, and where earlier copies of them lie. Both sides see the same bytes: 32 KiB
// before the window, the window, and what lies a longest match ahead of it.

import { commonLength } from './match-finder'

export const HISTORY_BYTES: u32 = 0x8000
export const WINDOW_BYTES: u32 = 0x10000
/** A match may begin at the window's last byte, and the position after it is looked at too. */
export const AHEAD_BYTES: u32 = 0x400
const MAX_LENGTH: u32 = 258
const MIN_LENGTH: u32 = 3

const HASH_BITS: u32 = 15
const SHORT_HASH_BITS: u32 = 15

const plain = memory.data(0x8000 + 0x10000 + 0x400 + 64, 64)
/** Newest position of four and of three like bytes; positions count from HISTORY_BYTES, so 0 is none, and wrap. */
const heads = memory.data(4 << 15, 64)
const shortHeads = memory.data(4 << 15, 64)
const chain = memory.data(4 << 15, 64)
/** By position: 1 where the encoder is taken not to have remembered it. */
const skipped = memory.data(0x20000, 64)

/** Position of the window's first byte. */
let base: u32 = 0
let windowBytes: u32 = 0
/** Bytes of the window and behind it that exist. */
let knownBytes: u32 = 0
/** How far back the stream goes, at most 32 KiB. */
let pastBytes: u32 = 0
let inserted: u32 = 0

let depth: u32 = 0
let remembered: u32 = 0
let wholeUpTo: u32 = 0
/** Not 0: the encoder has a table of so many bits, one place for each, by CRC-32C of four bytes. */
let tableBits: u32 = 0
/** CRC-32C of a byte with none, one, two, three zeros behind it. */
const crcs = memory.data(4 * 256 * 4, 64)

prepareCrcs()

function prepareCrcs(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let zeros: u32 = 0; zeros < 4; zeros++) {
      for (let k = 0; k < 8; k++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
      store<u32>(crcs + (((zeros << 8) | i) << 2), crc)
    }
  }
}

function crcOf(word: u32): u32 {
  return (
    load<u32>(crcs + ((0x300 | (word & 0xff)) << 2)) ^
    load<u32>(crcs + ((0x200 | ((word >> 8) & 0xff)) << 2)) ^
    load<u32>(crcs + ((0x100 | ((word >> 16) & 0xff)) << 2)) ^
    load<u32>(crcs + ((word >> 24) << 2))
  )
}

/** The candidates of a position: each longer and farther than the one before. */
export const MAX_CANDIDATES: u32 = 64
const candidates = memory.data(8 * 64 * 2, 16)
const counts = memory.data(4 * 2)
const places = memory.data(4 * 2)

/**
 * `chainDepth`: like places looked at; `rememberedBytes`: how much of a match's start later matches may refer to, 0 for all;
 * `wholeLength`: matches up to it are remembered all the same, and of longer ones the last byte too; `crcTableBits`: see above.
 */
export function beginWindows(chainDepth: u32, rememberedBytes: u32, wholeLength: u32, crcTableBits: u32): void {
  depth = chainDepth
  remembered = rememberedBytes
  wholeUpTo = wholeLength
  tableBits = crcTableBits
  base = HISTORY_BYTES
  windowBytes = 0
  knownBytes = 0
  pastBytes = 0
  inserted = base
  memory.fill(heads, 0, 4 << HASH_BITS)
  memory.fill(shortHeads, 0, 4 << SHORT_HASH_BITS)
  memory.fill(skipped, 0, 0x20000)
  memory.fill(plain, 0, 0x8000 + 0x10000 + 0x400 + 64)
  forget()
}

/** Moves on; returns where the host puts the next window and the bytes ahead of it. */
export function nextWindow(): usize {
  if (windowBytes > 0) {
    memory.copy(plain, plain + windowBytes, HISTORY_BYTES)
    base += windowBytes
    pastBytes = min(pastBytes + windowBytes, HISTORY_BYTES)
  }
  forget()
  return plain + HISTORY_BYTES
}

/** Takes `bytes` of window and `ahead` bytes behind it; only the last window of a stream has fewer than 1,024 of these. */
export function setWindow(bytes: u32, ahead: u32): void {
  windowBytes = bytes
  knownBytes = bytes + ahead
  memory.fill(plain + HISTORY_BYTES + knownBytes, 0, WINDOW_BYTES + AHEAD_BYTES + 64 - knownBytes)
}

export function windowSize(): u32 {
  return windowBytes
}

export function known(): u32 {
  return knownBytes
}

export function byteAt(at: u32): u32 {
  return load<u8>(plain + HISTORY_BYTES + at)
}

/** Whether a copy of `length` bytes from `distance` back gives what stands at `at`. */
export function isCopy(at: u32, length: u32, distance: u32): bool {
  if (distance > pastBytes + at || at + length > knownBytes) return false
  const p = plain + HISTORY_BYTES + at
  return commonLength(p - distance, p, length) == length
}

/** Bytes that a copy from `distance` back can give at `at`, at most 258; 0 when there is no such place. */
export function copyLength(at: u32, distance: u32): u32 {
  if (distance > pastBytes + at) return 0
  const p = plain + HISTORY_BYTES + at
  return commonLength(p - distance, p, min(MAX_LENGTH, knownBytes - at))
}

/** Notes which places of a token the encoder remembers. */
export function noteToken(at: u32, length: u32): void {
  if (remembered == 0) return
  const kept = length <= wholeUpTo ? length : min(remembered, length)
  for (let i: u32 = 0; i < length; i++) store<u8>(skipped + ((base + at + i) & 0x1ffff), i < kept ? 0 : 1)
  if (wholeUpTo > 0) store<u8>(skipped + ((base + at + length - 1) & 0x1ffff), 0)
}

/** Bytes of stored blocks are remembered. */
export function noteStored(at: u32, bytes: u32): void {
  if (remembered == 0) return
  for (let i: u32 = 0; i < bytes; i++) store<u8>(skipped + ((base + at + i) & 0x1ffff), 0)
}

function insertUpTo(at: u32): void {
  const goal = base + at
  if (goal - inserted > HISTORY_BYTES) inserted = goal - HISTORY_BYTES
  while (inserted != goal) {
    const position = inserted++
    if (remembered != 0 && load<u8>(skipped + (position & 0x1ffff))) continue
    const p = plain + HISTORY_BYTES + (position - base)
    const head = heads + (hash4(p) << 2)
    store<u32>(chain + ((position & 0x7fff) << 2), load<u32>(head))
    store<u32>(head, position)
    store<u32>(shortHeads + (hash3(p) << 2), position)
  }
}

function hash4(p: usize): u32 {
  if (tableBits) return crcOf(load<u32>(p)) & ((1 << tableBits) - 1)
  return (load<u32>(p) * 0x9e3779b1) >> (32 - HASH_BITS)
}

function hash3(p: usize): u32 {
  return ((load<u32>(p) << 8) * 0x9e3779b1) >> (32 - SHORT_HASH_BITS)
}

// --- candidates -------------------------------------------------------------------------------------------------------
// Two sets, for a position and the one behind it: where a literal is coded the second becomes the first.

function forget(): void {
  store<u32>(places, u32.MAX_VALUE)
  store<u32>(places, u32.MAX_VALUE, 4)
}

/** Finds the candidates of `at`; gives the number of their set. Everything before `at` counts as remembered. */
export function findCandidates(at: u32): u32 {
  const set = at & 1
  if (load<u32>(places + (set << 2)) != at) {
    insertUpTo(at)
    // Where a token may begin, the encoder looks; what the ring says of this place is long past.
    store<u8>(skipped + ((base + at) & 0x1ffff), 0)
    store<u32>(places + (set << 2), at)
    store<u32>(counts + (set << 2), search(at, candidates + set * 8 * MAX_CANDIDATES))
  }
  return set
}

export function candidateCount(set: u32): u32 {
  return load<u32>(counts + (set << 2))
}

export function candidateLength(set: u32, i: u32): u32 {
  return load<u16>(candidates + ((set * MAX_CANDIDATES + i) << 3))
}

export function candidateDistance(set: u32, i: u32): u32 {
  return load<u32>(candidates + ((set * MAX_CANDIDATES + i) << 3), 4)
}

/** How many like places were nearer. */
export function candidateHops(set: u32, i: u32): u32 {
  return load<u16>(candidates + ((set * MAX_CANDIDATES + i) << 3), 2)
}

function search(at: u32, found: usize): u32 {
  const limit = min(MAX_LENGTH, knownBytes - at)
  if (limit < MIN_LENGTH) return 0
  const position = base + at
  const reach = min(HISTORY_BYTES, pastBytes + at)
  const p = plain + HISTORY_BYTES + at
  let count: u32 = 0
  let best: u32 = MIN_LENGTH - 1

  const short = position - load<u32>(shortHeads + (hash3(p) << 2))
  if (!tableBits && short - 1 < reach && ((load<u32>(p - short) ^ load<u32>(p)) & 0xffffff) == 0) {
    best = commonLength(p - short, p, limit)
    store<u32>(found, best)
    store<u32>(found, short, 4)
    count = 1
  }
  let hops: u32 = 0
  let steps: u32 = tableBits ? 1 : 64 + 4 * depth
  let last: u32 = 0
  let distance = position - load<u32>(heads + (hash4(p) << 2))
  while (distance - 1 < reach && distance > last && steps-- > 0 && best < limit) {
    const from = p - distance
    if (load<u32>(from) == load<u32>(p)) {
      if (++hops > depth) break
      if (load<u8>(from + best) == load<u8>(p + best)) {
        const length = commonLength(from, p, limit)
        if (length > best) {
          best = length
          const entry = found + (min(count, MAX_CANDIDATES - 1) << 3)
          store<u32>(entry, length | (hops << 16))
          store<u32>(entry, distance, 4)
          count = min(count + 1, MAX_CANDIDATES)
        }
      }
    }
    last = distance
    distance = position - load<u32>(chain + (((position - distance) & 0x7fff) << 2))
  }
  return count
}
