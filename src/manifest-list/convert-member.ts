import { TareError } from '../errors/index.ts'
import type { ManifestNode } from '../image/index.ts'
import { type Descriptor, isConfigType, MEDIA_TYPE, statedCompression } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { encodeManifest } from './manifest-json.ts'

/** The family of media types that a list, or a member, is written in. */
export type ListFormat = 'oci' | 'docker'

/** A manifest that stands for the same image in another format. */
export interface ConvertedMember {
  readonly mediaType: string
  readonly bytes: Uint8Array
  /** Blobs that it names and the original does not: a config that had to be written anew. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

/** What a {@link MemberConverter} can ask for. */
export interface ConvertMemberOptions extends OperationOptions {
  /** Has the blobs of the member. */
  readonly source: ImageSource
  /** The bytes of the member's config. */
  readonly readConfig: () => Promise<Uint8Array>
}

/**
 * Writes the manifest of a member in another format. Layers keep their bytes.
 *
 * @throws {TareError} `CANNOT_CONVERT` for what the format cannot express
 */
export type MemberConverter = (
  member: ManifestNode,
  format: ListFormat,
  options: ConvertMemberOptions,
) => Promise<ConvertedMember>

/** The format that a manifest is in. */
export function formatOf(mediaType: string): ListFormat {
  return mediaType === MEDIA_TYPE.DOCKER_MANIFEST || mediaType === MEDIA_TYPE.DOCKER_LIST ? 'docker' : 'oci'
}

const OCI_LAYERS: Readonly<Record<string, string>> = {
  none: MEDIA_TYPE.OCI_LAYER,
  gzip: MEDIA_TYPE.OCI_LAYER_GZIP,
  zstd: MEDIA_TYPE.OCI_LAYER_ZSTD,
}

const DOCKER_LAYERS: Readonly<Record<string, string>> = {
  none: MEDIA_TYPE.DOCKER_LAYER,
  gzip: MEDIA_TYPE.DOCKER_LAYER_GZIP,
}

/**
 * Converts by changing media types alone: config and layers keep their bytes. What Docker's manifests have no place for
 * (annotations, a subject) is left out.
 */
export const convertByType: MemberConverter = async (member, format) => {
  const { document } = member
  const { config } = document
  if (!isConfigType(config.mediaType)) throw cannotConvert(member, `its config is ${config.mediaType}`)
  const types = format === 'oci' ? OCI_LAYERS : DOCKER_LAYERS
  const layers = document.layers.map((layer): Descriptor => {
    const mediaType = types[statedCompression(layer.mediaType)]
    if (mediaType === undefined) throw cannotConvert(member, `a layer is ${layer.mediaType}`)
    return { ...layer, mediaType }
  })
  const isOci = format === 'oci'
  const mediaType = isOci ? MEDIA_TYPE.OCI_MANIFEST : MEDIA_TYPE.DOCKER_MANIFEST
  const configType = isOci ? MEDIA_TYPE.OCI_CONFIG : MEDIA_TYPE.DOCKER_CONFIG
  const bytes = encodeManifest({ ...document, mediaType, config: { ...config, mediaType: configType }, layers })
  return { mediaType, bytes, blobs: [] }
}

function cannotConvert({ descriptor }: ManifestNode, reason: string): TareError {
  return new TareError('CANNOT_CONVERT', `${descriptor.digest} cannot be written as another format: ${reason}`, {
    hint: 'Push the list in its own format, or remove the member',
  })
}
