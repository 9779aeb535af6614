import type { Digest } from '../oci/index.ts'
import { type ByteSource, type SpoolDirectory, type SpoolFile, verified } from '../stream/index.ts'

interface SharedBlob {
  /** Times it will still be read. */
  left: number
  file?: Promise<SpoolFile> | undefined
}

/**
 * Blobs that a run reads more than once, be it for several images or in two parts of one: fetched or made the first
 * time, kept in the spool for the others, gone after the last. Keyed by content, so it does not matter whose they are;
 * that each image is entitled to what it takes is settled before, see `preflight`.
 */
export class SharedBlobs {
  readonly #spool: Pick<SpoolDirectory, 'write'>
  readonly #blobs = new Map<Digest, SharedBlob>()

  constructor(spool: Pick<SpoolDirectory, 'write'>) {
    this.#spool = spool
  }

  /** Announces that a blob will be read once (more). */
  expect(digest: Digest): void {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) this.#blobs.set(digest, { left: 1 })
    else blob.left++
  }

  /** @param make - reads or makes the blob; what is kept for others is verified here */
  open(digest: Digest, make: () => ByteSource): ByteSource {
    const blob = this.#blobs.get(digest)
    if (blob === undefined || (blob.left <= 1 && blob.file === undefined)) return make()
    return this.#read(digest, blob, make)
  }

  async *#read(digest: Digest, blob: SharedBlob, make: () => ByteSource): ByteSource {
    blob.file ??= this.#spool.write('shared', verified(make(), { digest }, `blob ${digest}`))
    const file = await blob.file.catch((error: unknown) => {
      // Whoever comes next tries anew: the fault may be of this reading.
      blob.file = undefined
      throw error
    })
    yield* file.read()
    if (--blob.left > 0) return
    this.#blobs.delete(digest)
    await file.remove()
  }
}
