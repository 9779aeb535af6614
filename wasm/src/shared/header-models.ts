// Codes headers of dynamic blocks against what Go's and zlib's way of making codes would give for the block's symbols, and
// against the header of the block expected here. docs/formats/token-recipe.md has the same in words.

import { codeModelled } from './bit-model'
import {
  DISTANCE_CODES,
  expandSequence,
  HEADER_BYTES,
  HEADER_CODE_LENGTH_LENGTHS,
  HEADER_DISTANCES,
  HEADER_LITERALS,
  HEADER_SENT,
  HEADER_SEQUENCE,
  HEADER_SYMBOLS,
  LITERAL_CODES,
  MAX_DISTANCE_CODES,
  MAX_LITERAL_CODES,
  orderedCodeLengthSymbol,
} from './deflate-format'
import { buildCodes } from './go-huffman'
import { hasRunOut, isEncoding } from './range-coder'
import { distanceCounts, literalCounts } from './token-models'
import { buildCodeLengths, codeRuns, runs } from './zlib-huffman'

const header = memory.data(<i32>HEADER_BYTES, 16)
const hintHeader = memory.data(<i32>HEADER_BYTES, 16)

const ALL_LENGTHS: u32 = LITERAL_CODES + DISTANCE_CODES
const lengths = memory.data(320, 16)
const hintLengths = memory.data(320, 16)
const lastLengths = memory.data(320, 16)
const goLengths = memory.data(320, 16)
const zlibLengths = memory.data(320, 16)
const words = memory.data(4 * 288, 16)
const sentLengths = memory.data(32, 16)
const ruledLengths = memory.data(32, 16)
const ruledSequence = memory.data(2 * 320, 16)
const sequenceCounts = memory.data(4 * 19, 16)
/** Lengths of both alphabets one after the other, as a sequence describes them. */
const flat = memory.data(320, 16)

const bits = memory.data(4 * 2048, 16)
const SAME: u32 = 0 // 2
const SOURCE: u32 = 16 // 4 << 2: a tree of two bits by the last source
const ALL_SAME: u32 = 32 // 4
const DIFFERS: u32 = 64 // 8: differences among the last three, whether it is expected to be unused
const NEW_LENGTH: u32 = 128 // 16 << 4: a tree of four bits by what is expected
const LEAST: u32 = 400 // 8
const COUNT: u32 = 416 // 64: a tree of five bits, for each alphabet
const RULE: u32 = 512 // 4 << 2
const ENTRY: u32 = 544 // 64 << 2
const EXTRA: u32 = 800 // 3 << 8: a tree of seven bits
const CODE_RULE: u32 = 1600 // 4 << 2
const CODE_LENGTH: u32 = 1664 // 8 << 3
const SENT: u32 = 1792 // 32: a tree of four bits

let lastSource: u32 = 0
let lastRule: u32 = 0
let lastCodeRule: u32 = 0
let lastLeast: u32 = 0

export function beginHeaders(): void {
  memory.fill(bits, 0, 4 * 2048)
  memory.fill(lastLengths, 0, ALL_LENGTHS)
  lastSource = lastRule = lastCodeRule = lastLeast = 0
}

export function headerAt(): usize {
  return header
}

export function hintHeaderAt(): usize {
  return hintHeader
}

function codeBit(model: u32, bit: bool): bool {
  return codeModelled(bits + (model << 2), u32(bit)) != 0
}

function codeTree(model: u32, count: u32, value: u32): u32 {
  let node: u32 = 1
  while (count-- > 0) node = (node << 1) | codeModelled(bits + ((model + node) << 2), (value >> count) & 1)
  return node
}

/** Codes the record at `headerAt` once the block's tokens were coded; false when it can't be. */
export function codeHeader(hasHint: bool): bool {
  memory.fill(hintLengths, 0, ALL_LENGTHS)
  if (hasHint) {
    if (!expandSequence(hintHeader, hintLengths)) return false
    const isSame =
      isEncoding() && memory.compare(header + HEADER_LITERALS, hintHeader + HEADER_LITERALS, sizeOfRecord()) == 0
    if (codeBit(SAME, isSame)) {
      memory.copy(header + HEADER_LITERALS, hintHeader + HEADER_LITERALS, HEADER_BYTES - HEADER_LITERALS)
      memory.copy(lastLengths, hintLengths, ALL_LENGTHS)
      return true
    }
  }
  if (isEncoding() && !expandSequence(header, lengths)) return false
  if (!codeLengths()) return false
  if (!codeSequence()) return false
  if (!codeCodeLengths()) return false
  memory.copy(lastLengths, lengths, ALL_LENGTHS)
  return !hasRunOut()
}

/** Bytes of the header record from HEADER_LITERALS on that mean something. */
function sizeOfRecord(): usize {
  return HEADER_SEQUENCE - HEADER_LITERALS + ((<usize>load<u32>(header, HEADER_SYMBOLS)) << 1)
}

// --- lengths of the codes ---------------------------------------------------------------------------------------------
function codeLengths(): bool {
  buildExpectedLengths()
  let source: u32 = 0
  if (isEncoding()) {
    let least = u32.MAX_VALUE
    for (let i: u32 = 0; i < 4; i++) {
      const differing = differences(sourceAt(i))
      if (differing < least) {
        least = differing
        source = i
      }
    }
  }
  source = codeTree(SOURCE + (lastSource << 2), 2, source) & 3
  const isNew = source != lastSource
  lastSource = source
  const expected = sourceAt(source)
  const isAll = isEncoding() && differences(expected) == 0
  if (codeBit(ALL_SAME + (isNew ? 1 : 0), isAll)) memory.copy(lengths, expected, ALL_LENGTHS)
  else {
    let past: u32 = 0
    for (let i: u32 = 0; i < ALL_LENGTHS; i++) {
      if (i >= MAX_LITERAL_CODES && i < LITERAL_CODES) {
        store<u8>(lengths + i, 0)
        continue
      }
      const guess: u32 = load<u8>(expected + i)
      const actual: u32 = load<u8>(lengths + i)
      const differs = codeBit(DIFFERS + ((past & 7) | (guess == 0 ? 8 : 0)), actual != guess)
      past = (past << 1) | u32(differs)
      const length = differs ? codeTree(NEW_LENGTH + (guess << 4), 4, actual) & 15 : guess
      store<u8>(lengths + i, <u8>length)
    }
  }
  return codeCounts()
}

function sourceAt(source: u32): usize {
  if (source == 0) return goLengths
  if (source == 1) return zlibLengths
  return source == 2 ? hintLengths : lastLengths
}

function differences(other: usize): u32 {
  let count: u32 = 0
  for (let i: u32 = 0; i < ALL_LENGTHS; i++) if (load<u8>(lengths + i) != load<u8>(other + i)) count++
  return count
}

function buildExpectedLengths(): void {
  store<u32>(literalCounts, 1, 256 * 4)
  memory.fill(zlibLengths, 0, ALL_LENGTHS)
  buildCodeLengths(literalCounts, MAX_LITERAL_CODES, 15, zlibLengths)
  buildCodeLengths(distanceCounts, MAX_DISTANCE_CODES, 15, zlibLengths + LITERAL_CODES)

  memory.fill(goLengths, 0, ALL_LENGTHS)
  let distances: u32 = 0
  for (let i: u32 = 0; i < MAX_DISTANCE_CODES; i++) distances += load<u32>(distanceCounts + (i << 2))
  if (distances == 0) store<u32>(distanceCounts, 1)
  buildGoLengths(literalCounts, MAX_LITERAL_CODES, 15, goLengths)
  buildGoLengths(distanceCounts, MAX_DISTANCE_CODES, 15, goLengths + LITERAL_CODES)
  if (distances == 0) store<u32>(distanceCounts, 0)
}

function buildGoLengths(counts: usize, symbols: u32, limit: u32, to: usize): void {
  buildCodes(counts, symbols, limit, words)
  for (let i: u32 = 0; i < symbols; i++) store<u8>(to + i, <u8>load<u16>(words + (i << 2), 2))
}

/** How many lengths of each alphabet are described: as few as can be, as many as last time, or a number. */
function codeCounts(): bool {
  let leastLiterals: u32 = MAX_LITERAL_CODES
  while (leastLiterals > 257 && load<u8>(lengths + leastLiterals - 1) == 0) leastLiterals--
  let leastDistances: u32 = MAX_DISTANCE_CODES
  while (leastDistances > 1 && load<u8>(lengths + LITERAL_CODES + leastDistances - 1) == 0) leastDistances--
  if (load<u8>(lengths + LITERAL_CODES + 30) | load<u8>(lengths + LITERAL_CODES + 31)) return false
  const isLeast =
    load<u32>(header, HEADER_LITERALS) == leastLiterals && load<u32>(header, HEADER_DISTANCES) == leastDistances
  if (codeBit(LEAST + lastLeast, isLeast)) {
    lastLeast = 1
    store<u32>(header, leastLiterals, HEADER_LITERALS)
    store<u32>(header, leastDistances, HEADER_DISTANCES)
    return true
  }
  lastLeast = 0
  const literals = (codeTree(COUNT, 5, load<u32>(header, HEADER_LITERALS) - 257) & 31) + 257
  const distances = (codeTree(COUNT + 32, 5, load<u32>(header, HEADER_DISTANCES) - 1) & 31) + 1
  if (literals < leastLiterals || distances < leastDistances) return false
  if (literals > MAX_LITERAL_CODES || distances > MAX_DISTANCE_CODES) return false
  store<u32>(header, literals, HEADER_LITERALS)
  store<u32>(header, distances, HEADER_DISTANCES)
  return true
}

// --- their description ------------------------------------------------------------------------------------------------
const GO_RULE: u32 = 0
const ZLIB_RULE: u32 = 1
const NO_RULE: u32 = 2

function codeSequence(): bool {
  const sequence = header + HEADER_SEQUENCE
  const literals = load<u32>(header, HEADER_LITERALS)
  const total = literals + load<u32>(header, HEADER_DISTANCES)
  memory.copy(flat, lengths, literals)
  memory.copy(flat + literals, lengths + LITERAL_CODES, total - literals)

  let rule = GO_RULE
  if (isEncoding()) {
    while (rule < NO_RULE) {
      const symbols = ruled(rule, literals, total)
      if (symbols == load<u32>(header, HEADER_SYMBOLS) && memory.compare(ruledSequence, sequence, symbols << 1) == 0)
        break
      rule++
    }
  }
  rule = codeTree(RULE + (lastRule << 2), 2, rule) & 3
  if (rule > NO_RULE) return false
  lastRule = rule
  if (rule < NO_RULE) {
    const symbols = ruled(rule, literals, total)
    memory.copy(sequence, ruledSequence, symbols << 1)
    store<u32>(header, symbols, HEADER_SYMBOLS)
    return true
  }
  return codeEntries(sequence, total)
}

/** The sequence by a rule, in `ruledSequence`; gives the number of its entries. */
function ruled(rule: u32, literals: u32, total: u32): u32 {
  if (rule == ZLIB_RULE) {
    const symbols = codeRuns(flat, literals, flat + literals, total - literals)
    memory.copy(ruledSequence, runs, symbols << 1)
    return symbols
  }
  let symbols: u32 = 0
  for (let i: u32 = 0; i < total; ) {
    const length: u32 = load<u8>(flat + i)
    let rest: u32 = 1
    while (i + rest < total && load<u8>(flat + i + rest) == length) rest++
    i += rest
    if (length == 0) {
      for (; rest >= 11; rest -= min<u32>(rest, 138)) symbols = putEntry(symbols, 18, min<u32>(rest, 138) - 11)
      if (rest >= 3) {
        symbols = putEntry(symbols, 17, rest - 3)
        rest = 0
      }
    } else {
      symbols = putEntry(symbols, length, 0)
      for (rest--; rest >= 3; rest -= min<u32>(rest, 6)) symbols = putEntry(symbols, 16, min<u32>(rest, 6) - 3)
    }
    for (; rest > 0; rest--) symbols = putEntry(symbols, length, 0)
  }
  return symbols
}

function putEntry(symbols: u32, symbol: u32, extra: u32): u32 {
  store<u16>(ruledSequence + (symbols << 1), <u16>(symbol | (extra << 8)))
  return symbols + 1
}

/** Entry by entry: the length itself or one of the runs, by how many like lengths follow. */
function codeEntries(sequence: usize, total: u32): bool {
  let symbols: u32 = 0
  for (let i: u32 = 0; i < total; symbols++) {
    const length: u32 = load<u8>(flat + i)
    const repeats = i > 0 && load<u8>(flat + i - 1) == length
    let rest: u32 = 1
    while (i + rest < total && load<u8>(flat + i + rest) == length) rest++
    let kind: u32 = 0
    let extra: u32 = 0
    if (rest >= 3 && (repeats || length == 0)) {
      const entry: u32 = load<u16>(sequence + (symbols << 1))
      extra = entry >> 8
      kind = (entry & 0xff) < 16 ? 0 : (entry & 0xff) - 15
      const context = (rest < 12 ? rest : rest < 139 ? 12 : 13) | (length == 0 ? 16 : 0) | (repeats ? 32 : 0)
      kind = codeTree(ENTRY + (context << 2), 2, kind) & 3
    }
    let covered: u32 = 1
    if (kind > 0) {
      const most: u32 = kind == 1 ? 6 : kind == 2 ? 10 : 138
      const least: u32 = kind == 3 ? 11 : 3
      if (rest < least || (kind == 1 ? !repeats : length != 0)) return false
      const short = codeTree(EXTRA + ((kind - 1) << 8), 7, min(rest, most) - least - extra) & 127
      if (short > min(rest, most) - least) return false
      extra = min(rest, most) - least - short
      covered = least + extra
    }
    store<u16>(sequence + (symbols << 1), <u16>(kind == 0 ? length : (15 + kind) | (extra << 8)))
    i += covered
  }
  store<u32>(header, symbols, HEADER_SYMBOLS)
  return true
}

// --- the code length code ---------------------------------------------------------------------------------------------
function codeCodeLengths(): bool {
  const sent = header + HEADER_CODE_LENGTH_LENGTHS
  memory.fill(sequenceCounts, 0, 4 * 19)
  for (let i: u32 = 0, end = load<u32>(header, HEADER_SYMBOLS); i < end; i++) {
    const slot = sequenceCounts + ((<usize>load<u8>(header + HEADER_SEQUENCE + (i << 1))) << 2)
    store<u32>(slot, load<u32>(slot) + 1)
  }
  memory.fill(sentLengths, 0, 19)
  if (isEncoding()) {
    for (let i: u32 = 0, end = load<u32>(header, HEADER_SENT); i < end; i++) {
      store<u8>(sentLengths + orderedCodeLengthSymbol(i), load<u8>(sent + i))
    }
  }
  let rule = GO_RULE
  if (isEncoding()) {
    while (rule < NO_RULE) {
      buildRuledLengths(rule)
      if (memory.compare(ruledLengths, sentLengths, 19) == 0) break
      rule++
    }
  }
  rule = codeTree(CODE_RULE + (lastCodeRule << 2), 2, rule) & 3
  if (rule > NO_RULE) return false
  lastCodeRule = rule
  buildRuledLengths(min(rule, ZLIB_RULE))
  if (rule < NO_RULE) memory.copy(sentLengths, ruledLengths, 19)
  else {
    for (let i: u32 = 0; i < 19; i++) {
      const model = CODE_LENGTH + ((<u32>load<u8>(ruledLengths + i)) << 3)
      store<u8>(sentLengths + i, <u8>(codeTree(model, 3, load<u8>(sentLengths + i)) & 7))
    }
  }
  let least: u32 = 19
  while (least > 4 && load<u8>(sentLengths + orderedCodeLengthSymbol(least - 1)) == 0) least--
  let count = load<u32>(header, HEADER_SENT)
  count = codeBit(LEAST + 2, count == least) ? least : (codeTree(SENT, 4, count - 4) & 15) + 4
  if (count < least || count > 19) return false
  for (let i: u32 = 0; i < 19; i++) {
    store<u8>(sent + i, i < count ? load<u8>(sentLengths + orderedCodeLengthSymbol(i)) : 0)
  }
  store<u32>(header, count, HEADER_SENT)
  return true
}

function buildRuledLengths(rule: u32): void {
  if (rule == GO_RULE) buildGoLengths(sequenceCounts, 19, 7, ruledLengths)
  else buildCodeLengths(sequenceCounts, 19, 7, ruledLengths)
}
