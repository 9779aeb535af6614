import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileError } from '../errors/index.ts'
import type { ByteSource } from './byte-source.ts'
import { type OutputFile, syncDirectory, writeAt } from './file.ts'
import { isAbandoned, TEMPORARY_TOKEN_PATTERN, temporaryToken } from './temporary-name.ts'

/**
 * A file that appears whole, and whose unfinished content outlives its run: what was written lies beside the final
 * name as `.NAME.part` until the next attempt goes on from it. While it is written its name holds the process, so that
 * two attempts never share one. What is in there is for the next attempt to prove.
 */
export class ResumableFile implements OutputFile {
  readonly path: string
  readonly handle: FileHandle
  /** Whether an earlier attempt left something. */
  readonly isResumed: boolean
  readonly #ownPath: string
  #isOpen = true
  #isCommitted = false

  private constructor(path: string, ownPath: string, handle: FileHandle, isResumed: boolean) {
    this.path = path
    this.handle = handle
    this.isResumed = isResumed
    this.#ownPath = ownPath
  }

  /** Takes over what an ended attempt left, or begins anew. @throws {TareError} `FILE_ACCESS`, `DISK_FULL` */
  static async open(path: string): Promise<ResumableFile> {
    const directory = dirname(path)
    const ownPath = join(directory, `.${basename(path)}.${temporaryToken()}.part`)
    try {
      await mkdir(directory, { recursive: true })
      const isResumed = await takeOver(path, ownPath)
      return new ResumableFile(path, ownPath, await open(ownPath, isResumed ? 'r+' : 'wx+', 0o644), isResumed)
    } catch (error) {
      throw fileError(path, 'create', error)
    }
  }

  write(position: number, source: ByteSource): Promise<number> {
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
      await rename(this.#ownPath, this.path)
      this.#isCommitted = true
      await syncDirectory(dirname(this.path))
    } catch (error) {
      throw fileError(this.path, 'write', error)
    }
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.handle.close()
  }

  /** Without a commit: leaves what there is for the next attempt; an empty file goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isCommitted) return
    const isEmpty = this.#isOpen && (await this.handle.stat()).size === 0
    await this.#close()
    if (isEmpty) await rm(this.#ownPath, { force: true })
    else await rename(this.#ownPath, partPath(this.path))
  }
}

/** Removes what unfinished attempts at a file left, as far as no process is at it. */
export async function removeParts(path: string): Promise<void> {
  for (const part of await leftParts(path)) await rm(part, { force: true })
}

function partPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.part`)
}

/** Only one of several processes succeeds in renaming a file away. */
async function takeOver(path: string, ownPath: string): Promise<boolean> {
  for (const part of await leftParts(path)) {
    const isTaken = await rename(part, ownPath).then(
      () => true,
      () => false,
    )
    if (!isTaken) continue
    await removeParts(path)
    return true
  }
  return false
}

/** Parts that no running process holds: the one that was put down in an orderly way first. */
async function leftParts(path: string): Promise<readonly string[]> {
  const [directory, base] = [dirname(path), basename(path)]
  const names = await readdir(directory).catch(() => [])
  const pattern = new RegExp(`^\\.(.+)\\.(${TEMPORARY_TOKEN_PATTERN})\\.part$`, 's')
  const ofTheDead = names.filter((name) => {
    const [, found, token] = pattern.exec(name) ?? []
    return found === base && token !== undefined && isAbandoned(token)
  })
  return [...names.filter((name) => name === `.${base}.part`), ...ofTheDead].map((name) => join(directory, name))
}
