// Deflate to tokens, plain bytes and block headers. The host feeds input and calls `inflate` until it asks for more. A header
// or token that is not complete yet is read again from its start when more input has come.

import {
  assignCodes,
  DISTANCE_CODES,
  distanceBase,
  distanceExtra,
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
  LITERAL_CODES,
  LONG_258,
  MATCH,
  MAX_DISTANCE_CODES,
  MAX_LITERAL_CODES,
  orderedCodeLengthSymbol,
  repeatCount,
  repeatExtra,
  STORED,
} from './deflate-format'

// what `inflate` gives
const NEEDS_INPUT: u32 = 0
const BLOCK_BEGINS: u32 = 1
const TOKENS: u32 = 2
const BLOCK_ENDS: u32 = 3
const ENDED: u32 = 4
const FAILED: u32 = 5

// why it failed
const RESERVED_TYPE: u32 = 1
const STORED_LENGTH: u32 = 2
const TOO_MANY_CODES: u32 = 3
const BAD_SEQUENCE: u32 = 4
const OVERSUBSCRIBED: u32 = 5
const NO_END_OF_BLOCK: u32 = 6
const UNUSED_CODE: u32 = 7
const BEYOND_WINDOW: u32 = 8

// where it stands
const AT_HEADER: u32 = 0
const IN_STORED: u32 = 1
const IN_CODED: u32 = 2
const AT_END: u32 = 3
const IN_ERROR: u32 = 4

const INPUT_BYTES: usize = 0x10000
/** More than the longest header, which is the most that stays behind when input runs out. */
const KEPT_BYTES: usize = 1024
const HISTORY_BYTES: usize = 0x8000
const PLAIN_BYTES: usize = 0x10000
/** A match that begins below the limit ends at most here, copied eight bytes at a time. */
const SLACK_BYTES: usize = 512
/** The longest token: 15 + 5 bits of length, 15 + 13 of distance. */
const TOKEN_BITS: u32 = 48

const input = memory.data(<i32>(KEPT_BYTES + INPUT_BYTES + 64), 64)
const plain = memory.data(<i32>(HISTORY_BYTES + PLAIN_BYTES + SLACK_BYTES), 64)
const tokens = memory.data(4 * (<i32>PLAIN_BYTES + <i32>SLACK_BYTES), 64)
const header = memory.data(<i32>HEADER_BYTES, 16)

let state: u32 = 0
let reason: u32 = 0
let inputBytes: u32 = 0
let bit: u32 = 0
/** Bits of input that have left the buffer. */
let droppedBits: u64 = 0
let plainAt: usize = 0
let plainFirst: usize = 0
let runAt: usize = 0
let tokenCount: u32 = 0
let storedLeft: u32 = 0
let isTold: bool = false

// --- decoding tables: symbol << 4 | length, by the next bits; longer codes are decoded bit by bit --------------------------
const LITERAL_BITS: u32 = 11
const DISTANCE_BITS: u32 = 9
const literalTable = memory.data(2 << 11)
const distanceTable = memory.data(2 << 9)
const codeLengthTable = memory.data(2 << 7)
const lengths = memory.data(320)
const codes = memory.data(2 * 320)
/** Per code: how many codes of each length, and the symbols by length and number. */
const literalCounts = memory.data(2 * 16)
const literalSymbols = memory.data(2 * 288)
const distanceCounts = memory.data(2 * 16)
const distanceSymbols = memory.data(2 * 32)
const codeLengthCounts = memory.data(2 * 16)
const codeLengthSymbols = memory.data(2 * 19)

export function beginInflate(): void {
  state = AT_HEADER
  reason = 0
  inputBytes = 0
  bit = 0
  droppedBits = 0
  plainAt = plainFirst = runAt = plain + HISTORY_BYTES
  tokenCount = 0
  isTold = false
}

/** Where the host puts up to 65,536 more bytes of input. */
export function inflateInputAt(): usize {
  const whole = bit >> 3
  if (whole > 0) {
    inputBytes -= whole
    memory.copy(input, input + whole, inputBytes)
    droppedBits += (<u64>whole) << 3
    bit &= 7
  }
  return input + inputBytes
}

export function inflateInput(bytes: u32): void {
  inputBytes += bytes
}

/** Position in the stream, in bits: of a header's start, behind a block, of the error. */
export function inflateBit(): f64 {
  return <f64>(droppedBits + bit)
}

export function inflateHeaderAt(): usize {
  return header
}

export function inflateTokensAt(): usize {
  return tokens
}

export function inflateTokenCount(): u32 {
  return tokenCount
}

export function inflatePlainAt(): usize {
  return runAt
}

export function inflatePlainBytes(): u32 {
  return <u32>(plainAt - runAt)
}

export function inflateReason(): u32 {
  return reason
}

/** Bits between the last block and the end of its byte. */
export function inflateEndPadding(): u32 {
  return (bit & 7) == 0 ? 0 : <u32>load<u8>(input + (bit >> 3)) >> (bit & 7)
}

/** Goes on until there is something to tell. What it told of before is gone then. */
export function inflate(): u32 {
  if (isTold) {
    isTold = false
    runAt = plainAt
    tokenCount = 0
    if (plainAt >= plain + HISTORY_BYTES + PLAIN_BYTES) slide()
  }
  if (state == AT_END) return ENDED
  if (state == IN_ERROR) return FAILED
  const outcome = state == AT_HEADER ? readHeader() : state == IN_STORED ? readStored() : readTokens()
  if (outcome == BLOCK_ENDS) state = load<u32>(header, HEADER_FINAL) ? AT_END : AT_HEADER
  isTold = outcome != NEEDS_INPUT
  return outcome
}

function slide(): void {
  const by = plainAt - (plain + HISTORY_BYTES)
  memory.copy(plain, plain + by, HISTORY_BYTES)
  plainAt -= by
  runAt -= by
  plainFirst = max(plainFirst, plain + by) - by
}

function fail(why: u32): u32 {
  reason = why
  state = IN_ERROR
  return FAILED
}

// --- headers ----------------------------------------------------------------------------------------------------------
/** Where the header is being read; `bit` moves only when it is whole. */
let cursor: u32 = 0

function take(count: u32): u32 {
  const value = (load<u32>(input + (cursor >> 3)) >> (cursor & 7)) & ((1 << count) - 1)
  cursor += count
  return value
}

function readHeader(): u32 {
  cursor = bit
  const outcome = parseHeader()
  // What lies beyond the input decided: it has to come first.
  if (cursor > inputBytes << 3) return NEEDS_INPUT
  if (outcome == FAILED) return fail(reason)
  bit = cursor
  state = load<u32>(header, HEADER_TYPE) == STORED ? IN_STORED : IN_CODED
  return BLOCK_BEGINS
}

function parseHeader(): u32 {
  const isFinal = take(1)
  const type = take(2)
  store<u32>(header, type, HEADER_TYPE)
  store<u32>(header, isFinal, HEADER_FINAL)
  if (type == STORED) return parseStoredHeader()
  if (type > DYNAMIC) return refuse(RESERVED_TYPE)
  if (type == DYNAMIC) {
    const outcome = parseDynamicHeader()
    if (outcome == FAILED) return outcome
  } else {
    fillFixedLengths(lengths)
  }
  buildTable(lengths, LITERAL_CODES, literalTable, LITERAL_BITS, literalCounts, literalSymbols)
  buildTable(lengths + LITERAL_CODES, DISTANCE_CODES, distanceTable, DISTANCE_BITS, distanceCounts, distanceSymbols)
  return BLOCK_BEGINS
}

function refuse(why: u32): u32 {
  reason = why
  return FAILED
}

function parseStoredHeader(): u32 {
  store<u32>(header, take((0 - cursor) & 7), HEADER_PADDING)
  const bytes = take(16)
  if ((bytes ^ take(16)) != 0xffff) return refuse(STORED_LENGTH)
  store<u32>(header, bytes, HEADER_STORED_BYTES)
  storedLeft = bytes
  return BLOCK_BEGINS
}

function parseDynamicHeader(): u32 {
  const literals = take(5) + 257
  const distances = take(5) + 1
  const sent = take(4) + 4
  if (literals > MAX_LITERAL_CODES || distances > MAX_DISTANCE_CODES) return refuse(TOO_MANY_CODES)
  store<u32>(header, literals, HEADER_LITERALS)
  store<u32>(header, distances, HEADER_DISTANCES)
  store<u32>(header, sent, HEADER_SENT)
  memory.fill(lengths, 0, 19)
  memory.fill(header + HEADER_CODE_LENGTH_LENGTHS, 0, 19)
  for (let i: u32 = 0; i < sent; i++) {
    const length = take(3)
    store<u8>(header + HEADER_CODE_LENGTH_LENGTHS + i, <u8>length)
    store<u8>(lengths + orderedCodeLengthSymbol(i), <u8>length)
  }
  if (!isCodeSound(lengths, 19)) return refuse(OVERSUBSCRIBED)
  buildTable(lengths, 19, codeLengthTable, 7, codeLengthCounts, codeLengthSymbols)

  let symbols: u32 = 0
  for (let filled: u32 = 0; filled < literals + distances; symbols++) {
    const entry: u32 = load<u16>(codeLengthTable + (((load<u32>(input + (cursor >> 3)) >> (cursor & 7)) & 127) << 1))
    cursor += entry == 0 ? 7 : entry & 15
    if (cursor > inputBytes << 3) return NEEDS_INPUT
    if (entry == 0) return refuse(UNUSED_CODE)
    const symbol = entry >> 4
    const extra = take(repeatExtra(symbol))
    store<u16>(header + HEADER_SEQUENCE + (symbols << 1), <u16>(symbol | (extra << 8)))
    filled += repeatCount(symbol, extra)
  }
  store<u32>(header, symbols, HEADER_SYMBOLS)
  if (!expandSequence(header, lengths)) return refuse(BAD_SEQUENCE)
  if (load<u8>(lengths, 256) == 0) return refuse(NO_END_OF_BLOCK)
  if (!isCodeSound(lengths, LITERAL_CODES)) return refuse(OVERSUBSCRIBED)
  if (!isCodeSound(lengths + LITERAL_CODES, DISTANCE_CODES)) return refuse(OVERSUBSCRIBED)
  return BLOCK_BEGINS
}

// --- decoding tables --------------------------------------------------------------------------------------------------
function buildTable(lengths: usize, symbols: u32, table: usize, bits: u32, counts: usize, ordered: usize): void {
  assignCodes(lengths, symbols, codes)
  memory.fill(table, 0, (<usize>2) << bits)
  memory.fill(counts, 0, 32)
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(lengths + symbol)
    if (length == 0) continue
    store<u16>(counts + (length << 1), load<u16>(counts + (length << 1)) + 1)
    if (length > bits) continue
    const entry = <u16>((symbol << 4) | length)
    for (let at: u32 = load<u16>(codes + (symbol << 1)); at < 1 << bits; at += 1 << length) {
      store<u16>(table + (at << 1), entry)
    }
  }
  let filled: u32 = 0
  for (let length: u32 = 1; length < 16; length++) {
    if (load<u16>(counts + (length << 1)) == 0) continue
    for (let symbol: u32 = 0; symbol < symbols; symbol++) {
      if (load<u8>(lengths + symbol) == length) store<u16>(ordered + (filled++ << 1), <u16>symbol)
    }
  }
}

/** Decodes a code that is longer than its table's index: symbol << 4 | length, or 0 where there is none. */
function decodeLong(bits: u64, counts: usize, ordered: usize): u32 {
  let code: u32 = 0
  let first: u32 = 0
  let index: u32 = 0
  for (let length: u32 = 1; length < 16; length++) {
    code |= <u32>bits & 1
    bits >>= 1
    const count: u32 = load<u16>(counts + (length << 1))
    if (code - first < count) return ((<u32>load<u16>(ordered + ((index + code - first) << 1))) << 4) | length
    index += count
    first = (first + count) << 1
    code <<= 1
  }
  return 0
}

// --- blocks -----------------------------------------------------------------------------------------------------------
function readStored(): u32 {
  const room = <u32>(plain + HISTORY_BYTES + PLAIN_BYTES - plainAt)
  const taken = min(storedLeft, min(room, inputBytes - (bit >> 3)))
  memory.copy(plainAt, input + (bit >> 3), taken)
  plainAt += taken
  bit += taken << 3
  storedLeft -= taken
  if (storedLeft == 0) return BLOCK_ENDS
  if (taken < room) return NEEDS_INPUT
  return TOKENS
}

function readTokens(): u32 {
  const endBit = inputBytes << 3
  const limit = plain + HISTORY_BYTES + PLAIN_BYTES
  const first = plainFirst
  let at = bit
  let out = plainAt
  let token = tokens + (tokenCount << 2)
  let outcome = TOKENS
  while (out < limit) {
    let next = at
    let bits = load<u64>(input + (next >> 3)) >> (next & 7)
    let entry: u32 = load<u16>(literalTable + ((<usize>bits & ((1 << LITERAL_BITS) - 1)) << 1))
    if (entry == 0) {
      entry = decodeLong(bits, literalCounts, literalSymbols)
      if (entry == 0) {
        outcome = next + TOKEN_BITS > endBit ? NEEDS_INPUT : refuse(UNUSED_CODE)
        break
      }
    }
    next += entry & 15
    if (entry < 256 << 4) {
      if (next > endBit) {
        outcome = NEEDS_INPUT
        break
      }
      at = next
      store<u8>(out++, <u8>(entry >> 4))
      store<u32>(token, entry >> 4)
      token += 4
      continue
    }
    if (entry >> 4 == 256) {
      outcome = next > endBit ? NEEDS_INPUT : BLOCK_ENDS
      if (outcome == BLOCK_ENDS) at = next
      break
    }
    const symbol = (entry >> 4) - 257
    if (symbol > 28) {
      outcome = next + TOKEN_BITS > endBit ? NEEDS_INPUT : refuse(UNUSED_CODE)
      break
    }
    bits >>= entry & 15
    const extra = lengthExtra(symbol)
    const more = <u32>bits & ((1 << extra) - 1)
    const length = lengthBase(symbol) + more
    bits >>= extra
    next += extra
    entry = load<u16>(distanceTable + ((<usize>bits & ((1 << DISTANCE_BITS) - 1)) << 1))
    if (entry == 0) entry = decodeLong(bits, distanceCounts, distanceSymbols)
    if (entry == 0 || entry >> 4 >= MAX_DISTANCE_CODES) {
      outcome = at + TOKEN_BITS > endBit ? NEEDS_INPUT : refuse(UNUSED_CODE)
      break
    }
    bits >>= entry & 15
    const farExtra = distanceExtra(entry >> 4)
    const distance = distanceBase(entry >> 4) + (<u32>bits & ((1 << farExtra) - 1))
    next += (entry & 15) + farExtra
    if (next > endBit) {
      outcome = NEEDS_INPUT
      break
    }
    if (distance >= <u32>(out - first)) {
      outcome = refuse(BEYOND_WINDOW)
      break
    }
    at = next
    store<u32>(token, MATCH | (length << 16) | distance | (length == 255 && symbol != 28 ? LONG_258 : 0))
    token += 4
    copyMatch(out, distance + 1, length + 3)
    out += length + 3
  }
  bit = at
  plainAt = out
  tokenCount = <u32>(token - tokens) >> 2
  if (outcome == FAILED) return fail(reason)
  return outcome
}

function copyMatch(to: usize, distance: usize, length: usize): void {
  const end = to + length
  let from = to - distance
  if (distance >= 8) {
    while (to < end) {
      store<u64>(to, load<u64>(from))
      to += 8
      from += 8
    }
  } else if (distance == 1) {
    memory.fill(to, load<u8>(from), length)
  } else {
    while (to < end) store<u8>(to++, load<u8>(from++))
  }
}
