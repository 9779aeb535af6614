// Blocks as Go's compress/flate writes them: which kind, with which codes. None is ever marked final.

import { putBits, putStoredBlock } from './deflate-bits'
import {
  DISTANCE_SYMBOLS,
  distanceSymbol,
  END_OF_BLOCK,
  extraBits,
  fixedDistanceCodes,
  fixedLiteralCodes,
  lengthSymbol,
  LITERAL_SYMBOLS,
  MATCH,
  matchToken,
  writeLiterals,
  writeTokens,
} from './deflate-tokens'
import { buildCodes, codedBits, MAX_CODE_BITS, prepareHeader, putCode, usedSymbols, writeHeader } from './go-huffman'

export const MAX_STORED_BYTES: u32 = 65_535

/** Tokens of the block in the making; level 1 has up to one for each byte of 65,535. */
export const tokens = memory.data(65_536 * 4, 16)

const literalCounts = memory.data(LITERAL_SYMBOLS * 4, 16)
const distanceCounts = memory.data(DISTANCE_SYMBOLS * 4, 16)
const literalCodes = memory.data(LITERAL_SYMBOLS * 4, 16)
const distanceCodes = memory.data(DISTANCE_SYMBOLS * 4, 16)

export function resetBlocks(): void {
  memory.fill(literalCounts, 0, LITERAL_SYMBOLS * 4)
  memory.fill(distanceCounts, 0, DISTANCE_SYMBOLS * 4)
}

function increment(counts: usize, symbol: u32): void {
  const count = counts + (symbol << 2)
  store<u32>(count, load<u32>(count) + 1)
}

/** Adds a literal to the block: stores its token and counts it. */
export function addLiteral(token: usize, byte: u32): void {
  store<u32>(token, byte)
  increment(literalCounts, byte)
}

/** Adds a match to the block: stores its token and counts it. */
export function addMatch(token: usize, length: u32, distance: u32): void {
  store<u32>(token, matchToken(length, distance))
  increment(literalCounts, lengthSymbol(length))
  increment(distanceCounts, distanceSymbol(distance))
}

/**
 * Writes the tokens added since the last block, in the kind that takes fewest bits.
 *
 * @param raw - the bytes they stand for; `rawBytes` 0 when those are not at hand
 */
export function writeCheapestBlock(count: u32, raw: usize, rawBytes: u32): void {
  const isStorable = rawBytes != 0 && rawBytes <= MAX_STORED_BYTES
  const literals = prepareCodes()
  const distances = usedSymbols(distanceCounts, DISTANCE_SYMBOLS)
  // Both kinds have them, so they matter only against a stored block.
  const extra = isStorable ? extraBits(literalCounts, distanceCounts) : 0
  const fixed =
    codedBits(literalCounts, fixedLiteralCodes, literals) +
    codedBits(distanceCounts, fixedDistanceCodes, distances) +
    extra +
    3
  const dynamic = sizeOfDynamicBlock(literals, distances) + extra
  if (isStorable && (rawBytes + 5) << 3 < min(dynamic, fixed)) {
    putStoredBlock(raw, rawBytes, false)
  } else if (dynamic < fixed) {
    writeHeader(false)
    writeTokens(tokens, count, literalCodes, distanceCodes)
    putCode(load<u32>(literalCodes, END_OF_BLOCK * 4))
  } else {
    putBits(2, 3)
    writeTokens(tokens, count, fixedLiteralCodes, fixedDistanceCodes)
    putCode(load<u32>(fixedLiteralCodes, END_OF_BLOCK * 4))
  }
  resetBlocks()
}

/** Writes a block of level 1: dynamic, or stored when that gains less than a sixteenth. Counts the tokens itself. */
export function writeFastBlock(count: u32, raw: usize, rawBytes: u32): void {
  const end = tokens + ((<usize>count) << 2)
  for (let token = tokens; token < end; token += 4) {
    const value = load<u32>(token)
    if (value < MATCH) {
      increment(literalCounts, value)
    } else {
      increment(literalCounts, lengthSymbol(((value >> 15) & 0xff) + 3))
      increment(distanceCounts, distanceSymbol((value & 0x7fff) + 1))
    }
  }
  const literals = prepareCodes()
  const distances = usedSymbols(distanceCounts, DISTANCE_SYMBOLS)
  const dynamic = sizeOfDynamicBlock(literals, distances)
  if (isPoorGain(dynamic, rawBytes)) {
    putStoredBlock(raw, rawBytes, false)
  } else {
    writeHeader(false)
    writeTokens(tokens, count, literalCodes, distanceCodes)
    putCode(load<u32>(literalCodes, END_OF_BLOCK * 4))
  }
  resetBlocks()
}

/** Writes bytes as literals with codes of their own, or stored when that gains less than a sixteenth. */
export function writeLiteralBlock(raw: usize, rawBytes: u32): void {
  for (let byte = raw; byte < raw + rawBytes; byte++) increment(literalCounts, load<u8>(byte))
  // No distance is ever used, but one has to be described: the first, with a code of one bit.
  const literals = prepareCodes()
  if (isPoorGain(sizeOfDynamicBlock(literals, 1), rawBytes)) {
    putStoredBlock(raw, rawBytes, false)
  } else {
    writeHeader(false)
    writeLiterals(raw, rawBytes, literalCodes)
    putCode(load<u32>(literalCodes, END_OF_BLOCK * 4))
  }
  resetBlocks()
}

/** Counts the end of the block, makes both codes, and gives the number of literal and length codes to send. */
function prepareCodes(): u32 {
  store<u32>(literalCounts, 1, END_OF_BLOCK * 4)
  if (usedSymbols(distanceCounts, DISTANCE_SYMBOLS) == 0) store<u32>(distanceCounts, 1)
  buildCodes(literalCounts, LITERAL_SYMBOLS, MAX_CODE_BITS, literalCodes)
  buildCodes(distanceCounts, DISTANCE_SYMBOLS, MAX_CODE_BITS, distanceCodes)
  return usedSymbols(literalCounts, LITERAL_SYMBOLS)
}

/** Bits of a dynamic block without extra bits; prepares its header. */
function sizeOfDynamicBlock(literals: u32, distances: u32): u32 {
  return (
    prepareHeader(literalCodes, literals, distanceCodes, distances) +
    codedBits(literalCounts, literalCodes, literals) +
    codedBits(distanceCounts, distanceCodes, distances)
  )
}

function isPoorGain(dynamicBits: u32, rawBytes: u32): bool {
  return (rawBytes + 5) << 3 < dynamicBits + (dynamicBits >> 4)
}
