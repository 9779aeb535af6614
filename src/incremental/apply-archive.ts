import { decompress } from '../compress/index.ts'
import { TareError } from '../errors/index.ts'
import {
  type CopyReport,
  copyImage,
  isFetchedElsewhere,
  type ImageTree,
  readImageTree,
  type WantedLayer,
} from '../image/index.ts'
import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import { regenerate } from '../recompress/index.ts'
import { type ByteSource, type OperationOptions, sliceSource, verified } from '../stream/index.ts'
import {
  type ImageDestination,
  type ImageSource,
  type LayerForm,
  type ManifestContent,
  type OpenBlobOptions,
  openVerifiedBlob,
} from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { type HeldLayer, HeldLayers } from './held-layers.ts'
import { MissingLayersError } from './missing-layers-error.ts'
import type { ArchivedImage, IncrementalArchive } from './read-archive.ts'
import { missingLayers, type FoundOrigin } from './survey-target.ts'

/** Options of {@link applyArchive}. */
export interface ApplyArchiveOptions extends OperationOptions {
  /** Runs what makes layers again from recipes; needed only by archives that have some. */
  readonly kernels?: KernelRunner | undefined
  /** Blobs written at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/**
 * Completes an image of an archive with the layers of baselines, and writes it anywhere: also to a destination that keeps
 * plain tars, for which a baseline of plain tars will do.
 *
 * @throws {MissingLayersError} naming every layer that neither the archive nor a baseline has, before anything is written
 * @throws {CopyError}; {@link TareError} as `copyImage` does
 */
export async function applyArchive(
  archive: IncrementalArchive,
  image: ArchivedImage,
  baselines: readonly ImageSource[],
  destination: ImageDestination,
  options: ApplyArchiveOptions = {},
): Promise<CopyReport> {
  const { source, missing } = await complete(archive, image, baselines, destination.layerForm, options)
  if (missing !== undefined) throw missing
  return copyImage(source, destination, options)
}

/**
 * What has to be in baselines to complete an image of an archive.
 *
 * @param layerForm - how the destination keeps layers
 */
export async function layersLeftOut(
  archive: IncrementalArchive,
  image: ArchivedImage,
  layerForm: LayerForm,
  options: OperationOptions = {},
): Promise<readonly WantedLayer[]> {
  const { blobs } = await readImageTree(image.source, options)
  const wanted: WantedLayer[] = []
  for (const { descriptor, diffId: stated } of blobs) {
    if (isFetchedElsewhere(descriptor) || (await archive.hasBlob(descriptor))) continue
    const { digest } = descriptor
    const recipe = archive.recipes.get(digest)
    const diffId = stated ?? recipe?.diffId
    const isAnyForm = layerForm === 'plain' || recipe !== undefined
    wanted.push(isAnyForm ? { digest, diffId } : { digest, unpacksTo: diffId })
  }
  return wanted
}

/**
 * Checks that {@link applyArchive} would find every layer, and writes nothing.
 *
 * @param layerForm - how the destination keeps layers
 * @throws {MissingLayersError}
 */
export async function vetArchive(
  archive: IncrementalArchive,
  image: ArchivedImage,
  baselines: readonly ImageSource[],
  layerForm: LayerForm,
  options: OperationOptions = {},
): Promise<void> {
  const { missing } = await complete(archive, image, baselines, layerForm, options)
  if (missing !== undefined) throw missing
}

async function complete(
  archive: IncrementalArchive,
  image: ArchivedImage,
  baselines: readonly ImageSource[],
  layerForm: LayerForm,
  options: ApplyArchiveOptions,
): Promise<{ readonly source: ImageSource; readonly missing: MissingLayersError | undefined }> {
  const tree = await readImageTree(image.source, options)
  const held = await HeldLayers.read(baselines, options)
  const source = new CompletedSource(archive, image, tree, held, options.kernels)
  const origins = new Map<Digest, FoundOrigin>()
  for (const { descriptor } of tree.blobs) {
    const isThere = isFetchedElsewhere(descriptor) || (await source.canOpen(descriptor, layerForm))
    origins.set(descriptor.digest, { kind: isThere ? 'carried' : 'missing' })
  }
  const place = { reference: baselines.map((baseline) => baseline.reference).join(', ') || 'no baseline' }
  const missing = missingLayers([{ image, tree, destination: place }], [origins])
  const hint = `It was pulled against ${image.bases.map(({ name, digest }) => name || digest).join(', ') || 'an unknown base'}`
  return {
    source,
    missing: missing.length === 0 ? undefined : new MissingLayersError(archive.reference, missing, hint),
  }
}

/** An image of an archive, and of baselines what the archive leaves out. */
class CompletedSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #archive: IncrementalArchive
  readonly #image: ArchivedImage
  readonly #held: HeldLayers
  readonly #kernels: KernelRunner | undefined
  readonly #diffIds: ReadonlyMap<Digest, DiffId | undefined>

  constructor(
    archive: IncrementalArchive,
    image: ArchivedImage,
    tree: ImageTree,
    held: HeldLayers,
    kernels: KernelRunner | undefined,
  ) {
    this.reference = image.source.reference
    this.#archive = archive
    this.#image = image
    this.#held = held
    this.#kernels = kernels
    this.#diffIds = new Map(tree.blobs.map(({ descriptor, diffId }) => [descriptor.digest, diffId]))
  }

  async canOpen(descriptor: Descriptor, layerForm: LayerForm): Promise<boolean> {
    if (await this.#archive.hasBlob(descriptor)) return true
    if (this.#held.byDigest(descriptor.digest) !== undefined) return true
    const plain = this.#plainLike(descriptor.digest)
    return plain !== undefined && (layerForm === 'plain' || this.#archive.recipes.has(descriptor.digest))
  }

  resolve(options?: OperationOptions): Promise<ManifestContent> {
    return this.#image.source.resolve(options)
  }

  readManifest(descriptor: Descriptor, options?: OperationOptions): Promise<Uint8Array> {
    return this.#image.source.readManifest(descriptor, options)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    if (await this.#archive.hasBlob(descriptor)) return this.#archive.openBlob(descriptor, options)
    const same = this.#held.byDigest(descriptor.digest)
    const whole =
      same === undefined
        ? await this.#rebuild(descriptor, options)
        : openVerifiedBlob(same.source, same.descriptor, 'baseline', options)
    return options.offset === undefined ? whole : sliceSource(whole, options.offset)
  }

  /** The plain tar: of the archive's blob, or of whatever layer of a baseline has the same content. */
  async openPlainLayer(descriptor: Descriptor, options: OperationOptions = {}): Promise<ByteSource> {
    const like = (await this.#archive.hasBlob(descriptor)) ? undefined : this.#plainLike(descriptor.digest)
    if (like !== undefined) return this.#openPlain(like, options)
    return (await decompress(await this.openBlob(descriptor, options))).source
  }

  /** Archive and baselines are the caller's. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #plainLike(digest: Digest): HeldLayer | undefined {
    const diffId = this.#diffIds.get(digest) ?? this.#archive.recipes.get(digest)?.diffId
    return diffId === undefined ? undefined : this.#held.byDiffId(diffId)
  }

  async #openPlain(like: HeldLayer, options: OperationOptions): Promise<ByteSource> {
    return (await decompress(openVerifiedBlob(like.source, like.descriptor, 'baseline', options))).source
  }

  async #rebuild(descriptor: Descriptor, options: OperationOptions): Promise<ByteSource> {
    const recipe = this.#archive.recipes.get(descriptor.digest)
    const like = this.#plainLike(descriptor.digest)
    if (recipe === undefined || like === undefined) {
      throw new TareError('BLOB_NOT_FOUND', `${this.reference} leaves ${descriptor.digest} out, and no baseline has it`)
    }
    const plain = verified(
      await this.#openPlain(like, options),
      { digest: recipe.diffId },
      `layer ${like.descriptor.digest}`,
    )
    const content = await this.#archive.readRecipe(recipe)
    if (content === undefined) return plain
    if (this.#kernels === undefined) {
      throw new TareError('INVALID_ARGUMENT', `layer ${recipe.digest} has to be compressed, which takes kernels`)
    }
    return regenerate(content, plain, { kernels: this.#kernels, signal: options.signal })
  }
}
