import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, TareError } from '../errors/index.ts'
import { type ByteSource, readAllBytes, readFileRange } from '../stream/index.ts'

/** Files by name, in a directory or in a tar: what layouts and archives are read from. */
export interface NamedFiles extends AsyncDisposable {
  /** Bytes of a regular file; undefined where there is none of that name. */
  sizeOf(name: string): Promise<number | undefined>
  /** Reads a file that {@link NamedFiles.sizeOf} knows, from `offset` on. */
  open(name: string, offset?: number): ByteSource
  /**
   * Why a file is not there although it has to be, or has other bytes than it should: the error to raise then, where
   * the whole looks half copied.
   */
  whyIncomplete?(name: string): Promise<TareError | undefined>
  /** The error to raise where the whole surely was cut off, so that what is not there may have been lost. */
  whyCutOff?(): Promise<TareError | undefined>
}

/** The files of a directory. */
export class DirectoryFiles implements NamedFiles {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /**
   * @param otherwise - what to suggest where `path` is a file
   * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`, `INVALID_ARCHIVE` when it is no directory
   */
  static async open(path: string, otherwise: string): Promise<DirectoryFiles> {
    const found = await stat(path).catch((error: unknown) => {
      throw fileError(path, 'read', error)
    })
    if (found.isDirectory()) return new DirectoryFiles(path)
    throw new TareError('INVALID_ARCHIVE', `${path} is not a directory`, { hint: `For a file use ${otherwise}` })
  }

  async sizeOf(name: string): Promise<number | undefined> {
    return fileSize(join(this.path, name))
  }

  open(name: string, offset = 0): ByteSource {
    return readFileRange(join(this.path, name), { offset })
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/**
 * Bytes of a regular file; undefined where there is none.
 *
 * @throws {TareError} `FILE_ACCESS`
 */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    const wrapped = fileError(path, 'read', error)
    if (wrapped instanceof TareError && wrapped.code === 'FILE_NOT_FOUND') return undefined
    throw wrapped
  }
}

/** Opens a file for reading. @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS` */
export async function openForReading(path: string): Promise<FileHandle> {
  return open(path, 'r').catch((error: unknown) => {
    throw fileError(path, 'read', error)
  })
}

/**
 * Reads a document whole; undefined where there is none. **Buffers.**
 *
 * @throws {TareError} `LIMIT_EXCEEDED`; `FILE_INCOMPLETE` where it ends in zeros, as no document does
 */
export async function readNamedFile(
  files: NamedFiles,
  name: string,
  maxBytes: number,
  where: string,
): Promise<Uint8Array | undefined> {
  const sizeBytes = await files.sizeOf(name)
  if (sizeBytes === undefined) return undefined
  const subject = `${name} of ${where}`
  if (sizeBytes > maxBytes) throw new TareError('LIMIT_EXCEEDED', `${subject} is larger than ${maxBytes} bytes`)
  const bytes = await readAllBytes(files.open(name), maxBytes, subject)
  const reason = bytes.at(-1) === 0 ? await files.whyIncomplete?.(name) : undefined
  if (reason !== undefined) throw reason
  return bytes
}
