// Tables and small steps of logistic mixing. A slot is an i16: chance of a 1 less one half (12 bits), times seen (4 bits).

import { allocate } from './memory'

const stretchTable = memory.data(4096 * 2, 16)
const squashTable = memory.data(6144 * 2, 16)
const slotRates = memory.data(16 * 4, 16)
/** The same, all low bytes and then all high bytes, for lookup by vector. */
const slotRateBytes = memory.data(32, 16)

/** Largest sum the mixer works with, in 256ths of a nat. */
export const DOT_LIMIT: i32 = 3071

/** Fills the tables; call once before anything is mixed. */
export function prepareLogistic(): void {
  let exponential: u64 = 0x100000000
  for (let k: i32 = 0; k <= DOT_LIMIT; k++) {
    const chance = min<u64>(65535, 0x1000000000000 / (0x100000000 + exponential))
    store<u16>(squashTable + ((3072 + k) << 1), <u16>chance)
    store<u16>(squashTable + ((3072 - k) << 1), <u16>(65536 - chance))
    exponential = (exponential * 4278222805) >> 32
  }
  let x: i32 = -DOT_LIMIT
  for (let i: i32 = 0; i < 4096; i++) {
    while (x < DOT_LIMIT && squashed(x) < 16 * i + 8) x++
    store<i16>(stretchTable + (i << 1), <i16>min(max(x, -2047), 2047))
  }
  // 32768 / (n + 1.6), rounded
  for (let n: i32 = 0; n < 16; n++) {
    const rate = (327680 + 5 * n + 8) / (10 * n + 16)
    store<i32>(slotRates + (n << 2), rate)
    store<u8>(slotRateBytes + n, <u8>rate)
    store<u8>(slotRateBytes + 16 + n, <u8>(rate >> 8))
  }
}

/** Chance of a 1 in 65536ths for a sum, which is cut to the limit. */
export function squashed(sum: i32): i32 {
  return load<u16>(squashTable + ((min(max(sum, -DOT_LIMIT), DOT_LIMIT) + 3072) << 1))
}

/** ln(p / (1 - p)) in 256ths, for p in 4096ths. */
export function stretched(chance: u32): i32 {
  return load<i16>(stretchTable + (chance << 1))
}

export function stretchOfSlot(slot: i32): i32 {
  return load<i16>(stretchOf(slot))
}

function stretchOf(slot: i32): usize {
  return stretchTable + (((slot >> 4) + 2048) << 1)
}

/** Moves a slot towards the bit that came, the less the oftener it was seen. */
export function moveSlot(at: usize, bit: u32): void {
  const slot = <i32>load<i16>(at)
  const seen = slot & 15
  const p = slot >> 4
  const goal: i32 = bit ? 2047 : -2048
  const moved = p + (((goal - p) * load<i32>(slotRates + (seen << 2)) + 16384) >> 15)
  store<i16>(at, <i16>((moved << 4) | min(seen + 1, 15)))
}

/** `stretchOfSlot` of eight slots. */
export function stretchOfSlots(slots: v128): v128 {
  let result = i64x2.splat(0)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 0)), result, 0)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 1)), result, 1)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 2)), result, 2)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 3)), result, 3)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 4)), result, 4)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 5)), result, 5)
  result = v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 6)), result, 6)
  return v128.load_lane<u16>(stretchOf(i16x8.extract_lane_s(slots, 7)), result, 7)
}

/** `moveSlot` of eight slots towards the same bit. */
export function moveSlots(slots: v128, bit: u32): v128 {
  const seen = v128.and(slots, i16x8.splat(15))
  const p = i16x8.shr_s(slots, 4)
  // An index of 0x80 picks 0, so the upper byte of each lane stays out of the way.
  const index = v128.or(seen, i16x8.splat(-0x8000))
  const low = i8x16.swizzle(v128.load(slotRateBytes), index)
  const high = i8x16.swizzle(v128.load(slotRateBytes, 16), index)
  const rate = v128.or(low, i16x8.shl(high, 8))
  const goal = i16x8.splat(bit ? 2047 : -2048)
  const moved = i16x8.add(p, i16x8.q15mulr_sat_s(i16x8.sub(goal, p), rate))
  return v128.or(i16x8.shl(moved, 4), i16x8.min_s(i16x8.add(seen, i16x8.splat(1)), i16x8.splat(15)))
}

/** Sets of 16 weights, all alike; 16384 is 1. */
export function newWeights(sets: u32, value: i16): usize {
  const at = allocate(sets << 5)
  for (let i: u32 = 0; i < sets << 4; i++) store<i16>(at + (i << 1), value)
  return at
}
