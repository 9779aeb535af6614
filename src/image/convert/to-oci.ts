import { type Compression, decompress } from '../../compress/index.ts'
import { CopyError, TareError } from '../../errors/index.ts'
import {
  type Descriptor,
  type Digest,
  encodeOciIndex,
  encodeOciManifest,
  isConfigType,
  type Manifest,
  MEDIA_TYPE,
  statedCompression,
} from '../../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  digesting,
  digestOf,
  Digester,
  type OperationOptions,
  readAllBytes,
  type SpoolDirectory,
  type SpoolFile,
} from '../../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../../transport/index.ts'
import {
  type ImageNode,
  type ImageTree,
  type IndexNode,
  imageTree,
  manifestBlobs,
  type ManifestNode,
  MAX_CONFIG_BYTES,
  type TreeBlob,
} from '../tree.ts'
import { ociConfigOfDocker } from './oci-config.ts'
import { withCompression } from './media-types.ts'
import { ociLayerType, ociManifestWithLayers } from './oci-documents.ts'

/** Options of {@link convertToOci}. */
export interface ConvertToOciOptions extends OperationOptions {
  /** Where compressed layers lie until they are copied. */
  readonly spool: SpoolDirectory
  /** Compresses a plain layer of that many bytes; left out, plain layers stay plain. */
  readonly gzip?: ((plain: ByteSource, plainBytes: number) => ByteSource) | undefined
  /** Layers that nobody will read, because the receiver has them; they stay as they are. */
  readonly isKept?: ((layer: Descriptor) => boolean) | undefined
}

/** A converted image: its tree, and where the bytes of its blobs are. */
export interface ConvertedImage {
  readonly tree: ImageTree
  /** Whether anything was changed; if not, the tree is the one given. */
  readonly isChanged: boolean
  /** Opens a blob of the tree. Bytes of the source are not verified. */
  openBlob(descriptor: Descriptor, options?: OperationOptions): Promise<ByteSource>
}

/** Annotation by which containers/image marks members whose layers are Zstandard. */
const ZSTD_ANNOTATION = 'io.github.containers.compression.zstd'

/**
 * Converts an image to OCI byte for byte as containers/image does when it writes into an OCI layout: Docker manifests,
 * configs and lists become OCI ones, plain layers are compressed, and members of an index that have Zstandard layers
 * are marked. What needs no change keeps its bytes.
 *
 * @param source - holds the blobs of the tree
 * @throws {TareError} `UNSUPPORTED_BY_DESTINATION` for a layer that OCI has no type for; {@link CopyError}
 */
export async function convertToOci(
  tree: ImageTree,
  source: ImageSource,
  options: ConvertToOciOptions,
): Promise<ConvertedImage> {
  const converter = new OciConverter(source, options)
  const root = await converter.convert(tree.root)
  return {
    tree: root === tree.root ? tree : imageTree(root),
    isChanged: root !== tree.root,
    openBlob: (descriptor, operation) => converter.openBlob(descriptor, operation),
  }
}

/** What became of one layer. */
interface LayerFate {
  readonly descriptor: Descriptor
  /** Undefined for what is opaque: foreign, encrypted, of an artifact. */
  readonly compression: Compression | undefined
  readonly isCompressedAnew: boolean
}

interface ConvertedNode {
  readonly node: ImageNode
  readonly hasZstdLayers: boolean
}

class OciConverter {
  readonly #source: ImageSource
  readonly #options: ConvertToOciOptions
  readonly #nodes = new Map<Digest, ConvertedNode>()
  readonly #configs = new Map<Digest, Uint8Array>()
  readonly #made = new Map<Digest, SpoolFile>()
  readonly #fates = new Map<Digest, LayerFate>()

  constructor(source: ImageSource, options: ConvertToOciOptions) {
    this.#source = source
    this.#options = options
  }

  async convert(node: ImageNode): Promise<ImageNode> {
    return (await this.#convert(node)).node
  }

  async openBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<ByteSource> {
    const config = this.#configs.get(descriptor.digest)
    if (config !== undefined) return bytesSource(config)
    return this.#made.get(descriptor.digest)?.read() ?? this.#source.openBlob(descriptor, options)
  }

  async #convert(node: ImageNode): Promise<ConvertedNode> {
    this.#options.signal?.throwIfAborted()
    const known = this.#nodes.get(node.descriptor.digest)
    if (known !== undefined) return { ...known, node: describedAs(node, known.node) }
    const converted = node.kind === 'index' ? await this.#index(node) : await this.#manifest(node)
    this.#nodes.set(node.descriptor.digest, converted)
    return converted
  }

  async #index(node: IndexNode): Promise<ConvertedNode> {
    const isDocker = node.descriptor.mediaType === MEDIA_TYPE.DOCKER_LIST
    const members: ImageNode[] = []
    for (const member of node.members) {
      const converted = await this.#convert(member)
      members.push(isDocker || !converted.hasZstdLayers ? converted.node : markedZstd(converted.node))
    }
    const isChanged = isDocker || members.some((member, at) => member !== node.members[at])
    if (!isChanged) return { node, hasZstdLayers: false }
    const descriptors = descriptorsOf(node, members)
    const bytes = encodeOciIndex({ ...node.document, manifests: descriptors })
    const { subject, ...rest } = node.document
    const document = {
      ...rest,
      mediaType: MEDIA_TYPE.OCI_INDEX,
      manifests: descriptors,
      ...(subject === undefined ? {} : { subject }),
    }
    const descriptor = {
      ...node.descriptor,
      mediaType: MEDIA_TYPE.OCI_INDEX,
      digest: digestOf(bytes),
      size: bytes.length,
    }
    return { node: { ...node, descriptor, bytes, document, members }, hasZstdLayers: false }
  }

  async #manifest(node: ManifestNode): Promise<ConvertedNode> {
    const isDocker = node.descriptor.mediaType === MEDIA_TYPE.DOCKER_MANIFEST
    const fates: LayerFate[] = []
    const [, ...layerBlobs] = manifestBlobs(node)
    for (const blob of layerBlobs) fates.push(await this.#layer(blob, node.document))
    const hasZstdLayers = fates.some((fate) => fate.compression === 'zstd')
    const isCompressedAnew = fates.some((fate) => fate.isCompressedAnew)
    if (!isDocker && !isCompressedAnew) return { node, hasZstdLayers }
    const layers = fates.map((fate, at) => {
      const before = node.document.layers[at] ?? fate.descriptor
      const converted = isDocker ? convertedType(before, node) : before
      return isCompressedAnew ? updatedLayer(converted, fate) : converted
    })
    const { config, configBytes } = isDocker ? await this.#config(node) : { config: node.document.config }
    const subject = `manifest ${node.descriptor.digest}`
    const bytes = isDocker
      ? encodeOciManifest({ mediaType: MEDIA_TYPE.OCI_MANIFEST, config, layers })
      : ociManifestWithLayers(node.bytes, node.document, layers, subject)
    const descriptor = {
      ...node.descriptor,
      mediaType: MEDIA_TYPE.OCI_MANIFEST,
      digest: digestOf(bytes),
      size: bytes.length,
    }
    const document: Manifest = isDocker
      ? { kind: 'manifest', mediaType: MEDIA_TYPE.OCI_MANIFEST, config, layers }
      : { ...node.document, layers }
    return {
      node: { ...node, descriptor, bytes, document, ...(configBytes === undefined ? {} : { configBytes }) },
      hasZstdLayers,
    }
  }

  async #config({ document, configBytes }: ManifestNode): Promise<{ config: Descriptor; configBytes: Uint8Array }> {
    const subject = `config ${document.config.digest}`
    const { signal } = this.#options
    const before =
      configBytes ??
      (await readAllBytes(
        openVerifiedBlob(this.#source, document.config, 'source', { signal }),
        MAX_CONFIG_BYTES,
        subject,
      ))
    const bytes = ociConfigOfDocker(before, subject)
    const config = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: digestOf(bytes), size: bytes.length }
    this.#configs.set(config.digest, bytes)
    return { config, configBytes: bytes }
  }

  async #layer(blob: TreeBlob, document: Manifest): Promise<LayerFate> {
    const { digest } = blob.descriptor
    const known = this.#fates.get(digest)
    if (known !== undefined) return known
    const fate = await this.#decide(blob, document)
    this.#fates.set(digest, fate)
    return fate
  }

  async #decide({ descriptor: layer, diffId }: TreeBlob, document: Manifest): Promise<LayerFate> {
    const asIs = (compression: Compression | undefined): LayerFate => ({
      descriptor: layer,
      compression,
      isCompressedAnew: false,
    })
    if ((layer.urls?.length ?? 0) > 0) return asIs(undefined)
    const stated = statedCompression(layer.mediaType)
    if (stated === 'unknown' || !isConfigType(document.config.mediaType)) return asIs(undefined)
    if (this.#options.isKept?.(layer) === true) return asIs(stated)
    // Docker's archives state gzip for plain tars; that a layer is one shows without reading it.
    const mayBePlain = stated === 'none' || diffId === layer.digest
    if (!mayBePlain || this.#options.gzip === undefined) return asIs(stated)
    return (await this.#compress(layer, this.#options.gzip)) ?? asIs(stated)
  }

  /** Undefined where the layer turns out to be compressed already. */
  async #compress(layer: Descriptor, gzip: NonNullable<ConvertToOciOptions['gzip']>): Promise<LayerFate | undefined> {
    const { signal, spool } = this.#options
    try {
      const { compression, source } = await decompress(openVerifiedBlob(this.#source, layer, 'source', { signal }))
      if (compression !== 'none') {
        // Begun but not read: whoever opened it wants to know.
        await source[Symbol.asyncIterator]().return?.()
        return { descriptor: layer, compression, isCompressedAnew: false }
      }
      const digester = new Digester()
      const file = await spool.write('compressed', digesting(gzip(source, layer.size), digester))
      const digest = digester.digest()
      this.#made.set(digest, file)
      return {
        descriptor: { mediaType: layer.mediaType, digest, size: file.sizeBytes },
        compression: 'gzip',
        isCompressedAnew: true,
      }
    } catch (error) {
      throw CopyError.at('source', layer.digest, error)
    }
  }
}

function convertedType(layer: Descriptor, node: ManifestNode): Descriptor {
  const mediaType = ociLayerType(layer.mediaType)
  if (mediaType === undefined) {
    throw new TareError(
      'UNSUPPORTED_BY_DESTINATION',
      `layer ${layer.digest} of ${node.descriptor.digest} has the type ${layer.mediaType}, which OCI has none for`,
      { hint: 'Carry the image as it is: leave the conversion out' },
    )
  }
  const { digest, size, urls } = layer
  return { mediaType, digest, size, ...(urls === undefined ? {} : { urls }) }
}

/** A layer in a manifest that is written again because one of its layers changed: the type follows from the content. */
function updatedLayer(before: Descriptor, fate: LayerFate): Descriptor {
  const { digest, size } = fate.descriptor
  const isForeign = (before.urls?.length ?? 0) > 0
  const mediaType =
    fate.compression === undefined
      ? before.mediaType
      : (withCompression(before.mediaType, fate.compression) ?? before.mediaType)
  return {
    mediaType,
    digest,
    size,
    ...(isForeign ? { urls: before.urls } : {}),
    ...(fate.isCompressedAnew || before.annotations === undefined ? {} : { annotations: before.annotations }),
  }
}

/** The same document may be a member twice, each time under another description. */
function describedAs(original: ImageNode, converted: ImageNode): ImageNode {
  const { mediaType, digest, size } = converted.descriptor
  return digest === original.descriptor.digest
    ? original
    : { ...converted, descriptor: { ...original.descriptor, mediaType, digest, size } }
}

function markedZstd(node: ImageNode): ImageNode {
  const { annotations } = node.descriptor
  if (annotations?.[ZSTD_ANNOTATION] === 'true') return node
  return { ...node, descriptor: { ...node.descriptor, annotations: { ...annotations, [ZSTD_ANNOTATION]: 'true' } } }
}

/** The entries of an index in their order, those that are no documents among them. */
function descriptorsOf(node: IndexNode, members: readonly ImageNode[]): readonly Descriptor[] {
  const remaining = [...members]
  const leaves = new Set(node.leaves)
  return node.document.manifests.map((entry) => {
    if (leaves.has(entry)) return entry
    const descriptor = remaining.shift()?.descriptor ?? entry
    if (node.descriptor.mediaType !== MEDIA_TYPE.DOCKER_LIST) return descriptor
    // Docker's lists know no annotations.
    const { mediaType, digest, size, urls, platform } = descriptor
    return {
      mediaType,
      digest,
      size,
      ...(urls === undefined ? {} : { urls }),
      ...(platform === undefined ? {} : { platform }),
    }
  })
}
