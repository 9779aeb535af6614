// A binary range coder: 32-bit range, carry by a held-back byte, 16-bit probabilities.
// Every model is written once, for both directions: `codeBit` takes the bit to encode and returns the bit that was coded.

let encoding: bool = false
let range: u32 = 0

let low: u64 = 0
let held: u32 = 0
let heldRepeats: u32 = 0
let isFirstByte: bool = true
let overflowed: bool = false

let code: u32 = 0
let overread: u32 = 0

let start: usize = 0
let at: usize = 0
let end: usize = 0

/** A stream may end in up to this many bytes of zero that are not stored. */
const IMPLIED_ZEROS: u32 = 4

export function isEncoding(): bool {
  return encoding
}

export function startEncoder(buffer: usize, capacity: usize): void {
  encoding = true
  range = 0xffffffff
  low = 0
  held = 0
  heldRepeats = 0
  isFirstByte = true
  overflowed = false
  start = at = buffer
  end = buffer + capacity
}

export function startDecoder(buffer: usize, size: usize): void {
  encoding = false
  range = 0xffffffff
  code = 0
  overread = 0
  start = at = buffer
  end = buffer + size
  for (let i = 0; i < 4; i++) code = (code << 8) | nextByte()
}

/** The decoder wants more than there is, or the encoder has no room: the caller stops. */
export function hasRunOut(): bool {
  return encoding ? overflowed : overread > IMPLIED_ZEROS
}

/** Whether the decoder used the payload to its last byte, no less and no more. */
export function isConsumed(): bool {
  return at == end && overread <= IMPLIED_ZEROS
}

function nextByte(): u32 {
  if (at < end) return load<u8>(at++)
  overread++
  return 0
}

function writeByte(byte: u32): void {
  if (isFirstByte) {
    isFirstByte = false // always zero: the first held byte precedes the stream
    return
  }
  if (at < end) store<u8>(at++, byte)
  else overflowed = true
}

function shiftLow(): void {
  if (<u32>low < 0xff000000 || low >> 32 != 0) {
    const carry = <u32>(low >> 32)
    writeByte((held + carry) & 0xff)
    while (heldRepeats > 0) {
      writeByte((0xff + carry) & 0xff)
      heldRepeats--
    }
    held = (<u32>low >> 24) & 0xff
  } else {
    heldRepeats++
  }
  low = (low & 0x00ffffff) << 8
}

/** Ends the stream; returns its size without the zeros a decoder supplies itself. */
export function finishEncoder(): usize {
  // Of all numbers in [low, low + range) the one with most zeros at its end names the same bits.
  for (let zeros = 32; zeros > 0; zeros--) {
    const mask = ((<u64>1) << zeros) - 1
    const candidate = (low + mask) & ~mask
    if (candidate < low + range) {
      low = candidate
      break
    }
  }
  for (let i = 0; i < 5; i++) shiftLow()
  for (let i: u32 = 0; i < IMPLIED_ZEROS && at > start && load<u8>(at - 1) == 0; i++) at--
  return at - start
}

/** Codes one bit; `chance` of a 1 in 65536ths, 1 to 65535. */
export function codeBit(bit: u32, chance: u32): u32 {
  const bound = (range >> 16) * chance
  if (encoding) {
    if (bit) {
      range = bound
    } else {
      low += bound
      range -= bound
    }
    while (range < 0x1000000) {
      range <<= 8
      shiftLow()
    }
    return bit
  }
  if (code < bound) {
    range = bound
    bit = 1
  } else {
    code -= bound
    range -= bound
    bit = 0
  }
  while (range < 0x1000000) {
    range <<= 8
    code = (code << 8) | nextByte()
  }
  return bit
}

/** Codes the low `count` bits of `value`, most significant first, without a model. */
export function codeRawBits(value: u32, count: u32): u32 {
  let result: u32 = 0
  while (count > 0) {
    count--
    result = (result << 1) | codeBit((value >> count) & 1, 0x8000)
  }
  return result
}
