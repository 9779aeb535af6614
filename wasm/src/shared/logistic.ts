// Tables and small steps of logistic mixing. A slot is an i16: chance of a 1 less one half (12 bits), times seen (4 bits).

import { allocate } from './memory'

const stretchTable = memory.data(4096 * 2, 16)
const squashTable = memory.data(6144 * 2, 16)
const slotRates = memory.data(16 * 4, 16)

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
  for (let n: i32 = 0; n < 16; n++) store<i32>(slotRates + (n << 2), (327680 + 5 * n + 8) / (10 * n + 16))
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
  return load<i16>(stretchTable + (((slot >> 4) + 2048) << 1))
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

/** Sets of 16 weights, all alike; 16384 is 1. */
export function newWeights(sets: u32, value: i16): usize {
  const at = allocate(sets << 5)
  for (let i: u32 = 0; i < sets << 4; i++) store<i16>(at + (i << 1), value)
  return at
}
