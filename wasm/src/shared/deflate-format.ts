// What a deflate stream is made of (RFC 1951), for the token inflater and the token writer alike: length and distance
// symbols, canonical codes, and the record in which a block's header passes between kernel and host.
//
// A token is a u32: a literal is its byte; a match is MATCH | length - 3 << 16 | distance - 1, with LONG_258 set when length
// 258 is coded as symbol 284 and extra bits 31 instead of symbol 285.

export const MATCH: u32 = 0x80000000
export const LONG_258: u32 = 0x40000000

export const STORED: u32 = 0
export const FIXED: u32 = 1
export const DYNAMIC: u32 = 2

export const LITERAL_CODES: u32 = 288
export const DISTANCE_CODES: u32 = 32
export const MAX_LITERAL_CODES: u32 = 286
export const MAX_DISTANCE_CODES: u32 = 30
export const MAX_CODE_LENGTHS: u32 = MAX_LITERAL_CODES + MAX_DISTANCE_CODES

// --- the record of a block's header: u32 fields, then bytes, then the sequence of code lengths as it was sent ---------------
export const HEADER_TYPE: usize = 0
export const HEADER_FINAL: usize = 4
/** Bits between the type of a stored block and its length. */
export const HEADER_PADDING: usize = 8
export const HEADER_STORED_BYTES: usize = 12
export const HEADER_LITERALS: usize = 16
export const HEADER_DISTANCES: usize = 20
/** How many lengths of the code length code were sent. */
export const HEADER_SENT: usize = 24
export const HEADER_SYMBOLS: usize = 28
/** 19 bytes in the order they are sent. */
export const HEADER_CODE_LENGTH_LENGTHS: usize = 32
/** u16 each: symbol 0 to 18, and the value of its extra bits << 8. */
export const HEADER_SEQUENCE: usize = 52
export const HEADER_BYTES: usize = HEADER_SEQUENCE + 2 * 316

// --- length and distance symbols --------------------------------------------------------------------------------------
/** By symbol - 257: length - 3 of the first length, and extra bits. */
const lengthBases = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 255,
])
const lengthExtras = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
])
/** By length - 3: symbol - 257. */
const lengthSymbols = memory.data(256)
/** The order in which lengths of the code length code are sent. */
const order = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])

export function prepareDeflateFormat(): void {
  for (let symbol: u32 = 0; symbol < 29; symbol++) {
    const base = lengthBase(symbol)
    const past: u32 = symbol == 28 ? 256 : base + (1 << lengthExtra(symbol))
    for (let length = base; length < past; length++) store<u8>(lengthSymbols + length, <u8>symbol)
  }
}

export function lengthBase(symbol: u32): u32 {
  return load<u8>(lengthBases + symbol)
}

export function lengthExtra(symbol: u32): u32 {
  return load<u8>(lengthExtras + symbol)
}

/** Symbol - 257 of a length - 3; 258 is symbol 285. */
export function lengthSymbol(length: u32): u32 {
  return load<u8>(lengthSymbols + length)
}

export function distanceExtra(symbol: u32): u32 {
  return symbol < 4 ? 0 : (symbol >> 1) - 1
}

/** Distance - 1 of a distance symbol's first distance. */
export function distanceBase(symbol: u32): u32 {
  return symbol < 4 ? symbol : (2 | (symbol & 1)) << distanceExtra(symbol)
}

/** Symbol of a distance - 1. */
export function distanceSymbol(distance: u32): u32 {
  if (distance < 4) return distance
  const length: u32 = 31 - clz(distance)
  return (length << 1) | ((distance >> (length - 1)) & 1)
}

export function orderedCodeLengthSymbol(i: u32): u32 {
  return load<u8>(order + i)
}

/** Extra bits behind symbol 16, 17 or 18 of a sequence of code lengths. */
export function repeatExtra(symbol: u32): u32 {
  return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7
}

/** How many lengths symbol 16, 17 or 18 stands for, by its extra bits. */
export function repeatCount(symbol: u32, extra: u32): u32 {
  return symbol < 16 ? 1 : extra + (symbol == 18 ? 11 : 3)
}

// --- code lengths -----------------------------------------------------------------------------------------------------
/** Code lengths (bytes) of the fixed code: 288 literals and lengths, then 32 distances. */
export function fillFixedLengths(lengths: usize): void {
  memory.fill(lengths, 8, 144)
  memory.fill(lengths + 144, 9, 112)
  memory.fill(lengths + 256, 7, 24)
  memory.fill(lengths + 280, 8, 8)
  memory.fill(lengths + LITERAL_CODES, 5, DISTANCE_CODES)
}

/** Whether a code with these lengths uses no more than all codes; what it leaves unused is harmless until it is met. */
export function isCodeSound(lengths: usize, symbols: u32): bool {
  let used: u32 = 0
  for (let i: u32 = 0; i < symbols; i++) {
    const length: u32 = load<u8>(lengths + i)
    if (length) used += 0x8000 >> length
  }
  return used <= 0x8000
}

/**
 * Writes out the code lengths that a header record's sequence stands for, as in `fillFixedLengths`, zeros where nothing was
 * sent. False when a run repeats nothing or the sequence is longer or shorter than the header says.
 */
export function expandSequence(header: usize, lengths: usize): bool {
  memory.fill(lengths, 0, LITERAL_CODES + DISTANCE_CODES)
  const literals = load<u32>(header, HEADER_LITERALS)
  const wanted = literals + load<u32>(header, HEADER_DISTANCES)
  const symbols = load<u32>(header, HEADER_SYMBOLS)
  let filled: u32 = 0
  let previous: u32 = 16
  for (let i: u32 = 0; i < symbols; i++) {
    const entry = load<u16>(header + HEADER_SEQUENCE + (i << 1))
    const symbol: u32 = entry & 0xff
    const count = repeatCount(symbol, entry >> 8)
    if (symbol == 16 && previous == 16) return false
    if (symbol != 16) previous = symbol < 16 ? symbol : 0
    if (filled + count > wanted) return false
    for (let k: u32 = 0; k < count; k++, filled++) {
      const at = filled < literals ? filled : LITERAL_CODES + filled - literals
      store<u8>(lengths + at, <u8>previous)
    }
  }
  return filled == wanted
}

/** Canonical codes (u16 each, bits reversed as they are sent) of a code with these lengths. */
export function assignCodes(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(nextCodes, 0, 32)
  for (let i: u32 = 0; i < symbols; i++) {
    const slot = nextCodes + ((<usize>load<u8>(lengths + i)) << 1)
    store<u16>(slot, load<u16>(slot) + 1)
  }
  store<u16>(nextCodes, 0)
  let code: u32 = 0
  let count: u32 = 0
  for (let length: u32 = 1; length < 16; length++) {
    code = (code + count) << 1
    count = load<u16>(nextCodes + (length << 1))
    store<u16>(nextCodes + (length << 1), <u16>code)
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const length: u32 = load<u8>(lengths + i)
    if (length == 0) continue
    const slot = nextCodes + (length << 1)
    const next: u32 = load<u16>(slot)
    store<u16>(slot, <u16>(next + 1))
    store<u16>(codes + (i << 1), <u16>reversed(next, length))
  }
}

const nextCodes = memory.data(32)

function reversed(code: u32, length: u32): u32 {
  let bits = ((code & 0x5555) << 1) | ((code >> 1) & 0x5555)
  bits = ((bits & 0x3333) << 2) | ((bits >> 2) & 0x3333)
  bits = ((bits & 0x0f0f) << 4) | ((bits >> 4) & 0x0f0f)
  bits = ((bits & 0x00ff) << 8) | (bits >> 8)
  return bits >> (16 - length)
}
