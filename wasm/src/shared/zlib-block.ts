// Blocks as zlib and GNU gzip write them: symbols collect until the buffer is full or the block is cut, then the cheapest of
// stored, fixed and dynamic is written. Sizes are compared in whole bytes, with zlib's own rounding.

import { bitPosition, putBits, putStoredBlock, setBits, unfinishedBits, unfinishedByte } from './deflate-bits'
import {
  assignCodes,
  distanceExtra,
  distanceSymbol,
  fillFixedLengths,
  lengthBase,
  lengthExtra,
  lengthSymbol,
  orderedCodeLengthSymbol,
  repeatExtra,
} from './deflate-format'
import { buildCodeLengths, codeRuns, runCounts, runs } from './zlib-huffman'

const LITERALS: u32 = 286
const DISTANCES: u32 = 30
const LENGTH_SYMBOLS: u32 = 29
const RUN_SYMBOLS: u32 = 19
const END_OF_BLOCK: u32 = 256
const FIRST_LENGTH: u32 = 257

/** u32 each: distance, or 0 for a literal, and above it the literal or length - 3. */
const symbols = memory.data(4 * 0x8000, 16)
let used: u32 = 0
let capacity: u32 = 0

const literalCounts = memory.data(4 * 288, 16)
const distanceCounts = memory.data(4 * 32, 16)
/** Literals, then distances, as `fillFixedLengths` lays them out. */
const lengths = memory.data(288 + 32, 16)
const fixedLengths = memory.data(288 + 32, 16)
const runLengths = memory.data(32, 16)
const codes = memory.data(2 * 288, 16)

/** u32 each: the code, and its length << 16. */
const literalTable = memory.data(4 * 288, 16)
const distanceTable = memory.data(4 * 32, 16)
/** By length - 3: the code with its extra bits, and the length of both << 24. */
const lengthTable = memory.data(4 * 256, 16)

/** A block is full with `symbolsPerBlock` symbols, at most 32,767. */
export function resetBlocks(symbolsPerBlock: u32): void {
  capacity = symbolsPerBlock
  fillFixedLengths(fixedLengths)
  startBlock()
}

function startBlock(): void {
  used = 0
  memory.fill(literalCounts, 0, 4 * 288)
  memory.fill(distanceCounts, 0, 4 * 32)
  store<u32>(literalCounts + (END_OF_BLOCK << 2), 1)
}

export function hasSymbols(): bool {
  return used != 0
}

/** Whether the block is full now. */
export function addLiteral(byte: u32): bool {
  store<u32>(symbols + (used << 2), byte << 16)
  increment(literalCounts + (byte << 2))
  return ++used == capacity
}

/** A match by length - 3 and distance; whether the block is full now. */
export function addMatch(length: u32, distance: u32): bool {
  store<u32>(symbols + (used << 2), distance | (length << 16))
  increment(literalCounts + ((FIRST_LENGTH + lengthSymbol(length)) << 2))
  increment(distanceCounts + (distanceSymbol(distance - 1) << 2))
  return ++used == capacity
}

function increment(counter: usize): void {
  store<u32>(counter, load<u32>(counter) + 1)
}

/**
 * GNU gzip's guess, every 4,096 symbols, that the block had better end here: few matches, and an upper bound of its size is
 * below half of the `bytes` it covers.
 */
export function isWorthCutting(bytes: u32): bool {
  if (used & 0xfff) return false
  let bits: u32 = used << 3
  let matches: u32 = 0
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    const count = load<u32>(distanceCounts + (symbol << 2))
    matches += count
    bits += count * (5 + distanceExtra(symbol))
  }
  return matches < used >> 1 && bits >> 3 < bytes >> 1
}

/** Writes the block and begins another. `from` is where its `bytes` lie, 0 when they are no longer in the window. */
export function cutBlock(from: usize, bytes: u32, isFinal: bool): void {
  const literalCodes = buildCodeLengths(literalCounts, LITERALS, 15, lengths)
  const distanceCodes = buildCodeLengths(distanceCounts, DISTANCES, 15, lengths + 288)
  const runLength = codeRuns(lengths, literalCodes, lengths + 288, distanceCodes)
  buildCodeLengths(runCounts, RUN_SYMBOLS, 7, runLengths)
  let sent = RUN_SYMBOLS
  while (sent > 4 && load<u8>(runLengths + orderedCodeLengthSymbol(sent - 1)) == 0) sent--

  const fixedBytes = (sizeWith(fixedLengths) + 3 + 7) >> 3
  const dynamicBytes = (sizeWith(lengths) + 5 + 5 + 4 + 3 * sent + sizeOfRuns() + 3 + 7) >> 3
  const type: u32 = isFinal ? 1 : 0
  if (from != 0 && bytes + 4 <= min(fixedBytes, dynamicBytes)) {
    putStoredBlock(from, bytes, isFinal)
  } else if (fixedBytes <= dynamicBytes) {
    putBits(type | (1 << 1), 3)
    putSymbols(fixedLengths, 288, 30)
  } else {
    putBits(type | (2 << 1), 3)
    putBits((literalCodes - 257) | ((distanceCodes - 1) << 5) | ((sent - 4) << 10), 14)
    putRuns(sent, runLength)
    putSymbols(lengths, literalCodes, distanceCodes)
  }
  startBlock()
}

/** Bits of all symbols with these code lengths. Symbols that only got a code for want of others don't count. */
function sizeWith(codeLengths: usize): u32 {
  let bits: u32 = 0
  for (let symbol: u32 = 0; symbol < LITERALS; symbol++) {
    const extra = symbol < FIRST_LENGTH ? 0 : lengthExtra(symbol - FIRST_LENGTH)
    bits += load<u32>(literalCounts + (symbol << 2)) * (load<u8>(codeLengths + symbol) + extra)
  }
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    bits += load<u32>(distanceCounts + (symbol << 2)) * (load<u8>(codeLengths + 288 + symbol) + distanceExtra(symbol))
  }
  return bits
}

function sizeOfRuns(): u32 {
  let bits: u32 = 0
  for (let symbol: u32 = 0; symbol < RUN_SYMBOLS; symbol++) {
    bits += load<u32>(runCounts + (symbol << 2)) * (load<u8>(runLengths + symbol) + repeatExtra(symbol))
  }
  return bits
}

function putRuns(sent: u32, runLength: u32): void {
  for (let i: u32 = 0; i < sent; i++) putBits(load<u8>(runLengths + orderedCodeLengthSymbol(i)), 3)
  assignCodes(runLengths, RUN_SYMBOLS, codes)
  for (let i: u32 = 0; i < runLength; i++) {
    const run: u32 = load<u16>(runs + (i << 1))
    const symbol = run & 0xff
    const length: u32 = load<u8>(runLengths + symbol)
    putBits(load<u16>(codes + (symbol << 1)) | ((run >> 8) << length), length + repeatExtra(symbol))
  }
}

/** The block's symbols and its end, with the codes that belong to these lengths. */
function putSymbols(codeLengths: usize, literalCodes: u32, distanceCodes: u32): void {
  fillTable(codeLengths, literalCodes, literalTable)
  fillTable(codeLengths + 288, distanceCodes, distanceTable)
  fillLengthTable()

  let at = bitPosition()
  let bits: u64 = unfinishedByte()
  let count = unfinishedBits()
  const end = symbols + (used << 2)
  for (let p = symbols; p < end; p += 4) {
    const symbol = load<u32>(p)
    const distance = symbol & 0xffff
    if (distance == 0) {
      const code = load<u32>(literalTable + ((symbol >> 16) << 2))
      bits |= (<u64>(code & 0xffff)) << count
      count += code >> 16
    } else {
      const length = load<u32>(lengthTable + ((symbol >> 16) << 2))
      bits |= (<u64>(length & 0xffffff)) << count
      count += length >> 24
      const code = load<u32>(distanceTable + (distanceSymbol(distance - 1) << 2))
      bits |= (<u64>(code & 0xffff)) << count
      count += code >> 16
      if (distance > 4) {
        const extra: u32 = 30 - clz(distance - 1)
        bits |= (<u64>((distance - 1) & ((1 << extra) - 1))) << count
        count += extra
      }
    }
    store<u64>(at, bits)
    at += count >> 3
    bits >>= count & 56
    count &= 7
  }
  setBits(at, bits, count)
  const code = load<u32>(literalTable + (END_OF_BLOCK << 2))
  putBits(code & 0xffff, code >> 16)
}

function fillTable(codeLengths: usize, symbolCount: u32, table: usize): void {
  assignCodes(codeLengths, symbolCount, codes)
  for (let symbol: u32 = 0; symbol < symbolCount; symbol++) {
    const length: u32 = load<u8>(codeLengths + symbol)
    store<u32>(table + (symbol << 2), load<u16>(codes + (symbol << 1)) | (length << 16))
  }
}

function fillLengthTable(): void {
  for (let symbol: u32 = 0; symbol < LENGTH_SYMBOLS; symbol++) {
    const code = load<u32>(literalTable + ((FIRST_LENGTH + symbol) << 2))
    const base = lengthBase(symbol)
    const extra = lengthExtra(symbol)
    const codeLength = code >> 16
    for (let i: u32 = 0; i < 1 << extra; i++) {
      store<u32>(lengthTable + ((base + i) << 2), (code & 0xffff) | (i << codeLength) | ((codeLength + extra) << 24))
    }
  }
}
