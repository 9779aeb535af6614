import { CopyError, type Side, TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  type ImageConfig,
  type ImageIndex,
  isConfigType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  type Manifest,
  type Platform,
  parseImageConfig,
  parseManifestDocument,
  platformOfConfig,
} from '../oci/index.ts'
import { mapLimited, type OperationOptions, readAllBytes } from '../stream/index.ts'
import { type ImageSource, type ManifestContent, openVerifiedBlob } from '../transport/index.ts'

/** Indexes nested deeper than this are refused. */
const MAX_DEPTH = 8
/** Manifests and indexes in one tree. */
const MAX_MANIFESTS = 10_000
/** Members of an index that are read at a time. */
const READ_CONCURRENCY = 6
/** An image config larger than this is not parsed. */
export const MAX_CONFIG_BYTES: number = 16 * 1024 * 1024

/** A manifest with its exact bytes, its view, and what its config says. */
export interface ManifestNode extends ManifestContent {
  readonly kind: 'manifest'
  readonly document: Manifest
  /** Present where the config is an image's; artifacts have none. */
  readonly config?: ImageConfig | undefined
  /** The config's exact bytes, where they were asked for. */
  readonly configBytes?: Uint8Array | undefined
  /** From the index's descriptor, else from the config. */
  readonly platform?: Platform | undefined
}

/** An index with its exact bytes, its view, and its members in order. */
export interface IndexNode extends ManifestContent {
  readonly kind: 'index'
  readonly document: ImageIndex
  readonly members: readonly ImageNode[]
  /** Members that are neither manifest nor index: build caches list their layers so. */
  readonly leaves: readonly Descriptor[]
}

/** One document of an image. */
export type ImageNode = ManifestNode | IndexNode

/** What a blob is to its manifest. */
export type BlobRole = 'config' | 'layer'

/** A config or layer of a tree. */
export interface TreeBlob {
  readonly descriptor: Descriptor
  readonly role: BlobRole
  /** The digest of a layer's plain tar, where a config names it. */
  readonly diffId?: DiffId | undefined
  /** The first manifest that names the blob. */
  readonly manifestDigest: Digest
}

/** A whole image: one manifest, or an index with everything below it. */
export interface ImageTree {
  readonly root: ImageNode
  /** Members before their index, the root last; each digest once. */
  readonly documents: readonly ImageNode[]
  /** In the order of the documents, each digest once. */
  readonly blobs: readonly TreeBlob[]
}

/** Options of {@link readImageTree}. */
export interface ReadTreeOptions extends OperationOptions {
  /** What the source is in the present operation, for errors. */
  readonly side?: Side | undefined
  /** Which members of the index to read; the others are left out of the tree. @default all */
  readonly members?: ((member: Descriptor) => boolean) | undefined
  /**
   * What is done about image configs: read for what they say (`parse`), read and kept with their bytes (`keep`), or left
   * alone (`skip`), which leaves diffIDs and platforms unknown that only a config tells. @default 'parse'
   */
  readonly configs?: 'parse' | 'keep' | 'skip' | undefined
  /** What the reference points at, or another document to begin with; left out, the source is asked. */
  readonly root?: ManifestContent | undefined
}

/**
 * Reads every manifest, index and image config of an image; layers are not touched.
 *
 * @throws {CopyError} with the code of its cause; {@link TareError} `LIMIT_EXCEEDED` for absurd trees
 */
export async function readImageTree(source: ImageSource, options: ReadTreeOptions = {}): Promise<ImageTree> {
  const side = options.side ?? 'source'
  try {
    const reader = new TreeReader(source, side, options)
    return imageTree(await reader.read(options.root ?? (await source.resolve(options))))
  } catch (error) {
    throw CopyError.at(side, source.reference, error)
  }
}

/** Gathers documents and blobs below a node. */
export function imageTree(root: ImageNode): ImageTree {
  const documents = new Map<Digest, ImageNode>()
  const blobs = new Map<Digest, TreeBlob>()
  const visit = (node: ImageNode): void => {
    if (documents.has(node.descriptor.digest)) return
    if (node.kind === 'index') for (const member of node.members) visit(member)
    for (const blob of node.kind === 'index' ? leafBlobs(node) : manifestBlobs(node)) {
      if (!blobs.has(blob.descriptor.digest)) blobs.set(blob.descriptor.digest, blob)
    }
    documents.set(node.descriptor.digest, node)
  }
  visit(root)
  return { root, documents: [...documents.values()], blobs: [...blobs.values()] }
}

/** Config and layers of one manifest, in order; a layer that occurs twice is listed twice. */
export function manifestBlobs(node: ManifestNode): readonly TreeBlob[] {
  const manifestDigest = node.descriptor.digest
  const diffIds = node.config?.rootfs.diffIds
  // A config that lists another number of diffIDs than there are layers can't be matched up: say nothing then.
  const matched = diffIds?.length === node.document.layers.length ? diffIds : undefined
  return [
    { descriptor: node.document.config, role: 'config', manifestDigest },
    ...node.document.layers.map((descriptor, index): TreeBlob => {
      const diffId = isLayerType(descriptor.mediaType) ? matched?.[index] : undefined
      return { descriptor, role: 'layer', diffId, manifestDigest }
    }),
  ]
}

function leafBlobs(node: IndexNode): readonly TreeBlob[] {
  return node.leaves.map((descriptor) => ({ descriptor, role: 'layer', manifestDigest: node.descriptor.digest }))
}

/** All manifests of a tree, leaving out the indexes. */
export function manifestsOf(tree: ImageTree): readonly ManifestNode[] {
  return tree.documents.filter((node) => node.kind === 'manifest')
}

function isDocumentType(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType) || isSchema1Type(mediaType)
}

class TreeReader {
  readonly #source: ImageSource
  readonly #side: Side
  readonly #options: ReadTreeOptions
  readonly #nodes = new Map<Digest, Promise<ImageNode>>()

  constructor(source: ImageSource, side: Side, options: ReadTreeOptions) {
    this.#source = source
    this.#side = side
    this.#options = options
  }

  read(root: ManifestContent): Promise<ImageNode> {
    return this.#once(root.descriptor, () => this.#node(root, 0, this.#options))
  }

  /** The same document may be listed for two platforms; the descriptors differ, the bytes do not. */
  async #once(descriptor: Descriptor, read: () => Promise<ImageNode>): Promise<ImageNode> {
    const known = this.#nodes.get(descriptor.digest)
    if (known !== undefined) return { ...(await known), descriptor }
    if (this.#nodes.size >= MAX_MANIFESTS) {
      throw new TareError('LIMIT_EXCEEDED', `${this.#source.reference} has more than ${MAX_MANIFESTS} manifests`)
    }
    const reading = read()
    this.#nodes.set(descriptor.digest, reading)
    return reading
  }

  async #node(content: ManifestContent, depth: number, options: OperationOptions): Promise<ImageNode> {
    const { descriptor } = content
    if (depth > MAX_DEPTH) {
      throw new TareError('LIMIT_EXCEEDED', `${descriptor.digest}: indexes are nested more than ${MAX_DEPTH} deep`)
    }
    const document = parseManifestDocument(content.bytes, {
      subject: `manifest ${descriptor.digest}`,
      mediaType: descriptor.mediaType,
    })
    return document.kind === 'index'
      ? this.#index(content, document, depth, options)
      : this.#manifest(content, document, options)
  }

  async #index(
    content: ManifestContent,
    document: ImageIndex,
    depth: number,
    options: OperationOptions,
  ): Promise<IndexNode> {
    const isWanted = (depth === 0 && this.#options.members) || (() => true)
    const wanted = document.manifests.filter(isWanted)
    const leaves = wanted.filter((member) => !isDocumentType(member.mediaType))
    const members = await mapLimited(
      wanted.filter((member) => isDocumentType(member.mediaType)),
      READ_CONCURRENCY,
      (member, _index, signal) =>
        this.#once(member, async () => {
          const below = { ...options, signal }
          const bytes = await this.#source.readManifest(member, below)
          return this.#node({ descriptor: member, bytes }, depth + 1, below)
        }),
      options,
    )
    return { kind: 'index', ...content, document, members, leaves }
  }

  async #manifest(content: ManifestContent, document: Manifest, options: OperationOptions): Promise<ManifestNode> {
    const { configs = 'parse' } = this.#options
    const bytes = await this.#configBytes(document, options)
    const config = bytes === undefined ? undefined : parseImageConfig(bytes, `config ${document.config.digest}`)
    const platform = content.descriptor.platform ?? (config === undefined ? undefined : platformOfConfig(config))
    const kept = configs === 'keep' && bytes !== undefined ? { configBytes: bytes } : {}
    return { kind: 'manifest', ...content, document, config, platform, ...kept }
  }

  async #configBytes({ config }: Manifest, options: OperationOptions): Promise<Uint8Array | undefined> {
    if (this.#options.configs === 'skip' || !isConfigType(config.mediaType)) return undefined
    return readAllBytes(
      openVerifiedBlob(this.#source, config, this.#side, options),
      MAX_CONFIG_BYTES,
      `config ${config.digest}`,
    )
  }
}
