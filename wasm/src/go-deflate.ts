// The deflate encoder of Go's standard library, releases 1.7 to 1.26, bit for bit. docs/formats/encoders.md says what
// family, level and parameter mean.

import {
  outputAt as outputBuffer,
  outputBytes,
  putStoredBlock,
  resetBits,
  resumeBits,
  startOutput,
} from './shared/deflate-bits'
import { MAX_STORED_BYTES, resetBlocks, writeLiteralBlock } from './shared/go-blocks'
import { decideSoFar, finishChains, resetChains, resumeChains, setHistory, takeForChains } from './shared/go-chains'
import {
  distanceIn,
  isMarked,
  lengthIn,
  markCheckpoint,
  markedBits,
  markedInput,
  markedState,
  resetCheckpoint,
  unfinishedOf,
  waitsIn,
} from './shared/go-checkpoint'
import { finishFast, resetFast, takeForFast } from './shared/go-fast'

const FAMILY_CLASSIC: i32 = 0

const HUFFMAN_ONLY: i32 = -2
const DEFAULT: i32 = -1
const STORED: i32 = 0
const FAST: i32 = 1
const FIRST_LAZY: i32 = 4

/** Modes of `flush`. */
const SYNC: i32 = 0

/** Levels 2 to 9: nice length, candidates, lazy below, entered matches. */
const LEVELS = memory.data<u16>([
  16, 8, 0, 5, 32, 32, 0, 6, 16, 16, 4, 0, 32, 32, 16, 0, 128, 128, 16, 0, 128, 256, 32, 0, 258, 1024, 128, 0, 258,
  4096, 258, 0,
])

const input = memory.data(65_536, 16)

/** Levels that make no matches collect blocks here. */
const block = memory.data(65_536, 16)
let filled: u32 = 0
let blocksEnd: i64 = 0

let level: i32 = 0

export function inputAt(): usize {
  return input
}

export function outputAt(): usize {
  return outputBuffer()
}

/** A new stream; 0 when there is no such encoder. */
export function begin(family: i32, wantedLevel: i32, parameter: i32): i32 {
  if (family != FAMILY_CLASSIC || wantedLevel < HUFFMAN_ONLY || wantedLevel > 9 || parameter != 0) return 0
  level = wantedLevel == DEFAULT ? 6 : wantedLevel
  filled = 0
  blocksEnd = 0
  resetBits()
  resetBlocks()
  resetCheckpoint()
  if (level == FAST) resetFast()
  else if (level > FAST) {
    const row = LEVELS + ((level - 2) << 3)
    resetChains(load<u16>(row), load<u16>(row, 2), load<u16>(row, 4), load<u16>(row, 6))
  }
  return 1
}

/** History; levels below 2 make no use of it. */
export function dictionary(count: i32): void {
  if (level > FAST) setHistory(input, count)
}

export function write(count: i32): i32 {
  startOutput()
  if (level > FAST) takeForChains(input, count)
  else if (level == FAST) takeForFast(input, count)
  else takeForBlocks(input, count)
  return outputBytes()
}

/** Mode 0: what Flush does. Mode 1: the border between two writes of the caller, which hardly ever shows. */
export function flush(mode: i32): i32 {
  startOutput()
  if (mode == SYNC) {
    finish()
    putStoredBlock(input, 0, false)
  } else if (level > FAST) {
    decideSoFar()
  }
  return outputBytes()
}

/** Closes the stream: an empty stored block is its only final one. */
export function end(): i32 {
  startOutput()
  finish()
  putStoredBlock(input, 0, true)
  return outputBytes()
}

function finish(): void {
  if (level > FAST) finishChains()
  else if (level == FAST) finishFast()
  else if (filled > 0) writeCollected()
}

function takeForBlocks(from: usize, count: u32): void {
  while (count > 0) {
    const size = min(count, MAX_STORED_BYTES - filled)
    memory.copy(block + filled, from, size)
    filled += size
    from += size
    count -= size
    if (filled == MAX_STORED_BYTES) writeCollected()
  }
}

function writeCollected(): void {
  if (level == STORED) putStoredBlock(block, filled, false)
  else writeLiteralBlock(block, filled)
  blocksEnd += filled
  filled = 0
  markCheckpoint(blocksEnd, false, 3, 1)
}

/** Whether there is a border to resume at: the last one. The next three say which. */
export function checkpoint(): i32 {
  return isMarked ? 1 : 0
}

export function checkpointInput(): f64 {
  return <f64>markedInput
}

export function checkpointBits(): f64 {
  return <f64>markedBits
}

export function checkpointState(): i32 {
  return markedState
}

/**
 * Goes on at a checkpoint, right after `begin`; the `count` bytes of input before it, at most 32,768, lie in the input
 * buffer. 0 when this encoder can't, or the state is none it could be in.
 */
export function resume(inputBytes: f64, bits: f64, state: i32, count: i32): i32 {
  if (level >= FAST && level < FIRST_LAZY) return 0
  if (unfinishedOf(state) >> (<u32>(<u64>bits) & 7) != 0) return 0
  if (lengthIn(state) > 3 && (level <= FAST || !waitsIn(state))) return 0
  resumeBits(<u64>bits, unfinishedOf(state))
  blocksEnd = <i64>inputBytes
  if (level > FAST) {
    resumeChains(<i64>inputBytes, waitsIn(state), lengthIn(state), distanceIn(state), input, count)
  }
  return 1
}
