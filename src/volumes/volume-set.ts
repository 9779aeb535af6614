import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileError, hasErrorCode, VolumeDamagedError, VolumeMissingError } from '../errors/index.ts'
import { DiskFile, readAllBytes, readFileRange } from '../stream/index.ts'
import { parseChecksums } from './checksum-file.ts'
import { checksumPath, MAX_VOLUMES, parseVolumeName, type VolumeDigits, volumePath } from './volume-names.ts'

/** One file of a set. */
export interface Volume {
  /** Without the directory. */
  readonly name: string
  readonly file: DiskFile
  /** As the list of checksums has it, in hex; left out where there is no list. */
  readonly sha256?: string | undefined
}

/** The volumes that make up one file. */
export interface VolumeSet {
  /** Where the whole file would lie. */
  readonly path: string
  /** In order, without gaps. */
  readonly volumes: readonly Volume[]
  /** Bytes of all volumes. */
  readonly sizeBytes: number
  /** Volumes that lie beside them but are not in the list of checksums: those of an earlier, longer set. */
  readonly surplus: readonly string[]
}

/** More lines than this no set has. */
const MAX_CHECKSUM_BYTES = MAX_VOLUMES * 1024

/** What a list of checksums says of a volume. */
interface ListedVolume {
  readonly number: number
  readonly digits: VolumeDigits
  readonly name: string
  readonly sha256?: string
}

/**
 * Finds the volumes of a file and sees that none is missing: by the list of checksums, `PATH.sha256`, or without one
 * by the numbers. Contents are not read.
 *
 * @param path - the whole file, which need not be there
 * @returns undefined where there are none
 * @throws {VolumeMissingError} @throws {VolumeDamagedError} when the list of checksums can't be read
 * @throws {TareError} `FILE_ACCESS`
 */
export async function findVolumes(path: string): Promise<VolumeSet | undefined> {
  const entries = await readdir(dirname(path), { withFileTypes: true }).catch((): Dirent[] => [])
  const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
  const present = names.flatMap((name): readonly ListedVolume[] => {
    const parsed = parseVolumeName(name, path)
    return parsed === undefined ? [] : [{ name, ...parsed }]
  })
  const hasList = names.includes(basename(checksumPath(path)))
  const listed = hasList ? await readList(path, present.length > 0) : []
  const expected = listed.length > 0 ? listed : expectedBy(path, present)
  if (expected.length === 0) return undefined

  const volumes: Volume[] = []
  const missing: string[] = []
  for (const { name, sha256 } of expected) {
    const file = await volumeFile(join(dirname(path), name))
    if (file === undefined) missing.push(name)
    else volumes.push({ name, file, sha256 })
  }
  if (missing.length > 0) throw new VolumeMissingError(path, missing)
  const wanted = new Set(expected.map((volume) => volume.name))
  return {
    path,
    volumes,
    sizeBytes: volumes.reduce((sum, { file }) => sum + file.sizeBytes, 0),
    surplus: present.map((volume) => volume.name).filter((name) => !wanted.has(name)),
  }
}

/**
 * Names of the volumes that an earlier run wrote for a file: its list of checksums says so, a name alone does not.
 * Some may be gone.
 */
export async function listedVolumes(path: string): Promise<readonly string[]> {
  try {
    return (await readList(path, false)).map((volume) => volume.name)
  } catch (error) {
    if (hasErrorCode(error, 'FILE_NOT_FOUND', 'VOLUME_DAMAGED', 'LIMIT_EXCEEDED')) return []
    throw error
  }
}

/**
 * The volumes that the list of checksums names, in order.
 *
 * @param isNeeded - whether there are volumes that it has to name
 */
async function readList(path: string, isNeeded: boolean): Promise<readonly ListedVolume[]> {
  const listPath = checksumPath(path)
  const bytes = await readAllBytes(readFileRange(listPath), MAX_CHECKSUM_BYTES, listPath)
  const lines = parseChecksums(Buffer.from(bytes).toString())
  const damaged = (problem: string): VolumeDamagedError => new VolumeDamagedError(path, [basename(listPath)], problem)
  if (typeof lines === 'number') {
    if (isNeeded) throw damaged(`is no list of checksums: line ${lines} is not of their form`)
    return []
  }
  const listed = lines.flatMap(({ name, hex }): readonly ListedVolume[] => {
    const parsed = parseVolumeName(name, path)
    return parsed === undefined ? [] : [{ name, sha256: hex, ...parsed }]
  })
  if (isNeeded && bytes.length === 0) throw damaged('is empty')
  const sorted = listed.toSorted((a, b) => a.number - b.number)
  const isWhole = sorted.every(({ number, digits }, index) => number === index + 1 && digits === sorted[0]?.digits)
  if (!isWhole) throw damaged('does not list the volumes from the first to the last, once each')
  return sorted
}

/** Without a list: everything from the first to the highest number there is. */
function expectedBy(path: string, present: readonly ListedVolume[]): readonly ListedVolume[] {
  // Four digits at the end of a name are as often a year as a number, unless there is a first one.
  const digits = present.some((volume) => volume.digits === 3) ? 3 : 4
  const numbers = present.filter((volume) => volume.digits === digits).map((volume) => volume.number)
  if (digits === 4 && !numbers.includes(1)) return []
  return Array.from({ length: Math.max(0, ...numbers) }, (_, index) => ({
    number: index + 1,
    digits,
    name: basename(volumePath(path, index + 1, digits)),
  }))
}

async function volumeFile(path: string): Promise<DiskFile | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined
    return await DiskFile.at(path)
  } catch (cause) {
    const error = fileError(path, 'read', cause)
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
    throw error
  }
}
