const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const NON_ASCII = /[\x80-\xff]/g

/** The text of some bytes; what is not UTF-8 is mapped without loss as {@link TarEntry} describes. */
export function decodeText(bytes: Uint8Array): string {
  const latin1 = asBuffer(bytes).toString('latin1')
  if (latin1.search(NON_ASCII) < 0) return latin1
  try {
    return STRICT_UTF8.decode(bytes)
  } catch {
    return latin1.replaceAll(NON_ASCII, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0)))
  }
}

/** The text of a fixed field: up to its first NUL. */
export function textField(block: Uint8Array, offset: number, length: number): string {
  if (block[offset] === 0) return ''
  const field = block.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return decodeText(end < 0 ? field : field.subarray(0, end))
}

/**
 * A number: octal digits between blanks and NULs, or base 256 (two's complement behind a set high bit). Blank is 0.
 *
 * @returns `undefined` when it is neither
 */
export function parseNumber(block: Uint8Array, offset: number, length: number): number | undefined {
  const first = block[offset] ?? 0
  if (first >= 0x80) return parseBase256(block, offset, length)
  let at = offset
  let end = offset + length
  while (at < end && isBlank(block[at])) at++
  while (end > at && isBlank(block[end - 1])) end--
  let value = 0
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30
    // Some writers leave the rest of an older, longer number behind the terminator.
    if (isBlank(block[at])) return value
    if (digit < 0 || digit > 7) return undefined
    value = value * 8 + digit
  }
  return value
}

function parseBase256(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0
  const isNegative = (first & 0x40) !== 0
  // The marker bit is dropped and the sign bit below it fills its place.
  let value = isNegative ? BigInt.asIntN(8, BigInt(first)) : BigInt(first & 0x7f)
  for (let at = offset + 1; at < offset + length; at++) value = (value << 8n) | BigInt(block[at] ?? 0)
  return Number(value)
}

/** Whether every byte is zero. */
export function isZeroFilled(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

/** Whether the checksum of a header block fits; sums of signed bytes, as some old writers made them, count too. */
export function hasValidChecksum(block: Uint8Array): boolean {
  let sum = 0
  let highBytes = 0
  for (let at = 0; at < 512; at++) {
    const byte = block[at] ?? 0
    sum += byte
    highBytes += byte >> 7
  }
  // The checksum field itself counts as eight blanks.
  for (let at = 148; at < 156; at++) {
    const byte = block[at] ?? 0
    sum += 0x20 - byte
    highBytes -= byte >> 7
  }
  const stored = parseNumber(block, 148, 8)
  return stored === sum || stored === sum - 256 * highBytes
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
