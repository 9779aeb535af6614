import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
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

/**
 * Refuses a path that a new file can't, or had better not, take over: a directory, but also a device such as
 * `/dev/null`, which a rename would replace.
 *
 * @throws {TareError} `DESTINATION_EXISTS`
 */
export async function checkReplaceable(path: string): Promise<void> {
  // What can't be looked at can't be written either; that is told where it is tried.
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.isFile()) return
  throw new TareError(
    'DESTINATION_EXISTS',
    `${path} is ${found.isDirectory() ? 'a directory' : 'not a regular file'}`,
    {
      hint: found.isDirectory() ? `Name a file in it, or use oci:${path} for a layout` : 'Name a file',
    },
  )
}

/** Removes those directories that are empty, in order; anything else stays. */
export async function removeEmpty(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await rmdir(path)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error
    }
  }
}

/**
 * Makes a directory and those above it.
 *
 * @returns the ones that had to be made, the deepest first, for {@link removeEmpty} to undo
 * @throws {TareError} `FILE_ACCESS`, `DISK_FULL`
 */
export async function makeDirectories(path: string): Promise<readonly string[]> {
  const first = await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fileError(path, 'create', error)
  })
  const made: string[] = []
  if (first === undefined) return made
  for (let directory = resolve(path); directory.length >= resolve(first).length; directory = dirname(directory)) {
    made.push(directory)
  }
  return made
}
