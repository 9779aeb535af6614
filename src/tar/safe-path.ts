import { TareError } from '../errors/index.ts'

/** Whether {@link safeEntryPath} accepts a name. */
export function isSafeEntryPath(path: string): boolean {
  return normalisePath(path) !== undefined
}

/**
 * Makes a name from an archive usable as a relative path: without `.` parts, doubled or closing slashes.
 *
 * @param subject - which archive, for the error
 * @throws {TareError} `UNSAFE_PATH` when it is absolute, has a `..` part or a NUL, or names nothing
 */
export function safeEntryPath(path: string, subject = 'archive'): string {
  const safe = normalisePath(path)
  if (safe !== undefined) return safe
  throw new TareError('UNSAFE_PATH', `${subject}: entry ${JSON.stringify(path)} is not a path inside the archive`, {
    hint: 'The archive was not made by a container tool, or someone tampered with it',
  })
}

function normalisePath(path: string): string | undefined {
  if (path.startsWith('/') || path.includes('\0')) return undefined
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  return parts.length === 0 || parts.includes('..') ? undefined : parts.join('/')
}
