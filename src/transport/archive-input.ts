import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import {
  abortable,
  type ByteFile,
  type ByteSource,
  counted,
  DiskFile,
  type OperationOptions,
  SpoolDirectory,
} from '../stream/index.ts'
import { findVolumes, openVolumes, splitVolumePath } from '../volumes/index.ts'

/** The path of an archive that stands for standard input or output. A file of that name is `./-`. */
export const STANDARD_STREAM = '-'

/** Options of {@link openArchiveFile}. */
export interface ArchiveInputOptions extends OperationOptions {
  /** Where standard input is kept while it is read. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Begins to read standard input. Left out, there is none. */
  readonly standardInput?: (() => ByteSource) | undefined
  /** What errors call the archive. @default its path */
  readonly shownAs?: string | undefined
}

/**
 * Whether a path leads to an archive: a file, or volumes.
 *
 * @throws {TareError} `VOLUME_MISSING`, `VOLUME_DAMAGED` where there are volumes, but not all
 */
export async function isArchivePresent(path: string): Promise<boolean> {
  const found = await statOf(path)
  return found === undefined ? (await findVolumes(path)) !== undefined : !found.isDirectory()
}

/**
 * Opens the file of an archive: one that lies there; volumes, where `path` is not there but they are, or where it is
 * the first of them; or for `-` standard input, which is written to the working directory first.
 *
 * @param resources - gets what has to go in the end
 * @param otherwise - what to suggest where `path` is a directory
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `VOLUME_MISSING`, `VOLUME_DAMAGED`, `INVALID_REFERENCE`
 */
export async function openArchiveFile(
  path: string,
  otherwise: string,
  resources: AsyncDisposableStack,
  options: ArchiveInputOptions,
): Promise<ByteFile> {
  options.signal?.throwIfAborted()
  if (path === STANDARD_STREAM) return spoolStandardInput(resources, options)
  const found = await statOf(path)
  if (found?.isDirectory() === true) {
    throw new TareError('INVALID_ARCHIVE', `${path} is not a file`, { hint: `Try ${otherwise}` })
  }
  if (found !== undefined && !found.isFile()) {
    throw new TareError('INVALID_ARCHIVE', `${path} is not a regular file`, {
      hint: `Give ${STANDARD_STREAM} to read standard input`,
    })
  }
  const named = splitVolumePath(path)
  const volumes =
    (found === undefined ? await openVolumes(path, options) : undefined) ??
    (named?.number === 1 ? await openVolumes(named.path, options) : undefined)
  return volumes ?? DiskFile.at(path, options.shownAs)
}

/** Archives are read here and there, so what can be read once only has to lie on a disk. */
async function spoolStandardInput(resources: AsyncDisposableStack, options: ArchiveInputOptions): Promise<ByteFile> {
  const { standardInput, signal, onProgress } = options
  if (standardInput === undefined) {
    throw new TareError(
      'INVALID_REFERENCE',
      `${STANDARD_STREAM} stands for standard input, which is not at hand here`,
      {
        hint: `Write ./${STANDARD_STREAM} for a file of that name`,
      },
    )
  }
  const input = standardInput()
  const spool = resources.use(await SpoolDirectory.create(options.workdir))
  const label = 'read standard input'
  let doneBytes = 0
  onProgress?.({ kind: 'step', id: label, label, state: 'started', doneBytes })
  const source = counted(abortable(input, signal), (byteLength) => {
    doneBytes += byteLength
    onProgress?.({ kind: 'step', id: label, label, state: 'running', doneBytes })
  })
  const { path } = await spool.write('input', source)
  onProgress?.({ kind: 'step', id: label, label, state: 'done', doneBytes, totalBytes: doneBytes })
  return DiskFile.at(path, 'standard input')
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (cause) {
    const error = fileError(path, 'read', cause)
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
    throw error
  }
}
