/** Size of a tar block: headers are one each, contents are padded to whole ones. */
export const BLOCK_BYTES = 512

/**
 * What an entry is. `gnu-sparse` is GNU's own sparse format (type `S`); sparse files in the PAX formats are of type
 * `file`. `unknown` is any other type letter: vendors', GNU's `D`, `M`, `V`. Header entries (`x`, `g`, `L`, `K`) are
 * not entries here: they belong to the entry they describe.
 */
export type TarEntryType =
  | 'file'
  | 'contiguous'
  | 'gnu-sparse'
  | 'hardlink'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'directory'
  | 'fifo'
  | 'unknown'

/**
 * One entry of an archive, with everything its headers say. Names are UTF-8; a name that is not has its bytes from
 * 0x80 on as U+DC80 to U+DCFF, so that distinct names stay distinct.
 */
export interface TarEntry {
  /** As stored; may be absolute, climb upwards or end in a slash. See `safeEntryPath`. */
  readonly path: string
  /** Target of a symbolic link, or path of the entry that a hard link repeats; else empty. */
  readonly linkPath: string
  readonly type: TarEntryType
  /** The type letter: `0`, `5`, …; `\0` in archives older than POSIX. */
  readonly typeFlag: string
  /** As stored; mostly the permission bits alone. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname: string
  readonly gname: string
  /** Seconds since 1970, with the fraction that PAX may give (`pax` has its exact text). */
  readonly mtime: number
  /** Bytes of content stored in the archive: for sparse files without the holes, in PAX 1.0 with the map. */
  readonly sizeBytes: number
  /** Size of the file when unpacked; differs from `sizeBytes` for sparse files. */
  readonly realSizeBytes: number
  readonly isSparse: boolean
  readonly devMajor: number
  readonly devMinor: number
  /** PAX records that hold for this entry: its own over the global ones before it. */
  readonly pax: ReadonlyMap<string, string>
  /**
   * The exact bytes of all blocks before the content: global and local PAX headers, GNU long names, the header
   * itself, and GNU sparse extensions.
   */
  readonly headerBytes: Uint8Array
  /** Where `headerBytes` begin in the archive. */
  readonly headerOffset: number
  /** Where the content begins in the archive. */
  readonly contentOffset: number
}

/** Bytes needed to fill the last block of a content. */
export function paddingLength(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES
}
