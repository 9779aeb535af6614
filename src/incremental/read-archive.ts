import { TareError } from '../errors/index.ts'
import {
  type Annotations,
  type Descriptor,
  type Digest,
  type ImageIndex,
  isDigest,
  REF_NAME_ANNOTATION,
} from '../oci/index.ts'
import { MAX_RECIPE_BYTES, parseRecipe, type Recipe } from '../recompress/index.ts'
import { type ByteSource, type OperationOptions, verifyBytes } from '../stream/index.ts'
import {
  entryName,
  type ImageSource,
  isSignatureEntry,
  LayoutImages,
  type LayoutReference,
  type ManifestContent,
  type NamedFiles,
  type OpenBlobOptions,
} from '../transport/index.ts'
import {
  annotatedDigest,
  INCREMENTAL_ANNOTATION,
  type LayerRecipe,
  MAX_RECIPES_BYTES,
  parseBases,
  parseRecipes,
  type RecordedBase,
} from './archive-format.ts'
import { type ListedReferrer, parseReferrers } from './referrers.ts'

/** An image of an incremental archive. */
export interface ArchivedImage {
  /** Its entry in `index.json`. */
  readonly entry: Descriptor
  readonly name?: string | undefined
  /** Images whose layers are left out, as far as that is recorded; archives of other tools say nothing. */
  readonly bases: readonly RecordedBase[]
  /** Reads its documents, and those blobs that the archive holds. */
  readonly source: ImageSource
  readonly referrers: readonly ListedReferrer[]
}

/** Options of {@link IncrementalArchive.open}. */
export interface OpenArchiveOptions extends OperationOptions {
  /** Archives laid over the first one, in order: the last says which images there are, blobs come from all. */
  readonly overlays?: readonly LayoutReference[] | undefined
  /** Where an archive in gzip or zstd is unwrapped. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Begins to read what an archive named `-` stands for. Left out, there is none. */
  readonly standardInput?: (() => ByteSource) | undefined
  /** The files of the first archive, where they are open; disposed with the archive. */
  readonly files?: NamedFiles | undefined
}

/**
 * An OCI archive, or layout, whose layers need not all be there: Tare's, tagbag's or any other tool's. Read straight from
 * its file.
 */
export class IncrementalArchive implements AsyncDisposable {
  /** The reference as text. */
  readonly reference: string
  readonly images: readonly ArchivedImage[]
  /** How left out layers are made of those that base has, by the layer's digest. */
  readonly recipes: ReadonlyMap<Digest, LayerRecipe>
  /** What the archive says of itself: lists of referrers, recipes. */
  readonly ownDocuments: readonly Descriptor[]
  /** Of its `index.json`. */
  readonly annotations: Annotations | undefined
  /** The last one first. */
  readonly #layouts: readonly LayoutImages[]

  private constructor(
    layouts: readonly LayoutImages[],
    contents: Pick<IncrementalArchive, 'images' | 'recipes' | 'ownDocuments'>,
  ) {
    this.reference = layouts[0]?.reference ?? ''
    this.annotations = layouts[0]?.index.annotations
    this.#layouts = layouts
    this.images = contents.images
    this.recipes = contents.recipes
    this.ownDocuments = contents.ownDocuments
  }

  /**
   * Opens an archive and what lies over it.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, `NOT_FOUND` for one without images
   */
  static async open(reference: LayoutReference, options: OpenArchiveOptions = {}): Promise<IncrementalArchive> {
    await using stack = new AsyncDisposableStack()
    const layouts: LayoutImages[] = []
    const { files, overlays = [] } = options
    layouts.unshift(
      stack.use(
        await (files === undefined ? LayoutImages.open(reference, options) : LayoutImages.in(reference, files)),
      ),
    )
    for (const each of overlays) layouts.unshift(stack.use(await LayoutImages.open(each, options)))
    const [top] = layouts
    if (top === undefined || top.index.manifests.length === 0) {
      throw new TareError('NOT_FOUND', `${layouts[0]?.reference ?? reference.path} has no image`)
    }
    const signatures = top.index.manifests.filter(isSignatureEntry)
    const images: ArchivedImage[] = []
    for (const entry of picked(top.index.manifests, options.overlays?.at(-1) ?? reference)) {
      images.push({
        entry,
        name: entryName(entry),
        bases: parseBases(entry.annotations?.[INCREMENTAL_ANNOTATION.BASE] ?? ''),
        source: new StackedSource(layouts, entry),
        referrers: [
          ...(await readReferrers(layouts, entry)),
          ...(signatures.length === 0 ? [] : await listedReferrers(top, entry, options)),
        ],
      })
    }
    const recipes = await readRecipes(layouts)
    const ownDocuments = await listOwnDocuments(top, recipes)
    stack.move()
    return new IncrementalArchive(layouts, { images, recipes, ownDocuments })
  }

  /** Whether a blob is in one of the files, with its size. */
  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return (await holderOf(this.#layouts, descriptor)) !== undefined
  }

  /** Starts reading a blob. Bytes are not verified. @throws {TareError} `BLOB_NOT_FOUND` */
  openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    return openBlob(this.#layouts, this.reference, descriptor, options)
  }

  /** The recipe of a left out layer; undefined where its plain tar is the layer. **Buffers.** */
  async readRecipe({ digest, recipe }: LayerRecipe): Promise<Recipe | undefined> {
    if (recipe === undefined) return undefined
    if (recipe.kind === 'inline') return parseRecipe(recipe.bytes)
    const bytes = await readBlob(this.#layouts, recipe.digest, MAX_RECIPE_BYTES)
    if (bytes === undefined) {
      throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no recipe ${recipe.digest} for layer ${digest}`)
    }
    verifyBytes(bytes, recipe, `recipe ${recipe.digest}`)
    return parseRecipe(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const layout of this.#layouts) await layout[Symbol.asyncDispose]()
  }
}

/** Whether the `index.json` of an archive says that layers are left out of it, or lists several images. */
export function isIncrementalIndex({ annotations, manifests }: ImageIndex): boolean {
  const { BASE, RECIPES } = INCREMENTAL_ANNOTATION
  const images = manifests.filter((entry) => !isSignatureEntry(entry))
  if (annotations?.[RECIPES] !== undefined || images.some((entry) => entry.annotations?.[BASE] !== undefined))
    return true
  return new Set(images.map(({ digest }) => digest)).size > 1
}

/** The entries that a reference means: all images, unless it picks. */
function picked(entries: readonly Descriptor[], { pick, path }: LayoutReference): readonly Descriptor[] {
  const hasImages = entries.some((entry) => !isSignatureEntry(entry))
  const found = entries.filter((entry, position) => {
    switch (pick?.kind) {
      case undefined:
        return !hasImages || !isSignatureEntry(entry)
      case 'name':
        return entryNames(entry).includes(pick.name)
      case 'digest':
        return entry.digest === pick.digest
      case 'position':
        return position === pick.position
    }
  })
  if (found.length > 0) return found
  throw new TareError('NOT_FOUND', `${path} has no such image`, {
    hint: `It holds ${entries.map((entry) => entryName(entry) ?? entry.digest).join(', ')}`,
  })
}

function entryNames(entry: Descriptor): readonly string[] {
  return [entryName(entry), entry.annotations?.[REF_NAME_ANNOTATION]].filter((name) => name !== undefined)
}

/** Reads one image across several layouts: a blob comes from the last that has it. */
class StackedSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #layouts: readonly LayoutImages[]
  readonly #entry: Descriptor

  constructor(layouts: readonly LayoutImages[], entry: Descriptor) {
    this.reference = `${layouts[0]?.reference ?? ''}@${entry.digest}`
    this.#layouts = layouts
    this.#entry = entry
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    const { mediaType, digest, size } = this.#entry
    const descriptor = { mediaType, digest, size }
    return { descriptor, bytes: await this.readManifest(descriptor, options) }
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const bytes = await readBlob(this.#layouts, descriptor.digest)
    if (bytes === undefined) {
      throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no manifest ${descriptor.digest}`)
    }
    verifyBytes(bytes, descriptor, `manifest ${descriptor.digest} of ${this.reference}`)
    return bytes
  }

  openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    return openBlob(this.#layouts, this.reference, descriptor, options)
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return (await holderOf(this.#layouts, descriptor)) !== undefined
  }

  /** The files are the archive's. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

async function holderOf(layouts: readonly LayoutImages[], descriptor: Descriptor): Promise<LayoutImages | undefined> {
  for (const layout of layouts) if ((await layout.sizeOf(descriptor.digest)) === descriptor.size) return layout
  // Of an archive that was cut off nobody can tell what it left out on purpose.
  for (const layout of layouts) await layout.checkEnd()
  return undefined
}

async function openBlob(
  layouts: readonly LayoutImages[],
  where: string,
  descriptor: Descriptor,
  options: OpenBlobOptions,
): Promise<ByteSource> {
  const holder = await holderOf(layouts, descriptor)
  if (holder === undefined) throw new TareError('BLOB_NOT_FOUND', `${where} has no blob ${descriptor.digest}`)
  return holder.image(descriptor).openBlob(descriptor, options)
}

async function readBlob(
  layouts: readonly LayoutImages[],
  digest: Digest,
  maxBytes?: number,
): Promise<Uint8Array | undefined> {
  for (const layout of layouts) {
    const bytes = await layout.read(digest, maxBytes)
    if (bytes !== undefined) return bytes
  }
  return undefined
}

async function readReferrers(layouts: readonly LayoutImages[], entry: Descriptor): Promise<readonly ListedReferrer[]> {
  const where = layouts[0]?.reference ?? ''
  const digest = annotatedDigest(entry.annotations, INCREMENTAL_ANNOTATION.REFERRERS, where)
  if (digest === undefined) return []
  return parseReferrers(await readDocumentBlob(layouts, digest, where), `referrers ${digest} of ${where}`)
}

async function listedReferrers(
  layout: LayoutImages,
  entry: Descriptor,
  options: OperationOptions,
): Promise<readonly ListedReferrer[]> {
  const found = await layout.image(entry).referrers?.(entry.digest, options)
  return (found ?? []).map((descriptor) => ({ descriptor }))
}

/** Of all layouts; a later one says more than the ones below it. */
async function readRecipes(layouts: readonly LayoutImages[]): Promise<ReadonlyMap<Digest, LayerRecipe>> {
  const recipes = new Map<Digest, LayerRecipe>()
  for (const layout of layouts.toReversed()) {
    const digest = annotatedDigest(layout.index.annotations, INCREMENTAL_ANNOTATION.RECIPES, layout.reference)
    if (digest === undefined) continue
    const bytes = await readDocumentBlob([layout], digest, layout.reference, MAX_RECIPES_BYTES)
    for (const recipe of parseRecipes(bytes, `recipes ${digest} of ${layout.reference}`)) {
      recipes.set(recipe.digest, recipe)
    }
  }
  return recipes
}

/** What annotations of the last layout, and its recipes, point at. */
async function listOwnDocuments(
  layout: LayoutImages,
  recipes: ReadonlyMap<Digest, LayerRecipe>,
): Promise<readonly Descriptor[]> {
  const { RECIPES, REFERRERS } = INCREMENTAL_ANNOTATION
  const { annotations, manifests } = layout.index
  const digests = [
    annotations?.[RECIPES],
    ...manifests.map((entry) => entry.annotations?.[REFERRERS]),
    ...[...recipes.values()].map(({ recipe }) => (recipe?.kind === 'blob' ? recipe.digest : undefined)),
  ]
  const documents: Descriptor[] = []
  for (const digest of new Set(digests.filter(isDigest))) {
    const size = await layout.sizeOf(digest)
    if (size !== undefined) documents.push({ mediaType: 'application/octet-stream', digest, size })
  }
  return documents
}

async function readDocumentBlob(
  layouts: readonly LayoutImages[],
  digest: Digest,
  where: string,
  maxBytes?: number,
): Promise<Uint8Array> {
  const bytes = await readBlob(layouts, digest, maxBytes)
  if (bytes === undefined) throw new TareError('BLOB_NOT_FOUND', `${where} has no blob ${digest}, which it refers to`)
  verifyBytes(bytes, { digest }, `${digest} of ${where}`)
  return bytes
}
