import { posix } from 'node:path'
import { TareError } from '../errors/index.ts'
import { type ByteFile, DiskFile } from '../stream/index.ts'
import { CorruptTarError } from './corrupt-tar-error.ts'
import { safeEntryPath } from './safe-path.ts'
import { paddingLength, type TarEntry, type TarEntryType } from './tar-entry.ts'
import { DEFAULT_MAX_HEADER_BYTES, TarHeads } from './tar-heads.ts'
import { FileInput } from './tar-input.ts'

/** A member of an archive on disk. */
export interface TarMember {
  /** As `safeEntryPath` gives it. */
  readonly name: string
  readonly type: TarEntryType
  /** Link target as stored; empty for other types. */
  readonly linkPath: string
  /** Where the content begins in the file. */
  readonly offset: number
  /** Bytes of content. */
  readonly sizeBytes: number
}

/** Where everything is in an archive on disk. */
export interface TarFileIndex {
  /** How errors name the archive. */
  readonly path: string
  /** What members are read from, by their offset and size. */
  readonly file: ByteFile
  /** By name. Of members with the same name the last stands, as after unpacking. */
  readonly members: ReadonlyMap<string, TarMember>
  /** Members in the order of the archive, repeated names included. */
  readonly entries: readonly TarMember[]
  /** Size of the file. */
  readonly sizeBytes: number
  /** Where members end. */
  readonly endOffset: number
  /** Whether a zero block stands there, as it should; some tools leave it out, and it is gone where a copy was cut. */
  readonly hasEndMark: boolean
}

/** Bounds of {@link indexTarFile}. */
export interface IndexTarOptions {
  /** @default 1000000 */
  readonly maxEntries?: number | undefined
}

/** Links followed from one name before it is taken for a circle. */
const MAX_LINKS = 16

/**
 * Finds the members of an uncompressed archive by reading its headers only, whatever its size. Read a member with
 * `index.file.read({ offset, length: sizeBytes })`. Entries for the archive's root (`./`) are left out.
 *
 * @param archive - a path, or a file that lies in several
 * @throws {CorruptTarError} also when a member goes beyond the end of the file
 * @throws {TareError} `UNSAFE_PATH`, `LIMIT_EXCEEDED`, `FILE_NOT_FOUND`, `FILE_ACCESS`
 */
export async function indexTarFile(archive: string | ByteFile, options: IndexTarOptions = {}): Promise<TarFileIndex> {
  const file = typeof archive === 'string' ? await DiskFile.at(archive) : archive
  const { path, sizeBytes } = file
  const { entries, endOffset, hasEndMark } = await listMembers(file, options.maxEntries ?? 1_000_000)
  const members = new Map(entries.map((member) => [member.name, member]))
  return { path, file, members, entries, sizeBytes, endOffset, hasEndMark }
}

/**
 * The member a name stands for, through symbolic links (relative to the member's directory) and hard links (relative
 * to the root). Links among the directories of a name are not followed.
 *
 * @returns `undefined` when there is no such member, or a link leads nowhere
 * @throws {TareError} `UNSAFE_PATH` when a link leaves the archive, `INVALID_ARCHIVE` when links go in a circle
 */
export function resolveTarMember(index: TarFileIndex, name: string): TarMember | undefined {
  let member = index.members.get(name)
  for (let links = 0; member !== undefined && isLink(member); links++) {
    if (links === MAX_LINKS) {
      throw new TareError('INVALID_ARCHIVE', `${index.path}: links from ${name} go in a circle`)
    }
    member = index.members.get(linkTarget(member, index.path))
  }
  return member
}

async function listMembers(
  file: ByteFile,
  max: number,
): Promise<Pick<TarFileIndex, 'entries' | 'endOffset' | 'hasEndMark'>> {
  const { path, sizeBytes } = file
  await using reader = await file.open()
  const input = new FileInput(reader, sizeBytes)
  const heads = new TarHeads(input, path, DEFAULT_MAX_HEADER_BYTES)
  const members: TarMember[] = []
  for (;;) {
    const head = await heads.next()
    if (head.kind === 'end') return { entries: members, endOffset: head.offset, hasEndMark: head.isMarked }
    const { entry } = head
    if ((await input.skip(entry.sizeBytes)) < entry.sizeBytes) {
      const neededBytes = entry.contentOffset + entry.sizeBytes
      throw new CorruptTarError(path, sizeBytes, `archive ends inside ${entry.path}`, neededBytes)
    }
    await input.skip(paddingLength(entry.sizeBytes))
    if (isRoot(entry)) continue
    if (members.length === max) throw new TareError('LIMIT_EXCEEDED', `${path}: archive has more than ${max} entries`)
    members.push({
      name: safeEntryPath(entry.path, path),
      type: entry.type,
      linkPath: entry.linkPath,
      offset: entry.contentOffset,
      sizeBytes: entry.sizeBytes,
    })
  }
}

function isRoot(entry: TarEntry): boolean {
  return entry.type === 'directory' && /^\.?\/*$/.test(entry.path) && !entry.path.startsWith('/')
}

function isLink(member: TarMember): boolean {
  return member.type === 'symlink' || (member.type === 'hardlink' && member.sizeBytes === 0)
}

function linkTarget(member: TarMember, path: string): string {
  if (member.type === 'hardlink' || member.linkPath.startsWith('/')) return safeEntryPath(member.linkPath, path)
  // Joined first, because a target may climb within the archive: docker save links `../OTHER/layer.tar`.
  return safeEntryPath(posix.join(posix.dirname(member.name), member.linkPath), path)
}
