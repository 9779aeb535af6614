import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileError, SizeMismatchError } from '../errors/index.ts'
import type { ByteSource } from './byte-source.ts'
import type { OperationOptions } from './operation-options.ts'
import { temporaryName } from './temporary-name.ts'

/** What is read from a file at once. */
export const CHUNK_BYTES: number = 256 * 1024

/** Part of a file. */
export interface FileRange {
  /** First byte; 0 when left out. */
  readonly offset?: number | undefined
  /** Bytes; to the end of the file when left out. */
  readonly length?: number | undefined
}

/**
 * The bytes of a file, or of a part of it. The file is opened with the first read and closed with the last.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; {@link SizeMismatchError} when the file ends before the range does
 */
export async function* readFileRange(path: string, range: FileRange = {}): ByteSource {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    throw fileError(path, 'read', error)
  }
  try {
    yield* readHandleRange(handle, path, range)
  } finally {
    await handle.close()
  }
}

/** Like {@link readFileRange}, over an open file whose position is left alone. */
export async function* readHandleRange(handle: FileHandle, path: string, range: FileRange = {}): ByteSource {
  let position = range.offset ?? 0
  let left = range.length ?? Number.POSITIVE_INFINITY
  while (left > 0) {
    // A fresh buffer each time: the chunk belongs to the consumer.
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch((error: unknown) => {
      throw fileError(path, 'read', error)
    })
    if (bytesRead === 0) {
      if (range.length === undefined) return
      throw new SizeMismatchError(`${path} at ${range.offset ?? 0}`, range.length, range.length - left)
    }
    position += bytesRead
    left -= bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Writes a whole source into an open file from `position` on; gives the bytes written. */
export async function writeAt(handle: FileHandle, path: string, position: number, source: ByteSource): Promise<number> {
  let written = 0
  for await (const chunk of source) {
    try {
      await writeFully(handle, chunk, position + written)
    } catch (error) {
      throw fileError(path, 'write', error)
    }
    written += chunk.length
  }
  return written
}

async function writeFully(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
  }
}

/** A file, or what stands for one, that is written at any place and appears whole or not at all. */
export interface OutputFile extends AsyncDisposable {
  /** Writes a whole source from `position` on. @returns the bytes written */
  write(position: number, source: ByteSource): Promise<number>
  /** Drops what lies behind `sizeBytes`. */
  truncate(sizeBytes: number): Promise<void>
  /** Makes it visible, in place of what had its name. Disposing without it leaves nothing. */
  commit(options?: OperationOptions): Promise<void>
}

/**
 * A file that appears whole or not at all: written under a temporary name beside its final one, then fsync and rename.
 * Disposing without {@link AtomicFile.commit} removes it.
 */
export class AtomicFile implements OutputFile {
  readonly path: string
  readonly temporaryPath: string
  readonly handle: FileHandle
  #open = true
  #committed = false

  private constructor(path: string, temporaryPath: string, handle: FileHandle) {
    this.path = path
    this.temporaryPath = temporaryPath
    this.handle = handle
  }

  /** Creates the parent directories too. @throws {TareError} `FILE_ACCESS`, `DISK_FULL` */
  static async create(path: string): Promise<AtomicFile> {
    const temporaryPath = join(dirname(path), temporaryName(basename(path)))
    try {
      await mkdir(dirname(path), { recursive: true })
      return new AtomicFile(path, temporaryPath, await open(temporaryPath, 'wx+', 0o644))
    } catch (error) {
      throw fileError(path, 'create', error)
    }
  }

  async write(position: number, source: ByteSource): Promise<number> {
    return writeAt(this.handle, this.path, position, source)
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.handle.truncate(sizeBytes).catch((error: unknown) => {
      throw fileError(this.path, 'write', error)
    })
  }

  /** Makes the file visible under its name, replacing what was there. */
  async commit(): Promise<void> {
    try {
      await this.handle.sync()
      await this.#close()
      await rename(this.temporaryPath, this.path)
      this.#committed = true
      await syncDirectory(dirname(this.path))
    } catch (error) {
      throw fileError(this.path, 'write', error)
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.handle.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed) return
    try {
      await this.#close()
    } finally {
      await rm(this.temporaryPath, { force: true })
    }
  }
}

/** Writes a small or streamed file atomically. @see {@link AtomicFile} */
export async function writeFileAtomically(path: string, source: ByteSource): Promise<void> {
  await using file = await AtomicFile.create(path)
  await writeAt(file.handle, path, 0, source)
  await file.commit()
}

/** Makes a rename durable. Some file systems refuse to sync directories; their renames are as durable as they get. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined)
  try {
    await handle?.sync()
  } catch {
    // see above
  } finally {
    await handle?.close()
  }
}
