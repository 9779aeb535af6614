import {
  type Annotations,
  type Digest,
  formatPlatform,
  isAttestationPlatform,
  isLayerType,
  type Platform,
  statedCompression,
} from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { type NarrowedTree, narrowTree } from './narrow.ts'
import { type ImageTree, type ManifestNode, manifestBlobs, manifestsOf, readImageTree } from './tree.ts'

/** One layer, or other blob, of a manifest. */
export interface LayerReport {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly diffId?: Digest | undefined
  /** What the media type says; `unknown` for what is no layer. */
  readonly compression: string
}

/** One manifest of an image. */
export interface ManifestReport {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly artifactType?: string | undefined
  /** As text: `linux/arm64/v8`. */
  readonly platform?: string | undefined
  readonly isAttestation: boolean
  readonly config: { readonly digest: Digest; readonly mediaType: string; readonly sizeBytes: number }
  readonly created?: string | undefined
  readonly layers: readonly LayerReport[]
  readonly annotations?: Annotations | undefined
}

/** What {@link inspectImage} tells. */
export interface ImageReport {
  readonly reference: string
  readonly digest: Digest
  readonly mediaType: string
  /** `index` when the reference points at several manifests. */
  readonly kind: 'manifest' | 'index'
  readonly annotations?: Annotations | undefined
  readonly manifests: readonly ManifestReport[]
  /** Bytes of all configs and layers, each counted once. */
  readonly totalBytes: number
}

/** Options of {@link inspectImage}. */
export interface InspectOptions extends OperationOptions {
  /** Members to tell of; none tells of all. */
  readonly platforms?: readonly Platform[] | undefined
}

/** Tells what an image is made of; layers are not read. */
export async function inspectImage(source: ImageSource, options: InspectOptions = {}): Promise<ImageReport> {
  const { tree } = await readNarrowed(source, options)
  return reportTree(source.reference, tree)
}

/** The exact bytes of what a reference points at: nothing is parsed unless a platform has to be picked. */
export async function readRawManifest(source: ImageSource, options: InspectOptions = {}): Promise<Uint8Array> {
  if ((options.platforms ?? []).length === 0) return (await source.resolve(options)).bytes
  return (await readNarrowed(source, options)).tree.root.bytes
}

/** An image's tree, narrowed to the wanted platforms. */
export async function readNarrowed(source: ImageSource, options: InspectOptions = {}): Promise<NarrowedTree> {
  return narrowTree(await readImageTree(source, options), options.platforms ?? [])
}

function reportTree(reference: string, tree: ImageTree): ImageReport {
  const { root } = tree
  return {
    reference,
    digest: root.descriptor.digest,
    mediaType: root.descriptor.mediaType,
    kind: root.kind,
    annotations: root.document.annotations,
    manifests: manifestsOf(tree).map(reportManifest),
    totalBytes: tree.blobs.reduce((sum, blob) => sum + blob.descriptor.size, 0),
  }
}

function reportManifest(node: ManifestNode): ManifestReport {
  const { descriptor, document, platform } = node
  const [, ...layers] = manifestBlobs(node)
  return {
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    sizeBytes: descriptor.size,
    artifactType: document.artifactType,
    platform: platform === undefined ? undefined : formatPlatform(platform),
    isAttestation: platform !== undefined && isAttestationPlatform(platform),
    config: {
      digest: document.config.digest,
      mediaType: document.config.mediaType,
      sizeBytes: document.config.size,
    },
    created: node.config?.created,
    layers: layers.map(({ descriptor: layer, diffId }) => ({
      digest: layer.digest,
      mediaType: layer.mediaType,
      sizeBytes: layer.size,
      diffId,
      compression: isLayerType(layer.mediaType) ? statedCompression(layer.mediaType) : 'unknown',
    })),
    annotations: document.annotations,
  }
}
