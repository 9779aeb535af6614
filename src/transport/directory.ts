import { readdir, rmdir } from 'node:fs/promises'
import { fileError, TareError } from '../errors/index.ts'

/**
 * Names in a directory; none where it does not exist.
 *
 * @param otherwise - what to suggest where `path` is a file
 * @throws {TareError} `DESTINATION_EXISTS` when it is a file, `FILE_ACCESS`
 */
export async function namesIn(path: string, otherwise: string): Promise<readonly string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') {
      throw new TareError('DESTINATION_EXISTS', `${path} is a file`, { hint: `For a file use ${otherwise}` })
    }
    throw fileError(path, 'read', error)
  }
}

/** Removes a directory if it is empty; anything else stays. */
export async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error
  }
}
