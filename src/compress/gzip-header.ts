/** A gzip member's header: where it ends, and what it says of its maker. */
export interface GzipHeader {
  /** Bytes of the header. */
  readonly sizeBytes: number
  readonly flags: number
  /** Seconds since 1970; pgzip writes an odd constant. */
  readonly mtime: number
  /** 2 for the best, 4 for the fastest compression, as a rule. */
  readonly extraFlags: number
  /** 3 is Unix, 255 unknown. */
  readonly operatingSystem: number
}

const FLAG_HEADER_CRC = 2
const FLAG_EXTRA = 4
const FLAG_NAME = 8
const FLAG_COMMENT = 16
const FIXED_BYTES = 10

/**
 * Reads a header at the start of some bytes.
 *
 * @returns undefined where there is no gzip header, or not all of it
 * @see https://www.rfc-editor.org/rfc/rfc1952#section-2.3
 */
export function parseGzipHeader(bytes: Uint8Array): GzipHeader | undefined {
  if (bytes.length < FIXED_BYTES || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const flags = view.getUint8(3)
  let end: number | undefined = FIXED_BYTES
  if ((flags & FLAG_EXTRA) !== 0) end = end + 2 <= bytes.length ? end + 2 + view.getUint16(end, true) : undefined
  if ((flags & FLAG_NAME) !== 0) end = afterZero(bytes, end)
  if ((flags & FLAG_COMMENT) !== 0) end = afterZero(bytes, end)
  if ((flags & FLAG_HEADER_CRC) !== 0 && end !== undefined) end += 2
  if (end === undefined || end > bytes.length) return undefined
  return {
    sizeBytes: end,
    flags,
    mtime: view.getUint32(4, true),
    extraFlags: view.getUint8(8),
    operatingSystem: view.getUint8(9),
  }
}

function afterZero(bytes: Uint8Array, start: number | undefined): number | undefined {
  const zero = start === undefined ? -1 : bytes.indexOf(0, start)
  return zero < 0 ? undefined : zero + 1
}
