// Context mixing of one byte: seven hashed contexts and two expected bytes vote on every bit, a mixer weighs the votes,
// a final map corrects the outcome. Integers only; docs/formats/codecs.md has the same in words.

import { allocate, allocateZeroed } from './memory'
import { codeBit } from './range-coder'
import { chanceOf, priceOfChance, updateModel } from './bit-model'
import { DOT_LIMIT, moveSlots, newWeights, squashed, stretchOfSlots, stretched } from './logistic'

const CONTEXTS: u32 = 7
const EXPECTED_CLASSES: u32 = 64
const MODES = 16

/** Hash of each context, set by the caller before `codeByte`. */
const hashes = memory.data(8 * 4, 16)

let bucketBits: u32 = 0
let tables: usize = 0
let modeWeights: usize = 0
let partialWeights: usize = 0
let previousWeights: usize = 0
let expectedModels: usize = 0
let modeMaps: usize = 0
let previousMaps: usize = 0
let spent: u32 = 0

const WEIGHT_START: i16 = 1638
const WEIGHT_SHIFT = 14
const LEARNING: i32 = 10
const MAP_NODES = 33

/** What the bytes coded since the last call cost, in 64ths of a bit: encoders plan by it. */
export function takeSpent(): u32 {
  const taken = spent
  spent = 0
  return taken
}

/** log2 of the buckets of each context's table for a target of this size. */
function bucketBitsFor(targetBytes: u32): u32 {
  const length: u32 = targetBytes < 2 ? 1 : 32 - clz(targetBytes - 1)
  return min(max(length, 12) - 2, 18)
}

/** Allocates and initialises the model; `targetBytes` sets the size of its tables. */
export function prepareByteModel(targetBytes: u32): void {
  bucketBits = bucketBitsFor(targetBytes)
  spent = 0
  tables = allocateZeroed(CONTEXTS << (bucketBits + 5))
  modeWeights = newWeights(MODES * 4, WEIGHT_START)
  partialWeights = newWeights(256, WEIGHT_START)
  previousWeights = newWeights(256, WEIGHT_START)
  expectedModels = allocateZeroed((2 * EXPECTED_CLASSES) << 2)
  modeMaps = newMaps(MODES * 256)
  previousMaps = newMaps(0x4000)
}

function newMaps(count: u32): usize {
  const at = allocate((count * MAP_NODES) << 1)
  for (let k: i32 = 0; k < MAP_NODES; k++) {
    const dot = min(max((k - 16) * 192, -DOT_LIMIT), DOT_LIMIT)
    store<u16>(at + (k << 1), <u16>squashed(dot))
  }
  for (let i: u32 = 1; i < count; i++) memory.copy(at + ((i * MAP_NODES) << 1), at, MAP_NODES << 1)
  return at
}

/** Sets context `i`; equal values mean equal contexts. */
export function setContext(i: u32, value: u32): void {
  store<u32>(hashes + (i << 2), value * 0x2c1b3c6d + i)
}

/** The bucket of 16 slots (a check, then the 15 nodes of a nibble) that a hash names; the less used of two makes room. */
function findBucket(context: u32, key: u32): usize {
  let hash = key * 0x9e3779b1
  hash ^= hash >> 15
  hash *= 0x85ebca77
  const check = <u16>hash
  const index = hash >> (32 - bucketBits)
  const table = tables + ((<usize>context) << (bucketBits + 5))
  const first = table + (index << 5)
  if (load<u16>(first) == check) return first
  const second = table + ((index ^ 1) << 5)
  if (load<u16>(second) == check) return second
  const bucket = (load<u16>(second + 2) & 15) < (load<u16>(first + 2) & 15) ? second : first
  memory.fill(bucket, 0, 32)
  store<u16>(bucket, check)
  return bucket
}

/**
 * Codes one byte.
 *
 * `first`, `second`: bytes that may come, or -1; the classes (below 64) say how far each is to be trusted. `mode` (below 16)
 * picks weights. `previous` is the byte before.
 */
export function codeByte(
  byte: u32,
  previous: u32,
  mode: u32,
  first: i32,
  firstClass: u32,
  second: i32,
  secondClass: u32,
): u32 {
  let partial: u32 = 1
  const firstModel = expectedModels + (firstClass << 2)
  const secondModel = expectedModels + ((EXPECTED_CLASSES + secondClass) << 2)
  const previousSet = previousWeights + (previous << 5)
  for (let half = 0; half < 2; half++) {
    const salt: u32 = half ? partial * 0x3f4a7c15 : 0
    const b0 = findBucket(0, load<u32>(hashes) ^ salt)
    const b1 = findBucket(1, load<u32>(hashes, 4) ^ salt)
    const b2 = findBucket(2, load<u32>(hashes, 8) ^ salt)
    const b3 = findBucket(3, load<u32>(hashes, 12) ^ salt)
    const b4 = findBucket(4, load<u32>(hashes, 16) ^ salt)
    const b5 = findBucket(5, load<u32>(hashes, 20) ^ salt)
    const b6 = findBucket(6, load<u32>(hashes, 24) ^ salt)
    let node: u32 = 1
    for (let k = 0; k < 4; k++) {
      const left: u32 = 7 - ((half << 2) + k)
      const wanted = (byte >> left) & 1

      // The slots of the seven contexts side by side; lane 7 stays 0.
      const at = node << 1
      let slots = i64x2.splat(0)
      slots = v128.load_lane<u16>(b0 + at, slots, 0)
      slots = v128.load_lane<u16>(b1 + at, slots, 1)
      slots = v128.load_lane<u16>(b2 + at, slots, 2)
      slots = v128.load_lane<u16>(b3 + at, slots, 3)
      slots = v128.load_lane<u16>(b4 + at, slots, 4)
      slots = v128.load_lane<u16>(b5 + at, slots, 5)
      slots = v128.load_lane<u16>(b6 + at, slots, 6)
      const firstBit = expectedBit(first, partial, left)
      const secondBit = expectedBit(second, partial, left)
      const x0 = i16x8.replace_lane(stretchOfSlots(slots), 7, vote(firstModel, firstBit))
      const x1 = i16x8.replace_lane(i16x8.shr_s(slots, 5), 7, vote(secondModel, secondBit))

      const agreement: u32 = firstBit < 0 ? (secondBit < 0 ? 0 : 1) : secondBit < 0 ? 2 : firstBit == secondBit ? 3 : 1
      const modeSet = modeWeights + (((mode << 2) + agreement) << 5)
      const partialSet = partialWeights + (partial << 5)
      const sums = i32x4.add(
        i32x4.add(
          i32x4.add(i32x4.dot_i16x8_s(x0, v128.load(modeSet)), i32x4.dot_i16x8_s(x1, v128.load(modeSet, 16))),
          i32x4.add(i32x4.dot_i16x8_s(x0, v128.load(partialSet)), i32x4.dot_i16x8_s(x1, v128.load(partialSet, 16))),
        ),
        i32x4.add(i32x4.dot_i16x8_s(x0, v128.load(previousSet)), i32x4.dot_i16x8_s(x1, v128.load(previousSet, 16))),
      )
      const sum =
        i32x4.extract_lane(sums, 0) +
        i32x4.extract_lane(sums, 1) +
        i32x4.extract_lane(sums, 2) +
        i32x4.extract_lane(sums, 3)
      const dot = min(max(sum >> WEIGHT_SHIFT, -DOT_LIMIT), DOT_LIMIT)
      const mixed = squashed(dot)

      const scaled: u32 = <u32>(dot + 3072)
      const mapStep = scaled / 192
      const mapWeight = <i32>(scaled % 192)
      const mapA = modeMaps + ((((mode << 8) | partial) * MAP_NODES + mapStep) << 1)
      const mapB = previousMaps + ((((((previous << 8) | partial) * 0x9e3779b1) >> 18) * MAP_NODES + mapStep) << 1)
      const a = interpolate(mapA, mapWeight)
      const b = interpolate(mapB, mapWeight)
      const chance = min(max((2 * mixed + a + b) >> 2, 16), 65536 - 16)

      const bit = codeBit(wanted, <u32>chance)
      spent += priceOfChance(bit ? chance : 65536 - chance)

      const error = <i16>(((<i32>(bit << 16) - mixed) * LEARNING) >> 8)
      const step = i16x8.splat(error)
      const d0 = i16x8.q15mulr_sat_s(x0, step)
      const d1 = i16x8.q15mulr_sat_s(x1, step)
      learn(modeSet, d0, d1)
      learn(partialSet, d0, d1)
      learn(previousSet, d0, d1)
      moveMap(mapA, mapWeight, bit)
      moveMap(mapB, mapWeight, bit)
      if (firstBit >= 0) updateModel(firstModel, <u32>(firstBit == bit))
      if (secondBit >= 0) updateModel(secondModel, <u32>(secondBit == bit))
      slots = moveSlots(slots, bit)
      v128.store_lane<u16>(b0 + at, slots, 0)
      v128.store_lane<u16>(b1 + at, slots, 1)
      v128.store_lane<u16>(b2 + at, slots, 2)
      v128.store_lane<u16>(b3 + at, slots, 3)
      v128.store_lane<u16>(b4 + at, slots, 4)
      v128.store_lane<u16>(b5 + at, slots, 5)
      v128.store_lane<u16>(b6 + at, slots, 6)
      node = (node << 1) | bit
      partial = (partial << 1) | bit
    }
  }
  return partial & 0xff
}

/** The bit an expected byte stands for, or -1 when there is none or an earlier bit differed. */
function expectedBit(expected: i32, partial: u32, left: u32): i32 {
  if (expected < 0 || (<u32>expected | 256) >> (left + 1) != partial) return -1
  return (expected >> left) & 1
}

function vote(model: usize, bit: i32): i16 {
  if (bit < 0) return 0
  const strength = <i16>stretched(chanceOf(model) >> 4)
  return bit ? strength : -strength
}

function learn(set: usize, d0: v128, d1: v128): void {
  v128.store(set, i16x8.add_sat_s(v128.load(set), d0))
  v128.store(set, i16x8.add_sat_s(v128.load(set, 16), d1), 16)
}

function interpolate(map: usize, weight: i32): i32 {
  return (<i32>load<u16>(map) * (192 - weight) + <i32>load<u16>(map, 2) * weight) / 192
}

function moveMap(map: usize, weight: i32, bit: u32): void {
  const nearer = map + (weight >= 96 ? 2 : 0)
  const chance = <i32>load<u16>(nearer)
  store<u16>(nearer, <u16>(chance + (((bit ? 65535 : 0) - chance) >> 6)))
}
