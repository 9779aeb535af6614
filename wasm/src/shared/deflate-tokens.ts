// Tokens of deflate (RFC 1951, 3.2.5): a literal is its byte, a match is MATCH | (length - 3) << 15 | (distance - 1).
// Codes are words: the bits in the order of the stream below, the length from bit 16 on.

import { bitPosition, setBits, unfinishedBits, unfinishedByte } from './deflate-bits'

export const MATCH: u32 = 0x80000000
export const END_OF_BLOCK: u32 = 256
export const FIRST_LENGTH_SYMBOL: u32 = 257
export const LITERAL_SYMBOLS: u32 = 286
export const DISTANCE_SYMBOLS: u32 = 30

const lengthExtraBits = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
])

/** Symbol - 257 of each length - 3. */
const lengthSymbols = memory.data(256)
/** First length - 3 of each symbol - 257. */
const lengthBases = memory.data(32)

/** Codes of fixed blocks, as tables of code words. */
export const fixedLiteralCodes = memory.data(288 * 4, 4)
export const fixedDistanceCodes = memory.data(32 * 4, 4)

/** For `writeTokens`: code word and extra bits of each length - 3, number of bits in the low byte. */
const lengthWords = memory.data(256 * 4, 4)

prepareSymbols()

function prepareSymbols(): void {
  let length: u32 = 0
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    store<u8>(lengthBases + symbol, length)
    const next = length + (1 << load<u8>(lengthExtraBits + symbol))
    while (length < next) store<u8>(lengthSymbols + length++, symbol)
  }
  // Length 258 has a symbol of its own.
  store<u8>(lengthSymbols + 255, 28)
  store<u8>(lengthBases + 28, 255)

  for (let symbol: u32 = 0; symbol < 288; symbol++) {
    let word: u32
    if (symbol < 144) word = codeWord(0x30 + symbol, 8)
    else if (symbol < 256) word = codeWord(0x190 + symbol - 144, 9)
    else if (symbol < 280) word = codeWord(symbol - 256, 7)
    else word = codeWord(0xc0 + symbol - 280, 8)
    store<u32>(fixedLiteralCodes + (symbol << 2), word)
  }
  for (let symbol: u32 = 0; symbol < 32; symbol++) store<u32>(fixedDistanceCodes + (symbol << 2), codeWord(symbol, 5))
}

/** A code, most significant bit first as the RFC numbers them, as a code word. */
export function codeWord(code: u32, length: u32): u32 {
  let bits = code << (16 - length)
  bits = ((bits >> 1) & 0x5555) | ((bits & 0x5555) << 1)
  bits = ((bits >> 2) & 0x3333) | ((bits & 0x3333) << 2)
  bits = ((bits >> 4) & 0x0f0f) | ((bits & 0x0f0f) << 4)
  bits = ((bits >> 8) & 0x00ff) | ((bits & 0x00ff) << 8)
  return bits | (length << 16)
}

export function matchToken(length: u32, distance: u32): u32 {
  return MATCH | ((length - 3) << 15) | (distance - 1)
}

/** Symbol 257 to 285 of a length. */
export function lengthSymbol(length: u32): u32 {
  return FIRST_LENGTH_SYMBOL + load<u8>(lengthSymbols + length - 3)
}

/** Symbol 0 to 29 of a distance. */
export function distanceSymbol(distance: u32): u32 {
  const d = distance - 1
  if (d < 4) return d
  const log = 31 - clz(d)
  return (log << 1) | ((d >> (log - 1)) & 1)
}

/** Extra bits behind a literal or length symbol. */
export function literalSymbolExtraBits(symbol: u32): u32 {
  return symbol < FIRST_LENGTH_SYMBOL ? 0 : <u32>load<u8>(lengthExtraBits + symbol - FIRST_LENGTH_SYMBOL)
}

export function distanceSymbolExtraBits(symbol: u32): u32 {
  return symbol < 4 ? 0 : (symbol >> 1) - 1
}

/** Extra bits of all matches counted: what a block holds besides codes. */
export function extraBits(literalCounts: usize, distanceCounts: usize): u32 {
  let bits: u32 = 0
  for (let symbol: u32 = FIRST_LENGTH_SYMBOL + 8; symbol < LITERAL_SYMBOLS; symbol++) {
    bits += load<u32>(literalCounts + (symbol << 2)) * literalSymbolExtraBits(symbol)
  }
  for (let symbol: u32 = 4; symbol < DISTANCE_SYMBOLS; symbol++) {
    bits += load<u32>(distanceCounts + (symbol << 2)) * distanceSymbolExtraBits(symbol)
  }
  return bits
}

/** Writes tokens; no end of block. */
export function writeTokens(tokens: usize, count: u32, literalCodes: usize, distanceCodes: usize): void {
  for (let length: u32 = 0; length < 256; length++) {
    const symbol = <u32>load<u8>(lengthSymbols + length)
    const word = load<u32>(literalCodes + ((FIRST_LENGTH_SYMBOL + symbol) << 2))
    const extra = length - load<u8>(lengthBases + symbol)
    const codeBits = word >> 16
    const bits = (word & 0xffff) | (extra << codeBits)
    store<u32>(lengthWords + (length << 2), (bits << 8) | (codeBits + load<u8>(lengthExtraBits + symbol)))
  }

  let at = bitPosition()
  let bits: u64 = unfinishedByte()
  let size: u32 = unfinishedBits()
  const end = tokens + ((<usize>count) << 2)
  for (let token = tokens; token < end; token += 4) {
    const value = load<u32>(token)
    if (value < MATCH) {
      const word = load<u32>(literalCodes + (value << 2))
      bits |= (<u64>(word & 0xffff)) << size
      size += word >> 16
    } else {
      // At most 20 bits of length and 28 of distance on top of the 7 that may wait.
      const length = load<u32>(lengthWords + ((value >> 13) & (0xff << 2)))
      bits |= (<u64>(length >> 8)) << size
      size += length & 0xff
      const d = value & 0x7fff
      const symbol = distanceSymbol(d + 1)
      const extra = distanceSymbolExtraBits(symbol)
      const word = load<u32>(distanceCodes + (symbol << 2))
      bits |= (<u64>(word & 0xffff)) << size
      size += word >> 16
      bits |= (<u64>(d & ((1 << extra) - 1))) << size
      size += extra
    }
    store<u64>(at, bits)
    at += size >> 3
    bits >>= size & 56
    size &= 7
  }
  setBits(at, bits, size)
}

/** Writes bytes as literals; no end of block. */
export function writeLiterals(from: usize, count: u32, literalCodes: usize): void {
  let at = bitPosition()
  let bits: u64 = unfinishedByte()
  let size: u32 = unfinishedBits()
  const end = from + count
  for (let byte = from; byte < end; byte++) {
    const word = load<u32>(literalCodes + ((<u32>load<u8>(byte)) << 2))
    bits |= (<u64>(word & 0xffff)) << size
    size += word >> 16
    store<u64>(at, bits)
    at += size >> 3
    bits >>= size & 56
    size &= 7
  }
  setBits(at, bits, size)
}
