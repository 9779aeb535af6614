// Codec 2: regions of the target that resemble a region of the reference, byte by byte with scattered differences, and the
// free bytes between them. Flags say where a region differs, mixing codes by how much; free bytes are mixed with a match
// model over everything before them.

import { allocate, allocateZeroed } from './memory'
import { hasRunOut, isEncoding } from './range-coder'
import { NUMBER_MODEL_BYTES, codeModelled, codeNumber } from './bit-model'
import { codeByte, prepareByteModel, setContext } from './byte-model'
import { codeFlag, prepareFlagModel, setFlagContext } from './flag-model'
import { commonLength } from './match-finder'

// --- the model ---------------------------------------------------------------------------------------------------------

/** A region is coded in pieces of this many bytes; a flag says whether a piece differs at all. */
const PIECE: u32 = 32

let window: usize = 0
let referenceBytes: u32 = 0
let size: u32 = 0

let position: u32 = 0
/** Where the reference goes on if the target goes on as before. */
let cursor: u32 = 0

let gaps: usize = 0
let lengths: usize = 0
let offsets: usize = 0
let jumpFlags: usize = 0

// what differed lately
let pieceFlags: u32 = 0
let byteFlags: u32 = 0
let sinceDifference: u32 = 0
let run: u32 = 0
let difference1: u32 = 0
let difference2: u32 = 0
const lastRun = memory.data(16, 16)

// the match model of free bytes
const MATCH_BYTES: u32 = 6
let matchBits: u32 = 0
let matchHeads: usize = 0
let matchIndexed: u32 = 0
let matchAt: u32 = 0
let matchLength: u32 = 0

function prepareModel(at: usize, reference: u32, target: u32): void {
  window = at
  referenceBytes = reference
  size = reference + target
  position = reference
  cursor = 0
  prepareByteModel(target)
  prepareFlagModel()
  gaps = allocateZeroed(NUMBER_MODEL_BYTES)
  lengths = allocateZeroed(NUMBER_MODEL_BYTES)
  offsets = allocateZeroed(NUMBER_MODEL_BYTES)
  jumpFlags = allocateZeroed(16)
  pieceFlags = byteFlags = sinceDifference = run = difference1 = difference2 = 0
  memory.fill(lastRun, 0, 16)
  const length: u32 = size < 2 ? 1 : 32 - clz(size - 1)
  matchBits = min(max(length, 10), 22)
  matchHeads = allocateZeroed(4 << matchBits)
  matchIndexed = 0
  matchAt = matchLength = 0
}

/** Codes a region behind `gap` free bytes; false when the payload is malformed. A gap to the end has no region. */
function codeRegion(gap: u32, length: u32, from: u32): bool {
  gap = codeNumber(gaps, gap)
  if (gap > size - position) return false
  const gapEnd = position + gap
  if (gap > 0) codeFree(gapEnd)
  if (position == size) return true

  length = codeNumber(lengths, length - 1) + 1
  const expected = cursor + gap
  const kind = jumpFlags + (gap > 0 ? 8 : 0)
  if (codeModelled(kind, <u32>(from != expected))) {
    if (gap > 0 && codeModelled(kind + 4, <u32>(from == cursor))) from = cursor
    else from = expected + unzigzag(codeNumber(offsets, zigzag(<i32>(from - expected))))
  } else {
    from = expected
  }
  if (length == 0 || length > size - position || from > referenceBytes || length > referenceBytes - from) return false
  codeLikeness(length, from)
  cursor = from + length
  return !hasRunOut()
}

function zigzag(value: i32): u32 {
  return ((<u32>value) << 1) ^ <u32>(value >> 31)
}

function unzigzag(value: u32): u32 {
  return (value >> 1) ^ -(value & 1)
}

/** Codes a region of the target that resembles the reference at `from`. */
function codeLikeness(length: u32, from: u32): void {
  const end = position + length
  while (position < end) {
    if (hasRunOut()) return
    const piece = min(PIECE, end - position)
    const target = window + position
    const source = window + from
    const differs = isEncoding() && commonLength(source, target, piece) < piece ? 1 : 0
    if (codePieceFlag(differs, piece, end - position, from)) {
      codePiece(target, source, piece)
    } else {
      memory.copy(target, source, piece)
      sinceDifference = min(sinceDifference + piece, 0xffff)
      byteFlags = 0
      run = 0
    }
    position += piece
    from += piece
  }
}

function codePieceFlag(differs: u32, piece: u32, left: u32, from: u32): u32 {
  const flags = pieceFlags
  const size = 31 - clz(left)
  setFlagContext(0, (flags & 0xff) | 0x1000000)
  setFlagContext(1, (flags & 0xffff) | 0x2000000)
  setFlagContext(2, (flags & 7) | (piece << 3) | 0x3000000)
  setFlagContext(3, (flags & 15) | (size << 4) | 0x4000000)
  setFlagContext(4, (from >> 12) | 0x5000000)
  setFlagContext(5, (flags & 3) | ((31 - clz(sinceDifference | 1)) << 2) | 0x6000000)
  setFlagContext(6, popcnt(flags) | 0x7000000)
  setFlagContext(7, (flags & 1) | ((<u32>load<u8>(window + from)) << 1) | 0x8000000)
  differs = codeFlag(differs, min(flags & 7, 7))
  pieceFlags = (flags << 1) | differs
  return differs
}

/** Codes the bytes of a piece that differs somewhere: which, and how. */
function codePiece(target: usize, source: usize, piece: u32): void {
  let seen: u32 = 0
  for (let i: u32 = 0; i < piece; i++) {
    const old: u32 = load<u8>(source + i)
    let differs: u32 = isEncoding() ? <u32>(load<u8>(target + i) != old) : 0
    // A piece that differs without a difference so far differs in its last byte.
    if (seen > 0 || i + 1 < piece) differs = codeByteFlag(differs, target + i, source + i, old, seen, piece - i)
    else differs = 1
    if (differs) {
      codeDifference(target + i, source + i, old)
      seen++
    } else {
      store<u8>(target + i, <u8>old)
      run = 0
      difference1 = difference2 = 0
      sinceDifference = min(sinceDifference + 1, 0xffff)
    }
    byteFlags = (byteFlags << 1) | differs
  }
}

function codeByteFlag(differs: u32, target: usize, source: usize, old: u32, seen: u32, left: u32): u32 {
  const flags = byteFlags
  const previousOld: u32 = load<u8>(source - 1)
  const previousNew: u32 = load<u8>(target - 1)
  const since = min(sinceDifference, 31)
  setFlagContext(0, (flags & 63) | (since << 6) | 0x11000000)
  setFlagContext(1, old | (previousOld << 8) | ((flags & 1) << 16) | 0x12000000)
  setFlagContext(2, (flags & 0xffff) | 0x13000000)
  setFlagContext(3, old | (previousNew << 8) | ((flags & 3) << 16) | 0x14000000)
  setFlagContext(4, left | (min(seen, 7) << 6) | ((flags & 3) << 10) | 0x15000000)
  setFlagContext(5, (load<u32>(source - 3) * 0x2f0b4c47) ^ (flags & 1))
  setFlagContext(6, (flags & 7) | (run << 3) | (difference1 << 8) | 0x17000000)
  setFlagContext(7, (previousOld | ((<u32>load<u8>(source - 2)) << 8) | ((flags & 7) << 16)) + 0x18000000)
  return codeFlag(differs, 8 | (flags & 7))
}

/** Codes a byte that differs as its difference, which recurs where addresses move together. */
function codeDifference(target: usize, source: usize, old: u32): void {
  const index = min(run, 7)
  const previousNew: u32 = load<u8>(target - 1)
  const before = load<u16>(source - run - 2)
  const last: u32 = load<u8>(lastRun + index)
  setContext(0, index | (difference1 << 8) | 0x21000000)
  setContext(1, (index | (difference1 << 8) | (difference2 << 16)) + 0x22000000)
  setContext(2, (index | (last << 8) | (difference1 << 16)) + 0x23000000)
  setContext(3, (index | ((<u32>before) << 8)) * 0x2f0b4c47 + difference1)
  const following: u32 = source + 1 < window + referenceBytes ? load<u8>(source + 1) : 0
  setContext(4, (old | (following << 8) | (index << 16)) + 0x25000000)
  setContext(5, (old | (previousNew << 8) | (difference1 << 16)) + 0x26000000)
  setContext(6, (((<u32>(source - window) >> 12) << 12) | (index << 8) | difference1) * 0x3c6ef372)
  const other: u32 = load<u8>(lastRun + 8 + index)
  const difference = codeByte(
    isEncoding() ? (<u32>load<u8>(target) - old) & 0xff : 0,
    difference1,
    8 + min(index, 3),
    last,
    16 + index,
    other,
    16 + index,
  )
  store<u8>(target, <u8>(old + difference))
  store<u8>(lastRun + 8 + index, <u8>last)
  store<u8>(lastRun + index, <u8>difference)
  difference2 = difference1
  difference1 = difference
  run = min(run + 1, 15)
  sinceDifference = 0
}

// --- free bytes --------------------------------------------------------------------------------------------------------

function matchHash(p: usize): u32 {
  return (((load<u32>(p - 4) * 0x9e3779b1) ^ (<u32>load<u16>(p - 6) * 0x85ebca77)) * 0xc2b2ae3d) >> (32 - matchBits)
}

/** Makes every position up to `upTo` known to the match model by the bytes before it. */
function indexMatches(upTo: u32): void {
  if (matchIndexed < MATCH_BYTES) matchIndexed = MATCH_BYTES
  for (; matchIndexed < upTo; matchIndexed++) {
    store<u32>(matchHeads + (matchHash(window + matchIndexed) << 2), matchIndexed)
  }
}

function codeFree(end: u32): void {
  indexMatches(position)
  matchLength = 0
  let guess = cursor
  let literals: u32 = 0
  let hits: u32 = 0
  while (position < end) {
    if (hasRunOut()) return
    const p = window + position
    if (matchLength < 16 && position >= MATCH_BYTES) {
      const candidate = load<u32>(matchHeads + (matchHash(p) << 2))
      if (candidate > 0) {
        const length = commonBackwards(window + candidate, p, min(candidate, 32))
        if (length > matchLength && length >= MATCH_BYTES) {
          matchAt = candidate
          matchLength = length
        }
      }
    }
    if (position >= MATCH_BYTES) store<u32>(matchHeads + (matchHash(p) << 2), position)

    const word: u32 = position >= 4 ? load<u32>(p - 4) : 0
    const earlier: u32 = position >= 8 ? load<u32>(p - 8) : 0
    const previous = word >> 24
    const likely: i32 = matchLength > 0 ? <i32>load<u8>(window + matchAt) : -1
    const aligned: i32 = guess < referenceBytes ? <i32>load<u8>(window + guess) : -1
    const lengthClass = matchLength == 0 ? 0 : matchLength < 16 ? 1 : matchLength < 24 ? 2 : 3
    setContext(0, previous | 0x31000000)
    setContext(1, (word >> 16) | 0x32000000)
    setContext(2, (word >> 8) * 0x2f0b4c47 + 3)
    setContext(3, (word * 0x3c6ef372) ^ 0x34234567)
    setContext(4, (word * 0x3c6ef372) ^ ((earlier >> 16) * 0x2f0b4c47))
    setContext(5, (((<u32>(likely + 1)) << 8) | previous | (lengthClass << 20)) + 0x36000000)
    setContext(6, ((word >> 8) & 0xffff) | 0x37000000)
    const byte = codeByte(
      isEncoding() ? load<u8>(p) : 0,
      previous,
      lengthClass,
      likely,
      min(matchLength, 32) + 24,
      aligned,
      (min(literals, 3) << 2) | min(hits, 3),
    )
    store<u8>(p, <u8>byte)
    if (matchLength > 0) {
      if (<i32>byte == likely) {
        matchLength = min(matchLength + 1, 39)
        matchAt++
      } else {
        matchLength = 0
      }
    }
    hits = <i32>byte == aligned ? min(hits + 1, 3) : 0
    literals = min(literals + 1, 3)
    guess++
    position++
  }
  matchIndexed = max(matchIndexed, position)
}

/** How many bytes agree before two positions, at most `limit`. */
function commonBackwards(a: usize, b: usize, limit: u32): u32 {
  let n: u32 = 0
  while (n < limit && load<u8>(a - n - 1) == load<u8>(b - n - 1)) n++
  return n
}

// --- decoder -----------------------------------------------------------------------------------------------------------

export function decodeBsdiff(at: usize, reference: u32, target: u32): bool {
  prepareModel(at, reference, target)
  while (position < size) {
    if (!codeRegion(0, 0, 0)) return false
  }
  return true
}

// --- encoder -----------------------------------------------------------------------------------------------------------

const SEED: u32 = 16
const DEPTH: u32 = 16
const LONGEST: u32 = 2048
const SURE: u32 = 256
/** A new diagonal must explain this many bytes more than the old one. */
const ADVANTAGE: u32 = 8
const FAR_ADVANTAGE: u32 = 48
/** Diagonals this close to the old one are near. */
const NEAR: u32 = 1024

let seedBits: u32 = 0
let seedHeads: usize = 0
let seedChain: usize = 0

let foundLength: u32 = 0
let foundAt: u32 = 0

function seedHash(p: usize): u32 {
  const mixed = (load<u64>(p) * 0x9e3779b97f4a7c15) ^ (load<u64>(p, 8) * 0xc2b2ae3d27d4eb4f)
  return <u32>(((mixed ^ (mixed >> 32)) * 0x9e3779b97f4a7c15) >> (64 - seedBits))
}

function indexSeeds(): void {
  const length: u32 = referenceBytes < 2 ? 1 : 32 - clz(referenceBytes - 1)
  seedBits = min(max(length, 10), 22)
  seedHeads = allocateZeroed(4 << seedBits)
  seedChain = allocate((<usize>referenceBytes + 1) << 2)
  for (let from: u32 = 0; from + SEED <= referenceBytes; from++) {
    const head = seedHeads + (seedHash(window + from) << 2)
    store<u32>(seedChain + ((from + 1) << 2), load<u32>(head))
    store<u32>(head, from + 1)
  }
}

/** Finds what in the reference goes on longest like the target at `at`; the diagonal wins ties, and at once when it is long. */
function findLikeness(at: u32, diagonal: u32): void {
  foundLength = 0
  const left = min(size - at, LONGEST)
  const p = window + at
  if (diagonal < referenceBytes) {
    foundLength = commonLength(window + diagonal, p, min(left, referenceBytes - diagonal))
    foundAt = diagonal
    if (foundLength >= SURE) return
  }
  if (left < SEED) return
  let entry = load<u32>(seedHeads + (seedHash(p) << 2))
  for (let depth: u32 = 0; entry != 0 && depth < DEPTH; depth++) {
    const from = entry - 1
    const limit = min(left, referenceBytes - from)
    if (limit > foundLength && load<u8>(window + from + foundLength) == load<u8>(p + foundLength)) {
      const length = commonLength(window + from, p, limit)
      if (length > foundLength) {
        foundLength = length
        foundAt = from
      }
    }
    entry = load<u32>(seedChain + (entry << 2))
  }
}

export function encodeBsdiff(at: usize, reference: u32, target: u32): void {
  prepareModel(at, reference, target)
  indexSeeds()

  let scan = referenceBytes
  let lastScan = scan
  let lastFrom: u32 = 0
  // from = position + shift, modulo 2^32
  let shift: u32 = 0 - referenceBytes
  let length: u32 = 0
  let from: u32 = 0
  while (scan < size && !hasRunOut()) {
    let score: u32 = 0
    scan += length
    let scored = scan
    for (; scan < size; scan++) {
      findLikeness(scan, scan + shift)
      length = foundLength
      from = foundAt
      for (; scored < scan + length; scored++) {
        if (agrees(scored, shift)) score++
      }
      if ((length == score && length != 0) || length > score + advantageOf(from - scan - shift)) break
      if (agrees(scan, shift) && score > 0) score--
    }
    if (scan < size && length == score) continue

    let forward = extendForward(lastScan, lastFrom, scan)
    let backward: u32 = 0
    if (scan < size) backward = extendBackward(scan, from, lastScan)
    if (lastScan + forward > scan - backward) {
      const overlap = lastScan + forward - (scan - backward)
      const keep = divide(
        lastScan + forward - overlap,
        lastFrom + forward - overlap,
        scan - backward,
        from - backward,
        overlap,
      )
      forward = forward - overlap + keep
      backward -= keep
    }
    if (forward > 0) codeRegion(lastScan - position, forward, lastFrom)
    lastScan = scan - backward
    lastFrom = from - backward
    shift = from - scan
  }
  if (position < size) codeRegion(size - position, 0, 0)
}

/** How many bytes more than the old diagonal a new one must explain: a far one costs more to name. */
function advantageOf(move: u32): u32 {
  return move + NEAR <= 2 * NEAR ? ADVANTAGE : FAR_ADVANTAGE
}

function agrees(at: u32, shift: u32): bool {
  const from = at + shift
  return from < referenceBytes && load<u8>(window + from) == load<u8>(window + at)
}

/** Length of the region from (`at`, `from`) on that has the most agreements over differences, not beyond `end`. */
function extendForward(at: u32, from: u32, end: u32): u32 {
  let score: i32 = 0
  let best: i32 = 0
  let length: u32 = 0
  for (let i: u32 = 0; at + i < end && from + i < referenceBytes; ) {
    score += load<u8>(window + from + i) == load<u8>(window + at + i) ? 1 : -1
    i++
    if (score > best) {
      best = score
      length = i
    }
  }
  return length
}

function extendBackward(at: u32, from: u32, start: u32): u32 {
  let score: i32 = 0
  let best: i32 = 0
  let length: u32 = 0
  for (let i: u32 = 1; at >= start + i && from >= i; i++) {
    score += load<u8>(window + from - i) == load<u8>(window + at - i) ? 1 : -1
    if (score > best) {
      best = score
      length = i
    }
  }
  return length
}

/** How much of an overlap the earlier region keeps so that most bytes agree. */
function divide(earlier: u32, earlierFrom: u32, later: u32, laterFrom: u32, overlap: u32): u32 {
  let score: i32 = 0
  let best: i32 = 0
  let keep: u32 = 0
  for (let i: u32 = 0; i < overlap; i++) {
    if (load<u8>(window + earlier + i) == load<u8>(window + earlierFrom + i)) score++
    if (load<u8>(window + later + i) == load<u8>(window + laterFrom + i)) score--
    if (score > best) {
      best = score
      keep = i + 1
    }
  }
  return keep
}
