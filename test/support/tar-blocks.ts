import { tarHeader, tarPadding } from '../../src/tar/index.ts'

/** Raw fields of a header block, written as given. Numbers as text: `'0000644\0'`. */
export interface RawHeader {
  readonly name?: string | Uint8Array
  readonly size?: string | Uint8Array
  readonly mtime?: string | Uint8Array
  readonly uid?: string | Uint8Array
  readonly typeFlag?: string
  readonly linkName?: string
  /** Magic and version: `ustar\0` + `00` unless given. */
  readonly magic?: string
  readonly devMajor?: string
  readonly devMinor?: string
  /** What lies at the ustar prefix. */
  readonly prefix?: string | Uint8Array
  /** Anything else: bytes by offset. */
  readonly at?: Readonly<Record<number, string | Uint8Array>>
}

/** Builds a header block that no honest writer would, with a checksum that fits. */
export function rawHeader(fields: RawHeader): Uint8Array {
  const block = Buffer.from(tarHeader({ path: 'x' }))
  const put = (offset: number, length: number, value: string | Uint8Array | undefined): void => {
    if (value === undefined) return
    block.fill(0, offset, offset + length)
    Buffer.from(value).copy(block, offset, 0, length)
  }
  put(0, 100, fields.name)
  put(108, 8, fields.uid)
  put(124, 12, fields.size)
  put(136, 12, fields.mtime)
  put(156, 1, fields.typeFlag)
  put(157, 100, fields.linkName)
  put(257, 8, fields.magic)
  put(329, 8, fields.devMajor)
  put(337, 8, fields.devMinor)
  put(345, 155, fields.prefix)
  for (const [offset, value] of Object.entries(fields.at ?? {})) Buffer.from(value).copy(block, Number(offset))
  return withChecksum(block)
}

/** Sets the checksum of a header block. */
export function withChecksum(block: Uint8Array): Uint8Array {
  const copy = Buffer.from(block)
  copy.fill(0x20, 148, 156)
  const sum = copy.reduce((total, byte) => total + byte, 0)
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return copy
}

/** Octal digits for a size field. */
export function octal(value: number, length = 12): string {
  return `${value.toString(8).padStart(length - 1, '0')}\0`
}

/** A header entry (`x`, `g`, `L`, `K`) with its content and padding. */
export function metaEntry(typeFlag: string, content: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(content)
  return Buffer.concat([
    rawHeader({ name: 'meta', typeFlag, size: octal(bytes.length) }),
    bytes,
    tarPadding(bytes.length),
  ])
}

/** A regular file with content and padding. */
export function fileEntry(path: string, content: string | Uint8Array = ''): Uint8Array {
  const bytes = Buffer.from(content)
  return Buffer.concat([tarHeader({ path, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)])
}
