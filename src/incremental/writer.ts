import type { Descriptor, Digest } from '../oci/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import type {
  BlobOpener,
  CommitResult,
  DestinationContents,
  ImageDestination,
  ImageSource,
  LayerForm,
  ManifestContent,
  PutBlobOptions,
  PutOutcome,
} from '../transport/index.ts'
import { buildLayersDictionary, fetchManifests, type FetchManifestsOptions } from './fetch-manifests.ts'

/**
 * A destination that claims to have every layer of some base image, and leaves the rest to the destination it wraps. Any
 * copy into it is incremental.
 *
 * @example
 * ```ts
 * import { copyImage } from 'tare/image'
 * import { Writer } from 'tare/incremental'
 * import type { ImageDestination, ImageSource } from 'tare/transport'
 *
 * async function copyBeyond(base: ImageSource, final: ImageSource, to: ImageDestination): Promise<void> {
 *   await using writer = await Writer.create(base, to)
 *   await copyImage(final, writer)
 * }
 * console.log(copyBeyond.name)
 * ```
 */
export class Writer implements ImageDestination {
  /** Layers that are left out. */
  readonly dictionary: ReadonlySet<Digest>
  readonly #to: ImageDestination

  private constructor(to: ImageDestination, dictionary: ReadonlySet<Digest>) {
    this.#to = to
    this.dictionary = dictionary
  }

  /**
   * Reads the manifests of a base image, all platforms, and wraps a destination, which the result closes.
   *
   * @param from - the base image; the caller closes it
   * @throws {CopyError} with the side `baseline`; `to` is closed then
   */
  static async create(
    from: ImageSource,
    to: ImageDestination,
    options: Pick<FetchManifestsOptions, 'signal' | 'logger'> = {},
  ): Promise<Writer> {
    await using stack = new AsyncDisposableStack()
    stack.use(to)
    const manifests = await fetchManifests(from, options)
    stack.move()
    return new Writer(to, buildLayersDictionary(...manifests))
  }

  get reference(): string {
    return this.#to.reference
  }

  get layerForm(): LayerForm {
    return this.#to.layerForm
  }

  get repository(): ImageDestination['repository'] {
    return this.#to.repository
  }

  checkManifestType(mediaType: string): void {
    this.#to.checkManifestType(mediaType)
  }

  async prepare(contents: DestinationContents, options?: OperationOptions): Promise<void> {
    const blobs = contents.blobs.filter((blob) => !this.#isLeftOut(blob))
    await this.#to.prepare?.({ ...contents, blobs }, options)
  }

  async hasBlob(descriptor: Descriptor, options?: OperationOptions): Promise<boolean> {
    return this.#isLeftOut(descriptor) || this.#to.hasBlob(descriptor, options)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, options?: PutBlobOptions): Promise<PutOutcome> {
    return this.#isLeftOut(descriptor) ? 'present' : this.#to.putBlob(descriptor, open, options)
  }

  async putPlainLayer(
    diffId: Digest,
    open: () => Promise<ByteSource>,
    options?: OperationOptions,
  ): Promise<PutOutcome> {
    if (this.#to.putPlainLayer === undefined) throw new TypeError(`${this.reference} takes no plain layers`)
    return this.#to.putPlainLayer(diffId, open, options)
  }

  hasManifest(descriptor: Descriptor, options?: OperationOptions): Promise<boolean> {
    return this.#to.hasManifest(descriptor, options)
  }

  putManifest(manifest: ManifestContent, options?: OperationOptions): Promise<void> {
    return this.#to.putManifest(manifest, options)
  }

  commit(root: ManifestContent, options?: OperationOptions): Promise<CommitResult> {
    return this.#to.commit(root, options)
  }

  reopen(digest: Digest, options?: OperationOptions): Promise<ImageSource | undefined> {
    return this.#to.reopen(digest, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#to[Symbol.asyncDispose]()
  }

  /** Configs are never in the dictionary, since it is made of layers. */
  #isLeftOut({ digest }: Descriptor): boolean {
    return this.dictionary.has(digest)
  }
}
