// zlib's encoder and GNU gzip's, bit for bit. docs/formats/encoders.md says what family, level and parameter mean; the functions
// are those of every encoder kernel.

import {
  alignToByte,
  outputAt,
  outputBytes,
  putBits,
  putStoredBlock,
  resetBits,
  startOutput,
  unfinishedBits,
} from './shared/deflate-bits'
import { prepareDeflateFormat } from './shared/deflate-format'
import { resetBlocks } from './shared/zlib-block'
import { decide, drain, forgetHistory, resetSearch, setHistory, take } from './shared/zlib-search'
import { drainStored, resetStored, storeBytes } from './shared/zlib-stored'

const ZLIB: i32 = 0
const GNU_GZIP: i32 = 1
/** Parameter of GNU gzip. */
const RSYNCABLE: i32 = 1

/** Flush modes; where zlib has a name for it, its number. Any other is zlib's sync flush. */
const PARTIAL: i32 = 1
const FULL: i32 = 3
const BLOCK: i32 = 5
/** Decides what zlib decides when a call of its caller ends here, and writes nothing more. */
const WRITE_BORDER: i32 = 6
/** Ends on a byte border as pigz does. */
const PIGZ: i32 = 7

const input = memory.data(0x10000, 16)
let isGnu: bool = false
let isStored: bool = false

export { outputAt }

export function inputAt(): usize {
  return input
}

/** Begins a stream; 0 when no encoder has these parameters. */
export function begin(family: i32, level: i32, parameter: i32): i32 {
  if (!isKnown(family, level, parameter)) return 0
  isGnu = family == GNU_GZIP
  prepareDeflateFormat()
  resetBits()
  isStored = level == 0
  if (isStored) {
    resetStored()
  } else {
    resetBlocks(isGnu ? 0x7fff : (1 << (parameter + 6)) - 1)
    resetSearch(level, isGnu ? 15 : parameter + 7, isGnu, isGnu && parameter == RSYNCABLE)
  }
  return 1
}

function isKnown(family: i32, level: i32, parameter: i32): bool {
  if (family == ZLIB) return level >= 0 && level <= 9 && parameter >= 1 && parameter <= 9
  return family == GNU_GZIP && level >= 1 && level <= 9 && parameter >= 0 && parameter <= RSYNCABLE
}

/** History for zlib; directly after `begin`. */
export function dictionary(bytes: i32): void {
  if (!isStored) setHistory(input, bytes)
}

export function write(bytes: i32): i32 {
  startOutput()
  if (isStored) storeBytes(input, bytes)
  else take(input, bytes)
  return outputBytes()
}

/** GNU gzip knows no flush but the border between two reads. */
export function flush(mode: i32): i32 {
  startOutput()
  if (mode == WRITE_BORDER) {
    if (!isStored) decide()
  } else if (!isGnu) {
    drainAll(false)
    if (mode == PARTIAL) putEmptyFixedBlock()
    else if (mode == PIGZ) alignAsPigz()
    else if (mode != BLOCK) putStoredBlock(0, 0, false)
    if (mode == FULL && !isStored) forgetHistory()
  }
  return outputBytes()
}

export function end(): i32 {
  startOutput()
  drainAll(true)
  alignToByte()
  return outputBytes()
}

function drainAll(isFinal: bool): void {
  if (isStored) drainStored(isFinal)
  else drain(isFinal)
}

function putEmptyFixedBlock(): void {
  putBits(1 << 1, 10)
}

function alignAsPigz(): void {
  if (unfinishedBits() & 1) putStoredBlock(0, 0, false)
  else while (unfinishedBits() != 0) putEmptyFixedBlock()
}
