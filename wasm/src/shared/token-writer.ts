// Tokens and block headers to deflate: the inverse of the token inflater, to the bit.

import {
  assignCodes,
  DISTANCE_CODES,
  distanceBase,
  distanceExtra,
  distanceSymbol,
  DYNAMIC,
  expandSequence,
  fillFixedLengths,
  HEADER_BYTES,
  HEADER_CODE_LENGTH_LENGTHS,
  HEADER_DISTANCES,
  HEADER_FINAL,
  HEADER_LITERALS,
  HEADER_PADDING,
  HEADER_SENT,
  HEADER_SEQUENCE,
  HEADER_STORED_BYTES,
  HEADER_SYMBOLS,
  HEADER_TYPE,
  isCodeSound,
  lengthBase,
  lengthExtra,
  lengthSymbol,
  LITERAL_CODES,
  LONG_258,
  MATCH,
  orderedCodeLengthSymbol,
  repeatExtra,
  STORED,
} from './deflate-format'

/** Most tokens one call takes; they make at most six bytes each. */
const MAX_TOKENS: u32 = 0x4000
/** Most bytes of a stored block: they pass through the buffer of tokens. */
const TOKEN_BYTES: usize = 0x10000

const tokens = memory.data(<i32>TOKEN_BYTES, 64)
const output = memory.data(6 * 0x4000 + 1024, 64)
const header = memory.data(<i32>HEADER_BYTES, 16)
const lengths = memory.data(320)
const codes = memory.data(2 * 320)
/** u32 each: code << 4 | length, by symbol; distances behind the literals and lengths. */
const table = memory.data(4 * 320)

let pending: u64 = 0
let pendingBits: u32 = 0
let out: usize = 0

export function beginWrite(): void {
  pending = 0
  pendingBits = 0
}

export function writeHeaderAt(): usize {
  return header
}

export function writeTokensAt(): usize {
  return tokens
}

export function writeOutputAt(): usize {
  return output
}

function put(value: u64, count: u32): void {
  pending |= value << pendingBits
  pendingBits += count
  store<u64>(out, pending)
  out += pendingBits >> 3
  pending >>= pendingBits & ~7
  pendingBits &= 7
}

/** Starts a block by the header record; gives the bytes of output, or -1 when the header is unsound. */
export function writeHeader(): i32 {
  out = output
  const type = load<u32>(header, HEADER_TYPE)
  put(load<u32>(header, HEADER_FINAL) & 1, 1)
  put(type & 3, 2)
  if (type == STORED) {
    const gap = (0 - pendingBits) & 7
    put(load<u32>(header, HEADER_PADDING) & ((1 << gap) - 1), gap)
    const bytes = load<u32>(header, HEADER_STORED_BYTES)
    if (bytes > 0xffff) return -1
    put(bytes | ((~bytes & 0xffff) << 16), 32)
  } else if (type == DYNAMIC) {
    if (!putDynamicHeader()) return -1
    prepareCodes()
  } else {
    if (type > DYNAMIC) return -1
    fillFixedLengths(lengths)
    prepareCodes()
  }
  return <i32>(out - output)
}

function putDynamicHeader(): bool {
  const literals = load<u32>(header, HEADER_LITERALS)
  const distances = load<u32>(header, HEADER_DISTANCES)
  const sent = load<u32>(header, HEADER_SENT)
  if (literals - 257 > 31 || distances - 1 > 31 || sent - 4 > 15) return false
  put(literals - 257, 5)
  put(distances - 1, 5)
  put(sent - 4, 4)
  memory.fill(lengths, 0, 19)
  for (let i: u32 = 0; i < sent; i++) {
    const length = load<u8>(header + HEADER_CODE_LENGTH_LENGTHS + i) & 7
    put(length, 3)
    store<u8>(lengths + orderedCodeLengthSymbol(i), length)
  }
  if (!isCodeSound(lengths, 19)) return false
  fillTable(19, table)
  const symbols = load<u32>(header, HEADER_SYMBOLS)
  if (symbols > literals + distances) return false
  for (let i: u32 = 0; i < symbols; i++) {
    const entry: u32 = load<u16>(header + HEADER_SEQUENCE + (i << 1))
    if ((entry & 0xff) > 18) return false
    const code = load<u32>(table + ((entry & 0xff) << 2))
    if (code == 0) return false
    put(code >> 4, code & 15)
    put(entry >> 8, repeatExtra(entry & 0xff))
  }
  return expandSequence(header, lengths)
}

function prepareCodes(): void {
  fillTable(LITERAL_CODES, table)
  memory.copy(lengths, lengths + LITERAL_CODES, DISTANCE_CODES)
  fillTable(DISTANCE_CODES, table + 4 * LITERAL_CODES)
}

function fillTable(symbols: u32, to: usize): void {
  assignCodes(lengths, symbols, codes)
  for (let i: u32 = 0; i < symbols; i++) {
    const length: u32 = load<u8>(lengths + i)
    store<u32>(to + (i << 2), length == 0 ? 0 : ((<u32>load<u16>(codes + (i << 1))) << 4) | length)
  }
}

/** Writes tokens, at most 16,384; gives the bytes of output, or -1 when the block's code lacks one of them. */
export function writeTokens(count: u32): i32 {
  out = output
  if (count > MAX_TOKENS) return -1
  for (let at = tokens, end = tokens + (count << 2); at < end; at += 4) {
    const token = load<u32>(at)
    if (!(token & MATCH)) {
      const code = load<u32>(table + ((token & 0xff) << 2))
      if (code == 0) return -1
      put(code >> 4, code & 15)
      continue
    }
    const length = (token >> 16) & 0xff
    const symbol = length == 255 && token & LONG_258 ? 27 : lengthSymbol(length)
    const code = load<u32>(table + ((257 + symbol) << 2))
    const distance = token & 0x7fff
    const far = distanceSymbol(distance)
    const farCode = load<u32>(table + ((LITERAL_CODES + far) << 2))
    if (code == 0 || farCode == 0) return -1
    put((code >> 4) | ((length - lengthBase(symbol)) << (code & 15)), (code & 15) + lengthExtra(symbol))
    put((farCode >> 4) | ((distance - distanceBase(far)) << (farCode & 15)), (farCode & 15) + distanceExtra(far))
  }
  return <i32>(out - output)
}

/** Ends a block of tokens; gives the bytes of output, or -1 when its code has no end of block. */
export function writeBlockEnd(): i32 {
  out = output
  const code = load<u32>(table + (256 << 2))
  if (code == 0) return -1
  put(code >> 4, code & 15)
  return <i32>(out - output)
}

/** Fills the last byte with the padding bits; gives the bytes of output. */
export function writeEnd(padding: u32): i32 {
  out = output
  const gap = (0 - pendingBits) & 7
  put(padding & ((1 << gap) - 1), gap)
  return <i32>(out - output)
}
