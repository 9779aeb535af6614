import { hasErrorCode, TareError } from '../errors/index.ts'
import { type Digest, isDigest, parseReference, type Reference } from '../oci/index.ts'

/** A reference as errors show it. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}

/**
 * The digest in a reference.
 *
 * @param text - the whole reference, for the error
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function requireDigest(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest
  throw new TareError('INVALID_REFERENCE', `reference ${shown(text)} has a malformed digest`, {
    hint: 'A digest is sha256: and 64, or sha512: and 128, lower-case hex digits',
  })
}

/**
 * The name in a reference, as Docker means it.
 *
 * @param text - the whole reference, for the error
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function requireName(text: string, name: string): Reference {
  try {
    return parseReference(name)
  } catch (error) {
    if (!hasErrorCode(error, 'INVALID_REFERENCE')) throw error
    throw new TareError('INVALID_REFERENCE', `${shown(text)}: ${error.message}`, { cause: error, hint: error.hint })
  }
}
