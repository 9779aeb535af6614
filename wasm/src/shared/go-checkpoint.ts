// The last block border at which an encoder can be resumed from its input alone; docs/formats/encoders.md says how it is
// recorded.

import { unfinishedByte, writtenBits } from './deflate-bits'

export let isMarked: bool = false
export let markedInput: i64 = 0
export let markedBits: u64 = 0
export let markedState: u32 = 0

export function resetCheckpoint(): void {
  isMarked = false
}

/** Marks the border that the output stands at. */
export function markCheckpoint(input: i64, waits: bool, length: u32, distance: u32): void {
  isMarked = true
  markedInput = input
  markedBits = writtenBits()
  markedState = unfinishedByte() | ((<u32>waits) << 7) | ((length - 3) << 8) | ((distance - 1) << 16)
}

export function unfinishedOf(state: u32): u32 {
  return state & 0x7f
}

export function waitsIn(state: u32): bool {
  return (state & 0x80) != 0
}

export function lengthIn(state: u32): u32 {
  return ((state >> 8) & 0xff) + 3
}

export function distanceIn(state: u32): u32 {
  return (state >> 16) + 1
}
