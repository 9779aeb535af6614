import { hasErrorCode } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { abortable, readFileRange, verified } from '../stream/index.ts'
import { fileSize } from './named-files.ts'

/**
 * Whether a file holds what a descriptor describes. The bytes are read: a blob that rotted on the disk, or was cut by
 * a crash, is written again rather than passed on.
 */
export async function holdsContent(
  path: string,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await fileSize(path)) !== descriptor.size) return false
  try {
    for await (const chunk of verified(abortable(readFileRange(path), signal), descriptor, path)) void chunk
    return true
  } catch (error) {
    if (hasErrorCode(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH', 'FILE_NOT_FOUND')) return false
    throw error
  }
}
