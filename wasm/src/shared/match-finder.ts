// Finds earlier copies for the encoder: hash chains over 4 bytes for what is near and short, two small buckets over 12 and
// 32 bytes for what is far and long. What it finds decides the size of a payload, never its meaning.

import { allocate, allocateZeroed } from './memory'

const CHAIN_DEPTH: u32 = 24
const BUCKET: u32 = 4
/** A match this long is taken without looking for a better one. */
export const NICE_LENGTH: u32 = 192

let window: usize = 0
let size: u32 = 0
let inserted: u32 = 0

let headBits: u32 = 0
let heads: usize = 0
let chain: usize = 0
let shortHeads: usize = 0
let longBits: u32 = 0
let middleBuckets: usize = 0
let longBuckets: usize = 0

/** Found by the last `findMatches`: pairs (length, distance), lengths rising. */
export const matches = memory.data(8 * 64, 16)

/** Allocates tables for a window of this size and forgets the last one. */
export function prepareMatchFinder(at: usize, bytes: u32): void {
  window = at
  size = bytes
  inserted = 0
  const length: u32 = bytes < 2 ? 1 : 32 - clz(bytes - 1)
  headBits = min(max(length, 10), 22)
  longBits = min(max(length, 12) - 2, 20)
  heads = allocateZeroed(4 << headBits)
  shortHeads = allocateZeroed(4 << 16)
  middleBuckets = allocateZeroed((4 * BUCKET) << longBits)
  longBuckets = allocateZeroed((4 * BUCKET) << longBits)
  chain = allocate((<usize>bytes + 1) << 2)
}

function hash3(p: usize): u32 {
  return ((load<u32>(p) << 8) * 0x9e3779b1) >> 16
}

function hash4(p: usize): u32 {
  return (load<u32>(p) * 0x9e3779b1) >> (32 - headBits)
}

function hash12(p: usize): u32 {
  const mixed = (load<u64>(p) * 0x9e3779b97f4a7c15) ^ (<u64>load<u32>(p, 8) * 0xc2b2ae3d27d4eb4f)
  return <u32>((mixed * 0x9e3779b97f4a7c15) >> (64 - longBits))
}

function hash32(p: usize): u32 {
  let mixed = load<u64>(p) * 0x9e3779b97f4a7c15
  mixed = (mixed ^ (mixed >> 32) ^ load<u64>(p, 8)) * 0xc2b2ae3d27d4eb4f
  mixed = (mixed ^ (mixed >> 32) ^ load<u64>(p, 16)) * 0x9e3779b97f4a7c15
  mixed = (mixed ^ (mixed >> 32) ^ load<u64>(p, 24)) * 0xc2b2ae3d27d4eb4f
  return <u32>(mixed >> (64 - longBits))
}

/** How many bytes agree at two positions, at most `limit`. */
export function commonLength(a: usize, b: usize, limit: u32): u32 {
  let n: u32 = 0
  while (n + 8 <= limit) {
    const differing = load<u64>(a + n) ^ load<u64>(b + n)
    if (differing) return n + <u32>(ctz(differing) >> 3)
    n += 8
  }
  while (n < limit && load<u8>(a + n) == load<u8>(b + n)) n++
  return n
}

/** Makes every position before `position` findable. Positions are stored plus one: zero is none. */
export function insertUpTo(position: u32): void {
  while (inserted < position) {
    const p = window + inserted
    const left = size - inserted
    if (left < 4) {
      inserted = position
      return
    }
    const entry = inserted + 1
    store<u32>(shortHeads + (hash3(p) << 2), entry)
    const head = heads + (hash4(p) << 2)
    store<u32>(chain + (entry << 2), load<u32>(head))
    store<u32>(head, entry)
    if (left >= 12) push(middleBuckets + (hash12(p) << 4), entry)
    if (left >= 32) push(longBuckets + (hash32(p) << 4), entry)
    inserted++
  }
}

/** Puts an entry in front of a bucket of four. */
function push(bucket: usize, entry: u32): void {
  const old = v128.load(bucket)
  v128.store(
    bucket,
    i32x4.replace_lane(i8x16.shuffle(old, old, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), 0, entry),
  )
}

/** Looks for matches at `position`, all before it inserted; gives their number. Each is longer than the one before. */
export function findMatches(position: u32): u32 {
  const left = size - position
  if (left < 4) return 0
  const p = window + position
  let count: u32 = 0
  let best: u32 = 2

  const near = load<u32>(shortHeads + (hash3(p) << 2))
  if (near != 0) {
    const from = near - 1
    const length = commonLength(window + from, p, left)
    if (length > best && position - from < 0x20000) {
      best = length
      count = record(count, length, position - from)
    }
  }
  let depth = CHAIN_DEPTH
  let entry = load<u32>(heads + (hash4(p) << 2))
  while (entry != 0 && depth > 0 && best < NICE_LENGTH && best < left) {
    const from = window + entry - 1
    if (load<u8>(from + best) == load<u8>(p + best)) {
      const length = commonLength(from, p, left)
      if (length > best) {
        best = length
        count = record(count, length, position - (entry - 1))
      }
    }
    entry = load<u32>(chain + (entry << 2))
    depth--
  }
  if (entry != 0 && left >= 12 && best < NICE_LENGTH)
    count = searchBucket(middleBuckets + (hash12(p) << 4), position, left, count, best)
  if (count > 0) best = load<u32>(matches + ((count - 1) << 3))
  // What agrees in 32 bytes agrees in 12, so without such a match there is nothing longer to be found.
  if (left >= 32 && best >= 12) count = searchBucket(longBuckets + (hash32(p) << 4), position, left, count, best)
  return count
}

/** Tries the candidates of a bucket; those that agree in more than `best` bytes are recorded. */
function searchBucket(bucket: usize, position: u32, left: u32, count: u32, best: u32): u32 {
  const p = window + position
  for (let i: u32 = 0; i < BUCKET; i++) {
    const candidate = load<u32>(bucket + (i << 2))
    if (candidate == 0) break
    const from = window + candidate - 1
    if (load<u32>(from) != load<u32>(p) || (best < left && load<u8>(from + best) != load<u8>(p + best))) continue
    const length = commonLength(from, p, left)
    if (length > best) {
      best = length
      count = record(count, length, position - (candidate - 1))
    }
  }
  return count
}

function record(count: u32, length: u32, distance: u32): u32 {
  const slot = min(count, 63)
  store<u32>(matches + (slot << 3), length)
  store<u32>(matches + (slot << 3), distance, 4)
  return slot + 1
}
