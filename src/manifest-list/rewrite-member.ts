import { type ImageNode, type IndexNode, type ManifestNode, manifestBlobs, MAX_CONFIG_BYTES } from '../image/index.ts'
import {
  type Annotations,
  bareDescriptor,
  type Descriptor,
  type Digest,
  type Manifest,
  MEDIA_TYPE,
  parseManifestDocument,
} from '../oci/index.ts'
import { bytesSource, type ByteSource, digestOf, type OperationOptions, readAllBytes } from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import { hasImageLayers, type RecompressOptions } from './compression-variants.ts'
import { convertMember, formatOf, type ListFormat } from './convert-member.ts'
import type { LayerRecompressor } from './layer-recompressor.ts'
import { encodeList, type ListType } from './list-json.ts'
import { requireListType } from './list-model.ts'
import { encodeManifest } from './manifest-json.ts'

/** What a member is to become. */
export interface MemberChange {
  /** Undefined keeps the format. */
  readonly format?: ListFormat | undefined
  /** Undefined keeps the layers. */
  readonly compression?: RecompressOptions | undefined
}

/** What a {@link MemberRewriter} works with. */
export interface MemberRewriterParts {
  readonly source: ImageSource
  readonly recompressor: LayerRecompressor
  /** Layers that may stay as they are, whatever the wanted compression. */
  readonly keepsLayer?: ((layer: Descriptor) => Promise<boolean>) | undefined
}

/** Layer annotations that tell of the compressed bytes, so they do not hold for others. */
const COMPRESSION_ANNOTATIONS =
  /^(?:io\.github\.containers\.zstd-chunked\.|containerd\.io\/snapshot\/stargz\/|io\.containers\.estargz\.)/

/** Makes members anew in another format or compression, nested indexes with them. Remembers the blobs it made. */
export class MemberRewriter {
  readonly #parts: MemberRewriterParts
  readonly #configs = new Map<Digest, Uint8Array>()

  constructor(parts: MemberRewriterParts) {
    this.#parts = parts
  }

  /** Opens a blob that was made here; undefined for any other. */
  open(digest: Digest): ByteSource | undefined {
    const config = this.#configs.get(digest)
    return config === undefined ? this.#parts.recompressor.open(digest) : bytesSource(config)
  }

  /**
   * The member after its change; the same node where nothing of it changes.
   *
   * @throws {TareError} `CANNOT_CONVERT`
   */
  async rewrite(node: ImageNode, change: MemberChange, options: OperationOptions): Promise<ImageNode> {
    if (node.kind === 'index') return this.#rewriteIndex(node, change, options)
    // Docker's types know no zstd, so layers change while the types are OCI's.
    if (change.format === 'docker') return this.#convert(await this.#recompress(node, change, options), change, options)
    return this.#recompress(await this.#convert(node, change, options), change, options)
  }

  async #rewriteIndex(node: IndexNode, change: MemberChange, options: OperationOptions): Promise<IndexNode> {
    const members: ImageNode[] = []
    for (const member of node.members) members.push(await this.rewrite(member, change, options))
    const { document } = node
    const type = change.format === undefined ? document.mediaType : LIST_TYPES[change.format]
    if (type === document.mediaType && members.every((member, at) => member === node.members[at])) return node
    const renamed = new Map(node.members.map((member, at) => [member.descriptor.digest, members[at] ?? member]))
    const manifests = document.manifests.map((entry) => withContentOf(entry, renamed.get(entry.digest)))
    const { artifactType, subject, annotations = {} } = document
    const contents = { members: manifests, isNull: false, artifactType, subject, annotations }
    const bytes = encodeList(contents, requireListType(type))
    const descriptor = { ...node.descriptor, mediaType: type, digest: digestOf(bytes), size: bytes.length }
    return { ...node, descriptor, bytes, document: { ...document, mediaType: type, manifests }, members }
  }

  async #convert(node: ManifestNode, { format }: MemberChange, options: OperationOptions): Promise<ManifestNode> {
    if (format === undefined || formatOf(node.descriptor.mediaType) === format) return node
    const { mediaType, bytes, config } = await convertMember(node, format, () => this.#readConfig(node, options))
    if (config !== undefined) this.#configs.set(config.descriptor.digest, config.bytes)
    return { ...madeOf(node, mediaType, bytes), configBytes: config?.bytes ?? node.configBytes }
  }

  async #readConfig({ document, configBytes }: ManifestNode, options: OperationOptions): Promise<Uint8Array> {
    const { config } = document
    if (configBytes !== undefined) return configBytes
    const source = openVerifiedBlob(this.#parts.source, config, 'source', options)
    return readAllBytes(source, MAX_CONFIG_BYTES, `config ${config.digest}`)
  }

  async #recompress(
    node: ManifestNode,
    { compression }: MemberChange,
    options: OperationOptions,
  ): Promise<ManifestNode> {
    if (compression === undefined || !hasImageLayers(node)) return node
    const { recompressor, keepsLayer } = this.#parts
    const [, ...blobs] = manifestBlobs(node)
    const layers: Descriptor[] = []
    for (const blob of blobs) {
      const { descriptor } = blob
      const isKept = (await keepsLayer?.(descriptor)) === true
      const made = isKept ? descriptor : await recompressor.recompress(blob, compression, options)
      layers.push(
        made === descriptor ? descriptor : { ...descriptor, ...bareDescriptor(made), ...lessAnnotated(descriptor) },
      )
    }
    if (layers.every((layer, at) => layer === node.document.layers[at])) return node
    const document: Manifest = { ...node.document, layers }
    return madeOf(node, document.mediaType, encodeManifest(document))
  }
}

/** The type of lists in each format. */
export const LIST_TYPES: Readonly<Record<ListFormat, ListType>> = {
  oci: MEDIA_TYPE.OCI_INDEX,
  docker: MEDIA_TYPE.DOCKER_LIST,
}

function lessAnnotated({ annotations = {} }: Descriptor): { readonly annotations: Annotations } {
  return {
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !COMPRESSION_ANNOTATIONS.test(key))),
  }
}

/** An entry of a list that names other content, with everything else as it was; the same one where nothing changes. */
export function withContentOf(entry: Descriptor, node: ImageNode | undefined): Descriptor {
  const { digest, mediaType } = node?.descriptor ?? entry
  if (node === undefined || (digest === entry.digest && mediaType === entry.mediaType)) return entry
  return { ...entry, ...bareDescriptor(node.descriptor) }
}

function madeOf(node: ManifestNode, mediaType: string, bytes: Uint8Array): ManifestNode {
  const digest = digestOf(bytes)
  const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  if (document.kind === 'index') throw new RangeError(`${mediaType} is no type of manifests`)
  return { ...node, descriptor: { ...node.descriptor, mediaType, digest, size: bytes.length }, bytes, document }
}
