import { CorruptTarError } from './corrupt-tar-error.ts'
import { decodeText } from './header-field.ts'

/**
 * Reads the records of a PAX header: `length key=value\n`, length in decimal and counting itself. Later records win.
 * Blocks filled up with NULs inside the stated size are accepted.
 *
 * @param subject - which archive, and `offset`, where the records begin in it: for the error
 * @throws {CorruptTarError}
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (pax Extended Header)
 */
export function parsePaxRecords(bytes: Uint8Array, subject: string, offset: number): Map<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < bytes.length && bytes[at] !== 0) {
    const fail = (): never => {
      throw new CorruptTarError(subject, offset + at, 'PAX record is malformed')
    }
    let length = 0
    let digits = at
    for (let byte = bytes[digits] ?? 0; byte >= 0x30 && byte <= 0x39; byte = bytes[++digits] ?? 0) {
      length = length * 10 + byte - 0x30
      // Nine digits say more than any header may hold.
      if (digits - at > 8) fail()
    }
    const end = at + length
    if (bytes[digits] !== 0x20 || end > bytes.length || end <= digits + 1 || bytes[end - 1] !== 0x0a) fail()
    const equals = bytes.indexOf(0x3d, digits + 1)
    if (equals < 0 || equals >= end || equals === digits + 1) fail()
    const key = decodeText(bytes.subarray(digits + 1, equals))
    records.set(key, decodeText(bytes.subarray(equals + 1, end - 1)))
    at = end
  }
  return records
}

/** Writes PAX records in the given order. */
export function formatPaxRecords(records: Iterable<readonly [key: string, value: string]>): Uint8Array {
  const parts: Buffer[] = []
  for (const [key, value] of records) {
    const body = Buffer.from(` ${key}=${value}\n`)
    // The length counts its own digits; one more digit may make it need one more.
    let length = body.length + String(body.length).length
    length = body.length + String(length).length
    parts.push(Buffer.from(String(length)), body)
  }
  return Buffer.concat(parts)
}
