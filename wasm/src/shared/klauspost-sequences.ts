// The tokens of a block: literals in a row, and sequences that say how many of them go before each match. Counts of symbols
// are kept on the way, but for literals, which are counted when they are needed.

import { distanceSymbol, lengthSymbol } from './deflate-tokens'

/** A block's literals; copying may write a little beyond. */
export const literals = memory.data(65536 + 64, 16)
const MOST_MATCHES: i32 = 32768
/** u32 number of literals, u32 match: distance - 1 | distance symbol << 16 | length - 3 << 24. Match 0 is none: no match has length 3. */
export const sequences = memory.data(8 * (MOST_MATCHES + 1), 16)

/** u32 counts of literals and lengths, the end of the block being symbol 256, and of distance symbols. */
export const literalCounts = memory.data(4 * 288, 16)
export const distanceCounts = memory.data(4 * 32, 16)

export let literalsEnd: usize = literals
export let sequencesEnd: usize = sequences
/** Where the literals after the last match start. */
export let runStart: usize = literals

export function resetSequences(): void {
  literalsEnd = literals
  sequencesEnd = sequences
  runStart = literals
  memory.fill(literalCounts, 0, 4 * 288)
  memory.fill(distanceCounts, 0, 4 * 32)
}

/** Literals and matches. */
export function tokenCount(): u32 {
  return <u32>(literalsEnd - literals + ((sequencesEnd - sequences) >> 3))
}

export function addLiteral(byte: u8): void {
  store<u8>(literalsEnd++, byte)
}

/** The bytes from one address up to another become literals. */
export function addLiterals(from: i32, end: i32): void {
  let to = literalsEnd
  literalsEnd = to + (end - from)
  for (let at = from; at < end; at += 16, to += 16) v128.store(to, v128.load(at))
}

/** A match of at most 258 bytes. */
export function addMatch(length: i32, distance: i32): void {
  const symbol = distanceSymbol(distance)
  addPiece(length - 3, (distance - 1) | (symbol << 16), symbol)
}

/** A match of any length, in pieces. */
export function addLongMatch(length: i32, distance: i32, cutsShort: bool): void {
  const symbol = distanceSymbol(distance)
  const word = (distance - 1) | (symbol << 16)
  let left = length
  while (left > 258) {
    const piece = cutsShort || left <= 261 ? 255 : 258
    addPiece(piece - 3, word, symbol)
    left -= piece
  }
  addPiece(left - 3, word, symbol)
}

function addPiece(length: u32, distance: u32, symbol: u32): void {
  count(literalCounts, lengthSymbol(length + 3))
  count(distanceCounts, symbol)
  store<u32>(sequencesEnd, <u32>(literalsEnd - runStart))
  store<u32>(sequencesEnd, distance | (length << 24), 4)
  sequencesEnd += 8
  runStart = literalsEnd
}

function count(counts: usize, symbol: u32): void {
  const at = counts + (symbol << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** Marks the end: a sequence without match that holds the last literals. Not counted as a token. */
export function closeSequences(): void {
  store<u32>(sequencesEnd, <u32>(literalsEnd - runStart))
  store<u32>(sequencesEnd, 0, 4)
}
