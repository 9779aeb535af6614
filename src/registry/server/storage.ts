import type { Digest, DigestAlgorithm } from '../../oci/index.ts'
import type { ByteSource, FileRange } from '../../stream/index.ts'

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly digest: Digest
  /** The `Content-Type` it was pushed with. */
  readonly mediaType: string
  readonly bytes: Uint8Array
  /** The manifest it refers to, which need not exist. */
  readonly subject?: Digest | undefined
}

/**
 * Where a registry keeps its content. Callers hand in repository names and tags that passed their grammar, and digests;
 * an implementation adds no policy of its own.
 *
 * - Content becomes visible whole and verified, or not at all.
 * - A blob or manifest belongs to each repository that it was put or linked into, and is seen only there. Content that
 *   no repository holds any more is removed.
 * - A repository exists from the first blob or manifest on, and stays when it has been emptied.
 * - Absence is an answer (`undefined`, `false`), never an error.
 * - Calls for the same upload do not overlap: the server sees to that.
 */
export interface RegistryStorage {
  /** Names of all repositories, sorted by code unit. */
  repositories(): Promise<readonly string[]>
  hasRepository(repository: string): Promise<boolean>

  /** Size of a blob in bytes. */
  blobSize(repository: string, digest: Digest): Promise<number | undefined>
  /** Opens a blob that {@link RegistryStorage.blobSize} has seen. */
  readBlob(repository: string, digest: Digest, range?: FileRange): ByteSource
  /** Makes a blob of one repository also belong to another; false when `from` does not have it. */
  linkBlob(repository: string, digest: Digest, from: string): Promise<boolean>
  deleteBlob(repository: string, digest: Digest): Promise<boolean>

  /**
   * Opens an upload session.
   *
   * @param algorithm - what the digest will most likely use; a different one costs a second reading of the bytes
   * @returns a UUID
   */
  startUpload(repository: string, algorithm: DigestAlgorithm): Promise<string>
  /** Bytes that a session has. */
  uploadSize(repository: string, id: string): Promise<number | undefined>
  /**
   * Writes at `offset`, which is the session's size. When the source fails, what arrived before stays in the session.
   *
   * @returns the session's size afterwards
   */
  appendUpload(repository: string, id: string, offset: number, source: ByteSource): Promise<number>
  /**
   * Turns a session into a blob.
   *
   * @throws {DigestMismatchError} the session stays
   */
  finishUpload(repository: string, id: string, digest: Digest): Promise<void>
  cancelUpload(repository: string, id: string): Promise<boolean>
  /** Drops sessions that got no bytes for so long. */
  expireUploads(idleMs: number): Promise<void>

  /** Stores a manifest, then points the tags at it. The bytes are already verified. */
  putManifest(repository: string, manifest: StoredManifest, tags: readonly string[]): Promise<void>
  getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined>
  hasManifest(repository: string, digest: Digest): Promise<boolean>
  /** Removes a manifest and all tags that point at it. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>
  /** Manifests whose subject is the given one, sorted by digest. */
  referrers(repository: string, subject: Digest): Promise<readonly Digest[]>

  /** Tags sorted by code unit. */
  tags(repository: string): Promise<readonly string[]>
  resolveTag(repository: string, tag: string): Promise<Digest | undefined>
  deleteTag(repository: string, tag: string): Promise<boolean>
}
