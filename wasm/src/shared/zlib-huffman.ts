// zlib's Huffman codes. Optimal code lengths are not unique; what decides is the order in which this heap hands out nodes of
// equal weight, and how lengths beyond the limit are mended. Both are part of what the encoder's output looks like.

const CODE_LENGTH_SYMBOLS: u32 = 19

const MAX_NODES: u32 = 2 * 286 + 1

/** By node: count << 8 | depth of the tree below, so that one comparison orders by weight, then depth. */
const weights = memory.data(4 * 574, 16)
const parents = memory.data(2 * 574)
const nodeLengths = memory.data(574)
const heap = memory.data(2 * 574)
/** Nodes from the root down, that is by falling weight; filled from its end. */
const order = memory.data(2 * 574)
const lengthCounts = memory.data(4 * 16)

/**
 * Code lengths of at most `limit` bits for symbols counted in `counts` (u32). Where fewer than two symbols occur, the first
 * ones get a code all the same. Gives the number of the last symbol with a code, plus one.
 */
export function buildCodeLengths(counts: usize, symbols: u32, limit: u32, lengths: usize): u32 {
  let size: u32 = 0
  let codes: u32 = 0
  memory.fill(lengths, 0, symbols)
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2))
    if (count == 0) continue
    store<u16>(heap + (++size << 1), <u16>symbol)
    store<u32>(weights + (symbol << 2), count << 8)
    codes = symbol + 1
  }
  while (size < 2) {
    const symbol = codes < 3 ? codes++ : 0
    store<u16>(heap + (++size << 1), <u16>symbol)
    store<u32>(weights + (symbol << 2), 1 << 8)
  }
  for (let slot = size >> 1; slot >= 1; slot--) siftDown(slot, size)

  let node = symbols
  let first = MAX_NODES
  while (size >= 2) {
    const least: u32 = load<u16>(heap, 2)
    store<u16>(heap, load<u16>(heap + (size-- << 1)), 2)
    siftDown(1, size)
    const next: u32 = load<u16>(heap, 2)
    store<u16>(order + (--first << 1), <u16>least)
    store<u16>(order + (--first << 1), <u16>next)
    store<u32>(weights + (node << 2), joined(load<u32>(weights + (least << 2)), load<u32>(weights + (next << 2))))
    store<u16>(parents + (least << 1), <u16>node)
    store<u16>(parents + (next << 1), <u16>node)
    store<u16>(heap, <u16>node, 2)
    siftDown(1, size)
    node++
  }
  store<u8>(nodeLengths + (node - 1), 0)
  assignLengths(first, symbols, limit, lengths)
  return codes
}

/** Weight of a node over two others. */
function joined(a: u32, b: u32): u32 {
  return (((a >> 8) + (b >> 8)) << 8) | (max(a & 0xff, b & 0xff) + 1)
}

function weightAt(slot: u32): u32 {
  return load<u32>(weights + ((<usize>load<u16>(heap + (slot << 1))) << 2))
}

/** Restores the heap below a slot. Of two equal children the left one rises only if the right one is not as small. */
function siftDown(slot: u32, size: u32): void {
  const node = load<u16>(heap + (slot << 1))
  const weight = load<u32>(weights + ((<usize>node) << 2))
  for (let child = slot << 1; child <= size; child <<= 1) {
    let smaller = weightAt(child)
    if (child < size) {
      const right = weightAt(child + 1)
      if (right <= smaller) {
        smaller = right
        child++
      }
    }
    if (weight <= smaller) break
    store<u16>(heap + (slot << 1), load<u16>(heap + (child << 1)))
    slot = child
  }
  store<u16>(heap + (slot << 1), node)
}

/** Depths in the tree, cut at the limit; then the lengths are dealt out anew, the longest to the least frequent. */
function assignLengths(first: u32, symbols: u32, limit: u32, lengths: usize): void {
  memory.fill(lengthCounts, 0, 4 * 16)
  let excess: i32 = 0
  for (let i = first; i < MAX_NODES; i++) {
    const node: u32 = load<u16>(order + (i << 1))
    let length: u32 = <u32>load<u8>(nodeLengths + <usize>load<u16>(parents + (node << 1))) + 1
    if (length > limit) {
      length = limit
      excess++
    }
    store<u8>(nodeLengths + node, <u8>length)
    if (node >= symbols) continue
    store<u8>(lengths + node, <u8>length)
    addTo(length, 1)
  }
  if (excess == 0) return
  for (; excess > 0; excess -= 2) {
    let length = limit - 1
    while (countOf(length) == 0) length--
    addTo(length, -1)
    addTo(length + 1, 2)
    addTo(limit, -1)
  }
  let i = MAX_NODES
  for (let length = limit; length != 0; length--) {
    for (let left = countOf(length); left != 0; ) {
      const node: u32 = load<u16>(order + (--i << 1))
      if (node >= symbols) continue
      store<u8>(lengths + node, <u8>length)
      left--
    }
  }
}

function countOf(length: u32): i32 {
  return load<i32>(lengthCounts + (length << 2))
}

function addTo(length: u32, change: i32): void {
  store<i32>(lengthCounts + (length << 2), countOf(length) + change)
}

// --- run coding of the lengths ----------------------------------------------------------------------------------------
/** u16 each: symbol, and the value of its extra bits << 8. */
export const runs = memory.data(2 * 320)
export const runCounts = memory.data(4 * 19)
let runLength: u32 = 0

/** Codes the lengths of both alphabets, each for itself: no run crosses from one to the other. Gives the number of entries. */
export function codeRuns(literals: usize, literalCodes: u32, distances: usize, distanceCodes: u32): u32 {
  memory.fill(runCounts, 0, 4 * CODE_LENGTH_SYMBOLS)
  runLength = 0
  codeArray(literals, literalCodes)
  codeArray(distances, distanceCodes)
  return runLength
}

function codeArray(lengths: usize, codes: u32): void {
  for (let i: u32 = 0; i < codes; ) {
    const length: u32 = load<u8>(lengths + i)
    const start = i
    while (i < codes && load<u8>(lengths + i) == length) i++
    if (length == 0) codeZeros(i - start)
    else codeRepeats(length, i - start)
  }
}

function codeZeros(count: u32): void {
  while (count >= 3) {
    const piece = min(count, 138)
    if (piece <= 10) put(17, piece - 3)
    else put(18, piece - 11)
    count -= piece
  }
  while (count-- > 0) put(0, 0)
}

/** The length once, then repeats of it; a run of fewer than four is spelled out. */
function codeRepeats(length: u32, count: u32): void {
  if (count >= 4) {
    put(length, 0)
    count--
    while (count >= 3) {
      const piece = min(count, 6)
      put(16, piece - 3)
      count -= piece
    }
  }
  while (count-- > 0) put(length, 0)
}

function put(symbol: u32, extra: u32): void {
  store<u16>(runs + (runLength++ << 1), <u16>(symbol | (extra << 8)))
  const count = runCounts + (symbol << 2)
  store<u32>(count, load<u32>(count) + 1)
}
