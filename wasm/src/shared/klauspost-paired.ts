// Levels 4, 5 and 6: a table over 4 bytes and one over 7, whose slots hold two positions at levels 5 and 6. The caller has
// at least the margin and 2 bytes more at `start`.

import { cutsShort, hasWideTables, mistakesDistance, probesEnd, probeSkip } from './klauspost-families'
import {
  bias,
  cappedLength,
  commonBytes,
  fullLength,
  hash4,
  hash7,
  history,
  MARGIN,
  REACH,
  repeats,
  tables,
} from './klauspost-history'
import { addLiterals, addLongMatch, tokenCount } from './klauspost-sequences'

/** Behind the table over 4 bytes, with room for its wide form. */
const LONG_TABLE = tables + (4 << 16)

function shortSlot(bytes: u64, bits: u32): usize {
  return tables + (hash4(bytes, bits) << 2)
}

function longSlot(bytes: u64, bits: u32): usize {
  return LONG_TABLE + (hash7(bytes, bits) << 2)
}

/** Slot of two positions, the newer one in the low half. */
function pairSlot(bytes: u64, bits: u32): usize {
  return LONG_TABLE + (hash7(bytes, bits) << 3)
}

function push(slot: usize, position: i32): void {
  store<u64>(slot, (load<u64>(slot) << 32) | <u64>(<u32>position))
}

function newer(pair: u64): i32 {
  return <i32>pair
}

function older(pair: u64): i32 {
  return <i32>(pair >> 32)
}

/** Bytes behind the last match are literals, unless the block holds no match: then the block is stored as it is. */
function finish(emitted: i32, end: i32): void {
  if (emitted < end && tokenCount() != 0) addLiterals(emitted, end)
}

export function encodeLevel4(start: i32, end: i32): void {
  if (hasWideTables) level4(start, end, 16)
  else level4(start, end, 15)
}

export function encodeLevel5(start: i32, end: i32): void {
  if (hasWideTables) level5(start, end, 16)
  else level5(start, end, 15)
}

export function encodeLevel6(start: i32, end: i32): void {
  if (hasWideTables) level6(start, end, 16)
  else level6(start, end, 15)
}

function level4(start: i32, end: i32, bits: u32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    while (true) {
      const shortAt = shortSlot(bytes, bits)
      const longAt = longSlot(bytes, bits)
      s = next
      next = s + 1 + ((s - emitted) >> 6)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      const short = load<i32>(shortAt) + shift
      const long = load<i32>(longAt) + shift
      const following = load<u64>(next)
      store<i32>(shortAt, s - shift)
      store<i32>(longAt, s - shift)
      t = long
      if (repeats(s, t, bytes)) break
      t = short
      if (repeats(s, t, bytes)) {
        const ahead = load<i32>(longSlot(following, bits)) + shift
        if (repeats(next, ahead, following)) {
          const from = mistakesDistance ? history + (next - ahead) : ahead
          if (fullLength(next, from, end) > fullLength(s, t, end)) {
            s = next
            t = ahead
          }
        }
        break
      }
      bytes = following
    }
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
      if (s + 8 < end) {
        bytes = load<u64>(s)
        store<i32>(shortSlot(bytes, bits), s - shift)
        store<i32>(longSlot(bytes, bits), s - shift)
      }
      finish(emitted, end)
      return
    }
    for (let i = next; i < s - 1; i += 3) {
      const inside = load<u64>(i)
      const position = i - shift
      store<i32>(longSlot(inside, bits), position)
      store<i32>(longSlot(inside >> 8, bits), position + 1)
      store<i32>(shortSlot(inside >> 8, bits), position + 1)
    }
    const last = load<u64>(s - 1)
    store<i32>(shortSlot(last, bits), s - 1 - shift)
    store<i32>(longSlot(last, bits), s - 1 - shift)
    bytes = last >> 8
  }
}

function level5(start: i32, end: i32, bits: u32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  while (true) {
    let next = s
    let t = 0
    let length = 0
    let shortAt = shortSlot(bytes, bits)
    let longAt = pairSlot(bytes, bits)
    while (true) {
      s = next
      next = s + 1 + ((s - emitted) >> 6)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      const short = load<i32>(shortAt) + shift
      const long = load<u64>(longAt)
      const following = load<u64>(next)
      store<i32>(shortAt, s - shift)
      store<u64>(longAt, (long << 32) | <u64>(<u32>(s - shift)))
      shortAt = shortSlot(following, bits)
      longAt = pairSlot(following, bits)

      t = newer(long) + shift
      if (s - t < REACH) {
        const second = older(long) + shift
        if (<u32>bytes == load<u32>(t)) {
          store<i32>(shortAt, next - shift)
          push(longAt, next - shift)
          if (repeats(s, second, bytes)) {
            length = cappedLength(s, t, end)
            const other = cappedLength(s, second, end)
            if (other > length) {
              t = second
              length = other
            }
          }
          break
        }
        t = second
        if (repeats(s, t, bytes)) {
          store<i32>(shortAt, next - shift)
          push(longAt, next - shift)
          break
        }
      }
      t = short
      if (repeats(s, t, bytes)) {
        length = cappedLength(s, t, end)
        const ahead = load<u64>(longAt)
        store<i32>(shortAt, next - shift)
        push(longAt, next - shift)
        const first = newer(ahead) + shift
        if (next - first < REACH) {
          let from = first
          let other = <u32>following == load<u32>(from) ? cappedLength(next, from, end) : 0
          if (other <= length) {
            from = older(ahead) + shift
            other = repeats(next, from, following) ? cappedLength(next, from, end) : 0
          }
          if (other > length) {
            t = from
            s = next
            length = other
          }
        }
        break
      }
      bytes = following
    }
    if (length == 0) length = fullLength(s, t, end)
    else if (length == 258) length += commonBytes(s + 258, t + 258, end)

    const behind = s + length
    if (probesEnd && length < 30 && behind < limit) {
      const from = newer(load<u64>(pairSlot(load<u64>(behind), bits))) + shift - length + probeSkip
      const at = s + probeSkip
      if (from >= history && at - from < REACH && at > from) {
        const other = commonBytes(at, from, end)
        if (other > length) {
          t = from
          s = at
          length = other
        }
      }
    }
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
      finish(emitted, end)
      return
    }
    let i = s - length + 1
    if (i < s - 1) {
      let inside = load<u64>(i)
      store<i32>(shortSlot(inside, bits), i - shift)
      push(pairSlot(inside, bits), i - shift)
      inside >>= 8
      push(pairSlot(inside, bits), i + 1 - shift)
      inside >>= 8
      store<i32>(shortSlot(inside, bits), i + 2 - shift)
      for (i += 4; i < s - 1; i += 3) {
        inside = load<u64>(i)
        push(pairSlot(inside, bits), i - shift)
        store<i32>(shortSlot(inside >> 8, bits), i + 1 - shift)
      }
    }
    const last = load<u64>(s - 1)
    store<i32>(shortSlot(last, bits), s - 1 - shift)
    push(pairSlot(last, bits), s - 1 - shift)
    bytes = last >> 8
  }
}

function level6(start: i32, end: i32, bits: u32): void {
  const shift = bias
  const limit = end - MARGIN
  let emitted = start
  let s = start
  let bytes = load<u64>(s)
  /** Distance of the last match in this block. */
  let repeat = 1
  while (true) {
    let next = s
    let t = 0
    let length = 0
    let shortAt = shortSlot(bytes, bits)
    let longAt = pairSlot(bytes, bits)
    while (true) {
      s = next
      next = s + 1 + ((s - emitted) >> 7)
      if (next > limit) {
        finish(emitted, end)
        return
      }
      const short = load<i32>(shortAt) + shift
      const long = load<u64>(longAt)
      const following = load<u64>(next)
      store<i32>(shortAt, s - shift)
      store<u64>(longAt, (long << 32) | <u64>(<u32>(s - shift)))
      shortAt = shortSlot(following, bits)
      longAt = pairSlot(following, bits)

      t = newer(long) + shift
      if (s - t < REACH) {
        const second = older(long) + shift
        if (<u32>bytes == load<u32>(t)) {
          store<i32>(shortAt, next - shift)
          push(longAt, next - shift)
          if (repeats(s, second, bytes)) {
            length = cappedLength(s, t, end)
            const other = cappedLength(s, second, end)
            if (other > length) {
              t = second
              length = other
            }
          }
          break
        }
        t = second
        if (repeats(s, t, bytes)) {
          store<i32>(shortAt, next - shift)
          push(longAt, next - shift)
          break
        }
      }
      t = short
      if (repeats(s, t, bytes)) {
        length = cappedLength(s, t, end)
        const ahead = load<u64>(longAt)
        store<i32>(shortAt, next - shift)
        push(longAt, next - shift)
        const again = s + 1 - repeat
        if (load<u32>(again) == <u32>(bytes >> 8)) {
          const other = cappedLength(s + 1, again, end)
          if (other > length) {
            t = again
            s++
            length = other
            break
          }
        }
        const first = newer(ahead) + shift
        if (next - first < REACH) {
          let other = <u32>following == load<u32>(first) ? cappedLength(next, first, end) : 0
          if (other > length) {
            t = first
            s = next
            length = other
          }
          const second = older(ahead) + shift
          other = repeats(next, second, following) ? cappedLength(next, second, end) : 0
          if (other > length) {
            t = second
            s = next
            length = other
          }
        }
        break
      }
      bytes = following
    }
    if (length == 0) length = fullLength(s, t, end)
    else if (length == 258) length += commonBytes(s + 258, t + 258, end)

    const behind = s + length
    if (probesEnd && behind < limit) {
      const pair = load<u64>(pairSlot(load<u64>(behind), bits))
      const at = s + probeSkip
      let from = newer(pair) + shift - length + probeSkip
      if (at - from < REACH) {
        if (at > from && from >= history) {
          const other = commonBytes(at, from, end)
          if (other > length) {
            t = from
            s = at
            length = other
          }
        }
        from = older(pair) + shift - length + probeSkip
        if (at > from && at - from < REACH && from >= history) {
          const other = commonBytes(at, from, end)
          if (other > length) {
            t = from
            s = at
            length = other
          }
        }
      }
    }
    while (t > history && s > emitted && load<u8>(t - 1) == load<u8>(s - 1)) {
      s--
      t--
      length++
    }
    if (emitted < s) addLiterals(emitted, s)
    addLongMatch(length, s - t, cutsShort)
    repeat = s - t
    s += length
    emitted = s
    if (next >= s) s = next + 1
    if (s >= limit) {
      for (let i = next + 1; i < end - 8; i += 2) {
        const inside = load<u64>(i)
        store<i32>(shortSlot(inside, bits), i - shift)
        push(pairSlot(inside, bits), i - shift)
      }
      finish(emitted, end)
      return
    }
    for (let i = next + 1; i < s - 1; i += 2) {
      const inside = load<u64>(i)
      store<i32>(shortSlot(inside, bits), i - shift)
      push(pairSlot(inside, bits), i - shift)
      push(pairSlot(inside >> 8, bits), i + 1 - shift)
    }
    bytes = load<u64>(s)
  }
}
