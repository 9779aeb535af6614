// The block writer. A Huffman table may stay open over several blocks of input, which then are one deflate block; whatever
// starts another block first writes the end-of-block symbol that is owed.

import {
  alignToByte,
  bitPosition,
  putBits,
  putStoredBlock,
  setBits,
  unfinishedBits,
  unfinishedByte,
} from './deflate-bits'
import {
  DISTANCE_SYMBOLS,
  distanceSymbolExtraBits,
  END_OF_BLOCK,
  extraBits,
  FIRST_LENGTH_SYMBOL,
  fixedDistanceCodes,
  fixedLiteralCodes,
  lengthSymbol,
  LITERAL_SYMBOLS,
  literalSymbolExtraBits,
} from './deflate-tokens'
import { buildCodes, codedBits, MAX_CODE_BITS, prepareHeader, putCode, usedSymbols, writeHeader } from './go-huffman'
import { addEntropy, addWholeBits, preciseLog2, symbolBits } from './klauspost-estimate'
import {
  clampsEstimate,
  countsEnd,
  describesAll,
  endsStored,
  estimatesEnd,
  estimatesLiterals,
  estimatesShare,
  estimatesWholeBits,
  fills,
  fixedBelow,
  looksForNoise,
  penalty,
} from './klauspost-families'
import {
  closeSequences,
  distanceCounts,
  literalCounts,
  literals,
  literalsEnd,
  sequences,
  tokenCount,
} from './klauspost-sequences'

/** A stored block holds no more. */
const MOST_STORED: u32 = 65535
/** What a header is guessed at when none was written yet: 70 bytes. */
const GUESSED_HEADER: u32 = 70 * 8
/** More than any block takes. */
const NEVER: u32 = 0x7fffffff

/** Codes of the open table, or of the next one. */
const literalCodes = memory.data(4 * 288, 16)
const distanceCodes = memory.data(4 * 32, 16)
/** Codes of literals alone, on trial. */
const spareCodes = memory.data(4 * 288, 16)
/** The distance code of literal-only tables: one symbol of 1 bit. */
const noDistanceCodes = memory.data<u32>([0x10000])

/** Size of the open table's header in bits; 0 when no table is open. */
let openHeader: u32 = 0
/** The open table has no codes for lengths and distances. */
let isLiteralOnly: bool = false

export function resetWriter(): void {
  openHeader = 0
  isLiteralOnly = false
}

/** Writes the end-of-block symbol that is owed, if any. */
function closeTable(): void {
  if (openHeader == 0) return
  putCode(load<u32>(literalCodes, END_OF_BLOCK << 2))
  openHeader = 0
}

export function writeStored(from: usize, bytes: u32): void {
  closeTable()
  putStoredBlock(from, bytes, false)
}

/** The empty block at a flush. */
export function writeSyncMarker(): void {
  writeStored(literals, 0)
}

/** The empty block at the end of a stream. */
export function writeEnd(): void {
  closeTable()
  if (endsStored) putStoredBlock(literals, 0, true)
  else {
    putBits(3, 3)
    putBits(0, 7)
    alignToByte()
  }
}

function storedBits(bytes: u32): u32 {
  return bytes <= MOST_STORED ? (bytes + 5) << 3 : NEVER
}

/**
 * Writes the tokens collected, which stand for so many bytes at `from`; more than a stored block holds when they are not
 * there. `isSync` closes the table behind them.
 */
export function writeTokens(from: usize, bytes: u32, isSync: bool): void {
  closeSequences()
  countBytes(literals, <u32>(literalsEnd - literals))
  if (fills) writeFilled(from, bytes, isSync)
  else writeFitting(from, bytes, isSync)
}

/** Families H1 on: an open table is used again if it has a code for every symbol, and if that is cheap. */
function writeFitting(from: usize, bytes: u32, isSync: bool): void {
  let tokens = tokenCount()
  const estimated = estimatesEnd && isSync ? tokens + 1 : tokens
  if (isSync) {
    store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
    tokens++
  }
  if (openHeader != 0 && (isLiteralOnly || !isCovered())) {
    closeTable()
    isLiteralOnly = false
  }
  if (countsEnd) store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
  let literalsSent = LITERAL_SYMBOLS
  let distancesSent = DISTANCE_SYMBOLS
  if (isSync || !describesAll) {
    // 1.18.1 has no room for the end of the block where there is no match, and writes what can't be read.
    literalsSent = max(usedSymbols(literalCounts, LITERAL_SYMBOLS), FIRST_LENGTH_SYMBOL)
    distancesSent = usedDistances()
  }
  const stored = storedBits(bytes)
  const extra = extraBits(literalCounts, distanceCounts)

  if (openHeader != 0) {
    let fresh = openHeader + estimate(estimated, extra)
    fresh += <u32>load<u16>(literalCodes, (END_OF_BLOCK << 2) + 2) + (fresh >> penalty)
    let size = codedTokens(literalCodes, distanceCodes) + extra
    if (fresh < size) {
      closeTable()
      size = fresh
    }
    if (tokens < fixedBelow && codedTokens(fixedLiteralCodes, fixedDistanceCodes) + extra + 10 < size) {
      if (stored <= size) writeStored(from, bytes)
      else writeFixed()
      return
    }
    if (stored <= size) {
      writeStored(from, bytes)
      return
    }
  }
  if (openHeader == 0) {
    store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
    const header = prepareTable(literalsSent, distancesSent)
    const size = header + codedTokens(literalCodes, distanceCodes) + extra
    if (tokens < fixedBelow) {
      const fixed = codedTokens(fixedLiteralCodes, fixedDistanceCodes) + extra + 3
      if (fixed <= size) {
        if (stored <= fixed) writeStored(from, bytes)
        else writeFixed()
        return
      }
    }
    if (stored <= size) {
      writeStored(from, bytes)
      return
    }
    writeHeader(false)
    isLiteralOnly = false
    openHeader = header
  }
  writeSequences(literals, sequences, literalCodes, distanceCodes)
  if (isSync) closeTable()
}

/** Families up to G: every symbol is given a code, so that an open table fits always. */
function writeFilled(from: usize, bytes: u32, isSync: bool): void {
  let tokens = tokenCount()
  if (openHeader != 0 && isLiteralOnly) {
    closeTable()
    isLiteralOnly = false
  }
  let literalsSent = LITERAL_SYMBOLS
  let distancesSent = DISTANCE_SYMBOLS
  if (isSync) {
    store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
    literalsSent = usedSymbols(literalCounts, LITERAL_SYMBOLS)
    distancesSent = usedDistances()
  } else {
    tokens += fill(literalCounts, LITERAL_SYMBOLS)
    fill(distanceCounts, DISTANCE_SYMBOLS)
  }
  const stored = storedBits(bytes)
  const extra = extraBits(literalCounts, distanceCounts)

  if (openHeader != 0) {
    let fresh = openHeader + estimate(tokens, extra)
    fresh += fresh >> penalty
    let size = codedTokens(literalCodes, distanceCodes) + extra
    // The first family counts the header as if it were written again.
    if (estimatesWholeBits) size += openHeader
    if (fresh < size) {
      closeTable()
      size = fresh
    }
    if (stored < size + (size >> 4)) {
      writeStored(from, bytes)
      return
    }
  }
  if (openHeader == 0) {
    const header = prepareTable(literalsSent, distancesSent)
    const size = header + codedTokens(literalCodes, distanceCodes) + extra
    if (stored < size + (size >> 4)) {
      writeStored(from, bytes)
      return
    }
    writeHeader(false)
    isLiteralOnly = false
    openHeader = header
  }
  writeSequences(literals, sequences, literalCodes, distanceCodes)
  if (isSync) closeTable()
}

/** A block of its own, however small the table: for the lazy levels of families up to G. */
export function writeClosed(from: usize, bytes: u32): void {
  closeSequences()
  countBytes(literals, <u32>(literalsEnd - literals))
  store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
  const literalsSent = usedSymbols(literalCounts, LITERAL_SYMBOLS)
  const distancesSent = usedDistances()
  const extra = extraBits(literalCounts, distanceCounts)
  const fixed = codedTokens(fixedLiteralCodes, fixedDistanceCodes) + extra + 3
  const dynamic = prepareTable(literalsSent, distancesSent) + codedTokens(literalCodes, distanceCodes) + extra
  if (storedBits(bytes) < min(fixed, dynamic)) writeStored(from, bytes)
  else if (dynamic < fixed) {
    writeHeader(false)
    writeSequences(literals, sequences, literalCodes, distanceCodes)
    putCode(load<u32>(literalCodes, END_OF_BLOCK << 2))
  } else writeFixed()
}

/** Counts 1 for what doesn't occur; gives how many symbols that were. */
function fill(counts: usize, symbols: u32): u32 {
  let filled: u32 = 0
  for (let at = counts; at < counts + (symbols << 2); at += 4) {
    if (load<u32>(at) != 0) continue
    store<u32>(at, 1)
    filled++
  }
  return filled
}

/** How many distance symbols to describe: at least one, which then counts as used. */
function usedDistances(): u32 {
  const used = usedSymbols(distanceCounts, DISTANCE_SYMBOLS)
  if (used != 0) return used
  store<u32>(distanceCounts, 1)
  return 1
}

/** Whether the open table has a code for every symbol that occurs. */
function isCovered(): bool {
  return covers(distanceCounts, distanceCodes, DISTANCE_SYMBOLS) && covers(literalCounts, literalCodes, LITERAL_SYMBOLS)
}

function covers(counts: usize, codes: usize, symbols: u32): bool {
  for (let at: u32 = 0; at < symbols << 2; at += 4) {
    if (load<u32>(counts + at) != 0 && load<u32>(codes + at) == 0) return false
  }
  return true
}

function prepareTable(literalsSent: u32, distancesSent: u32): u32 {
  buildCodes(literalCounts, LITERAL_SYMBOLS, MAX_CODE_BITS, literalCodes)
  buildCodes(distanceCounts, DISTANCE_SYMBOLS, MAX_CODE_BITS, distanceCodes)
  return prepareHeader(literalCodes, literalsSent, distanceCodes, distancesSent)
}

function codedTokens(literalCodes: usize, distanceCodes: usize): u32 {
  return (
    codedBits(literalCounts, literalCodes, LITERAL_SYMBOLS) + codedBits(distanceCounts, distanceCodes, DISTANCE_SYMBOLS)
  )
}

/** Bits of the tokens with codes of their own, without a header. */
function estimate(tokens: u32, extra: u32): u32 {
  const literalsEnd = literalCounts + (END_OF_BLOCK << 2)
  const lengths = literalCounts + (FIRST_LENGTH_SYMBOL << 2)
  const lengthsEnd = literalCounts + (LITERAL_SYMBOLS << 2)
  const distancesEnd = distanceCounts + (DISTANCE_SYMBOLS << 2)
  let matches: u32 = 0
  for (let at = lengths; at < lengthsEnd; at += 4) matches += load<u32>(at)
  if (estimatesWholeBits) {
    let share: f64 = 1 / <f64>tokens
    let bits = addWholeBits(0, literalCounts, literalsEnd, share) + 15
    bits = addWholeBits(bits, lengths, lengthsEnd, share)
    share = 1 / <f64>matches
    if (matches != 0) bits = addWholeBits(bits, distanceCounts, distancesEnd, share)
    return <u32>bits + mistakenExtraBits()
  }
  const least: f32 = clampsEstimate ? 1 : -Infinity
  const most: f32 = clampsEstimate ? 15 : Infinity
  let share: f32 = <f32>1 / <f32>tokens
  let bits = addEntropy(0, literalCounts, literalsEnd, share, least, most)
  bits += 15
  bits = addEntropy(bits, lengths, lengthsEnd, share, least, most)
  share = <f32>1 / <f32>matches
  if (matches != 0) bits = addEntropy(bits, distanceCounts, distancesEnd, share, least, most)
  return <u32>bits + extra
}

/** The first family looks up extra bits by the count of a symbol, not by the symbol. */
function mistakenExtraBits(): u32 {
  let bits: u32 = 0
  for (let symbol = FIRST_LENGTH_SYMBOL; symbol < LITERAL_SYMBOLS; symbol++) {
    const count = codeOf(literalCounts, symbol)
    if ((count & 31) < 29) bits += literalSymbolExtraBits(FIRST_LENGTH_SYMBOL + (count & 31)) * count
  }
  for (let symbol: u32 = 0; symbol < DISTANCE_SYMBOLS; symbol++) {
    const count = codeOf(distanceCounts, symbol)
    bits += distanceSymbolExtraBits(count & 31) * count
  }
  return bits
}

function writeFixed(): void {
  closeTable()
  putBits(2, 3)
  writeSequences(literals, sequences, fixedLiteralCodes, fixedDistanceCodes)
  putBits(0, 7)
}

/** Writes bytes as literals, or stores them. */
export function writeLiteralOnly(from: usize, bytes: u32, isSync: bool): void {
  memory.fill(literalCounts, 0, 288 * 4)
  countBytes(from, bytes)
  const stored = storedBits(bytes)
  if (!estimatesLiterals) {
    if (looksForNoise && bytes > 1024 && isNoise(bytes)) {
      writeStored(from, bytes)
      return
    }
    store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
    buildCodes(literalCounts, END_OF_BLOCK + 1, MAX_CODE_BITS, spareCodes)
    let fresh = codedBits(literalCounts, spareCodes, END_OF_BLOCK + 1)
    fresh += openHeader == 0 ? GUESSED_HEADER : openHeader
    fresh += fresh >> penalty
    if (stored <= fresh) {
      writeStored(from, bytes)
      return
    }
    if (fresh < reusedBits()) closeTable()
    if (openHeader == 0) memory.copy(literalCodes, spareCodes, (END_OF_BLOCK + 1) << 2)
  } else {
    if (!decideByEstimate(bytes, isSync)) {
      writeStored(from, bytes)
      return
    }
    if (openHeader == 0) {
      if (!isSync) fill(literalCounts, END_OF_BLOCK + 1)
      store<u32>(literalCounts, 1, END_OF_BLOCK << 2)
      buildCodes(literalCounts, END_OF_BLOCK + 1, MAX_CODE_BITS, literalCodes)
    }
  }
  if (openHeader == 0) {
    openHeader = prepareHeader(literalCodes, END_OF_BLOCK + 1, noDistanceCodes, 1)
    writeHeader(false)
    isLiteralOnly = true
  }
  store<u32>(onlyRun, bytes)
  writeSequences(from, onlyRun, literalCodes, distanceCodes)
  if (isSync) {
    closeTable()
    isLiteralOnly = false
  }
}

/** A sequence of literals with nothing behind. */
const onlyRun = memory.data(8, 8)

/** Families up to F: false to store; else the open table is closed if a new one looks better. */
function decideByEstimate(bytes: u32, isSync: bool): bool {
  const end = literalCounts + (END_OF_BLOCK << 2)
  let unused: u32 = 0
  if (!isSync) {
    for (let at = literalCounts; at < end; at += 4) if (load<u32>(at) == 0) unused++
  }
  if (estimatesWholeBits) return decideByWholeBits(bytes, unused, isSync)
  const share: f32 = <f32>1 / <f32>(estimatesShare ? bytes + unused : bytes)
  let fresh = <u32>(addEntropy(0, literalCounts, end, share, 1, Infinity) + <f32>0.99)
  let rest: u32 = 0
  if (estimatesShare) fresh += bytes / 32
  else {
    fresh += 15
    const each = symbolBits(1, share, 1, Infinity)
    let sum: f32 = 0
    for (let i: u32 = 0; i < unused; i++) sum += each
    rest = <u32>(sum + <f32>0.99)
    if (!isSync) fill(literalCounts, END_OF_BLOCK)
  }
  fresh += openHeader == 0 ? GUESSED_HEADER : openHeader
  fresh += fresh >> penalty
  if (storedBits(bytes) < fresh) return false
  if (openHeader != 0 && fresh + rest < codedBits(literalCounts, literalCodes, END_OF_BLOCK)) closeTable()
  return true
}

/** The first family, which counts the open table's header twice. */
function decideByWholeBits(bytes: u32, unused: u32, isSync: bool): bool {
  const share: f64 = 1 / <f64>bytes
  const bits = addWholeBits(0, literalCounts, literalCounts + (END_OF_BLOCK << 2), share)
  let fresh = <u32>(bits + <f64>unused * ceil<f64>(-preciseLog2(share)) + 0.99) + 15
  if (!isSync) fill(literalCounts, END_OF_BLOCK)
  if (storedBits(bytes) < fresh + (fresh >> 4)) return false
  fresh += fresh >> penalty
  if (openHeader != 0 && fresh < 2 * openHeader + codedBits(literalCounts, literalCodes, END_OF_BLOCK)) closeTable()
  return true
}

/** Bits of the literals in the open table's codes; without a code or a table, more than any. */
function reusedBits(): u32 {
  if (openHeader == 0) return 0
  return covers(literalCounts, literalCodes, END_OF_BLOCK)
    ? codedBits(literalCounts, literalCodes, END_OF_BLOCK)
    : NEVER
}

/** Whether all bytes are about as frequent: squared differences from n / 256 that sum up to less than 2n. */
function isNoise(bytes: u32): bool {
  const limit = (<u64>bytes) << 17
  let sum: u64 = 0
  for (let at = literalCounts; at < literalCounts + (256 << 2); at += 4) {
    const difference = ((<i64>load<u32>(at)) << 8) - bytes
    sum += <u64>(difference * difference)
  }
  return sum < limit
}

const counters = memory.data(4 * 256 * 4, 16)

/** Adds bytes to the counts of literals. */
function countBytes(from: usize, bytes: u32): void {
  memory.fill(counters, 0, 4 * 256 * 4)
  let at = from
  const end = from + bytes
  // Four sets of counters: equal bytes close to each other would wait for each other's store.
  for (; at + 8 <= end; at += 8) {
    const eight = load<u64>(at)
    increment(counters, <u32>eight & 255)
    increment(counters + 1024, <u32>(eight >> 8) & 255)
    increment(counters + 2048, <u32>(eight >> 16) & 255)
    increment(counters + 3072, <u32>(eight >> 24) & 255)
    increment(counters, <u32>(eight >> 32) & 255)
    increment(counters + 1024, <u32>(eight >> 40) & 255)
    increment(counters + 2048, <u32>(eight >> 48) & 255)
    increment(counters + 3072, <u32>(eight >> 56))
  }
  for (; at < end; at++) increment(counters, load<u8>(at))
  for (let i: usize = 0; i < 1024; i += 16) {
    let sum = i32x4.add(v128.load(counters + i), v128.load(counters + i, 1024))
    sum = i32x4.add(sum, v128.load(counters + i, 2048))
    sum = i32x4.add(sum, v128.load(counters + i, 3072))
    v128.store(literalCounts + i, sum)
  }
}

function increment(counts: usize, symbol: u32): void {
  const at = counts + (symbol << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** For each length - 3: code and extra bits, their number in the highest byte. */
const lengthWords = memory.data(256 * 4, 4)
/** For each distance symbol: code below, its length from bit 16, the number of extra bits from bit 24. */
const distanceWords = memory.data(32 * 4, 4)

/** Writes runs of literals and matches; no end of block. */
function writeSequences(literalAt: usize, sequenceAt: usize, literalCodes: usize, distanceCodes: usize): void {
  if (load<u32>(sequenceAt, 4) != 0 || sequenceAt != onlyRun) prepareWords(literalCodes, distanceCodes)
  let at = bitPosition()
  let bits: u64 = unfinishedByte()
  let size: u32 = unfinishedBits()
  let literal = literalAt
  for (let sequence = sequenceAt; ; sequence += 8) {
    const runEnd = literal + load<u32>(sequence)
    // Fewer than 8 bits wait, and 3 literals are 45 at most.
    for (; literal + 3 <= runEnd; literal += 3) {
      const a = codeOf(literalCodes, load<u8>(literal))
      const b = codeOf(literalCodes, load<u8>(literal, 1))
      const c = codeOf(literalCodes, load<u8>(literal, 2))
      bits |= (<u64>(a & 0xffff)) << size
      size += a >> 16
      bits |= (<u64>(b & 0xffff)) << size
      size += b >> 16
      bits |= (<u64>(c & 0xffff)) << size
      size += c >> 16
      store<u64>(at, bits)
      at += size >> 3
      bits >>= size & 56
      size &= 7
    }
    for (; literal < runEnd; literal++) {
      const a = codeOf(literalCodes, load<u8>(literal))
      bits |= (<u64>(a & 0xffff)) << size
      size += a >> 16
      store<u64>(at, bits)
      at += size >> 3
      bits >>= size & 56
      size &= 7
    }
    const match = load<u32>(sequence, 4)
    if (match == 0) break
    const length = load<u32>(lengthWords + ((match >> 24) << 2))
    bits |= (<u64>(length & 0xffffff)) << size
    size += length >> 24
    const distance = load<u32>(distanceWords + (((match >> 16) & 31) << 2))
    bits |= (<u64>(distance & 0xffff)) << size
    size += (distance >> 16) & 255
    const extra = distance >> 24
    bits |= (<u64>(match & ((1 << extra) - 1))) << size
    size += extra
    store<u64>(at, bits)
    at += size >> 3
    bits >>= size & 56
    size &= 7
  }
  setBits(at, bits, size)
}

function codeOf(codes: usize, symbol: u32): u32 {
  return load<u32>(codes + (symbol << 2))
}

function prepareWords(literalCodes: usize, distanceCodes: usize): void {
  for (let length: u32 = 0; length < 256; length++) {
    const symbol = lengthSymbol(length + 3)
    const code = codeOf(literalCodes, symbol)
    const extra = literalSymbolExtraBits(symbol)
    const codeBits = code >> 16
    // First lengths of symbols are multiples of what extra bits count.
    const word = (code & 0xffff) | ((length & ((1 << extra) - 1)) << codeBits)
    store<u32>(lengthWords + (length << 2), word | ((codeBits + extra) << 24))
  }
  for (let symbol: u32 = 0; symbol < DISTANCE_SYMBOLS; symbol++) {
    const extra = distanceSymbolExtraBits(symbol)
    store<u32>(distanceWords + (symbol << 2), codeOf(distanceCodes, symbol) | (extra << 24))
  }
}
