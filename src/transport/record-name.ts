import { type Digest, formatReference } from '../oci/index.ts'
import { requireDigest, requireName } from './reference-error.ts'

/** Which image is meant among records that have free names: those of the local store and of containerd. */
export interface RecordName {
  /**
   * In full, as Docker means it: `docker.io/library/app:latest`, with `@DIGEST` for a name without a tag; empty for a
   * digest alone.
   */
  readonly name: string
  /** The text as it was written, where that is no digest and differs: records need not have Docker's form. */
  readonly literal?: string | undefined
  readonly digest?: Digest | undefined
}

/**
 * Parses `NAME[:TAG][@DIGEST]` or `@DIGEST`.
 *
 * @param text - the whole reference, for errors
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function parseRecordName(text: string, rest: string): RecordName {
  if (rest.startsWith('@')) return { name: '', digest: requireDigest(text, rest.slice(1)) }
  const { digest, tag, ...repository } = requireName(text, rest)
  const isTagged = tag !== undefined || digest === undefined
  const name = formatReference(isTagged ? { ...repository, tag: tag ?? 'latest' } : { ...repository, digest })
  return {
    name,
    ...(digest === undefined && rest !== name ? { literal: rest } : {}),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** The text again; parsing it gives the same. */
export function formatRecordName({ name, literal, digest }: RecordName): string {
  if (literal !== undefined) return literal
  return digest === undefined || name.endsWith(`@${digest}`) ? name : `${name}@${digest}`
}
