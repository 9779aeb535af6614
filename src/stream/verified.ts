import { createHash, type Hash } from 'node:crypto'
import { DigestMismatchError, SizeMismatchError } from '../errors/index.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../oci/index.ts'
import type { ByteSource } from './byte-source.ts'

/** Hashes bytes into a {@link Digest}. */
export class Digester {
  readonly #algorithm: DigestAlgorithm
  readonly #hash: Hash
  #sizeBytes = 0

  constructor(algorithm: DigestAlgorithm = 'sha256') {
    this.#algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  /** Bytes taken so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  update(chunk: Uint8Array): this {
    this.#sizeBytes += chunk.length
    this.#hash.update(chunk)
    return this
  }

  /** The digest of all bytes so far; more may follow. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}`
  }
}

/** Passes a source through a {@link Digester}, which knows its digest and size at the end. */
export async function* digesting(source: ByteSource, digester: Digester): ByteSource {
  for await (const chunk of source) {
    digester.update(chunk)
    yield chunk
  }
}

/** The digest of some bytes. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return new Digester(algorithm).update(bytes).digest()
}

/** What {@link verified} holds bytes against. */
export interface ExpectedContent {
  readonly digest: Digest
  /** Bytes; left out where only the digest is known. */
  readonly size?: number | undefined
}

/**
 * Passes a source through and fails unless it has the expected size and digest. More bytes than expected are never
 * passed on. A consumer that stops early has verified nothing.
 *
 * @param subject - what is read, with its side, for the error
 * @throws {DigestMismatchError} @throws {SizeMismatchError}
 */
export async function* verified(source: ByteSource, expected: ExpectedContent, subject: string): ByteSource {
  const digester = new Digester(digestAlgorithm(expected.digest))
  for await (const chunk of source) {
    digester.update(chunk)
    if (expected.size !== undefined && digester.sizeBytes > expected.size) {
      throw new SizeMismatchError(subject, expected.size, digester.sizeBytes)
    }
    yield chunk
  }
  if (expected.size !== undefined && digester.sizeBytes !== expected.size) {
    throw new SizeMismatchError(subject, expected.size, digester.sizeBytes)
  }
  const actual = digester.digest()
  if (actual !== expected.digest) throw new DigestMismatchError(subject, expected.digest, actual)
}

/**
 * Checks bytes already in memory.
 *
 * @throws {DigestMismatchError} @throws {SizeMismatchError}
 */
export function verifyBytes(bytes: Uint8Array, expected: ExpectedContent, subject: string): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw new SizeMismatchError(subject, expected.size, bytes.length)
  }
  const actual = digestOf(bytes, digestAlgorithm(expected.digest))
  if (actual !== expected.digest) throw new DigestMismatchError(subject, expected.digest, actual)
}
