// The bits of a deflate stream, least significant first, in the output buffer that the host drains after every call.
// Between calls only the bits of an unfinished byte stay behind.

/** Room for what one call writes: 82,000 tokens of 6 bytes, blocks' headers, and twice as much again. */
const OUTPUT_BYTES: i32 = 0x100000

const output = memory.data(OUTPUT_BYTES + 8, 16)

let at: usize = output
/** Bits not stored yet, fewer than 8 of them between operations. */
let pending: u64 = 0
let pendingBits: u32 = 0
/** Bytes handed to the host by earlier calls. */
let drainedBytes: u64 = 0

export function outputAt(): usize {
  return output
}

/** A new stream: no bits at all. */
export function resetBits(): void {
  at = output
  pending = 0
  pendingBits = 0
  drainedBytes = 0
}

/** Goes on where `bits` bits have been written, with the bits of the last byte that is not whole. */
export function resumeBits(bits: u64, unfinished: u32): void {
  at = output
  drainedBytes = bits >> 3
  pendingBits = <u32>bits & 7
  pending = unfinished
}

/** A new call: the host has drained what the last one wrote. */
export function startOutput(): void {
  drainedBytes += at - output
  at = output
}

/** Whole bytes written in this call. */
export function outputBytes(): i32 {
  return <i32>(at - output)
}

/** Bits written since the stream began, also before it was resumed. */
export function writtenBits(): u64 {
  return ((drainedBytes + (at - output)) << 3) + pendingBits
}

/** Writes the low `count` bits, at most 56; the others have to be 0. */
export function putBits(bits: u64, count: u32): void {
  const all = pending | (bits << pendingBits)
  const total = pendingBits + count
  store<u64>(at, all)
  at += total >> 3
  pending = all >> (total & 56)
  pendingBits = total & 7
}

/** Zeros up to the next byte border. */
export function alignToByte(): void {
  putBits(0, -pendingBits & 7)
}

/** Bytes as they are. The stream stands at a byte border. */
export function putBytes(from: usize, count: u32): void {
  memory.copy(at, from, count)
  at += count
}

/** A stored block of at most 65,535 bytes. */
export function putStoredBlock(from: usize, count: u32, isFinal: bool): void {
  putBits(isFinal ? 1 : 0, 3)
  alignToByte()
  putBits(count | ((count ^ 0xffff) << 16), 32)
  putBytes(from, count)
}

/** The bits of the unfinished byte. */
export function unfinishedByte(): u32 {
  return <u32>pending
}

/** How many bits the unfinished byte has: 0 to 7. */
export function unfinishedBits(): u32 {
  return pendingBits
}

// For loops that write many codes: they keep the three parts of the writer in locals and hand them back.

export function bitPosition(): usize {
  return at
}

/** Takes over from a loop: everything before `position`, and fewer than 8 bits more. */
export function setBits(position: usize, bits: u64, count: u32): void {
  at = position
  pending = bits
  pendingBits = count
}
