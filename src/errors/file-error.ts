import { TareError } from './tare-error.ts'

const CODES: Readonly<Record<string, 'FILE_NOT_FOUND' | 'DISK_FULL'>> = {
  ENOENT: 'FILE_NOT_FOUND',
  ENOTDIR: 'FILE_NOT_FOUND',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
}

/**
 * Turns an error of the file system into a {@link TareError} that names the path; anything else is returned as it is.
 *
 * @param path - the file or directory that was touched
 * @param action - what was tried: `read`, `write`, `create`
 */
export function fileError(path: string, action: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return cause
  if (!('syscall' in cause)) return cause
  const code = CODES[cause.code] ?? 'FILE_ACCESS'
  switch (code) {
    case 'FILE_NOT_FOUND':
      return new TareError(code, `${path} does not exist`, { cause })
    case 'DISK_FULL':
      return new TareError(code, `${path}: no space left`, {
        cause,
        hint: 'Free some space there, or choose another place; for temporary files with --workdir',
      })
    case 'FILE_ACCESS':
      return new TareError(code, `${path}: cannot ${action} (${cause.code})`, {
        cause,
        hint:
          cause.code === 'EFBIG' ? 'The file system takes no file of that size; write volumes with --split' : undefined,
      })
  }
}
