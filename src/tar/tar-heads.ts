import { TareError } from '../errors/index.ts'
import { CorruptTarError } from './corrupt-tar-error.ts'
import { decodeText, hasValidChecksum, isZeroFilled, parseNumber, textField } from './header-field.ts'
import { parsePaxRecords } from './pax-records.ts'
import { BLOCK_BYTES, paddingLength, type TarEntry, type TarEntryType } from './tar-entry.ts'
import type { TarInput } from './tar-input.ts'

/** All headers of one entry together may take this many bytes unless a caller says otherwise. */
export const DEFAULT_MAX_HEADER_BYTES: number = 4 * 1024 * 1024

/** Global records are kept to the end and copied for every entry with records of its own; real ones are a comment. */
const MAX_GLOBAL_LENGTH = 64 * 1024

/**
 * The head of the next entry, or the end of the entries with the bytes already taken from what follows them. `isMarked`:
 * there is the zero block that ends entries, not just nothing more.
 */
export type TarHead =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'end'; readonly offset: number; readonly bytes: Uint8Array; readonly isMarked: boolean }

const ENTRY_TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'contiguous',
  S: 'gnu-sparse',
}

/** Types that have no content whatever their size field says. */
const WITHOUT_CONTENT: ReadonlySet<TarEntryType> = new Set<TarEntryType>([
  'hardlink',
  'symlink',
  'character-device',
  'block-device',
  'directory',
  'fifo',
])

/** What a header block says about framing and dialect; the rest is read when the entry is made. */
interface BaseHeader {
  readonly block: Uint8Array
  readonly offset: number
  readonly typeFlag: string
  readonly sizeBytes: number
  readonly dialect: 'v7' | 'gnu' | 'ustar' | 'star'
}

/** What header entries before the base header said. */
interface Extensions {
  readonly parts: Uint8Array[]
  partsBytes: number
  longPath?: string
  longLinkPath?: string
  local?: Map<string, string>
}

/**
 * Reads entry heads one after the other. The caller passes over content and padding in between.
 *
 * The size in a *local* PAX header decides where the next header is, a global one doesn't: that is how Go, and so
 * every container engine, reads archives.
 */
export class TarHeads {
  readonly #input: TarInput
  readonly #subject: string
  readonly #maxHeaderBytes: number
  #global: ReadonlyMap<string, string> = new Map()

  constructor(input: TarInput, subject: string, maxHeaderBytes: number) {
    this.#input = input
    this.#subject = subject
    this.#maxHeaderBytes = maxHeaderBytes
  }

  /** @throws {CorruptTarError} @throws {TareError} `LIMIT_EXCEEDED` */
  async next(): Promise<TarHead> {
    const input = this.#input
    const headerOffset = input.position
    const extensions: Extensions = { parts: [], partsBytes: 0 }
    for (;;) {
      const offset = input.position
      const block = input.readNow(BLOCK_BYTES) ?? (await input.read(BLOCK_BYTES))
      if (block.length < BLOCK_BYTES || (block[0] === 0 && isZeroFilled(block))) {
        return this.#end(headerOffset, extensions, block)
      }
      const header = this.#parseBase(block, offset)
      this.#add(extensions, block)
      switch (header.typeFlag) {
        case 'L':
          extensions.longPath = textField(await this.#meta(header, extensions), 0, header.sizeBytes)
          break
        case 'K':
          extensions.longLinkPath = textField(await this.#meta(header, extensions), 0, header.sizeBytes)
          break
        case 'x':
        case 'X': // Solaris' name for the same
          extensions.local = await this.#records(header, extensions)
          break
        case 'g':
          this.#setGlobal(await this.#records(header, extensions))
          break
        default:
          return { kind: 'entry', entry: await this.#entry(headerOffset, header, extensions) }
      }
    }
  }

  /** The entries end with a zero block or with the archive; headers nobody follows become part of what is left. */
  #end(headerOffset: number, extensions: Extensions, rest: Uint8Array): TarHead {
    if (rest.length < BLOCK_BYTES && !isZeroFilled(rest)) throw this.#cutInHeader(BLOCK_BYTES - rest.length)
    const describesEntry = (extensions.local ?? extensions.longPath ?? extensions.longLinkPath) !== undefined
    if (rest.length === 0 && describesEntry) {
      const { position } = this.#input
      const problem = 'archive ends before the entry its headers announce'
      throw new CorruptTarError(this.#subject, position, problem, position + BLOCK_BYTES)
    }
    const bytes = Buffer.concat([...extensions.parts, rest])
    return { kind: 'end', offset: headerOffset, bytes, isMarked: rest.length === BLOCK_BYTES }
  }

  #parseBase(block: Uint8Array, offset: number): BaseHeader {
    if (!hasValidChecksum(block)) throw new CorruptTarError(this.#subject, offset, 'header checksum does not fit')
    const typeFlag = String.fromCharCode(block[156] ?? 0)
    const sizeBytes = this.#number(block, offset, 124, 12, 'size')
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new CorruptTarError(this.#subject, offset, `header states a size of ${sizeBytes}`)
    }
    return { block, offset, typeFlag, sizeBytes, dialect: dialectOf(block) }
  }

  /** Reads content and padding of a header entry. */
  async #meta(header: BaseHeader, extensions: Extensions): Promise<Uint8Array> {
    const { sizeBytes } = header
    this.#refuseBeyondLimit(extensions.partsBytes + sizeBytes)
    const stored = await this.#readWhole(sizeBytes + paddingLength(sizeBytes))
    this.#add(extensions, stored)
    return stored.subarray(0, sizeBytes)
  }

  async #records(header: BaseHeader, extensions: Extensions): Promise<Map<string, string>> {
    const offset = this.#input.position
    return parsePaxRecords(await this.#meta(header, extensions), this.#subject, offset)
  }

  #setGlobal(records: ReadonlyMap<string, string>): void {
    this.#global = mergeRecords(this.#global, records)
    let length = 0
    for (const [key, value] of this.#global) length += key.length + value.length
    if (length <= MAX_GLOBAL_LENGTH) return
    throw new TareError(
      'LIMIT_EXCEEDED',
      `${this.#subject}: global PAX records at byte ${this.#input.position} take more than ${MAX_GLOBAL_LENGTH} characters`,
    )
  }

  async #entry(headerOffset: number, header: BaseHeader, extensions: Extensions): Promise<TarEntry> {
    const { block, offset, typeFlag, dialect } = header
    const number = (at: number, length: number, field: string): number => this.#number(block, offset, at, length, field)
    const pax = extensions.local === undefined ? this.#global : mergeRecords(this.#global, extensions.local)
    const paxNumber = (key: string): number | undefined => this.#paxNumber(pax, key, offset)

    const hasNames = dialect !== 'v7'
    const path =
      extensions.longPath ?? pax.get('GNU.sparse.name') ?? pax.get('path') ?? this.#headerPath(block, dialect)
    const type = entryType(typeFlag, path)
    const isDevice = type === 'character-device' || type === 'block-device'
    if (type === 'gnu-sparse') await this.#readSparseExtensions(block, extensions)
    const sizeBytes = await this.#storedSize(header, type, extensions.local)
    const isSparse = type === 'gnu-sparse' || isPaxSparse(pax)
    return {
      path,
      linkPath: extensions.longLinkPath ?? pax.get('linkpath') ?? textField(block, 157, 100),
      type,
      typeFlag,
      mode: number(100, 8, 'mode'),
      uid: paxNumber('uid') ?? number(108, 8, 'uid'),
      gid: paxNumber('gid') ?? number(116, 8, 'gid'),
      uname: pax.get('uname') ?? (hasNames ? textField(block, 265, 32) : ''),
      gname: pax.get('gname') ?? (hasNames ? textField(block, 297, 32) : ''),
      mtime: paxNumber('mtime') ?? number(136, 12, 'mtime'),
      sizeBytes,
      realSizeBytes: isSparse ? (this.#realSize(header, type, pax) ?? sizeBytes) : sizeBytes,
      isSparse,
      devMajor: isDevice && hasNames ? number(329, 8, 'devmajor') : 0,
      devMinor: isDevice && hasNames ? number(337, 8, 'devminor') : 0,
      pax,
      headerBytes: extensions.parts.length === 1 ? new Uint8Array(block) : Buffer.concat(extensions.parts),
      headerOffset,
      contentOffset: this.#input.position,
    }
  }

  #headerPath(block: Uint8Array, dialect: BaseHeader['dialect']): string {
    const name = textField(block, 0, 100)
    const prefixLength = { v7: 0, gnu: 0, ustar: 155, star: 131 }[dialect]
    const hasPrefix = prefixLength > 0 || (dialect === 'gnu' && isMistakenPrefix(block))
    const prefix = hasPrefix ? textField(block, 345, prefixLength === 0 ? 155 : prefixLength) : ''
    return prefix === '' ? name : `${prefix}/${name}`
  }

  async #storedSize(
    header: BaseHeader,
    type: TarEntryType,
    local: ReadonlyMap<string, string> | undefined,
  ): Promise<number> {
    const sizeBytes = (local && this.#paxNumber(local, 'size', header.offset)) ?? header.sizeBytes
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new CorruptTarError(this.#subject, header.offset, `PAX header states a size of ${sizeBytes}`)
    }
    if (sizeBytes === 0 || !WITHOUT_CONTENT.has(type)) return sizeBytes
    // The size of a link is that of its target and nothing follows, except that POSIX lets hard links carry content.
    // What comes next tells them apart, since content hardly has the checksum of a header.
    const next = await this.#input.peek(BLOCK_BYTES)
    const isHeaderNext = next.length < BLOCK_BYTES || isZeroFilled(next) || hasValidChecksum(next)
    return isHeaderNext ? 0 : sizeBytes
  }

  #realSize(header: BaseHeader, type: TarEntryType, pax: ReadonlyMap<string, string>): number | undefined {
    if (type === 'gnu-sparse') return this.#number(header.block, header.offset, 483, 12, 'real size')
    return (
      this.#paxNumber(pax, 'GNU.sparse.realsize', header.offset) ??
      this.#paxNumber(pax, 'GNU.sparse.size', header.offset)
    )
  }

  /** GNU's sparse map goes on in further blocks as long as each says so. */
  async #readSparseExtensions(header: Uint8Array, extensions: Extensions): Promise<void> {
    let isExtended = header[482] !== 0
    while (isExtended) {
      this.#refuseBeyondLimit(extensions.partsBytes + BLOCK_BYTES)
      const block = await this.#readWhole(BLOCK_BYTES)
      this.#add(extensions, block)
      isExtended = block[504] !== 0
    }
  }

  async #readWhole(length: number): Promise<Uint8Array> {
    const bytes = await this.#input.read(length)
    if (bytes.length === length) return bytes
    throw this.#cutInHeader(length - bytes.length)
  }

  #cutInHeader(lackingBytes: number): CorruptTarError {
    const { position } = this.#input
    return new CorruptTarError(this.#subject, position, 'archive ends inside a header', position + lackingBytes)
  }

  #add(extensions: Extensions, part: Uint8Array): void {
    extensions.parts.push(part)
    extensions.partsBytes += part.length
    this.#refuseBeyondLimit(extensions.partsBytes)
  }

  #refuseBeyondLimit(byteLength: number): void {
    if (byteLength <= this.#maxHeaderBytes) return
    throw new TareError(
      'LIMIT_EXCEEDED',
      `${this.#subject}: headers of the entry at byte ${this.#input.position} take more than ${this.#maxHeaderBytes} bytes`,
    )
  }

  #number(block: Uint8Array, blockOffset: number, offset: number, length: number, field: string): number {
    const value = parseNumber(block, offset, length)
    if (value !== undefined) return value
    throw new CorruptTarError(this.#subject, blockOffset, `header field ${field} is no number`)
  }

  #paxNumber(pax: ReadonlyMap<string, string>, key: string, offset: number): number | undefined {
    const text = pax.get(key)
    if (text === undefined) return undefined
    if (/^-?\d{1,30}(\.\d*)?$/.test(text)) return Number(text)
    throw new CorruptTarError(this.#subject, offset, `PAX record ${key} is no number`)
  }
}

function dialectOf(block: Uint8Array): BaseHeader['dialect'] {
  const magic = textField(block, 257, 8)
  if (magic === 'ustar  ') return 'gnu'
  if (!magic.startsWith('ustar') || block[262] !== 0) return 'v7'
  return decodeText(block.subarray(508, 512)) === 'tar\0' ? 'star' : 'ustar'
}

/**
 * Go wrote a path prefix into GNU headers before 1.8, where access and change time belong. What is no number there is
 * such a prefix: the reading Go itself has had since.
 */
function isMistakenPrefix(block: Uint8Array): boolean {
  return parseNumber(block, 345, 12) === undefined || parseNumber(block, 357, 12) === undefined
}

function entryType(typeFlag: string, path: string): TarEntryType {
  // Archives older than POSIX have no type for directories.
  if (typeFlag === '\0' && path.endsWith('/')) return 'directory'
  return ENTRY_TYPES[typeFlag] ?? 'unknown'
}

function isPaxSparse(pax: ReadonlyMap<string, string>): boolean {
  return pax.has('GNU.sparse.major') || pax.has('GNU.sparse.size') || pax.has('GNU.sparse.realsize')
}

/** An empty value takes a record away. */
function mergeRecords(
  below: ReadonlyMap<string, string>,
  above: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const merged = new Map(below)
  for (const [key, value] of above) {
    if (value === '') merged.delete(key)
    else merged.set(key, value)
  }
  return merged
}
