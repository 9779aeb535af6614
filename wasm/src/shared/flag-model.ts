// Context mixing of single flags: up to eight hashed contexts, one set of weights chosen by a mode.

import { allocateZeroed } from './memory'
import { codeBit } from './range-coder'
import { moveSlot, newWeights, squashed, stretchOfSlot } from './logistic'

const TABLE_BITS: u32 = 16
const MODES: u32 = 16
const CONTEXTS: u32 = 8
const LEARNING: i32 = 12

const slots = memory.data(CONTEXTS * 4, 16)
const inputs = memory.data(32, 16)

let table: usize = 0
let weights: usize = 0

export function prepareFlagModel(): void {
  table = allocateZeroed((2 * CONTEXTS) << TABLE_BITS)
  weights = newWeights(MODES, 4096)
}

/** Sets context `i` of the next flag; all eight must be set. */
export function setFlagContext(i: u32, value: u32): void {
  let hash = (value + i) * 0x9e3779b1
  hash ^= hash >> 15
  hash *= 0x85ebca77
  store<u32>(slots + (i << 2), <u32>(table + ((((i << TABLE_BITS) | (hash >> (32 - TABLE_BITS))) as usize) << 1)))
}

/** Codes a flag in the contexts set before; `mode` (below 16) picks weights. */
export function codeFlag(flag: u32, mode: u32): u32 {
  for (let i: u32 = 0; i < CONTEXTS; i++) {
    const slot = <i32>load<i16>(load<u32>(slots + (i << 2)))
    store<i16>(inputs + (i << 1), <i16>stretchOfSlot(slot))
    store<i16>(inputs + 16 + (i << 1), <i16>(slot >> 5))
  }
  const set = weights + (mode << 5)
  const x0 = v128.load(inputs)
  const x1 = v128.load(inputs, 16)
  const sums = i32x4.add(i32x4.dot_i16x8_s(x0, v128.load(set)), i32x4.dot_i16x8_s(x1, v128.load(set, 16)))
  const sum =
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  const chance = squashed(sum >> 14)
  const bit = codeBit(flag, <u32>min(max(chance, 16), 65536 - 16))
  const step = i16x8.splat(<i16>(((<i32>(bit << 16) - chance) * LEARNING) >> 8))
  v128.store(set, i16x8.add_sat_s(v128.load(set), i16x8.q15mulr_sat_s(x0, step)))
  v128.store(set, i16x8.add_sat_s(v128.load(set, 16), i16x8.q15mulr_sat_s(x1, step)), 16)
  for (let i: u32 = 0; i < CONTEXTS; i++) moveSlot(load<u32>(slots + (i << 2)), bit)
  return bit
}
