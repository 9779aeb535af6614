import { fileError, isTareError, TareError } from '../errors/index.ts'

/**
 * Gives every error a code. What the file system raised and nobody wrapped becomes an `environment` error; anything
 * else that isn't ours is `INTERNAL`, because Tare should have known it.
 */
export function classifyError(error: unknown): TareError {
  if (isTareError(error)) return error
  const path =
    error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : 'the file system'
  const classified = fileError(path, 'use', error)
  if (isTareError(classified)) return classified
  return new TareError('INTERNAL', error instanceof Error ? `${error.name}: ${error.message}` : String(error), {
    cause: error,
    hint: 'This is a fault in Tare; run it again with --verbose and report what it prints',
  })
}
