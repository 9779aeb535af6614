// Deflate as klauspost/compress writes it, and Go's own library from 1.27 on; docs/formats/encoders.md lists families and
// levels. One raw stream: the host calls `begin`, maybe `dictionary`, then `write` and `flush` as it likes, and `end`.

import { outputAt as bitsAt, outputBytes, resetBits, startOutput } from './shared/deflate-bits'
import { chooseFamily, hashesFive, ignoresDictionary, literalBlock } from './shared/klauspost-families'
import {
  enterBlock,
  forgetHistory,
  history,
  historyBytes,
  MARGIN,
  REACH,
  resetHistory,
} from './shared/klauspost-history'
import { encodeLazy, enterDictionary, flushLazy, resetLazy } from './shared/klauspost-lazy'
import { encodeLevel4, encodeLevel5, encodeLevel6 } from './shared/klauspost-paired'
import { encodeLevel1, encodeLevel2, encodeLevel3, MARGIN_OF_PAIRS } from './shared/klauspost-probing'
import { resetSequences, tokenCount } from './shared/klauspost-sequences'
import {
  resetWriter,
  writeEnd,
  writeLiteralOnly,
  writeStored,
  writeSyncMarker,
  writeTokens,
} from './shared/klauspost-writer'

const INPUT_BYTES: i32 = 65536
const FULL_BLOCK: i32 = 65535
/** The last block of a stream or before a flush: up to so many bytes are stored, below so many are literals. */
const SMALL_STORED: i32 = 32
const SMALL_LITERALS: i32 = 128

const input = memory.data(INPUT_BYTES + 16, 16)

let level: i32 = 0
let blockBytes: i32 = FULL_BLOCK
/** Bytes of the block that is being collected, behind the history. */
let collected: i32 = 0

export function inputAt(): usize {
  return input
}

/** Where a call's output lies; at most 512 KiB. */
export function outputAt(): usize {
  return bitsAt()
}

/** Starts a stream; false when there is no such family or level, or the parameter is not 0. */
export function begin(family: i32, chosenLevel: i32, parameter: i32): bool {
  if (parameter != 0 || !chooseFamily(family, chosenLevel)) return false
  level = chosenLevel
  blockBytes = level == -2 ? literalBlock : FULL_BLOCK
  collected = 0
  resetBits()
  resetWriter()
  resetHistory()
  resetSequences()
  if (isLazy()) resetLazy(level)
  return true
}

/** The input buffer's bytes are history; of more than 32,768, the last ones. */
export function dictionary(bytes: i32): void {
  const used = min(bytes, REACH)
  const from = input + (bytes - used)
  if (isLazy()) enterDictionary(from, used)
  else if (level > 0 && !ignoresDictionary) {
    memory.copy(history, from, used)
    encodeBlock(enterBlock(used), used)
    resetSequences()
  }
}

export function write(bytes: i32): i32 {
  startOutput()
  if (isLazy()) encodeLazy(input, bytes)
  else {
    for (let at = 0; at < bytes; ) {
      // A full block waits for the next byte: without one it is the last.
      if (collected == blockBytes) writeBlock(false)
      const room = min(blockBytes - collected, bytes - at)
      memory.copy(history + historyBytes + collected, input + at, room)
      collected += room
      at += room
    }
  }
  return outputBytes()
}

/** Flush of the encoder: everything so far, and an empty stored block. There are no other modes. */
export function flush(mode: i32): i32 {
  startOutput()
  writeRest()
  writeSyncMarker()
  return outputBytes()
}

export function end(): i32 {
  startOutput()
  writeRest()
  writeEnd()
  return outputBytes()
}

function isLazy(): bool {
  return level > 6
}

function writeRest(): void {
  if (isLazy()) flushLazy()
  else if (collected != 0) writeBlock(true)
}

function writeBlock(isSync: bool): void {
  const bytes = collected
  collected = 0
  if (level <= 0) {
    if (level == 0) writeStored(history, bytes)
    else writeLiteralOnly(history, bytes, isSync)
  } else if (bytes < SMALL_LITERALS) {
    const from = history + historyBytes
    if (bytes <= SMALL_STORED) writeStored(from, bytes)
    else writeLiteralOnly(from, bytes, true)
    forgetHistory()
  } else {
    const from = enterBlock(bytes)
    encodeBlock(from, bytes)
    const tokens = <i32>tokenCount()
    if (tokens == 0) writeStored(from, bytes)
    else if (tokens > bytes - (bytes >> 4)) writeLiteralOnly(from, bytes, isSync)
    else writeTokens(from, bytes, isSync)
    resetSequences()
  }
}

/** Collects tokens; too short a block has none, nor has one without matches. */
function encodeBlock(from: i32, bytes: i32): void {
  if (bytes < (level == 3 && !hashesFive ? MARGIN_OF_PAIRS : MARGIN) + 2) return
  const end = from + bytes
  switch (level) {
    case 1:
      encodeLevel1(from, end)
      break
    case 2:
      encodeLevel2(from, end)
      break
    case 3:
      encodeLevel3(from, end)
      break
    case 4:
      encodeLevel4(from, end)
      break
    case 5:
      encodeLevel5(from, end)
      break
    default:
      encodeLevel6(from, end)
  }
}
