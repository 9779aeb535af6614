import { CopyError, hasErrorCode, TareError } from '../errors/index.ts'
import {
  DEFAULT_CONCURRENCY,
  type ImageTree,
  type IndexFate,
  isFetchedElsewhere,
  isSchema1,
  offeredPlatforms,
  type TreeBlob,
} from '../image/index.ts'
import { type Descriptor, type Digest, IMAGE_NAME_ANNOTATION, MEDIA_TYPE, REF_NAME_ANNOTATION } from '../oci/index.ts'
import type { RecipeCache } from '../recompress/index.ts'
import {
  type ByteSource,
  bytesSource,
  counted,
  digestOf,
  mapLimited,
  type OperationOptions,
  type ProgressEvent,
  SpoolDirectory,
} from '../stream/index.ts'
import {
  type ArchiveOutputOptions,
  type ImageSource,
  type ManifestContent,
  OciArchiveWriter,
} from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { formatBases, formatRecipes, INCREMENTAL_ANNOTATION, type RecordedBase } from './archive-format.ts'
import { BaseLayers } from './base-layers.ts'
import { type FinalImage, type FinalInput, readFinal, type ReadFinalOptions } from './final-image.ts'
import { LayerMatcher, type MatchedLayer } from './match-layers.ts'
import { findReferrers, formatReferrers, type Referrer, type ReferrerChoice } from './referrers.ts'

/** Options of {@link pullIncremental}. */
export interface PullOptions extends ReadFinalOptions, ArchiveOutputOptions {
  /**
   * How layers of base are recognised: by `digest`, or also by `diffid`, which finds those that base has in another
   * compression; a recipe to make them again travels instead. Needs `kernels`. @default 'digest'
   */
  readonly match?: 'digest' | 'diffid' | undefined
  /** Which artifacts that refer to the images travel with them. @default 'none' */
  readonly referrers?: ReferrerChoice | undefined
  /** Runs what makes and compares compressed layers; the caller disposes it. */
  readonly kernels?: KernelRunner | undefined
  /** Keeps recipes between runs. */
  readonly recipes?: RecipeCache | undefined
  /** Where layers lie that have to be read to be converted or matched. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Blobs fetched at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** How a blob of a final image stands in its archive. */
export type ArchivedOutcome =
  /** The archive holds it. */
  | 'carried'
  /** Base has it. */
  | 'omitted'
  /** Base has its content in another compression; the archive says how to make it. */
  | 'matched'
  /** Neither holds it; its manifest names URLs. */
  | 'foreign'

/** A blob of a final image. */
export interface ArchivedBlob {
  readonly digest: Digest
  readonly mediaType: string
  readonly role: TreeBlob['role']
  readonly sizeBytes: number
  readonly outcome: ArchivedOutcome
}

/** A final image in its archive. */
export interface PulledImage {
  readonly reference: string
  readonly name?: string | undefined
  readonly digest: Digest
  readonly mediaType: string
  readonly platforms: readonly string[]
  readonly index: IndexFate
  /** Whether digests differ from those of the source. */
  readonly isConverted: boolean
  /** Base images whose layers are left out. */
  readonly bases: readonly RecordedBase[]
  readonly blobs: readonly ArchivedBlob[]
  readonly referrers: readonly Digest[]
}

/** What {@link pullIncremental} made. */
export interface PullReport {
  readonly path: string
  readonly fileBytes: number
  readonly bases: readonly RecordedBase[]
  readonly images: readonly PulledImage[]
  /** Bytes of all configs and layers, each counted once. */
  readonly imageBytes: number
  /** Bytes of them that the archive holds. */
  readonly carriedBytes: number
  /** Bytes of them that base has, in whatever compression. */
  readonly omittedBytes: number
  /** Bytes of recipes. */
  readonly recipeBytes: number
  /** Bytes that an interrupted pull had written already. */
  readonly resumedBytes: number
}

/** Final images read at a time. */
const READ_CONCURRENCY = 4

/**
 * Writes an OCI archive that holds everything of the final images except the layers that the base images have. Blobs go
 * straight into the file, each once however many images share it; the file appears when it is complete.
 *
 * @param bases - images that the receiver has; every platform of them counts. None gives a complete archive
 * @param finals - images to deliver
 * @param path - the file
 * @throws {CopyError} with the side `baseline` or `source`; {@link TareError} `INVALID_ARGUMENT` for two images of one
 * name, `DESTINATION_EXISTS`, `NO_MATCHING_PLATFORM`, `UNSUPPORTED_BY_DESTINATION`
 */
export async function pullIncremental(
  bases: readonly ImageSource[],
  finals: readonly FinalInput[],
  path: string,
  options: PullOptions = {},
): Promise<PullReport> {
  options.signal?.throwIfAborted()
  checkOptions(finals, options)
  await using writer = await OciArchiveWriter.create(path, options)
  const roots = await mapLimited(finals, READ_CONCURRENCY, (final, _, signal) => resolveFinal(final, signal), options)
  // What schema 1 does not say of a layer base may know; else its configs are of no interest.
  const base = await BaseLayers.read(bases, options.match === 'diffid' || roots.some(isSchema1), options)
  await using spool = await SpoolDirectory.create(options.workdir)
  const images = await mapLimited(
    finals,
    READ_CONCURRENCY,
    (final, at, signal) => readFinal(final, roots[at], base, spool, { ...options, signal }),
    options,
  )
  checkNames(images)
  const plan = new PullPlan(base, images, await matchLayers(base, images, spool, options))
  for (const image of images) plan.addReferrers(image, await referrersOf(image, options))
  return await writePlan(plan, writer, path, options)
}

async function resolveFinal({ source }: FinalInput, signal: AbortSignal): Promise<ManifestContent> {
  return source.resolve({ signal }).catch((error: unknown) => {
    throw CopyError.at('source', source.reference, error)
  })
}

function checkOptions(finals: readonly FinalInput[], { match, convert, referrers, kernels }: PullOptions): void {
  if (finals.length === 0) throw new TareError('INVALID_ARGUMENT', 'no final image is given')
  if ((match === 'diffid' || convert !== undefined) && kernels === undefined) {
    throw new TareError('INVALID_ARGUMENT', 'matching by diffID and converting take kernels to compress with')
  }
  if (convert !== undefined && referrers !== undefined && referrers !== 'none') {
    throw new TareError('INVALID_ARGUMENT', 'what refers to an image can’t travel with one that is converted', {
      hint: 'A conversion changes digests, which signatures are made of; leave one of the two out',
    })
  }
}

function checkNames(images: readonly FinalImage[]): void {
  const seen = new Map<string, FinalImage>()
  for (const image of images) {
    if (image.name === undefined) continue
    const other = seen.get(image.name)
    if (other !== undefined && other.tree.root.descriptor.digest !== image.tree.root.descriptor.digest) {
      throw new TareError('INVALID_ARGUMENT', `two final images are called ${image.name}`, {
        hint: 'Give them in archives of their own, or under different tags',
      })
    }
    seen.set(image.name, image)
  }
}

async function matchLayers(
  base: BaseLayers,
  images: readonly FinalImage[],
  spool: SpoolDirectory,
  { match, kernels, recipes, signal, logger, onProgress }: PullOptions,
): Promise<ReadonlyMap<Digest, MatchedLayer>> {
  const matched = new Map<Digest, MatchedLayer>()
  if (match !== 'diffid' || kernels === undefined) return matched
  const matcher = new LayerMatcher(spool, { kernels, recipes, signal, logger, onProgress })
  for (const image of images) {
    for (const blob of image.tree.blobs) {
      const { digest } = blob.descriptor
      const sources = blob.diffId === undefined ? [] : base.byDiffId(blob.diffId)
      if (sources.length === 0 || base.byDigest(digest) !== undefined || matched.has(digest)) continue
      matched.set(digest, await matcher.match(image, blob, sources))
    }
  }
  return matched
}

async function referrersOf(image: FinalImage, options: PullOptions): Promise<readonly Referrer[]> {
  const { referrers = 'none', signal, logger, onProgress } = options
  if (referrers !== 'none' && image.isConverted) {
    options.logger?.warn(`${image.reference} had to be converted; what refers to it stays behind`)
    return []
  }
  return findReferrers(image.source, image.tree.documents, referrers, { signal, logger, onProgress })
}

/** A blob to write, and who has it. */
interface PlannedBlob {
  readonly descriptor: Descriptor
  readonly role: TreeBlob['role']
  readonly open: (options: OperationOptions) => Promise<ByteSource>
}

/** What an archive will hold. */
class PullPlan {
  readonly base: BaseLayers
  readonly images: readonly FinalImage[]
  /** Manifests and indexes, and the documents of the archive itself, in the order of the file. */
  readonly documents = new Map<Digest, ManifestContent>()
  readonly blobs = new Map<Digest, PlannedBlob>()
  readonly #matched: ReadonlyMap<Digest, MatchedLayer>
  readonly #referrers = new Map<FinalImage, readonly Referrer[]>()
  readonly #referrerIndexes = new Map<FinalImage, Digest>()
  readonly #recipes: ManifestContent | undefined

  constructor(base: BaseLayers, images: readonly FinalImage[], matched: ReadonlyMap<Digest, MatchedLayer>) {
    this.base = base
    this.images = images
    this.#matched = matched
    for (const { tree } of images) this.#addDocuments(tree)
    this.#recipes = this.#makeRecipes()
    for (const image of images) {
      for (const blob of image.tree.blobs) {
        if (this.outcomeOf(image, blob) === 'carried') this.#addBlob(blob, this.#opener(image, blob))
      }
    }
  }

  get recipeBytes(): number {
    const own = [...this.#matched.values()].map((match) => (match.kind === 'matched' ? (match.bytes?.length ?? 0) : 0))
    return own.reduce((sum, length) => sum + length, this.#recipes?.bytes.length ?? 0)
  }

  outcomeOf(image: FinalImage, { descriptor, role }: TreeBlob): ArchivedOutcome {
    const { digest } = descriptor
    if (isFetchedElsewhere(descriptor)) return 'foreign'
    // Configs always travel: without them nobody could tell what is in the archive.
    if (role === 'config' || image.carriesAllLayers) return 'carried'
    if (this.base.byDigest(digest) !== undefined) return 'omitted'
    return this.#matched.get(digest)?.kind === 'matched' ? 'matched' : 'carried'
  }

  /** What refers to an image is carried whole. */
  addReferrers(image: FinalImage, referrers: readonly Referrer[]): void {
    this.#referrers.set(image, referrers)
    if (referrers.length === 0) return
    const index = contentOf(MEDIA_TYPE.OCI_INDEX, formatReferrers(referrers))
    this.#referrerIndexes.set(image, index.descriptor.digest)
    this.documents.set(index.descriptor.digest, index)
    for (const { tree } of referrers) {
      this.#addDocuments(tree)
      for (const blob of tree.blobs) {
        this.#addBlob(blob, (options) => image.source.openBlob(blob.descriptor, options))
      }
    }
  }

  referrersOf(image: FinalImage): readonly Referrer[] {
    return this.#referrers.get(image) ?? []
  }

  /** Base images without which the image is incomplete: the first that has each layer. */
  basesOf(image: FinalImage): readonly RecordedBase[] {
    const bases = new Set<RecordedBase>()
    for (const blob of image.tree.blobs) {
      const outcome = this.outcomeOf(image, blob)
      const sources =
        outcome === 'omitted'
          ? [this.base.byDigest(blob.descriptor.digest)]
          : outcome === 'matched' && blob.diffId !== undefined
            ? this.base.byDiffId(blob.diffId).slice(0, 1)
            : []
      for (const layer of sources) if (layer !== undefined) bases.add(layer.base)
    }
    return [...bases]
  }

  /** Layers that nobody fetches are told too, as done. */
  tellOmitted({ onProgress }: OperationOptions): void {
    for (const image of this.images) {
      for (const blob of image.tree.blobs) {
        if (this.blobs.has(blob.descriptor.digest)) continue
        const { digest: id, size } = blob.descriptor
        onProgress?.({ kind: 'blob', id, label: blob.role, doneBytes: size, totalBytes: size, state: 'skipped' })
      }
    }
  }

  /** The bytes of `index.json`. */
  index(): Uint8Array {
    const manifests = this.images.map((image) => {
      const { mediaType, digest, size, artifactType } = image.tree.root.descriptor
      const bases = this.basesOf(image)
      const annotations = {
        [IMAGE_NAME_ANNOTATION]: image.name,
        [REF_NAME_ANNOTATION]: image.name,
        [INCREMENTAL_ANNOTATION.BASE]: bases.length === 0 ? undefined : formatBases(bases),
        [INCREMENTAL_ANNOTATION.REFERRERS]: this.#referrerIndexes.get(image),
      }
      const hasAny = Object.values(annotations).some((value) => value !== undefined)
      return { mediaType, digest, size, artifactType, ...(hasAny ? { annotations } : {}) }
    })
    const recipes = this.#recipes?.descriptor.digest
    const annotations = recipes === undefined ? {} : { annotations: { [INCREMENTAL_ANNOTATION.RECIPES]: recipes } }
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests, ...annotations }))
  }

  #addDocuments(tree: ImageTree): void {
    for (const node of tree.documents.toReversed()) {
      if (!this.documents.has(node.descriptor.digest)) this.documents.set(node.descriptor.digest, node)
    }
  }

  #addBlob({ descriptor, role }: TreeBlob, open: PlannedBlob['open']): void {
    if (!this.blobs.has(descriptor.digest)) this.blobs.set(descriptor.digest, { descriptor, role, open })
  }

  #opener(image: FinalImage, { descriptor }: TreeBlob): PlannedBlob['open'] {
    const match = this.#matched.get(descriptor.digest)
    const file = match?.kind === 'carried' ? match.file : undefined
    return async (options) => file?.read() ?? image.openBlob(descriptor, options)
  }

  /** The document of recipes, and those that are blobs of their own. */
  #makeRecipes(): ManifestContent | undefined {
    const matched = [...this.#matched.values()].filter((match) => match.kind === 'matched')
    if (matched.length === 0) return undefined
    const document = contentOf('application/json', formatRecipes(matched.map((match) => match.recipe)))
    this.documents.set(document.descriptor.digest, document)
    for (const { bytes } of matched) {
      if (bytes === undefined) continue
      const content = contentOf('application/octet-stream', bytes)
      this.documents.set(content.descriptor.digest, content)
    }
    return document
  }
}

function contentOf(mediaType: string, bytes: Uint8Array): ManifestContent {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

async function writePlan(
  plan: PullPlan,
  writer: OciArchiveWriter,
  path: string,
  options: PullOptions,
): Promise<PullReport> {
  const { signal, concurrency = DEFAULT_CONCURRENCY } = options
  const index = plan.index()
  const documents = [...plan.documents.values()]
  const blobs = [...plan.blobs.values()]
  const planned = [...documents, ...blobs].map(({ descriptor }) => descriptor)
  await writer.layOut(index.length, planned)
  plan.tellOmitted(options)
  for (const { descriptor, bytes } of documents)
    await writer.put(descriptor, async () => bytesSource(bytes), { signal })
  const resumed = await mapLimited(
    blobs,
    concurrency,
    (blob, _index, ending) => putBlob(blob, writer, { ...options, signal: ending }),
    { signal },
  )
  const fileBytes = await writer.commit(index, { signal })
  return { ...reportOf(plan), path, fileBytes, resumedBytes: resumed.reduce(sum, 0) }
}

/** @returns bytes that an earlier attempt had written */
async function putBlob(blob: PlannedBlob, writer: OciArchiveWriter, options: PullOptions): Promise<number> {
  const { descriptor, role } = blob
  const { signal, logger } = options
  const progress = (state: ProgressEvent['state'], doneBytes: number): void =>
    options.onProgress?.({
      kind: 'blob',
      id: descriptor.digest,
      label: role,
      doneBytes,
      totalBytes: descriptor.size,
      state,
    })
  progress('started', 0)
  try {
    const open = async (): Promise<ByteSource> => {
      let doneBytes = 0
      return counted(await blob.open({ signal, logger }), (length) => progress('running', (doneBytes += length)))
    }
    const outcome = await writer.put(descriptor, open, { signal })
    progress(outcome === 'written' ? 'done' : 'skipped', descriptor.size)
    return outcome === 'resumed' ? descriptor.size : 0
  } catch (error) {
    progress('failed', 0)
    const isOfFile = hasErrorCode(error, 'FILE_ACCESS', 'DISK_FULL')
    throw CopyError.at(isOfFile ? 'destination' : 'source', descriptor.digest, error)
  }
}

function reportOf(plan: PullPlan): Omit<PullReport, 'path' | 'fileBytes' | 'resumedBytes'> {
  const seen = new Map<Digest, ArchivedBlob>()
  const images = plan.images.map((image): PulledImage => {
    const blobs = image.tree.blobs.map((blob): ArchivedBlob => {
      const { digest, mediaType, size } = blob.descriptor
      const archived = { digest, mediaType, role: blob.role, sizeBytes: size, outcome: plan.outcomeOf(image, blob) }
      if (!seen.has(digest)) seen.set(digest, archived)
      return archived
    })
    const { digest, mediaType } = image.tree.root.descriptor
    return {
      reference: image.reference,
      name: image.name,
      digest,
      mediaType,
      platforms: offeredPlatforms(image.tree.root),
      index: image.index,
      isConverted: image.isConverted,
      bases: plan.basesOf(image),
      blobs,
      referrers: plan.referrersOf(image).map((referrer) => referrer.descriptor.digest),
    }
  })
  const bytesOf = (...outcomes: readonly ArchivedOutcome[]): number =>
    [...seen.values()]
      .filter((blob) => outcomes.includes(blob.outcome))
      .map((blob) => blob.sizeBytes)
      .reduce(sum, 0)
  return {
    bases: plan.base.images,
    images,
    imageBytes: bytesOf('carried', 'omitted', 'matched', 'foreign'),
    carriedBytes: bytesOf('carried'),
    omittedBytes: bytesOf('omitted', 'matched'),
    recipeBytes: plan.recipeBytes,
  }
}

function sum(a: number, b: number): number {
  return a + b
}
