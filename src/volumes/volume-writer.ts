import { createHash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileError, TareError } from '../errors/index.ts'
import {
  abortable,
  AtomicFile,
  type ByteSource,
  bytesSource,
  type OperationOptions,
  type OutputFile,
  type ProgressEvent,
  readHandleRange,
  removeAbandoned,
  syncDirectory,
  temporaryName,
  tokenOfTemporary,
  writeAt,
} from '../stream/index.ts'
import { type ChecksumLine, formatChecksums } from './checksum-file.ts'
import { checksumPath, digitsFor, MAX_VOLUMES, parseVolumeName, volumePath } from './volume-names.ts'
import { listedVolumes } from './volume-set.ts'

/**
 * Writes a file straight into volumes of one size, `PATH.001`, `PATH.002`, …, the last one smaller, and a list of
 * their checksums, `PATH.sha256`, as `sha256sum` writes it. They become visible together, the list last; only then do
 * volumes of an earlier, longer set go. Holds one file open for each write under way.
 */
export class VolumeWriter implements OutputFile {
  readonly #path: string
  readonly #volumeBytes: number
  /** Paths of temporary files by number from 0; each is made by the first write into it. */
  readonly #volumes = new Map<number, Promise<string>>()
  #sizeBytes = 0

  private constructor(path: string, volumeBytes: number) {
    this.#path = path
    this.#volumeBytes = volumeBytes
  }

  /**
   * What killed runs left of the same set goes; the directory has to exist.
   *
   * @param volumeBytes - size of each volume but the last
   */
  static async create(path: string, volumeBytes: number): Promise<VolumeWriter> {
    if (!Number.isSafeInteger(volumeBytes) || volumeBytes < 1) {
      throw new RangeError(`volumeBytes must be a whole number above 0, got ${volumeBytes}`)
    }
    const isOurs = (base: string): boolean =>
      parseVolumeName(base, path) !== undefined || base === basename(checksumPath(path))
    await removeAbandoned(dirname(path), (name) => tokenOfTemporary(name, isOurs))
    return new VolumeWriter(path, volumeBytes)
  }

  async write(position: number, source: ByteSource): Promise<number> {
    await using cursor = new VolumeCursor((index) => this.#open(index))
    let written = 0
    for await (const chunk of source) {
      for (let done = 0; done < chunk.length; ) {
        const at = position + written
        const index = Math.floor(at / this.#volumeBytes)
        const offset = at - index * this.#volumeBytes
        const part = chunk.subarray(done, done + Math.min(chunk.length - done, this.#volumeBytes - offset))
        await writeAt(await cursor.handleOf(index), this.#shownPath(index), offset, bytesSource(part))
        done += part.length
        written += part.length
      }
      this.#sizeBytes = Math.max(this.#sizeBytes, position + written)
    }
    return written
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#sizeBytes = sizeBytes
    for (const [index, path] of this.#volumes) {
      if (index * this.#volumeBytes < sizeBytes) continue
      this.#volumes.delete(index)
      await rm(await path, { force: true })
    }
  }

  /**
   * Reads the volumes back for their checksums, then gives them and the list their names.
   *
   * @throws {TareError} `DESTINATION_EXISTS` when something that is no file has such a name
   */
  async commit(options: OperationOptions = {}): Promise<void> {
    const count = Math.ceil(this.#sizeBytes / this.#volumeBytes)
    const paths = Array.from({ length: count }, (_, index) => volumePath(this.#path, index + 1, digitsFor(count)))
    const listPath = checksumPath(this.#path)
    await checkIsReplaceable(listPath)
    const replaced = new Set<string>()
    for (const path of paths) if (await checkIsReplaceable(path)) replaced.add(path)
    const before = await listedVolumes(this.#path)

    const checksums = await this.#finishVolumes(paths, options)
    await using list = await AtomicFile.create(listPath)
    await list.write(0, bytesSource(Buffer.from(formatChecksums(checksums))))
    options.signal?.throwIfAborted()
    const named: string[] = []
    try {
      for (const [index, path] of paths.entries()) {
        await this.#name(index, path)
        named.push(path)
      }
      await syncDirectory(dirname(this.#path))
      await list.commit()
    } catch (error) {
      // Those that stand in the place of older ones stay; the older list tells that they do not belong together.
      for (const path of named) if (!replaced.has(path)) await rm(path, { force: true })
      throw error
    }
    // By name: one path can be written in several ways.
    const kept = new Set(paths.map((path) => basename(path)))
    for (const name of before) if (!kept.has(name)) await rm(join(dirname(this.#path), name), { force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const creating of this.#volumes.values()) {
      const path = await creating.catch(() => undefined)
      if (path !== undefined) await rm(path, { force: true })
    }
    this.#volumes.clear()
  }

  /** Brings every volume to its size and onto the disk. */
  async #finishVolumes(paths: readonly string[], options: OperationOptions): Promise<readonly ChecksumLine[]> {
    const label = `hash volumes of ${basename(this.#path)}`
    let doneBytes = 0
    const tell = (state: ProgressEvent['state']): void =>
      options.onProgress?.({ kind: 'step', id: label, label, state, doneBytes, totalBytes: this.#sizeBytes })
    tell('started')
    const checksums: ChecksumLine[] = []
    for (const [index, path] of paths.entries()) {
      options.signal?.throwIfAborted()
      const length = Math.min(this.#volumeBytes, this.#sizeBytes - index * this.#volumeBytes)
      const hash = createHash('sha256')
      const handle = await this.#open(index)
      try {
        await handle.truncate(length)
        await handle.sync()
        for await (const chunk of abortable(readHandleRange(handle, path, { length }), options.signal)) {
          hash.update(chunk)
          doneBytes += chunk.length
          tell('running')
        }
      } catch (error) {
        throw fileError(path, 'write', error)
      } finally {
        await handle.close()
      }
      checksums.push({ hex: hash.digest('hex'), name: basename(path) })
    }
    tell('done')
    return checksums
  }

  async #name(index: number, path: string): Promise<void> {
    const temporaryPath = await this.#temporaryPath(index)
    await rename(temporaryPath, path).catch((error: unknown) => {
      throw fileError(path, 'write', error)
    })
    this.#volumes.delete(index)
  }

  async #open(index: number): Promise<FileHandle> {
    const path = await this.#temporaryPath(index)
    return open(path, 'r+').catch((error: unknown) => {
      throw fileError(path, 'write', error)
    })
  }

  #temporaryPath(index: number): Promise<string> {
    let path = this.#volumes.get(index)
    if (path === undefined) {
      path = this.#createTemporary(index)
      this.#volumes.set(index, path)
    }
    return path
  }

  async #createTemporary(index: number): Promise<string> {
    if (index >= MAX_VOLUMES) {
      const least = Math.ceil((this.#volumeBytes * (index + 1)) / MAX_VOLUMES)
      throw new TareError('INVALID_ARGUMENT', `${this.#path} would take more than ${MAX_VOLUMES} volumes`, {
        hint: `Make volumes larger, of ${least} bytes at the least`,
      })
    }
    const path = join(dirname(this.#path), temporaryName(basename(this.#shownPath(index))))
    try {
      const handle = await open(path, 'wx', 0o644)
      await handle.close()
    } catch (error) {
      throw fileError(path, 'create', error)
    }
    return path
  }

  /** The name a volume most likely gets; known for sure when their number is. */
  #shownPath(index: number): string {
    return volumePath(this.#path, index + 1, 3)
  }
}

/** The volume that a write is in, open. */
class VolumeCursor implements AsyncDisposable {
  readonly #open: (index: number) => Promise<FileHandle>
  #index = -1
  #handle: FileHandle | undefined

  constructor(open: (index: number) => Promise<FileHandle>) {
    this.#open = open
  }

  async handleOf(index: number): Promise<FileHandle> {
    if (this.#handle !== undefined && this.#index === index) return this.#handle
    await this[Symbol.asyncDispose]()
    this.#handle = await this.#open(index)
    this.#index = index
    return this.#handle
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

/** @returns whether there is a file to replace */
async function checkIsReplaceable(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.isFile()) return found !== undefined
  throw new TareError('DESTINATION_EXISTS', `${path} is not a regular file`, { hint: 'Choose another name' })
}
