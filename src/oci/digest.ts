import { TareError } from '../errors/index.ts'

/** Hash algorithms that content may be addressed with. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/**
 * `algorithm:hex` of exact bytes. Only {@link parseDigest}, {@link isDigest} and hashing make one, so a `Digest` is
 * always safe to use as a path component.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export type Digest = `${DigestAlgorithm}:${string}`

/** Digest of an uncompressed layer tar, as a config lists it. */
export type DiffId = Digest & { readonly __diffId?: never }

const PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Whether `text` is a well-formed digest: a registered algorithm and lower-case hex of the right length. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && PATTERN.test(text)
}

/**
 * Parses a digest.
 *
 * @throws {TareError} `INVALID_DIGEST`
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new TareError('INVALID_DIGEST', `digest ${JSON.stringify(text.slice(0, 160))} is malformed`, {
    hint: 'A digest is sha256: and 64, or sha512: and 128, lower-case hex digits',
  })
}

/** The algorithm part of a digest. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
}

/** The hex part of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(7)
}

/** The first twelve hex digits, for people. Never use it to address content. */
export function shortDigest(digest: Digest): string {
  return digest.slice(7, 19)
}
