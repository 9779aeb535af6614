import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import {
  childDescriptors,
  type Descriptor,
  type Digest,
  formatPlatform,
  parseManifestDocument,
  type Platform,
} from '../oci/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import {
  type ImageSource,
  type ManifestContent,
  type OpenBlobOptions,
  type OpenContext,
  openSource,
  type RepositoryName,
} from '../transport/index.ts'
import type { OpenLocation } from './additions.ts'
import { type Artifact, ArtifactSource } from './artifact.ts'

/** Which members of a list are meant. */
export type Selection =
  | { readonly kind: 'all' }
  /** The best match for a platform, standing for itself. */
  | { readonly kind: 'system'; readonly platform: Platform }
  /** Those with these digests, in the list's order; none is allowed. */
  | { readonly kind: 'specific'; readonly instances: readonly Digest[] }

/** What a {@link CompositeSource} is made of. */
export interface CompositeParts {
  /** The list as it is to be read. */
  readonly document: ManifestContent
  readonly members: readonly Descriptor[]
  readonly locations: ReadonlyMap<Digest, string>
  readonly artifacts: ReadonlyMap<Digest, Artifact>
}

/** Options of a {@link CompositeSource}. */
export interface CompositeOptions extends OpenContext {
  /** What it calls itself in messages. */
  readonly reference: string
  /** Members that can be read. @default { kind: 'all' } */
  readonly selection?: Selection | undefined
  /** Opens where a member is. @default `openSource` */
  readonly open?: OpenLocation | undefined
}

/** What a place says that does not have a member any more. */
const GONE_CODES: ReadonlySet<string> = new Set(['BLOB_NOT_FOUND', 'NOT_FOUND', 'FILE_NOT_FOUND'])

/**
 * A list as one image, although its members lie in many places. A place is opened with the first read of one of its
 * members, and once for all of them; disposing closes what was opened.
 */
export class CompositeSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #parts: CompositeParts
  readonly #options: CompositeOptions
  readonly #opened = new Map<string, Promise<ImageSource>>()
  /** Where manifests and blobs are; known once the manifest that names them was read. */
  readonly #origins = new Map<Digest, Set<ImageSource>>()

  constructor(parts: CompositeParts, options: CompositeOptions) {
    this.#parts = parts
    this.#options = options
    this.reference = options.reference
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    options.signal?.throwIfAborted()
    return this.#parts.document
  }

  /** A member, or what a nested index names once that was read. Errors name the member and its place. */
  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const { digest } = descriptor
    const member = this.#parts.members.find((listed) => listed.digest === digest)
    if (member === undefined) return this.#readNested(descriptor, options)
    try {
      const source = await this.sourceOf(digest, options)
      const bytes = await source.readManifest(descriptor, options)
      this.#register(descriptor, bytes, source)
      return bytes
    } catch (error) {
      throw this.#memberError(member, error)
    }
  }

  /** A blob of a manifest that was read, from any of the places that should have it. */
  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    let absent = this.#unknown(descriptor.digest)
    for (const source of this.#origins.get(descriptor.digest) ?? []) {
      try {
        return await source.openBlob(descriptor, options)
      } catch (error) {
        if (!hasErrorCode(error, 'BLOB_NOT_FOUND')) throw error
        absent = error
      }
    }
    throw absent
  }

  /** Repositories that have a blob, or a manifest, of a manifest that was read. */
  repositoriesOf(digest: Digest): readonly RepositoryName[] {
    return [...(this.#origins.get(digest) ?? [])].flatMap((source) => source.repository ?? [])
  }

  /**
   * The place of a member, opened.
   *
   * @throws {TareError} `BLOB_NOT_FOUND` for a digest that is no member, was not selected, or whose place is not known;
   * as the place's transport does
   */
  sourceOf(digest: Digest, options: OperationOptions = {}): Promise<ImageSource> {
    if (!this.#isSelected(digest)) return Promise.reject(this.#unknown(digest))
    const artifact = this.#parts.artifacts.get(digest)
    if (artifact !== undefined) return this.#openOnce(digest, async () => new ArtifactSource(artifact))
    const location = this.#parts.locations.get(digest)
    if (location === undefined) return Promise.reject(this.#unknown(digest))
    const { open = openSource, ...context } = this.#options
    return this.#openOnce(location, () => open(location, { ...context, ...options }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values())
    this.#opened.clear()
    await using stack = new AsyncDisposableStack()
    for (const result of opened) if (result.status === 'fulfilled') stack.use(result.value)
  }

  #isSelected(digest: Digest): boolean {
    const { selection = { kind: 'all' } } = this.#options
    if (selection.kind === 'specific' && !selection.instances.includes(digest)) return false
    return this.#parts.members.some((member) => member.digest === digest)
  }

  #openOnce(key: string, open: () => Promise<ImageSource>): Promise<ImageSource> {
    const known = this.#opened.get(key)
    if (known !== undefined) return known
    const opening = open()
    this.#opened.set(key, opening)
    return opening
  }

  async #readNested(descriptor: Descriptor, options: OperationOptions): Promise<Uint8Array> {
    for (const source of this.#origins.get(descriptor.digest) ?? []) {
      const bytes = await source.readManifest(descriptor, options)
      this.#register(descriptor, bytes, source)
      return bytes
    }
    throw this.#unknown(descriptor.digest)
  }

  #register({ digest, mediaType }: Descriptor, bytes: Uint8Array, source: ImageSource): void {
    const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
    for (const named of [digest, ...childDescriptors(document).map((child) => child.digest)]) {
      const origins = this.#origins.get(named)
      if (origins === undefined) this.#origins.set(named, new Set([source]))
      else origins.add(source)
    }
  }

  #unknown(digest: Digest): TareError {
    return new TareError('BLOB_NOT_FOUND', `${this.reference} does not know where ${digest} is`)
  }

  /** What a user needs to know of a member that can't be read: which it is, and where it should be. */
  #memberError({ digest, platform }: Descriptor, error: unknown): unknown {
    const location = this.#parts.locations.get(digest)
    if (!isTareError(error) || location === undefined) return error
    const { code, message, hint } = error
    const named = platform === undefined ? digest : `${digest} (${formatPlatform(platform)})`
    const isGone = GONE_CODES.has(code)
    const state = isGone ? 'is no longer' : 'cannot be read'
    return new TareError(code, `member ${named} ${state} at ${location}: ${message}`, {
      cause: error,
      hint: isGone ? 'Remove the member from the list, and add it from where it is now' : hint,
    })
  }
}
