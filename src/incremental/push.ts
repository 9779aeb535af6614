import { decompress } from '../compress/index.ts'
import { CopyError, hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import { DEFAULT_CONCURRENCY, type ImageTree, narrowTree, readImageTree, type TreeBlob } from '../image/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import { regenerate } from '../recompress/index.ts'
import {
  type ByteSource,
  counted,
  mapLimited,
  type OperationOptions,
  type ProgressEvent,
  verified,
} from '../stream/index.ts'
import type { ImageDestination, ImageSource, ManifestContent } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { ImageSelection } from './final-image.ts'
import { HeldLayers } from './held-layers.ts'
import { MissingLayersError } from './missing-layers-error.ts'
import type { ArchivedImage, IncrementalArchive } from './read-archive.ts'
import {
  type FoundOrigin,
  imageLabel,
  missingLayers,
  type Origins,
  type PushOrigin,
  type PushTarget,
  type SurveyedTarget,
  surveyTargets,
} from './survey-target.ts'
import { systemImage } from './system-image.ts'

/** An image of an archive and where it shall go. */
export interface PushMapping {
  readonly image: ArchivedImage
  readonly destination: ImageDestination
}

/** Options of {@link vetIncremental}. */
export interface VetOptions extends OperationOptions {
  /** What is taken of an index. @default all */
  readonly selection?: ImageSelection | undefined
  /** Further repositories of the target's registry that may hold layers. Those of base are looked into anyway. */
  readonly mountFrom?: readonly string[] | undefined
  /** Images that can be read here and have layers that the target lacks. */
  readonly baselines?: readonly ImageSource[] | undefined
  /** Requests, or blobs, at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** Options of {@link pushIncremental}. */
export interface PushOptions extends VetOptions {
  /** Runs what makes layers again from recipes; needed only by archives that have some. */
  readonly kernels?: KernelRunner | undefined
}

/** A blob and where it comes from when its image is pushed. */
export interface VettedBlob {
  readonly digest: Digest
  readonly mediaType: string
  readonly role: TreeBlob['role']
  readonly sizeBytes: number
  readonly origin: PushOrigin['kind']
  /** The repository, image or layer that it comes from. */
  readonly from?: string | undefined
}

/** An image that could be pushed. */
export interface VettedImage {
  readonly image: string
  readonly digest: Digest
  readonly destination: string
  readonly blobs: readonly VettedBlob[]
}

/** What {@link vetIncremental} found: everything there is to push. */
export interface VetReport {
  readonly archive: string
  readonly images: readonly VettedImage[]
  /** Bytes of layers that the archive leaves out and the target has, mounts or makes. */
  readonly providedBytes: number
  /** Bytes of blobs that the archive holds. */
  readonly carriedBytes: number
}

/**
 * Checks, without writing, that every layer an archive leaves out is at the target: in its repository, in another one of
 * the registry to mount it from, or to be made again by a recipe. No tag needs to exist. Registries get HEAD requests for
 * blobs only.
 *
 * @throws {MissingLayersError} naming every layer that is nowhere, and what it belongs to
 * @throws {CopyError}; {@link TareError} `NO_MATCHING_PLATFORM`, `UNSUPPORTED_BY_DESTINATION`
 */
export async function vetIncremental(
  archive: IncrementalArchive,
  mappings: readonly PushMapping[],
  options: VetOptions = {},
): Promise<VetReport> {
  const { targets, surveyed } = await survey(archive, mappings, { ...options, asksForAll: false })
  return vetReport(archive, targets, surveyed)
}

/** How a blob got to its destination. */
export type PushedOutcome = 'present' | 'mounted' | 'written' | 'rebuilt' | 'foreign'

/** A blob of a pushed image. */
export interface PushedBlob {
  readonly digest: Digest
  readonly mediaType: string
  readonly role: TreeBlob['role']
  readonly sizeBytes: number
  readonly outcome: PushedOutcome
  readonly from?: string | undefined
}

/** An image that was pushed, or could not be made visible. */
export interface PushedImage {
  readonly image: string
  readonly digest: Digest
  readonly destination: string
  readonly manifestCount: number
  readonly blobs: readonly PushedBlob[]
  readonly referrers: readonly Digest[]
  /** Why the image is not visible, though everything of it is there. */
  readonly failure?: { readonly code: string; readonly message: string } | undefined
}

/** What {@link pushIncremental} did. */
export interface PushReport {
  readonly archive: string
  readonly images: readonly PushedImage[]
  /** Bytes of blobs that were sent. */
  readonly writtenBytes: number
  /** Bytes of blobs that the target had, or mounted from elsewhere. */
  readonly savedBytes: number
}

/**
 * Pushes images of an incremental archive: uploads what the target lacks, mounts what another repository has, makes again
 * what there is a recipe for. Before anything is written all layers are looked for. The order is: blobs of all images,
 * then manifests by digest, members first, then what refers to them, then tags.
 *
 * @throws {MissingLayersError} when layers are nowhere; no tag is made then
 * @throws {CopyError}; {@link TareError} as {@link vetIncremental}
 */
export async function pushIncremental(
  archive: IncrementalArchive,
  mappings: readonly PushMapping[],
  options: PushOptions = {},
): Promise<PushReport> {
  const { targets, surveyed } = await survey(archive, mappings, { ...options, asksForAll: true })
  for (const { tree, destination } of targets) {
    const blobs = tree.blobs.map((blob) => blob.descriptor)
    await destination.prepare?.({ blobs, manifests: tree.documents }, options)
  }
  const pusher = new BlobPusher(archive, options)
  const pushed: PushedImage[] = []
  for (const [at, target] of targets.entries()) {
    const { image, tree, destination } = target
    pushed.push({
      image: imageLabel(image),
      digest: tree.root.descriptor.digest,
      destination: destination.reference,
      manifestCount: tree.documents.length,
      blobs: await pusher.putBlobs(target, surveyed[at] ?? new Map()),
      referrers: image.referrers.map(({ descriptor }) => descriptor.digest),
    })
  }
  for (const target of targets) await putManifests(target, target.tree, options)
  for (const target of targets) await putReferrers(target, pusher, options)
  const images = await commitAll(targets, pushed, options)
  const bytesOf = (...outcomes: readonly PushedOutcome[]): number =>
    pushed
      .flatMap((image) => image.blobs)
      .reduce((sum, blob) => (outcomes.includes(blob.outcome) ? sum + blob.sizeBytes : sum), 0)
  return {
    archive: archive.reference,
    images,
    writtenBytes: bytesOf('written', 'rebuilt'),
    savedBytes: bytesOf('present', 'mounted'),
  }
}

async function survey(
  archive: IncrementalArchive,
  mappings: readonly PushMapping[],
  options: VetOptions & { readonly asksForAll: boolean },
): Promise<{ readonly targets: readonly PushTarget[]; readonly surveyed: readonly Origins[] }> {
  options.signal?.throwIfAborted()
  if (mappings.length === 0) throw new TareError('INVALID_ARGUMENT', `${archive.reference}: no image is to be pushed`)
  const targets: PushTarget[] = []
  for (const { image, destination } of mappings) {
    const tree = await readSelected(image, options)
    checkDestination(tree, destination)
    targets.push({ image, tree, destination })
  }
  const { baselines = [] } = options
  const held = baselines.length === 0 ? undefined : await HeldLayers.read(baselines, options)
  const surveyed = await surveyTargets(archive, targets, { ...options, held })
  const missing = missingLayers(targets, surveyed)
  if (missing.length > 0) throw new MissingLayersError(archive.reference, missing, hintFor(targets))
  return { targets, surveyed }
}

/** Reads an image's documents; configs are read for their platforms. */
export async function readSelected(
  image: ArchivedImage,
  options: Pick<VetOptions, 'selection' | 'signal' | 'logger' | 'onProgress'>,
): Promise<ImageTree> {
  const { selection = { kind: 'all' } } = options
  const tree = await readImageTree(image.source, { ...options, configs: 'keep' })
  if (selection.kind === 'system') return systemImage(tree, selection.platform).tree
  return narrowTree(tree, selection.kind === 'platforms' ? selection.platforms : []).tree
}

function checkDestination(tree: ImageTree, destination: ImageDestination): void {
  if (destination.layerForm === 'plain') {
    throw new TareError('UNSUPPORTED_BY_DESTINATION', `${destination.reference} keeps no compressed layers`, {
      hint: 'An incremental archive is pushed to a registry, a layout or a directory',
    })
  }
  for (const node of tree.documents) destination.checkManifestType(node.descriptor.mediaType)
}

function hintFor(targets: readonly PushTarget[]): string {
  const bases = [...new Set(targets.flatMap(({ image }) => image.bases.map(({ name, digest }) => name || digest)))]
  const which = bases.length === 0 ? 'the images the archive was pulled against' : bases.join(', ')
  const inRegistry = targets.some(({ destination }) => destination.repository !== undefined)
  return inRegistry
    ? `The target has to have the layers of ${which}; where another repository of its registry has them, name it to mount from`
    : `The target has to have the layers of ${which}; tare apply ARCHIVE BASE TARGET takes them from an image elsewhere`
}

/** What there is to push, once nothing is missing. */
export function vetReport(
  archive: IncrementalArchive,
  targets: readonly SurveyedTarget[],
  surveyed: readonly ReadonlyMap<Digest, FoundOrigin>[],
): VetReport {
  const seen = new Map<Digest, VettedBlob>()
  const images = targets.map(({ image, tree, destination }, at): VettedImage => {
    const blobs = tree.blobs.map(({ descriptor, role }): VettedBlob => {
      const { digest, mediaType, size } = descriptor
      const origin: FoundOrigin = surveyed[at]?.get(digest) ?? { kind: 'missing' }
      const blob = { digest, mediaType, role, sizeBytes: size, origin: origin.kind, from: origin.from }
      if (!seen.has(digest)) seen.set(digest, blob)
      return blob
    })
    return { image: imageLabel(image), digest: tree.root.descriptor.digest, destination: destination.reference, blobs }
  })
  const bytesOf = (isCounted: (blob: VettedBlob) => boolean): number =>
    [...seen.values()].reduce((sum, blob) => (isCounted(blob) ? sum + blob.sizeBytes : sum), 0)
  return {
    archive: archive.reference,
    images,
    providedBytes: bytesOf(({ origin }) => origin !== 'carried' && origin !== 'foreign'),
    carriedBytes: bytesOf(({ origin }) => origin === 'carried'),
  }
}

/** Brings the blobs of images to their destinations. */
class BlobPusher {
  readonly #archive: IncrementalArchive
  readonly #options: PushOptions
  /** Repositories that got a blob in this run: others mount it from there. */
  readonly #placed = new Map<string, string>()

  constructor(archive: IncrementalArchive, options: PushOptions) {
    this.#archive = archive
    this.#options = options
  }

  async putBlobs({ tree, destination }: PushTarget, origins: Origins): Promise<readonly PushedBlob[]> {
    const { signal, concurrency = DEFAULT_CONCURRENCY } = this.#options
    return mapLimited(
      tree.blobs,
      concurrency,
      async (blob, _index, ending): Promise<PushedBlob> => {
        const { digest, mediaType, size } = blob.descriptor
        const origin: PushOrigin = origins.get(digest) ?? { kind: 'missing' }
        const outcome = await this.#put(blob, destination, origin, ending)
        const from = outcome === 'mounted' || outcome === 'rebuilt' ? origin.from : undefined
        return { digest, mediaType, role: blob.role, sizeBytes: size, outcome, from }
      },
      { signal },
    )
  }

  /** Brings a blob of an artifact that refers to an image; the archive holds all of those. */
  async putHeld(descriptor: Descriptor, destination: ImageDestination): Promise<void> {
    const { signal } = this.#options
    if (await destination.hasBlob(descriptor, { signal })) return
    await destination.putBlob(descriptor, () => this.#archive.openBlob(descriptor, { signal }), { signal })
  }

  async #put(
    blob: TreeBlob,
    destination: ImageDestination,
    origin: PushOrigin,
    signal: AbortSignal,
  ): Promise<PushedOutcome> {
    const { descriptor } = blob
    const { logger } = this.#options
    if (origin.kind === 'foreign') return 'foreign'
    if (origin.kind === 'present') {
      this.#progress(blob, 'skipped', descriptor.size)
      this.#note(destination, descriptor.digest)
      return 'present'
    }
    this.#progress(blob, 'started', 0)
    try {
      const open = (): Promise<ByteSource> => this.#open(blob, destination, origin, signal)
      const mountFrom = this.#mountFrom(destination, descriptor, origin)
      const outcome = await destination.putBlob(descriptor, open, { signal, logger, mountFrom })
      this.#note(destination, descriptor.digest)
      this.#progress(blob, outcome === 'written' ? 'done' : 'skipped', descriptor.size)
      return outcome === 'written' && origin.kind === 'rebuilt' ? 'rebuilt' : outcome
    } catch (error) {
      this.#progress(blob, 'failed', 0)
      throw CopyError.at('destination', descriptor.digest, error)
    }
  }

  #mountFrom(destination: ImageDestination, { digest }: Descriptor, origin: PushOrigin): readonly string[] {
    const placed = this.#placed.get(`${destination.repository?.registry} ${digest}`)
    const found = origin.kind === 'mountable' ? [origin.from] : []
    return placed === undefined ? found : [placed, ...found]
  }

  #note({ repository }: ImageDestination, digest: Digest): void {
    if (repository !== undefined) this.#placed.set(`${repository.registry} ${digest}`, repository.repository)
  }

  async #open(
    blob: TreeBlob,
    destination: ImageDestination,
    origin: PushOrigin,
    signal: AbortSignal,
  ): Promise<ByteSource> {
    const source = await this.#openOrigin(blob.descriptor, destination, origin, signal)
    let doneBytes = 0
    return counted(source, (length) => this.#progress(blob, 'running', (doneBytes += length)))
  }

  async #openOrigin(
    descriptor: Descriptor,
    destination: ImageDestination,
    origin: PushOrigin,
    signal: AbortSignal,
  ): Promise<ByteSource> {
    switch (origin.kind) {
      case 'carried':
        return this.#archive.openBlob(descriptor, { signal })
      case 'mountable':
        // The registry would not mount it: then it is read there and sent back.
        return this.#openElsewhere(descriptor, destination, destination.neighbour?.(origin.from), signal)
      case 'baseline':
        return this.#openElsewhere(origin.descriptor, destination, origin.source, signal)
      case 'rebuilt':
        return this.#rebuild(destination, origin, signal)
      case 'present':
      case 'foreign':
      case 'missing':
        throw lost(destination, descriptor.digest)
    }
  }

  /** A layer that was there when it was looked for may be gone by now. */
  async #openElsewhere(
    descriptor: Descriptor,
    destination: ImageDestination,
    source: ImageSource | undefined,
    signal: AbortSignal,
  ): Promise<ByteSource> {
    try {
      if (source !== undefined) return await source.openBlob(descriptor, { signal })
    } catch (error) {
      if (!hasErrorCode(error, 'BLOB_NOT_FOUND', 'NOT_FOUND')) throw error
    }
    throw lost(destination, descriptor.digest)
  }

  async #rebuild(
    destination: ImageDestination,
    { recipe, source, descriptor }: Extract<PushOrigin, { kind: 'rebuilt' }>,
    signal: AbortSignal,
  ): Promise<ByteSource> {
    const { kernels } = this.#options
    const opened = await this.#openElsewhere(descriptor, destination, source, signal)
    const { source: unpacked } = await decompress(verified(opened, descriptor, `layer ${descriptor.digest}`))
    const plain = verified(unpacked, { digest: recipe.diffId }, `layer ${descriptor.digest} uncompressed`)
    const content = await this.#archive.readRecipe(recipe)
    if (content === undefined) return plain
    if (kernels === undefined) {
      throw new TareError('INVALID_ARGUMENT', `layer ${recipe.digest} has to be compressed, which takes kernels`)
    }
    return regenerate(content, plain, { kernels, signal })
  }

  #progress({ descriptor, role }: TreeBlob, state: ProgressEvent['state'], doneBytes: number): void {
    const { digest: id, size: totalBytes } = descriptor
    this.#options.onProgress?.({ kind: 'blob', id, label: role, doneBytes, totalBytes, state })
  }
}

function lost({ reference }: ImageDestination, digest: Digest): TareError {
  return new TareError('TARGET_LACKS_BLOB', `${reference}: ${digest} was there a moment ago, and is not any more`, {
    hint: 'Something removes content from the registry; nothing was tagged. Push again, or carry the whole image',
  })
}

async function putManifests({ destination }: PushTarget, tree: ImageTree, options: OperationOptions): Promise<void> {
  for (const node of tree.documents) {
    try {
      if (!(await destination.hasManifest(node.descriptor, options))) await destination.putManifest(node, options)
    } catch (error) {
      throw CopyError.at('destination', node.descriptor.digest, error)
    }
  }
}

/** Signatures and the like go before the tag, so that whoever finds the image finds them too. */
async function putReferrers(target: PushTarget, pusher: BlobPusher, options: OperationOptions): Promise<void> {
  const { image, destination } = target
  if (image.referrers.length === 0) return
  if (destination.commitTag === undefined) {
    options.logger?.warn(
      `${destination.reference} keeps nothing that refers to images; ${image.referrers.length} stay behind`,
    )
    return
  }
  for (const { descriptor, tag } of image.referrers) {
    const root: ManifestContent = { descriptor, bytes: await image.source.readManifest(descriptor, options) }
    const tree = await readImageTree(image.source, { ...options, root, configs: 'skip' })
    for (const blob of tree.blobs) await pusher.putHeld(blob.descriptor, destination)
    await putManifests(target, tree, options)
    if (tag !== undefined) await destination.commitTag(tag, root, options)
  }
}

/**
 * Tags come last. Where some of several fail the others stay, and the failures are told.
 *
 * @throws the failure, when nothing was made visible
 */
async function commitAll(
  targets: readonly PushTarget[],
  pushed: readonly PushedImage[],
  options: OperationOptions,
): Promise<readonly PushedImage[]> {
  const images: PushedImage[] = []
  let firstFailure: { readonly error: unknown } | undefined
  for (const [at, { destination, tree }] of targets.entries()) {
    const image = pushed[at]
    if (image === undefined) continue
    options.signal?.throwIfAborted()
    try {
      await destination.commit(tree.root, options)
      images.push(image)
    } catch (cause) {
      const error = CopyError.at('destination', destination.reference, cause)
      if (!isTareError(error)) throw error
      firstFailure ??= { error }
      images.push({ ...image, failure: { code: error.code, message: error.message } })
    }
  }
  if (firstFailure !== undefined && images.every((image) => image.failure !== undefined)) throw firstFailure.error
  return images
}
