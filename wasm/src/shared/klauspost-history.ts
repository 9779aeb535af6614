// What levels 1 to 6 look back on: the bytes so far, and hash tables of positions. Addresses are i32 here, as they are
// compared and subtracted more often than used.

/** Bytes kept; before a block that would go beyond, the newest `REACH` of them move to the front. */
const CAPACITY: i32 = 5 * 65535
/** Matches are nearer than this. */
export const REACH: i32 = 32768
/** Nothing is looked for in the last bytes of a block. */
export const MARGIN: i32 = 11

/** Level -2 and 0, the lazy levels and blocks not yet full keep their bytes here too. Some zeros behind it are read over. */
export const history = <i32>memory.data(CAPACITY + 65535 + 64, 64)

const TABLE_BYTES: usize = 1 << 20
/** Positions, one or two to a slot; the layout is each level's own. Position 0 is none. */
export const tables = memory.data(<i32>TABLE_BYTES, 64)

/** Bytes of history in front of the block to come. */
export let historyBytes: i32 = 0
/** Position of the first byte of `history`. */
let origin: i32 = 0
/** Address of a position less the position. */
export let bias: i32 = 0

const FIRST_ORIGIN: i32 = 65535
/** Positions beyond this are made small again; the original does so near 2^31, which is the same. */
const MOST_POSITION: i32 = 1 << 24

export function resetHistory(): void {
  memory.fill(tables, 0, TABLE_BYTES)
  historyBytes = 0
  setOrigin(FIRST_ORIGIN)
}

/** Puts all history out of reach. */
export function forgetHistory(): void {
  setOrigin(origin + REACH + historyBytes)
  historyBytes = 0
  if (origin > MOST_POSITION) rebase()
}

/** Address at which a block of so many bytes starts, which lie behind the history. */
export function enterBlock(bytes: i32): i32 {
  if (historyBytes + bytes > CAPACITY) {
    memory.copy(history, history + historyBytes - REACH, REACH + bytes)
    setOrigin(origin + historyBytes - REACH)
    historyBytes = REACH
  }
  if (origin > MOST_POSITION) rebase()
  const start = history + historyBytes
  historyBytes += bytes
  return start
}

/** Positions within reach are lessened alike, others become none. */
function rebase(): void {
  const lost = origin + historyBytes - REACH
  const less = origin - REACH
  for (let at = tables; at < tables + TABLE_BYTES; at += 4) {
    const position = load<i32>(at)
    store<i32>(at, position <= lost ? 0 : position - less)
  }
  setOrigin(REACH)
}

function setOrigin(position: i32): void {
  origin = position
  bias = history - position
}

/** Hash of 4 bytes. */
export function hash4(bytes: u64, bits: u32): usize {
  return (<u32>bytes * 2654435761) >> (32 - bits)
}

/** Hash of 5 bytes. */
export function hash5(bytes: u64, bits: u32): usize {
  return <usize>(((bytes << 24) * 889523592379) >> (64 - bits))
}

/** Hash of 7 bytes. */
export function hash7(bytes: u64, bits: u32): usize {
  return <usize>(((bytes << 8) * 58295818150454627) >> (64 - bits))
}

/** Whether 4 bytes at `at`, given as `bytes`, are found again at `from`, and near enough. */
export function repeats(at: i32, from: i32, bytes: u64): bool {
  return at - from < REACH && <u32>bytes == load<u32>(from)
}

/** How many bytes agree, up to `end`. */
export function commonBytes(at: i32, from: i32, end: i32): i32 {
  let a = at
  let b = from
  while (a < end) {
    const differing = load<u64>(a) ^ load<u64>(b)
    if (differing) return min(a + <i32>(ctz(differing) >> 3), end) - at
    a += 8
    b += 8
  }
  return end - at
}

/** Length of a match whose first 4 bytes agree, at most 258. */
export function cappedLength(at: i32, from: i32, end: i32): i32 {
  return 4 + commonBytes(at + 4, from + 4, min(at + 258, end))
}

/** Length of a match whose first 4 bytes agree. */
export function fullLength(at: i32, from: i32, end: i32): i32 {
  return 4 + commonBytes(at + 4, from + 4, end)
}
