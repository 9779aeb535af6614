import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { TareError } from '../errors/index.ts'
import {
  abortable,
  AtomicFile,
  type ByteSource,
  type OperationOptions,
  type OutputFile,
  readHandleRange,
  removeAbandoned,
  removeParts,
  ResumableFile,
  SpoolDirectory,
  tokenOfTemporary,
} from '../stream/index.ts'
import { volumePath, VolumeWriter } from '../volumes/index.ts'
import { STANDARD_STREAM } from './archive-input.ts'
import { checkReplaceable } from './directory.ts'

/** Options of {@link archiveOutput}. */
export interface ArchiveOutputOptions extends OperationOptions {
  /** Where an archive for standard output is made. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Writes volumes of this many bytes in place of one file. */
  readonly volumeBytes?: number | undefined
  /** Whether an unfinished file is left for the next attempt, and one that was left is gone on with. @default false */
  readonly resume?: boolean | undefined
  /** Writes a finished archive to standard output. Left out, there is none. */
  readonly standardOutput?: ((archive: ByteSource) => Promise<void>) | undefined
}

/** Makes the file that an archive is written to, in a directory that is there. */
export type OutputFactory = (path: string) => Promise<OutputFile>

/**
 * Decides how an archive is written: as one file, in volumes, or for `-` to standard output. Nothing is made yet.
 *
 * @throws {TareError} `DESTINATION_EXISTS` for a directory or a device, and where volumes would be hidden by a whole
 * file of their name; `INVALID_REFERENCE`, `INVALID_ARGUMENT`
 */
export async function archiveOutput(path: string, options: ArchiveOutputOptions): Promise<OutputFactory> {
  const { volumeBytes, standardOutput, workdir, resume } = options
  if (resume === true && (path === STANDARD_STREAM || volumeBytes !== undefined)) {
    throw new TareError('INVALID_ARGUMENT', 'only an archive in one file can be resumed', {
      hint: 'Give a path, and leave volumes out',
    })
  }
  if (path === STANDARD_STREAM) {
    if (volumeBytes !== undefined) {
      throw new TareError('INVALID_ARGUMENT', 'standard output cannot be split into volumes', {
        hint: 'Give a path, or split it behind the pipe',
      })
    }
    if (standardOutput !== undefined) return () => PipedFile.create(standardOutput, workdir)
    throw new TareError(
      'INVALID_REFERENCE',
      `${STANDARD_STREAM} stands for standard output, which is not at hand here`,
      {
        hint: `Write ./${STANDARD_STREAM} for a file of that name`,
      },
    )
  }
  await checkReplaceable(path)
  if (volumeBytes === undefined) {
    if (await exists(volumePath(path, 1, 3))) {
      options.logger?.warn(`volumes of another ${basename(path)} lie beside it: ${volumePath(basename(path), 1, 3)}`)
    }
    return resume === true ? createResumableFile : createWholeFile
  }
  if (await exists(path)) {
    throw new TareError('DESTINATION_EXISTS', `${path} exists, and would be read in place of its volumes`, {
      hint: 'Remove it, or choose another name',
    })
  }
  return () => VolumeWriter.create(path, volumeBytes)
}

/** One file; what killed runs left of it goes, and what attempts left that were to be resumed. */
export async function createWholeFile(path: string): Promise<OutputFile> {
  await removeAbandoned(dirname(path), (name) => tokenOfTemporary(name, basename(path)))
  await removeParts(path)
  return AtomicFile.create(path)
}

/** One file that goes on from an attempt that was cut off; what other killed runs left of it goes. */
export async function createResumableFile(path: string): Promise<OutputFile> {
  await removeAbandoned(dirname(path), (name) => tokenOfTemporary(name, basename(path)))
  return ResumableFile.open(path)
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/**
 * An archive for standard output. It is written here and there, so it lies in the working directory until it is
 * finished; nothing of an unfinished one gets out.
 */
class PipedFile implements OutputFile {
  readonly #spool: SpoolDirectory
  readonly #file: AtomicFile
  readonly #send: (archive: ByteSource) => Promise<void>

  private constructor(spool: SpoolDirectory, file: AtomicFile, send: (archive: ByteSource) => Promise<void>) {
    this.#spool = spool
    this.#file = file
    this.#send = send
  }

  static async create(send: (archive: ByteSource) => Promise<void>, workdir: string | undefined): Promise<PipedFile> {
    const spool = await SpoolDirectory.create(workdir)
    try {
      return new PipedFile(spool, await AtomicFile.create(spool.reserve('output')), send)
    } catch (error) {
      await spool[Symbol.asyncDispose]()
      throw error
    }
  }

  write(position: number, source: ByteSource): Promise<number> {
    return this.#file.write(position, source)
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#file.truncate(sizeBytes)
  }

  async commit(options: OperationOptions = {}): Promise<void> {
    const { handle, path } = this.#file
    await this.#send(abortable(readHandleRange(handle, path), options.signal))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]()
    await this.#spool[Symbol.asyncDispose]()
  }
}
