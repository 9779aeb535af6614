import { hasErrorCode } from '../errors/index.ts'
import { type Descriptor, parseReference, type Reference } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'

/** Answers that mean a repository is not ours to look into, or is not there. */
const CLOSED_CODES = ['AUTH_REQUIRED', 'REGISTRY_REFUSED', 'NOT_FOUND', 'BLOB_NOT_FOUND'] as const

/** Whether a source has a blob, as far as it lets itself be asked; a repository that is closed to us has none. */
export async function holdsBlob(
  source: ImageSource,
  descriptor: Descriptor,
  options: OperationOptions,
): Promise<boolean> {
  try {
    return (await source.hasBlob?.(descriptor, options)) ?? false
  } catch (error) {
    if (!hasErrorCode(error, ...CLOSED_CODES)) throw error
    options.logger?.debug(`${source.reference}: ${error.message}`)
    return false
  }
}

/** The repository in the recorded name of a base; undefined for one that lay in no registry. */
export function repositoryNamed(name: string): Reference | undefined {
  try {
    return parseReference(name)
  } catch (error) {
    if (hasErrorCode(error, 'INVALID_REFERENCE')) return undefined
    throw error
  }
}
