// Adaptive bits and numbers. A model is a u32: chance of a 1 (22 bits, stored with the top bit flipped so that zeroed
// memory is the initial state of 1/2) and how often it was seen (10 bits); it moves by 1/(seen + 1.5), at least 1/(LIMIT + 1.5).

import { codeBit, codeRawBits, isEncoding } from './range-coder'

const LIMIT: u32 = 30
const rates = memory.data(4 * 128)
const prices = memory.data(4 * 257)

/** Fills the constant tables; call once before coding. */
export function prepareBitModels(): void {
  for (let seen: u32 = 0; seen <= LIMIT; seen++) store<u32>(rates + (seen << 2), 131072 / (2 * seen + 3))
  // -64 log2(i / 256): six squarings give six binary digits of the logarithm
  for (let i: u32 = 1; i <= 256; i++) {
    let x: u32 = i
    let digits: u32 = 0
    for (let k = 0; k < 6; k++) {
      x *= x
      digits <<= 1
      while (x >= 0x10000) {
        x >>= 1
        digits++
      }
    }
    store<u32>(prices + (i << 2), 512 - digits - (i > 1 ? 15 : 0))
  }
  store<u32>(prices, load<u32>(prices + 4))
}

export function chanceOf(model: usize): u32 {
  const chance = (load<u32>(model) ^ 0x80000000) >> 16
  return min(max(chance, 32), 65536 - 32)
}

export function updateModel(model: usize, bit: u32): void {
  const state = load<u32>(model) ^ 0x80000000
  const seen = state & 1023
  const p = <i32>(state >> 10)
  const rate = <i64>load<u32>(rates + (seen << 2))
  const goal = bit ? 0x3fffff : 0
  const moved = p + <i32>((<i64>(goal - p) * rate) >> 16)
  store<u32>(model, (((<u32>moved) << 10) | min(seen + 1, LIMIT)) ^ 0x80000000)
}

/** Codes one bit by its model and teaches the model. */
export function codeModelled(model: usize, bit: u32): u32 {
  bit = codeBit(bit, chanceOf(model))
  updateModel(model, bit)
  return bit
}

/** Price of what has this chance in 65536ths, in 64ths of a bit. */
export function priceOfChance(chance: u32): u32 {
  return load<u32>(prices + ((chance >> 8) << 2))
}

/** Price of a bit under a model, in 64ths of a bit. */
export function priceOf(model: usize, bit: u32): u32 {
  const chance = chanceOf(model)
  return priceOfChance(bit ? chance : 65536 - chance)
}

// --- numbers ---------------------------------------------------------------------------------------------------------
// A number is a slot (its binary length and the bit below the leading one) by a tree of six modelled bits, then the
// remaining bits: the first four by a tree that belongs to the slot, the others raw.

const SLOT_BITS: u32 = 6
const TREE_BITS: u32 = 4

/** Bytes of models that one kind of number needs, zeroed before use. */
export const NUMBER_MODEL_BYTES: u32 = 4 * (64 + (64 << TREE_BITS))

export function slotOf(value: u32): u32 {
  if (value < 4) return value
  const length = 31 - clz(value)
  return (length << 1) | ((value >> (length - 1)) & 1)
}

export function extraBits(slot: u32): u32 {
  return slot < 4 ? 0 : (slot >> 1) - 1
}

export function codeNumber(models: usize, value: u32): u32 {
  const wanted = isEncoding() ? slotOf(value) : 0
  let node: u32 = 1
  for (let i: i32 = SLOT_BITS - 1; i >= 0; i--)
    node = (node << 1) | codeModelled(models + (node << 2), (wanted >> i) & 1)
  const slot = node - (1 << SLOT_BITS)
  if (slot < 4) return slot

  let left = extraBits(slot)
  let result: u32 = 2 | (slot & 1)
  const tree = models + ((64 + (slot << TREE_BITS)) << 2)
  node = 1
  for (let i: u32 = 0; i < TREE_BITS && left > 0; i++) {
    left--
    const bit = codeModelled(tree + (node << 2), (value >> left) & 1)
    node = (node << 1) | bit
    result = (result << 1) | bit
  }
  return (result << left) | codeRawBits(value, left)
}

/** Price of a slot without its remaining bits, in 64ths of a bit. */
export function priceOfSlot(models: usize, slot: u32): u32 {
  let price: u32 = 0
  let node: u32 = 1
  for (let i: i32 = SLOT_BITS - 1; i >= 0; i--) {
    const bit = (slot >> i) & 1
    price += priceOf(models + (node << 2), bit)
    node = (node << 1) | bit
  }
  return price
}

/** Price of a number, remaining bits taken as whole bits. */
export function priceOfNumber(models: usize, value: u32): u32 {
  const slot = slotOf(value)
  return priceOfSlot(models, slot) + (extraBits(slot) << 6)
}
