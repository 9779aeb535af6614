import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DigestMismatchError, fileError, hasErrorCode, TareError } from '../../errors/index.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithm, digestHex, isDigest } from '../../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  type FileRange,
  Mutex,
  readFileRange,
  writeAt,
  writeFileAtomically,
} from '../../stream/index.ts'
import { isRepositoryName, isTag } from './names.ts'
import type { RegistryStorage, StoredManifest } from './storage.ts'

const EMPTY = new Uint8Array()

/**
 * Keeps a registry in a directory, which one process at a time may use, on a file system that tells upper from lower
 * case.
 *
 * ```text
 * blobs/<algorithm>/<first two hex digits>/<hex>        content of blobs and manifests, once each
 * repositories/<name>/_blobs/<algorithm>/<hex>          the repository has the blob (empty file)
 *                     _manifests/<algorithm>/<hex>      the repository has the manifest: {"mediaType", "subject"?}
 *                     _referrers/<algorithm>/<hex>/<digest with a dash>   a manifest with that subject (empty file)
 *                     _tags/<tag>                       the digest that the tag points at
 *                     _uploads/<uuid>                   bytes of an unfinished upload; its size is the offset
 * ```
 *
 * No component of a repository name starts with an underscore, so the five names never clash with one. Every file is
 * written under another name, synced and renamed. Content is renamed before its link is written: a crash between the two
 * leaves content that nobody sees, never a link to something unverified.
 */
export class FileRegistryStorage implements RegistryStorage {
  readonly #root: string
  /** Serialises changes of links, so that content is not removed while it gains one. Hashing stays outside. */
  readonly #links = new Mutex()
  /** Running digests of uploads this process has seen from their first byte. Lost ones are computed again. */
  readonly #digesters = new Map<string, Digester>()

  private constructor(root: string) {
    this.#root = root
  }

  /** Opens a directory, creating it if need be. @throws {TareError} `FILE_ACCESS`, `DISK_FULL` */
  static async open(root: string): Promise<FileRegistryStorage> {
    for (const part of ['blobs', 'repositories']) {
      const path = join(root, part)
      await mkdir(path, { recursive: true }).catch((error: unknown) => {
        throw fileError(path, 'create', error)
      })
    }
    return new FileRegistryStorage(root)
  }

  async repositories(): Promise<readonly string[]> {
    const names: string[] = []
    for await (const name of this.#directories()) if (await this.hasRepository(name)) names.push(name)
    return names.sort()
  }

  async hasRepository(repository: string): Promise<boolean> {
    return (
      (await exists(join(this.#repository(repository), '_manifests'))) ||
      (await exists(join(this.#repository(repository), '_blobs')))
    )
  }

  async blobSize(repository: string, digest: Digest): Promise<number | undefined> {
    if (!(await exists(this.#blobLink(repository, digest)))) return undefined
    const path = this.#content(digest)
    return (await unlessAbsent(path, 'read', stat(path)))?.size
  }

  readBlob(_repository: string, digest: Digest, range?: FileRange): ByteSource {
    return readFileRange(this.#content(digest), range)
  }

  async linkBlob(repository: string, digest: Digest, from: string): Promise<boolean> {
    return this.#links.run(async () => {
      if ((await this.blobSize(from, digest)) === undefined) return false
      await writeFileAtomically(this.#blobLink(repository, digest), bytesSource(EMPTY))
      return true
    })
  }

  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.#links.run(async () => {
      if (!(await remove(this.#blobLink(repository, digest)))) return false
      await this.#dropUnheld(digest)
      return true
    })
  }

  async startUpload(repository: string, algorithm: DigestAlgorithm): Promise<string> {
    const id = randomUUID()
    const path = this.#upload(repository, id)
    try {
      await mkdir(dirname(path), { recursive: true })
      await using _created = await open(path, 'wx', 0o644)
    } catch (error) {
      throw fileError(path, 'create', error)
    }
    this.#digesters.set(id, new Digester(algorithm))
    return id
  }

  async uploadSize(repository: string, id: string): Promise<number | undefined> {
    const path = this.#upload(repository, id)
    return (await unlessAbsent(path, 'read', stat(path)))?.size
  }

  async appendUpload(repository: string, id: string, offset: number, source: ByteSource): Promise<number> {
    const path = this.#upload(repository, id)
    const digester = this.#digesters.get(id)
    await using handle = await open(path, 'r+').catch((error: unknown) => {
      throw fileError(path, 'write', error)
    })
    const written = await writeAt(handle, path, offset, digester === undefined ? source : digested(source, digester))
    return offset + written
  }

  async finishUpload(repository: string, id: string, digest: Digest): Promise<void> {
    const path = this.#upload(repository, id)
    const actual = await this.#uploadDigest(path, id, digestAlgorithm(digest))
    if (actual !== digest) throw new DigestMismatchError(`upload ${id}`, digest, actual)
    const content = this.#content(digest)
    try {
      await using handle = await open(path, 'r+')
      await handle.sync()
      await mkdir(dirname(content), { recursive: true })
    } catch (error) {
      throw fileError(content, 'write', error)
    }
    await this.#links.run(async () => {
      await rename(path, content).catch((error: unknown) => {
        throw fileError(content, 'write', error)
      })
      await writeFileAtomically(this.#blobLink(repository, digest), bytesSource(EMPTY))
    })
    this.#digesters.delete(id)
  }

  async cancelUpload(repository: string, id: string): Promise<boolean> {
    this.#digesters.delete(id)
    return remove(this.#upload(repository, id))
  }

  async expireUploads(idleMs: number): Promise<void> {
    const oldest = Date.now() - idleMs
    for await (const repository of this.#directories()) {
      for (const id of await list(join(this.#repository(repository), '_uploads'))) {
        const path = this.#upload(repository, id)
        const found = await unlessAbsent(path, 'read', stat(path))
        if (found !== undefined && found.mtimeMs <= oldest) await this.cancelUpload(repository, id)
      }
    }
  }

  async putManifest(repository: string, manifest: StoredManifest, tags: readonly string[]): Promise<void> {
    const { digest, mediaType, subject, bytes } = manifest
    await this.#links.run(async () => {
      await writeFileAtomically(this.#content(digest), bytesSource(bytes))
      const record = Buffer.from(JSON.stringify({ mediaType, subject }))
      await writeFileAtomically(this.#manifestLink(repository, digest), bytesSource(record))
      if (subject !== undefined) {
        await writeFileAtomically(this.#referrerLink(repository, subject, digest), bytesSource(EMPTY))
      }
      for (const tag of tags) await writeFileAtomically(this.#tag(repository, tag), bytesSource(Buffer.from(digest)))
    })
  }

  async getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    const record = await this.#manifestRecord(repository, digest)
    if (record === undefined) return undefined
    const path = this.#content(digest)
    const bytes = await unlessAbsent(path, 'read', readFile(path))
    return bytes === undefined ? undefined : { digest, bytes, ...record }
  }

  async hasManifest(repository: string, digest: Digest): Promise<boolean> {
    return exists(this.#manifestLink(repository, digest))
  }

  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    return this.#links.run(async () => {
      const record = await this.#manifestRecord(repository, digest)
      if (record === undefined) return false
      for (const tag of await this.tags(repository)) {
        if ((await this.resolveTag(repository, tag)) === digest) await remove(this.#tag(repository, tag))
      }
      if (record.subject !== undefined) await remove(this.#referrerLink(repository, record.subject, digest))
      await remove(this.#manifestLink(repository, digest))
      await this.#dropUnheld(digest)
      return true
    })
  }

  async referrers(repository: string, subject: Digest): Promise<readonly Digest[]> {
    const names = await list(dirname(this.#referrerLink(repository, subject, subject)))
    return names
      .map((name) => name.replace('-', ':'))
      .filter(isDigest)
      .sort()
  }

  async tags(repository: string): Promise<readonly string[]> {
    return (await list(join(this.#repository(repository), '_tags'))).filter(isTag).sort()
  }

  async resolveTag(repository: string, tag: string): Promise<Digest | undefined> {
    const path = this.#tag(repository, tag)
    const digest = await unlessAbsent(path, 'read', readFile(path, 'utf8'))
    return isDigest(digest) ? digest : undefined
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    return remove(this.#tag(repository, tag))
  }

  #repository(name: string): string {
    return join(this.#root, 'repositories', name)
  }

  #content(digest: Digest): string {
    const hex = digestHex(digest)
    return join(this.#root, 'blobs', digestAlgorithm(digest), hex.slice(0, 2), hex)
  }

  #blobLink(repository: string, digest: Digest): string {
    return join(this.#repository(repository), '_blobs', digestAlgorithm(digest), digestHex(digest))
  }

  #manifestLink(repository: string, digest: Digest): string {
    return join(this.#repository(repository), '_manifests', digestAlgorithm(digest), digestHex(digest))
  }

  #referrerLink(repository: string, subject: Digest, referrer: Digest): string {
    const directory = join(this.#repository(repository), '_referrers', digestAlgorithm(subject), digestHex(subject))
    return join(directory, referrer.replace(':', '-'))
  }

  #tag(repository: string, tag: string): string {
    return join(this.#repository(repository), '_tags', tag)
  }

  #upload(repository: string, id: string): string {
    return join(this.#repository(repository), '_uploads', id)
  }

  /** Every directory that may be a repository, also those that hold only uploads or other repositories. */
  async *#directories(parent = ''): AsyncGenerator<string> {
    for (const entry of await list(this.#repository(parent))) {
      const name = parent === '' ? entry : `${parent}/${entry}`
      if (!isRepositoryName(name)) continue
      yield name
      yield* this.#directories(name)
    }
  }

  async #uploadDigest(path: string, id: string, algorithm: DigestAlgorithm): Promise<Digest> {
    const sizeBytes = (await unlessAbsent(path, 'read', stat(path)))?.size
    if (sizeBytes === undefined) throw new TareError('INTERNAL', `upload ${id} does not exist`)
    const running = this.#digesters.get(id)
    const computed = running?.sizeBytes === sizeBytes ? running.digest() : undefined
    if (computed !== undefined && digestAlgorithm(computed) === algorithm) return computed
    const digester = new Digester(algorithm)
    for await (const chunk of readFileRange(path)) digester.update(chunk)
    return digester.digest()
  }

  async #manifestRecord(
    repository: string,
    digest: Digest,
  ): Promise<{ readonly mediaType: string; readonly subject?: Digest } | undefined> {
    const path = this.#manifestLink(repository, digest)
    const text = await unlessAbsent(path, 'read', readFile(path, 'utf8'))
    if (text === undefined) return undefined
    const record: unknown = JSON.parse(text)
    if (typeof record !== 'object' || record === null) return undefined
    if (!('mediaType' in record) || typeof record.mediaType !== 'string') return undefined
    const subject = 'subject' in record ? record.subject : undefined
    return isDigest(subject) ? { mediaType: record.mediaType, subject } : { mediaType: record.mediaType }
  }

  /** Looks through all repositories; deletions are rare and links are not counted anywhere. */
  async #dropUnheld(digest: Digest): Promise<void> {
    for await (const repository of this.#directories()) {
      if (await exists(this.#blobLink(repository, digest))) return
      if (await exists(this.#manifestLink(repository, digest))) return
    }
    await remove(this.#content(digest))
  }
}

async function* digested(source: ByteSource, digester: Digester): ByteSource {
  for await (const chunk of source) {
    yield chunk
    // After the yield: only what has been written counts, so the digester and the file stay in step.
    digester.update(chunk)
  }
}

async function unlessAbsent<Output>(path: string, action: string, work: Promise<Output>): Promise<Output | undefined> {
  try {
    return await work
  } catch (cause) {
    const error = fileError(path, action, cause)
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  return (await unlessAbsent(path, 'read', stat(path))) !== undefined
}

async function remove(path: string): Promise<boolean> {
  return (
    (await unlessAbsent(
      path,
      'remove',
      unlink(path).then(() => true),
    )) ?? false
  )
}

/** Names in a directory; none when it does not exist. */
async function list(path: string): Promise<readonly string[]> {
  return (await unlessAbsent(path, 'read', readdir(path))) ?? []
}
