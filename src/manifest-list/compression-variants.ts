import { TareError } from '../errors/index.ts'
import type { ImageNode, ManifestNode } from '../image/index.ts'
import {
  type Descriptor,
  isAttestation,
  isAttestationPlatform,
  isConfigType,
  isLayerType,
  normalizePlatform,
  statedCompression,
} from '../oci/index.ts'
import { isArtifactType } from './artifact-type.ts'

/** What layers can be packed with. */
export type LayerCompression = 'gzip' | 'zstd'

/** How layers are to be compressed. */
export interface RecompressOptions {
  readonly format: LayerCompression
  /** 1 to 9 for gzip, to 19 for zstd. @default 5 for gzip, 3 for zstd */
  readonly level?: number | undefined
}

/** Marks the member of an index that needs zstd, for readers who can choose. */
export const ZSTD_ANNOTATION = 'io.github.containers.compression.zstd'

/** Whether a member is marked as the zstd variant of its platform. */
export function isZstdVariant(member: Descriptor): boolean {
  return member.annotations?.[ZSTD_ANNOTATION] === 'true'
}

/** The member, marked as the zstd variant of its platform, or not; the same one where that is so. */
export function markedAs(member: Descriptor, compression: LayerCompression): Descriptor {
  if (isZstdVariant(member) === (compression === 'zstd')) return member
  const { [ZSTD_ANNOTATION]: _mark, ...annotations } = member.annotations ?? {}
  return {
    ...member,
    annotations: compression === 'zstd' ? { ...annotations, [ZSTD_ANNOTATION]: 'true' } : annotations,
  }
}

/** Reads the name of a compression. @throws {TareError} `INVALID_ARGUMENT` */
export function parseLayerCompression(name: string): LayerCompression {
  if (name === 'gzip' || name === 'zstd') return name
  throw new TareError('INVALID_ARGUMENT', `layers cannot be compressed with ${JSON.stringify(name.slice(0, 80))}`, {
    hint: name === 'zstd:chunked' ? 'Tare writes no table of contents for it; use zstd' : 'Use gzip or zstd',
  })
}

const HIGHEST_LEVELS: Readonly<Record<LayerCompression, number>> = { gzip: 9, zstd: 19 }

/** Reads how layers are to be compressed. @throws {TareError} `INVALID_ARGUMENT` */
export function parseRecompression(name: string, level: number | undefined): RecompressOptions {
  const format = parseLayerCompression(name)
  const highest = HIGHEST_LEVELS[format]
  if (level === undefined || (Number.isInteger(level) && level >= 1 && level <= highest)) return { format, level }
  throw new TareError('INVALID_ARGUMENT', `${format} has no level ${level}`, { hint: `Give 1 to ${highest}` })
}

/** Whether a member is an image whose layers can be compressed in another way; attestations and artifacts are not. */
export function hasImageLayers(node: ImageNode): node is ManifestNode {
  if (node.kind === 'index' || !isConfigType(node.document.config.mediaType)) return false
  if (isAttestation(node.descriptor) || isArtifactType(node.document.artifactType)) return false
  if (node.platform !== undefined && isAttestationPlatform(node.platform)) return false
  return node.document.layers.every((layer) => isLayerType(layer.mediaType))
}

/** How an image's layers are compressed, all of them, by their types; undefined where they differ, or are plain. */
export function layerCompressionOf(node: ManifestNode): LayerCompression | undefined {
  const found = new Set(node.document.layers.map((layer) => statedCompression(layer.mediaType)))
  const [only] = found
  return found.size === 1 && (only === 'gzip' || only === 'zstd') ? only : undefined
}

/** A copy that is to be made: the same image with its layers in another compression. */
export interface PlannedVariant {
  readonly of: ManifestNode
  readonly compression: LayerCompression
}

/** The copies that it takes for every platform to be there in each of the compressions. */
export function planVariants(
  members: readonly ImageNode[],
  wanted: readonly LayerCompression[],
): readonly PlannedVariant[] {
  const images = members.filter(hasImageLayers)
  const present = new Set(images.map((node) => `${platformKey(node)} ${layerCompressionOf(node)}`))
  const planned: PlannedVariant[] = []
  for (const node of images) {
    for (const compression of wanted) {
      const key = `${platformKey(node)} ${compression}`
      if (present.has(key)) continue
      present.add(key)
      planned.push({ of: node, compression })
    }
  }
  return planned
}

function platformKey({ platform }: ManifestNode): string {
  return platform === undefined ? '' : JSON.stringify(normalizePlatform(platform))
}

/** Those that need zstd behind all others, so that clients who take the first match get what they can read. */
export function zstdLast(members: readonly Descriptor[]): readonly Descriptor[] {
  return [...members.filter((member) => !isZstdVariant(member)), ...members.filter(isZstdVariant)]
}
