import { formatPaxRecords } from './pax-records.ts'
import { BLOCK_BYTES, paddingLength } from './tar-entry.ts'

/** An entry to write. Everything has a fixed default, so that equal fields give equal bytes. */
export interface TarHeaderFields {
  /** Relative path; of a directory with a closing slash. */
  readonly path: string
  /** @default 'file' */
  readonly type?: 'file' | 'directory' | 'symlink' | undefined
  /** Bytes of content that follow. @default 0 */
  readonly sizeBytes?: number | undefined
  /** Permission bits. @default 0o644, 0o755 for directories, 0o777 for symbolic links */
  readonly mode?: number | undefined
  /** Whole seconds since 1970. @default 0 */
  readonly mtime?: number | undefined
  /** Target of a symbolic link. */
  readonly linkPath?: string | undefined
}

/** Two zero blocks: what ends an archive. */
export const TAR_TRAILER: Uint8Array = new Uint8Array(2 * BLOCK_BYTES)

const TYPES = {
  file: { flag: '0', mode: 0o644 },
  directory: { flag: '5', mode: 0o755 },
  symlink: { flag: '2', mode: 0o777 },
} as const

const PAX_FLAG = 'x'
const MAX_PREFIX_BYTES = 155
const MAX_NAME_BYTES = 100
/** What eleven octal digits hold: 8 GiB. */
const MAX_OCTAL = 0o777_7777_7777

/**
 * The header of an entry: ustar where that can say it, else with a PAX header before it for long or non-ASCII names
 * and for sizes and times beyond eleven octal digits. Byte for byte what Go's `archive/tar` writes for the same
 * fields, so archives of ours look like those of the other container tools.
 *
 * @throws {RangeError} when size, mode or time is no whole number that a header can hold
 */
export function tarHeader(fields: TarHeaderFields): Uint8Array {
  const { path, type = 'file', sizeBytes = 0, mtime = 0, linkPath = '' } = fields
  const { flag, mode: defaultMode } = TYPES[type]
  const mode = fields.mode ?? defaultMode
  if (path === '' || path.includes('\0') || linkPath.includes('\0')) {
    throw new RangeError(`path ${JSON.stringify(path)} cannot be written to an archive`)
  }
  checkNumber('mode', mode, 0o7777)
  checkNumber('sizeBytes', sizeBytes, Number.MAX_SAFE_INTEGER)
  checkNumber('mtime', mtime, Number.MAX_SAFE_INTEGER)

  const split = fitsHeader(path) ? { prefix: '', name: path } : splitPath(path)
  const records: [string, string][] = []
  if (!fitsHeader(linkPath)) records.push(['linkpath', linkPath])
  if (mtime > MAX_OCTAL) records.push(['mtime', String(mtime)])
  if (split === undefined) records.push(['path', path])
  if (sizeBytes > MAX_OCTAL) records.push(['size', String(sizeBytes)])
  const numbers = { flag, mode, sizeBytes, mtime }
  if (records.length === 0) return headerBlock({ ...numbers, name: path, prefix: '', ...split, linkPath })

  // A path that ustar would split is given as a record too once there is a PAX header at all.
  if (!fitsHeader(path) && split !== undefined) records.push(['path', path])
  const content = formatPaxRecords(records.sort(([a], [b]) => (a < b ? -1 : 1)))
  return Buffer.concat([
    headerBlock({
      flag: PAX_FLAG,
      name: paxHeaderName(path),
      prefix: '',
      linkPath: '',
      mode: 0,
      sizeBytes: content.length,
      mtime: 0,
    }),
    content,
    tarPadding(content.length),
    headerBlock({ ...numbers, name: toAscii(path), prefix: '', linkPath: toAscii(linkPath) }),
  ])
}

/** The zeros that fill the last block after a content of this size. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array(paddingLength(sizeBytes))
}

interface BlockFields {
  readonly name: string
  readonly prefix: string
  readonly linkPath: string
  readonly flag: string
  readonly mode: number
  readonly sizeBytes: number
  readonly mtime: number
}

function headerBlock(fields: BlockFields): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES)
  writeName(block, 0, fields.name)
  writeOctal(block, 100, 8, fields.mode)
  writeOctal(block, 108, 8, 0)
  writeOctal(block, 116, 8, 0)
  writeOctal(block, 124, 12, fields.sizeBytes)
  writeOctal(block, 136, 12, fields.mtime)
  block.fill(0x20, 148, 156)
  block.write(fields.flag, 156, 'latin1')
  writeName(block, 157, fields.linkPath)
  block.write('ustar\x0000', 257, 'latin1')
  if (fields.flag !== PAX_FLAG) {
    writeOctal(block, 329, 8, 0)
    writeOctal(block, 337, 8, 0)
  }
  block.write(fields.prefix, 345, MAX_PREFIX_BYTES, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A name that is cut must not end in a slash, or old readers take the file for a directory. */
function writeName(block: Buffer, offset: number, name: string): void {
  const cut = name.length > MAX_NAME_BYTES ? name.slice(0, MAX_NAME_BYTES).replace(/\/+$/, '') : name
  block.write(cut, offset, MAX_NAME_BYTES, 'latin1')
}

/** What does not fit is zero here and has its value in a PAX record. */
function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  const digits = value.toString(8).padStart(length - 1, '0')
  block.write(digits.length < length ? digits : '0'.repeat(length - 1), offset, 'latin1')
}

function fitsHeader(text: string): boolean {
  return text.length <= MAX_NAME_BYTES && isAscii(text)
}

/** ustar's two halves of a path, divided at the last slash that fits. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (!isAscii(path)) return undefined
  const withoutSlash = path.endsWith('/') ? path.slice(0, -1) : path
  const at = withoutSlash.slice(0, MAX_PREFIX_BYTES + 1).lastIndexOf('/')
  const name = path.slice(at + 1)
  return at <= 0 || name.length > MAX_NAME_BYTES || name === '' ? undefined : { prefix: path.slice(0, at), name }
}

/** The name of the PAX header itself, which only readers that know nothing of PAX take for a file. */
function paxHeaderName(path: string): string {
  const slash = path.lastIndexOf('/') + 1
  const file = path.slice(slash)
  const name = `${path.slice(0, slash)}PaxHeaders.0${file === '' ? '' : `/${file}`}`
  return toAscii(name).slice(0, MAX_NAME_BYTES).replace(/\/+$/, '')
}

function isAscii(text: string): boolean {
  return toAscii(text) === text
}

function toAscii(text: string): string {
  return Array.from(text)
    .filter((character) => character > '\0' && character < '\x80')
    .join('')
}

function checkNumber(field: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new RangeError(`${field} must be a whole number from 0 to ${max}, got ${value}`)
}
