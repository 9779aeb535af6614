import { randomBytes } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileError } from '../errors/index.ts'
import type { ByteSource } from './byte-source.ts'
import { readFileRange, writeAt } from './file.ts'
import { removeAbandoned, TEMPORARY_TOKEN_PATTERN, temporaryToken } from './temporary-name.ts'

const SPOOL_PATTERN = new RegExp(`^tare-(${TEMPORARY_TOKEN_PATTERN})$`)

/**
 * A scratch directory of one run. It lies *inside* the directory the user names, so disposing it never removes
 * anything that was there before.
 */
export class SpoolDirectory implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * Spools that killed runs left in `workdir` go.
   *
   * @param workdir - where to make the directory; the system's temporary directory when left out
   * @throws {TareError} `FILE_ACCESS`, `DISK_FULL`
   */
  static async create(workdir?: string): Promise<SpoolDirectory> {
    const parent = workdir ?? tmpdir()
    try {
      await mkdir(parent, { recursive: true })
      await SpoolDirectory.sweep(parent)
      const path = join(parent, `tare-${temporaryToken()}`)
      await mkdir(path, { mode: 0o700 })
      return new SpoolDirectory(path)
    } catch (error) {
      throw fileError(parent, 'create', error)
    }
  }

  /** Removes the spools that killed runs left, ahead of a run that may need none itself. */
  static async sweep(workdir: string = tmpdir()): Promise<void> {
    await removeAbandoned(workdir, (name) => SPOOL_PATTERN.exec(name)?.[1])
  }

  /** A path in the directory that nobody else has. Nothing is created. */
  reserve(label: string): string {
    return join(this.path, `${label}-${randomBytes(6).toString('hex')}`)
  }

  /** Writes a source to a new file. @returns its path and size */
  async write(label: string, source: ByteSource): Promise<SpoolFile> {
    const path = this.reserve(label)
    const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
      throw fileError(path, 'create', error)
    })
    try {
      const sizeBytes = await writeAt(handle, path, 0, source)
      return { path, sizeBytes, read: () => readFileRange(path), remove: () => rm(path, { force: true }) }
    } finally {
      await handle.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

/** A finished file in a {@link SpoolDirectory}. */
export interface SpoolFile {
  readonly path: string
  readonly sizeBytes: number
  /** Opens it anew from the start. */
  read(): ByteSource
  /** Gives its space back before the directory goes. */
  remove(): Promise<void>
}
