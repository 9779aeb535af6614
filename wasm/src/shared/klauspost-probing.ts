// Levels 1, 2 and 3: one table, over 5 bytes or, before 1.15.11, over 4. The caller has at least the margin and 2 bytes more
// at `start`.

import { cutsShort, hashesFive, hasWideTables, insertsInPairs } from './klauspost-families'
import { bias, fullLength, hash4, hash5, history, MARGIN, REACH, repeats, tables } from './klauspost-history'
import { addLiterals, addLongMatch, tokenCount } from './klauspost-sequences'

/** Hashes of 5 bytes, of 4, and of 4 with another factor. */
const FIVE: u32 = 0
const FOUR: u32 = 1
const FOUR_BEFORE: u32 = 2

function hash(bytes: u64, kind: u32, bits: u32): usize {
  if (kind == FIVE) return hash5(bytes, bits)
  if (kind == FOUR) return hash4(bytes, bits)
  return (<u32>bytes * 0x1e35a7bd) >> (32 - bits)
}

export function encodeLevel1(start: i32, end: i32): void {
  if (hashesFive) level1(start, end, FIVE, 15)
  else if (hasWideTables) level1(start, end, FOUR_BEFORE, 16)
  else level1(start, end, FOUR_BEFORE, 15)
}

export function encodeLevel2(start: i32, end: i32): void {
  if (hashesFive) level2(start, end, FIVE, 17)
  else if (hasWideTables) level2(start, end, FOUR, 18)
  else level2(start, end, FOUR, 17)
}

function slotOf(bytes: u64, kind: u32, bits: u32): usize {
  return tables + (hash(bytes, kind, bits) << 2)
}

/** Bytes behind the last match are literals, unless the block holds no match: then the block is stored as it is. */
function finish(emitted: i32, end: i32): void {
  if (emitted < end && tokenCount() != 0) addLiterals(emitted, end)
}

function level1(start: i32, end: i32, kind: u32, bits: u32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      let slot = slotOf(bytes, kind, bits)
      next = s + 2 + ((s - emitted) >> 5)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      const following = load<u64>(next)
      slot = slotOf(following, kind, bits)
      if (repeats(s, t, bytes)) {
        store<i32>(slot, next - shift)
        break
      }
      bytes = following
      s = next++
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      if (repeats(s, t, bytes)) {
        // The slot is the one of s, though `next` goes there.
        store<i32>(slot, next - shift)
        break
      }
      bytes = following >> 8
      s = next
    }
    while (true) {
      let length = fullLength(s, t, end)
      while (t > history && s > emitted && load<u8>(t - 1) == load<u8>(s - 1)) {
        s--
        t--
        length++
      }
      if (emitted < s) addLiterals(emitted, s)
      addLongMatch(length, s - t, cutsShort)
      s += length
      emitted = s
      if (next >= s) s = next + 1
      if (s >= limit) {
        if (s + length + (kind == FIVE ? 8 : 4) < end) store<i32>(slotOf(load<u64>(s), kind, bits), s - shift)
        finish(emitted, end)
        return
      }
      bytes = load<u64>(s - 2)
      store<i32>(slotOf(bytes, kind, bits), s - 2 - shift)
      bytes >>= 16
      const slot = slotOf(bytes, kind, bits)
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      if (s - t > REACH || <u32>bytes != load<u32>(t)) {
        bytes >>= 8
        s++
        break
      }
    }
  }
}

function level2(start: i32, end: i32, kind: u32, bits: u32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      let slot = slotOf(bytes, kind, bits)
      s = next
      next = s + 2 + ((s - emitted) >> 5)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      const following = load<u64>(next)
      slot = slotOf(following, kind, bits)
      if (repeats(s, t, bytes)) {
        store<i32>(slot, next - shift)
        break
      }
      bytes = following
      s = next++
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      if (repeats(s, t, bytes)) break
      bytes = following >> 8
    }
    while (true) {
      let length = fullLength(s, t, end)
      while (t > history && s > emitted && load<u8>(t - 1) == load<u8>(s - 1)) {
        s--
        t--
        length++
      }
      if (emitted < s) addLiterals(emitted, s)
      addLongMatch(length, s - t, cutsShort)
      s += length
      emitted = s
      if (next >= s) s = next + 1
      if (s >= limit) {
        if (s + length + (kind == FIVE ? 8 : 4) < end) store<i32>(slotOf(load<u64>(s), kind, bits), s - shift)
        finish(emitted, end)
        return
      }
      for (let i = s - length + 2; i < s - 5; i += 7) {
        const inside = load<u64>(i)
        store<i32>(slotOf(inside, kind, bits), i - shift)
        store<i32>(slotOf(inside >> 16, kind, bits), i + 2 - shift)
        store<i32>(slotOf(inside >> 32, kind, bits), i + 4 - shift)
      }
      bytes = load<u64>(s - 2)
      store<i32>(slotOf(bytes, kind, bits), s - 2 - shift)
      store<i32>(slotOf(bytes >> 8, kind, bits), s - 1 - shift)
      bytes >>= 16
      const slot = slotOf(bytes, kind, bits)
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      if (s - t > REACH || <u32>bytes != load<u32>(t)) {
        bytes >>= 8
        s++
        break
      }
    }
  }
}

/** Slots of two positions, the newer one in the low half. */
function pairSlot(bytes: u64, kind: u32, bits: u32): usize {
  return tables + (hash(bytes, kind, bits) << 3)
}

function push(slot: usize, position: i32): void {
  store<u64>(slot, (load<u64>(slot) << 32) | <u64>(<u32>position))
}

/** Level 3 looks for nothing in so many bytes at the end of a block while it hashes 4. */
export const MARGIN_OF_PAIRS: i32 = 7
/** Level 3 keeps away from the last 4 bytes within reach, but for the first families, which even take the byte at `REACH`. */
const SAFE_REACH: i32 = REACH - 4

export function encodeLevel3(start: i32, end: i32): void {
  if (hashesFive) level3(start, end, FIVE, 16, 7, SAFE_REACH, SAFE_REACH)
  else if (insertsInPairs) level3(start, end, FOUR, 16, 6, SAFE_REACH, SAFE_REACH)
  else if (hasWideTables) level3(start, end, FOUR_BEFORE, 16, 6, REACH, REACH + 1)
  else level3(start, end, FOUR_BEFORE, 15, 6, SAFE_REACH, SAFE_REACH)
}

/** The newer position may be `reach` away, the older one less than `below` where the newer one is of other bytes. */
function level3(start: i32, end: i32, kind: u32, bits: u32, skip: i32, reach: i32, below: i32): void {
  const shift = bias
  const limit = end - (kind == FIVE ? MARGIN : MARGIN_OF_PAIRS)
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      const slot = pairSlot(bytes, kind, bits)
      s = next
      next = s + 1 + ((s - emitted) >> skip)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      const pair = load<u64>(slot)
      const following = load<u64>(next)
      store<u64>(slot, (pair << 32) | <u64>(<u32>(s - shift)))
      t = <i32>pair + shift
      if (s - t <= reach) {
        const second = <i32>(pair >> 32) + shift
        if (<u32>bytes == load<u32>(t)) {
          if (
            s - second <= reach &&
            <u32>bytes == load<u32>(second) &&
            fullLength(s, second, end) > fullLength(s, t, end)
          ) {
            t = second
          }
          break
        }
        t = second
        if (s - t < below && <u32>bytes == load<u32>(t)) break
      }
      bytes = following
    }
    while (true) {
      let length = fullLength(s, t, end)
      while (t > history && s > emitted && load<u8>(t - 1) == load<u8>(s - 1)) {
        s--
        t--
        length++
      }
      if (emitted < s) addLiterals(emitted, s)
      addLongMatch(length, s - t, cutsShort)
      s += length
      emitted = s
      if (next >= s) s = next + 1
      if (s >= limit) {
        t += length
        if (t + (kind == FIVE ? 8 : 4) < end && t > history) push(pairSlot(load<u64>(t), kind, bits), t - shift)
        finish(emitted, end)
        return
      }
      if (insertsInPairs) {
        const step = kind == FIVE ? 6 : 5
        for (let i = s - length + 2; i < s - 5; i += step) push(pairSlot(load<u64>(i), kind, bits), i - shift)
      } else push(pairSlot(load<u64>(s - 3), kind, bits), s - 3 - shift)
      bytes = load<u64>(s - 2)
      push(pairSlot(bytes, kind, bits), s - 2 - shift)
      push(pairSlot(bytes >> 8, kind, bits), s - 1 - shift)
      bytes >>= 16
      const slot = pairSlot(bytes, kind, bits)
      const pair = load<u64>(slot)
      store<u64>(slot, (pair << 32) | <u64>(<u32>(s - shift)))
      t = <i32>pair + shift
      if (s - t < below) {
        if (<u32>bytes != load<u32>(t)) {
          t = <i32>(pair >> 32) + shift
          if (s - t < below && <u32>bytes == load<u32>(t)) continue
        } else if (insertsInPairs || hasWideTables) continue
      }
      bytes >>= 8
      s++
      break
    }
  }
}
