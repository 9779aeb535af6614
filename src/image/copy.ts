import { CopyError, hasErrorCode, type Side, TareError } from '../errors/index.ts'
import { decompress } from '../compress/index.ts'
import { type Descriptor, type Digest, isForeignLayerType, type Platform } from '../oci/index.ts'
import { type ByteSource, counted, mapLimited, type OperationOptions, verified } from '../stream/index.ts'
import {
  type BlobOpener,
  type CommitResult,
  type ImageDestination,
  type ImageSource,
  type ManifestContent,
  type PutOutcome,
  type RepositoryName,
} from '../transport/index.ts'
import { type IndexFate, narrowTree, platformHint } from './narrow.ts'
import { type ImageNode, type ImageTree, readImageTree, type TreeBlob } from './tree.ts'

/** Blobs moved at a time unless said otherwise. */
export const DEFAULT_CONCURRENCY = 6

/** Options of {@link copyImage}. */
export interface CopyOptions extends OperationOptions {
  /** Members of an index to keep; none keeps it whole. */
  readonly platforms?: readonly Platform[] | undefined
  /** Blobs moved at a time. @default 6 */
  readonly concurrency?: number | undefined
  /** Further repositories of the destination's registry that may hold blobs, to mount them from. */
  readonly mountFrom?: readonly string[] | undefined
}

/** What became of one blob. */
export interface CopiedBlob {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  /** `foreign`: neither side keeps it, its manifest names URLs to fetch it from. */
  readonly outcome: PutOutcome | 'foreign'
}

/** What {@link copyImage} did. */
export interface CopyReport {
  readonly source: string
  readonly destination: string
  /** What the destination's reference points at now. */
  readonly digest: Digest
  readonly mediaType: string
  readonly index: IndexFate
  readonly manifestCount: number
  readonly blobs: readonly CopiedBlob[]
  /** Bytes of blobs that were written. */
  readonly writtenBytes: number
  /** Bytes of blobs the destination had, or mounted from elsewhere. */
  readonly savedBytes: number
}

/**
 * Copies an image with its digests: blobs in parallel, what the destination has is left out, members before their
 * index, the reference last. Everything is verified on the way.
 *
 * @throws {CopyError} with the code of its cause and the side that failed
 * @throws {TareError} `PLATFORM_REQUIRED`, `UNSUPPORTED_BY_DESTINATION`, `NO_MATCHING_PLATFORM`
 */
export async function copyImage(
  source: ImageSource,
  destination: ImageDestination,
  options: CopyOptions = {},
): Promise<CopyReport> {
  options.signal?.throwIfAborted()
  const { tree, index } = narrowTree(await readImageTree(source, options), options.platforms ?? [])
  checkDestination(tree, destination)
  const report = await writeTree(tree, destination, {
    ...options,
    openBlob: (blob, signal) => source.openBlob(blob.descriptor, { signal }),
    openPlainLayer: (blob, signal) => source.openPlainLayer?.(blob.descriptor, { signal, diffId: blob.diffId }),
    mountFrom: () => [...repositoriesToMountFrom([source.repository], destination), ...(options.mountFrom ?? [])],
  })
  return { source: source.reference, destination: destination.reference, index, ...report }
}

/**
 * Refuses early what the destination can't hold.
 *
 * @throws {TareError} `PLATFORM_REQUIRED` with the platforms there are, `UNSUPPORTED_BY_DESTINATION`
 */
export function checkDestination(tree: ImageTree, destination: ImageDestination): void {
  for (const node of tree.documents.toReversed()) {
    try {
      destination.checkManifestType(node.descriptor.mediaType)
    } catch (error) {
      if (!hasErrorCode(error, 'PLATFORM_REQUIRED')) throw error
      throw new TareError(error.code, error.message, { cause: error, hint: platformHint(node) })
    }
  }
}

/** Those repositories of the destination's registry, other than its own, that a blob can be mounted from. */
export function repositoriesToMountFrom(
  sources: readonly (RepositoryName | undefined)[],
  { repository: to }: ImageDestination,
): readonly string[] {
  return sources.flatMap((from) =>
    from !== undefined && from.registry === to?.registry && from.repository !== to.repository ? [from.repository] : [],
  )
}

/** Where {@link writeTree} gets its bytes. */
export interface WriteTreeOptions extends Omit<CopyOptions, 'platforms' | 'mountFrom'> {
  /** Gives a blob as its descriptor describes it. Not verified: the destination does that while it writes. */
  readonly openBlob: (blob: TreeBlob, signal: AbortSignal) => Promise<ByteSource>
  /** Gives a layer's plain tar where that is nearer than decompressing the blob. */
  readonly openPlainLayer?: ((blob: TreeBlob, signal: AbortSignal) => Promise<ByteSource> | undefined) | undefined
  /** Repositories of the destination's registry that have a blob. */
  readonly mountFrom?: ((blob: TreeBlob) => readonly string[]) | undefined
  /** Documents to try in order, in place of the root, where a registry refuses it. */
  readonly alternatives?: readonly ManifestContent[] | undefined
}

/** What {@link writeTree} did, for the reports of its callers. */
export type WriteTreeReport = Pick<
  CopyReport,
  'digest' | 'mediaType' | 'manifestCount' | 'blobs' | 'writtenBytes' | 'savedBytes'
>

/**
 * Writes a tree to a destination, blobs from wherever the caller has them: blobs in parallel, then manifests, members
 * before their index. The reference moves last.
 *
 * @throws {CopyError} with the code of its cause and the side that failed
 */
export async function writeTree(
  tree: ImageTree,
  destination: ImageDestination,
  options: WriteTreeOptions,
): Promise<WriteTreeReport> {
  try {
    const expected = tree.blobs.map((blob) => blob.descriptor)
    const diffIds = tree.blobs.flatMap((blob) => blob.diffId ?? [])
    await destination.prepare?.({ blobs: expected, diffIds, manifests: tree.documents }, options)
    const writer = new BlobWriter(destination, options)
    const blobs = await mapLimited(
      tree.blobs,
      options.concurrency ?? DEFAULT_CONCURRENCY,
      (blob, _index, signal) => writer.write(blob, signal),
      { signal: options.signal },
    )
    for (const level of levelsBelow(tree)) {
      const put = (node: ImageNode, _index: number, signal: AbortSignal): Promise<void> =>
        putManifest(node, destination, { ...options, signal })
      await mapLimited(level, options.concurrency ?? DEFAULT_CONCURRENCY, put, options)
    }
    const { root, digest } = await commitRoot([tree.root, ...(options.alternatives ?? [])], destination, options)
    const bytesOf = (kept: boolean): number =>
      blobs.reduce((sum, blob) => ((blob.outcome === 'written') === kept ? sum + blob.sizeBytes : sum), 0)
    return {
      digest,
      mediaType: root.descriptor.mediaType,
      manifestCount: tree.documents.length,
      blobs,
      writtenBytes: bytesOf(true),
      savedBytes: bytesOf(false),
    }
  } catch (error) {
    throw CopyError.at('destination', destination.reference, error)
  }
}

/** The documents below the root, those first that nothing has to wait for. */
function levelsBelow({ root, documents }: ImageTree): readonly (readonly ImageNode[])[] {
  const levels: ImageNode[][] = []
  for (const node of documents) {
    if (node.descriptor.digest !== root.descriptor.digest) (levels[heightOf(node)] ??= []).push(node)
  }
  return levels.filter((level) => level.length > 0)
}

function heightOf(node: ImageNode): number {
  return node.kind === 'manifest' ? 0 : 1 + Math.max(0, ...node.members.map(heightOf))
}

async function putManifest(
  manifest: ManifestContent,
  destination: ImageDestination,
  options: OperationOptions,
): Promise<void> {
  if (!(await destination.hasManifest(manifest.descriptor, options))) await destination.putManifest(manifest, options)
}

/** Makes the first of the documents visible that the destination takes. */
async function commitRoot(
  candidates: readonly ManifestContent[],
  destination: ImageDestination,
  options: OperationOptions,
): Promise<CommitResult & { readonly root: ManifestContent }> {
  const refusals: { readonly error: TareError; readonly mediaType: string }[] = []
  for (const root of candidates) {
    options.signal?.throwIfAborted()
    try {
      await putManifest(root, destination, options)
      return { root, ...(await destination.commit(root, options)) }
    } catch (error) {
      if (!hasErrorCode(error, 'REGISTRY_REFUSED')) throw error
      refusals.push({ error, mediaType: root.descriptor.mediaType })
    }
  }
  const [first, ...others] = refusals
  if (first === undefined || others.length === 0) throw first?.error ?? new RangeError('commitRoot() of nothing')
  const each = refusals.map(({ error, mediaType }) => `${mediaType}: ${error.message}`)
  throw new TareError('REGISTRY_REFUSED', `${destination.reference} refuses every format: ${each.join('; ')}`, {
    cause: first.error,
    hint: first.error.hint,
  })
}

class BlobWriter {
  readonly #destination: ImageDestination
  readonly #options: WriteTreeOptions

  constructor(destination: ImageDestination, options: WriteTreeOptions) {
    this.#destination = destination
    this.#options = options
  }

  async write(blob: TreeBlob, signal: AbortSignal): Promise<CopiedBlob> {
    const { descriptor } = blob
    const outcome = await this.#put(blob, signal).catch((error: unknown) => {
      this.#progress(blob, 0, 'failed')
      throw CopyError.at(sideOf(error), descriptor.digest, error)
    })
    this.#progress(blob, descriptor.size, outcome === 'written' ? 'done' : 'skipped')
    return { digest: descriptor.digest, mediaType: descriptor.mediaType, sizeBytes: descriptor.size, outcome }
  }

  async #put(blob: TreeBlob, signal: AbortSignal): Promise<CopiedBlob['outcome']> {
    const { descriptor } = blob
    const destination = this.#destination
    if (destination.layerForm === 'plain' && blob.role === 'layer') return this.#putPlain(blob, signal)
    if (await destination.hasBlob(descriptor, { signal })) return 'present'
    this.#progress(blob, 0, 'started')
    const open: BlobOpener = () => this.#open(blob, signal)
    try {
      return await destination.putBlob(descriptor, open, { signal, mountFrom: this.#options.mountFrom?.(blob) })
    } catch (error) {
      if (isFetchedElsewhere(descriptor) && hasErrorCode(error, 'BLOB_NOT_FOUND')) return 'foreign'
      throw error
    }
  }

  async #putPlain(blob: TreeBlob, signal: AbortSignal): Promise<PutOutcome> {
    const { diffId, descriptor } = blob
    if (diffId === undefined || this.#destination.putPlainLayer === undefined) {
      throw new TareError('UNSUPPORTED_BY_DESTINATION', `layer ${descriptor.digest} has no diffID in its config`, {
        hint: 'Only layers of images can be kept as plain tars; use oci:, oci-archive:, dir: or docker://',
      })
    }
    this.#progress(blob, 0, 'started')
    const open: BlobOpener = async () => {
      const plain =
        (await this.#options.openPlainLayer?.(blob, signal)) ??
        (await decompress(verified(await this.#open(blob, signal), descriptor, 'blob'))).source
      return atSource(verified(plain, { digest: diffId }, `layer ${descriptor.digest} uncompressed`), descriptor.digest)
    }
    return this.#destination.putPlainLayer(diffId, open, { signal })
  }

  async #open(blob: TreeBlob, signal: AbortSignal): Promise<ByteSource> {
    const source = await this.#options.openBlob(blob, signal).catch((error: unknown) => {
      throw CopyError.at('source', blob.descriptor.digest, error)
    })
    let doneBytes = 0
    return counted(atSource(source, blob.descriptor.digest), (byteLength) => {
      doneBytes += byteLength
      this.#progress(blob, doneBytes, 'running')
    })
  }

  #progress(blob: TreeBlob, doneBytes: number, state: 'started' | 'running' | 'done' | 'skipped' | 'failed'): void {
    const { digest, size } = blob.descriptor
    this.#options.onProgress?.({ kind: 'blob', id: digest, label: blob.role, doneBytes, totalBytes: size, state })
  }
}

/** Failures while reading are the source's. */
async function* atSource(source: ByteSource, digest: Digest): ByteSource {
  try {
    yield* source
  } catch (error) {
    throw CopyError.at('source', digest, error)
  }
}

/** A destination hashes what it is given before it writes, so bytes that are wrong came so from the source. */
function sideOf(error: unknown): Side {
  return hasErrorCode(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH') ? 'source' : 'destination'
}

/** A foreign layer that sources need not hold, because its descriptor says where it is. */
export function isFetchedElsewhere(descriptor: Descriptor): boolean {
  return isForeignLayerType(descriptor.mediaType) && (descriptor.urls?.length ?? 0) > 0
}
