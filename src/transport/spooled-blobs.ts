import type { Digest } from '../oci/index.ts'
import { type ByteSource, SpoolDirectory, type SpoolFile } from '../stream/index.ts'
import type { PutOutcome } from './transport.ts'

/** Blobs that wait on the disk until all are there, each once. Disposing removes them. */
export class SpooledBlobs implements AsyncDisposable {
  readonly #workdir: string | undefined
  readonly #files = new Map<Digest, Promise<SpoolFile>>()
  #spool: Promise<SpoolDirectory> | undefined

  /** Nothing is made before the first put. */
  constructor(workdir: string | undefined) {
    this.#workdir = workdir
  }

  has(digest: Digest): boolean {
    return this.#files.has(digest)
  }

  /** @param open - starts reading it; verified by who reads */
  async put(digest: Digest, open: () => Promise<ByteSource>): Promise<PutOutcome> {
    const underWay = this.#files.get(digest)
    if (underWay !== undefined) {
      await underWay
      return 'present'
    }
    const writing = this.#write(open)
    this.#files.set(digest, writing)
    try {
      await writing
    } catch (error) {
      this.#files.delete(digest)
      throw error
    }
    return 'written'
  }

  /** A blob that was put; undefined where it was not. */
  async get(digest: Digest): Promise<SpoolFile | undefined> {
    return this.#files.get(digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#files.values())
    const spool = await this.#spool?.catch(() => undefined)
    await spool?.[Symbol.asyncDispose]()
  }

  async #write(open: () => Promise<ByteSource>): Promise<SpoolFile> {
    this.#spool ??= SpoolDirectory.create(this.#workdir)
    const spool = await this.#spool
    return spool.write('blob', await open())
  }
}
