// Levels 1, 2 and 3: one table, over 5 bytes or, before 1.15.11, over 4. The caller has at least `leastProbed` bytes at
// `start`.

import { cutsShort, hashesFive, hasWideTables } from './klauspost-families'
import { bias, fullLength, hash4, hash5, history, MARGIN, REACH, repeats, tables } from './klauspost-history'
import { addLiterals, addLongMatch, tokenCount } from './klauspost-sequences'

/** Nothing is looked for in the last bytes of a block when 4 bytes are hashed. */
const MARGIN_OF_FOUR: i32 = 7

export function encodeLevel1(start: i32, end: i32): void {
  if (hashesFive) level1(start, end, true, 15)
  else if (hasWideTables) level1(start, end, false, 16)
  else level1(start, end, false, 15)
}

export function encodeLevel2(start: i32, end: i32): void {
  if (hashesFive) level2(start, end, true, 17)
  else if (hasWideTables) level2(start, end, false, 18)
  else level2(start, end, false, 17)
}

// @ts-ignore: decorator
@inline
function slotOf(bytes: u64, five: bool, bits: u32): usize {
  return tables + ((five ? hash5(bytes, bits) : hash4(bytes, bits)) << 2)
}

/** Bytes behind the last match are literals, unless the block holds no match: then the block is stored as it is. */
function finish(emitted: i32, end: i32): void {
  if (emitted < end && tokenCount() != 0) addLiterals(emitted, end)
}

// @ts-ignore: decorator
@inline
function level1(start: i32, end: i32, five: bool, bits: u32): void {
  const shift = bias
  const limit = end - (five ? MARGIN : MARGIN_OF_FOUR)
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      let slot = slotOf(bytes, five, bits)
      next = s + 2 + ((s - emitted) >> 5)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      const following = load<u64>(next)
      slot = slotOf(following, five, bits)
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
        if (s + length + (five ? 8 : 4) < end) store<i32>(slotOf(load<u64>(s), five, bits), s - shift)
        finish(emitted, end)
        return
      }
      bytes = load<u64>(s - 2)
      store<i32>(slotOf(bytes, five, bits), s - 2 - shift)
      bytes >>= 16
      const slot = slotOf(bytes, five, bits)
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

// @ts-ignore: decorator
@inline
function level2(start: i32, end: i32, five: bool, bits: u32): void {
  const shift = bias
  const limit = end - (five ? MARGIN : MARGIN_OF_FOUR)
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      let slot = slotOf(bytes, five, bits)
      s = next
      next = s + 2 + ((s - emitted) >> 5)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      t = load<i32>(slot) + shift
      store<i32>(slot, s - shift)
      const following = load<u64>(next)
      slot = slotOf(following, five, bits)
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
        if (s + length + (five ? 8 : 4) < end) store<i32>(slotOf(load<u64>(s), five, bits), s - shift)
        finish(emitted, end)
        return
      }
      for (let i = s - length + 2; i < s - 5; i += 7) {
        const inside = load<u64>(i)
        store<i32>(slotOf(inside, five, bits), i - shift)
        store<i32>(slotOf(inside >> 16, five, bits), i + 2 - shift)
        store<i32>(slotOf(inside >> 32, five, bits), i + 4 - shift)
      }
      bytes = load<u64>(s - 2)
      store<i32>(slotOf(bytes, five, bits), s - 2 - shift)
      store<i32>(slotOf(bytes >> 8, five, bits), s - 1 - shift)
      bytes >>= 16
      const slot = slotOf(bytes, five, bits)
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
// @ts-ignore: decorator
@inline
function pairSlot(bytes: u64): usize {
  return tables + (hash5(bytes, 16) << 3)
}

// @ts-ignore: decorator
@inline
function push(slot: usize, position: i32): void {
  store<u64>(slot, (load<u64>(slot) << 32) | <u64>(<u32>position))
}

/** Level 3 keeps away from the last 4 bytes within reach. */
const REACH_OF_PAIRS: i32 = REACH - 4

export function encodeLevel3(start: i32, end: i32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      const slot = pairSlot(bytes)
      s = next
      next = s + 1 + ((s - emitted) >> 7)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      const pair = load<u64>(slot)
      const following = load<u64>(next)
      store<u64>(slot, (pair << 32) | <u64>(<u32>(s - shift)))
      t = <i32>pair + shift
      if (s - t <= REACH_OF_PAIRS) {
        const second = <i32>(pair >> 32) + shift
        if (<u32>bytes == load<u32>(t)) {
          if (
            s - second <= REACH_OF_PAIRS &&
            <u32>bytes == load<u32>(second) &&
            fullLength(s, second, end) > fullLength(s, t, end)
          ) {
            t = second
          }
          break
        }
        t = second
        if (s - t < REACH_OF_PAIRS && <u32>bytes == load<u32>(t)) break
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
        if (t + 8 < end && t > history) push(pairSlot(load<u64>(t)), t - shift)
        finish(emitted, end)
        return
      }
      for (let i = s - length + 2; i < s - 5; i += 6) push(pairSlot(load<u64>(i)), i - shift)
      bytes = load<u64>(s - 2)
      push(pairSlot(bytes), s - 2 - shift)
      push(pairSlot(bytes >> 8), s - 1 - shift)
      bytes >>= 16
      const slot = pairSlot(bytes)
      const pair = load<u64>(slot)
      store<u64>(slot, (pair << 32) | <u64>(<u32>(s - shift)))
      t = <i32>pair + shift
      if (s - t < REACH_OF_PAIRS) {
        if (<u32>bytes == load<u32>(t)) continue
        t = <i32>(pair >> 32) + shift
        if (s - t < REACH_OF_PAIRS && <u32>bytes == load<u32>(t)) continue
      }
      bytes >>= 8
      s++
      break
    }
  }
}
