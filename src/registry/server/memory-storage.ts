import { randomUUID } from 'node:crypto'
import { DigestMismatchError, TareError } from '../../errors/index.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../../oci/index.ts'
import { type ByteSource, bytesSource, Digester, type FileRange, sliceSource } from '../../stream/index.ts'
import type { RegistryStorage, StoredManifest } from './storage.ts'

/** Settings of a {@link MemoryRegistryStorage}. */
export interface MemoryRegistryStorageOptions {
  /** Most bytes held, uploads included; content shared by repositories counts once. @default 256 MiB */
  readonly maxBytes?: number | undefined
}

interface Repository {
  readonly blobs: Set<Digest>
  readonly manifests: Map<Digest, StoredManifest>
  readonly tags: Map<string, Digest>
}

interface Upload {
  readonly repository: string
  readonly chunks: Uint8Array[]
  sizeBytes: number
  touchedMs: number
}

/** Keeps everything in memory: for tests and demonstrations. Throws `DISK_FULL` beyond its limit. */
export class MemoryRegistryStorage implements RegistryStorage {
  readonly #maxBytes: number
  readonly #repositories = new Map<string, Repository>()
  readonly #content = new Map<Digest, { readonly chunks: readonly Uint8Array[]; readonly sizeBytes: number }>()
  readonly #uploads = new Map<string, Upload>()
  #heldBytes = 0

  constructor(options: MemoryRegistryStorageOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 256 * 1024 * 1024
  }

  async repositories(): Promise<readonly string[]> {
    return [...this.#repositories.keys()].sort()
  }

  async hasRepository(repository: string): Promise<boolean> {
    return this.#repositories.has(repository)
  }

  async blobSize(repository: string, digest: Digest): Promise<number | undefined> {
    if (this.#repositories.get(repository)?.blobs.has(digest) !== true) return undefined
    return this.#content.get(digest)?.sizeBytes
  }

  readBlob(_repository: string, digest: Digest, range: FileRange = {}): ByteSource {
    return sliceSource(bytesSource(...(this.#content.get(digest)?.chunks ?? [])), range.offset ?? 0, range.length)
  }

  async linkBlob(repository: string, digest: Digest, from: string): Promise<boolean> {
    if (this.#repositories.get(from)?.blobs.has(digest) !== true) return false
    this.#repository(repository).blobs.add(digest)
    return true
  }

  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const deleted = this.#repositories.get(repository)?.blobs.delete(digest) === true
    if (deleted) this.#dropUnheld(digest)
    return deleted
  }

  async startUpload(repository: string, _algorithm: DigestAlgorithm): Promise<string> {
    const id = randomUUID()
    this.#uploads.set(id, { repository, chunks: [], sizeBytes: 0, touchedMs: Date.now() })
    return id
  }

  async uploadSize(repository: string, id: string): Promise<number | undefined> {
    return this.#upload(repository, id)?.sizeBytes
  }

  async appendUpload(repository: string, id: string, _offset: number, source: ByteSource): Promise<number> {
    const upload = this.#existingUpload(repository, id)
    for await (const chunk of source) {
      this.#hold(chunk.length)
      upload.chunks.push(chunk)
      upload.sizeBytes += chunk.length
      upload.touchedMs = Date.now()
    }
    return upload.sizeBytes
  }

  async finishUpload(repository: string, id: string, digest: Digest): Promise<void> {
    const { chunks, sizeBytes } = this.#existingUpload(repository, id)
    const digester = new Digester(digestAlgorithm(digest))
    for (const chunk of chunks) digester.update(chunk)
    const actual = digester.digest()
    if (actual !== digest) throw new DigestMismatchError(`upload ${id}`, digest, actual)
    this.#uploads.delete(id)
    if (this.#content.has(digest)) this.#heldBytes -= sizeBytes
    else this.#content.set(digest, { chunks, sizeBytes })
    this.#repository(repository).blobs.add(digest)
  }

  async cancelUpload(repository: string, id: string): Promise<boolean> {
    const upload = this.#upload(repository, id)
    if (upload === undefined) return false
    this.#heldBytes -= upload.sizeBytes
    return this.#uploads.delete(id)
  }

  async expireUploads(idleMs: number): Promise<void> {
    const oldest = Date.now() - idleMs
    for (const [id, upload] of this.#uploads) {
      if (upload.touchedMs <= oldest) await this.cancelUpload(upload.repository, id)
    }
  }

  async putManifest(repository: string, manifest: StoredManifest, tags: readonly string[]): Promise<void> {
    const target = this.#repository(repository)
    if (!this.#content.has(manifest.digest)) {
      this.#hold(manifest.bytes.length)
      this.#content.set(manifest.digest, { chunks: [manifest.bytes], sizeBytes: manifest.bytes.length })
    }
    target.manifests.set(manifest.digest, manifest)
    for (const tag of tags) target.tags.set(tag, manifest.digest)
  }

  async getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    return this.#repositories.get(repository)?.manifests.get(digest)
  }

  async hasManifest(repository: string, digest: Digest): Promise<boolean> {
    return this.#repositories.get(repository)?.manifests.has(digest) === true
  }

  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const target = this.#repositories.get(repository)
    if (target?.manifests.delete(digest) !== true) return false
    for (const [tag, pointee] of target.tags) if (pointee === digest) target.tags.delete(tag)
    this.#dropUnheld(digest)
    return true
  }

  async referrers(repository: string, subject: Digest): Promise<readonly Digest[]> {
    const manifests = this.#repositories.get(repository)?.manifests.values() ?? []
    return [...manifests]
      .filter((manifest) => manifest.subject === subject)
      .map((manifest) => manifest.digest)
      .sort()
  }

  async tags(repository: string): Promise<readonly string[]> {
    return [...(this.#repositories.get(repository)?.tags.keys() ?? [])].sort()
  }

  async resolveTag(repository: string, tag: string): Promise<Digest | undefined> {
    return this.#repositories.get(repository)?.tags.get(tag)
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    return this.#repositories.get(repository)?.tags.delete(tag) === true
  }

  #repository(name: string): Repository {
    let repository = this.#repositories.get(name)
    if (repository === undefined) {
      repository = { blobs: new Set(), manifests: new Map(), tags: new Map() }
      this.#repositories.set(name, repository)
    }
    return repository
  }

  #upload(repository: string, id: string): Upload | undefined {
    const upload = this.#uploads.get(id)
    return upload?.repository === repository ? upload : undefined
  }

  #existingUpload(repository: string, id: string): Upload {
    const upload = this.#upload(repository, id)
    if (upload === undefined) throw new TareError('INTERNAL', `upload ${id} of ${repository} does not exist`)
    return upload
  }

  #hold(byteLength: number): void {
    if (this.#heldBytes + byteLength > this.#maxBytes) {
      throw new TareError('DISK_FULL', `registry storage would hold more than ${this.#maxBytes} bytes`)
    }
    this.#heldBytes += byteLength
  }

  #dropUnheld(digest: Digest): void {
    for (const { blobs, manifests } of this.#repositories.values()) {
      if (blobs.has(digest) || manifests.has(digest)) return
    }
    this.#heldBytes -= this.#content.get(digest)?.sizeBytes ?? 0
    this.#content.delete(digest)
  }
}
