import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { VolumeDamagedError } from '../errors/index.ts'
import { abortable, type ByteFile, JoinedFile, type OperationOptions, type ProgressEvent } from '../stream/index.ts'
import { checksumPath } from './volume-names.ts'
import { findVolumes, type VolumeSet } from './volume-set.ts'

/**
 * Opens a file that lies in volumes, to be read where they are. All volumes are read and checked first, where there
 * is a list of their checksums.
 *
 * @param path - the whole file, which need not be there
 * @returns undefined where there are no volumes
 * @throws {VolumeMissingError} @throws {VolumeDamagedError} with the names of the files
 */
export async function openVolumes(path: string, options: OperationOptions = {}): Promise<ByteFile | undefined> {
  options.signal?.throwIfAborted()
  const set = await findVolumes(path)
  if (set === undefined) return undefined
  const { volumes, surplus } = set
  if (surplus.length > 0) {
    options.logger?.warn(`${surplus.join(', ')} is left out: ${basename(checksumPath(path))} does not name it`)
  }
  checkSizes(set)
  if (volumes.every((volume) => volume.sha256 !== undefined)) await checkContents(set, options)
  else options.logger?.debug(`${path}: volumes are not checked, there is no ${basename(checksumPath(path))}`)
  const count = `${volumes.length} ${volumes.length === 1 ? 'volume' : 'volumes'}`
  return new JoinedFile(
    `${path} (${count})`,
    volumes.map((volume) => volume.file),
  )
}

/** All volumes but the last are of one size, and the last is no larger. */
function checkSizes({ path, volumes }: VolumeSet): void {
  const empty = volumes.filter(({ file }) => file.sizeBytes === 0).map((volume) => volume.name)
  if (empty.length > 0) throw new VolumeDamagedError(path, empty, empty.length === 1 ? 'is empty' : 'are empty')
  const [last, full] = [volumes.at(-1), volumes.slice(0, -1)]
  const usual = mostFrequent(full.map(({ file }) => file.sizeBytes))
  if (last === undefined || usual === undefined) return
  const odd = full.filter(({ file }) => file.sizeBytes !== usual)
  // Of two volumes the first is the cut one: copies lose bytes, they do not gain any.
  if (last.file.sizeBytes > usual) odd.push(full.length === 1 && full[0] !== undefined ? full[0] : last)
  if (odd.length === 0) return
  const sizes = odd.map(({ file }) => file.sizeBytes).join(', ')
  const wanted = full.length === 1 ? `fewer than the ${last.file.sizeBytes} of the next` : `not ${usual} as the others`
  throw new VolumeDamagedError(
    path,
    odd.map((volume) => volume.name),
    `${odd.length === 1 ? 'has' : 'have'} ${sizes} bytes, ${wanted}`,
  )
}

/** The larger of two that are equally frequent. */
function mostFrequent(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [first] = [...counts].toSorted(([a, countA], [b, countB]) => countB - countA || b - a)
  return first?.[0]
}

/** One after the other, for the sake of discs. All are looked at, so that one more round of copying is enough. */
async function checkContents({ path, volumes, sizeBytes }: VolumeSet, options: OperationOptions): Promise<void> {
  const label = `check volumes of ${basename(path)}`
  let doneBytes = 0
  const tell = (state: ProgressEvent['state']): void =>
    options.onProgress?.({ kind: 'step', id: label, label, state, doneBytes, totalBytes: sizeBytes })
  tell('started')
  const damaged: string[] = []
  for (const { name, file, sha256 } of volumes) {
    const hash = createHash('sha256')
    for await (const chunk of abortable(file.read(), options.signal)) {
      hash.update(chunk)
      doneBytes += chunk.length
      tell('running')
    }
    if (hash.digest('hex') !== sha256) damaged.push(name)
  }
  tell(damaged.length === 0 ? 'done' : 'failed')
  if (damaged.length === 0) return
  const problem = `${damaged.length === 1 ? 'does' : 'do'} not have the checksum in ${basename(checksumPath(path))}`
  throw new VolumeDamagedError(path, damaged, problem)
}
