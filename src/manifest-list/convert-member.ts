import { TareError } from '../errors/index.ts'
import { type ManifestNode, ociConfigOfDocker, toDockerMediaType, toOciMediaType } from '../image/index.ts'
import { type Descriptor, isConfigType, isDockerType, MEDIA_TYPE, statedCompression } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { encodeManifest } from './manifest-json.ts'

/** The family of media types that a list, or a member, is written in. */
export type ListFormat = 'oci' | 'docker'

/** A manifest that stands for the same image in another format. */
interface ConvertedMember {
  readonly mediaType: string
  readonly bytes: Uint8Array
  /** The config, where it had to be written anew. */
  readonly config?: { readonly descriptor: Descriptor; readonly bytes: Uint8Array } | undefined
}

/** The format that a manifest is in. */
export function formatOf(mediaType: string): ListFormat {
  return mediaType === MEDIA_TYPE.DOCKER_MANIFEST || mediaType === MEDIA_TYPE.DOCKER_LIST ? 'docker' : 'oci'
}

/**
 * Writes the manifest of a member in another format, byte for byte as containers/image does. Layers keep their bytes. In
 * the OCI format a config loses what that has no place for; Docker's format takes a config as it is, and has no place for
 * annotations and a subject.
 *
 * @param readConfig - reads the bytes of the member's config
 * @throws {TareError} `CANNOT_CONVERT` for what the format cannot express; {@link InvalidDocumentError} for a config
 */
export async function convertMember(
  member: ManifestNode,
  format: ListFormat,
  readConfig: () => Promise<Uint8Array>,
): Promise<ConvertedMember> {
  const { document } = member
  if (!isConfigType(document.config.mediaType))
    throw cannotConvert(member, `its config is ${document.config.mediaType}`)
  const layers = document.layers.map((layer): Descriptor => {
    const mediaType = layerTypeIn(format, layer.mediaType)
    if (mediaType === undefined) throw cannotConvert(member, `a layer is ${layer.mediaType}`)
    return { ...layer, mediaType }
  })
  if (format === 'docker') {
    const mediaType = MEDIA_TYPE.DOCKER_MANIFEST
    const config = { ...document.config, mediaType: MEDIA_TYPE.DOCKER_CONFIG }
    return { mediaType, bytes: encodeManifest({ ...document, mediaType, config, layers }) }
  }
  const mediaType = MEDIA_TYPE.OCI_MANIFEST
  const bytes = ociConfigOfDocker(await readConfig(), `config ${document.config.digest}`)
  const config = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: digestOf(bytes), size: bytes.length }
  return {
    mediaType,
    bytes: encodeManifest({ ...document, mediaType, config, layers }),
    config: { descriptor: config, bytes },
  }
}

/** The type of the same layer in a format; undefined where that has none. */
function layerTypeIn(format: ListFormat, mediaType: string): string | undefined {
  const compression = statedCompression(mediaType)
  if (compression === 'unknown' || (format === 'docker' && compression === 'zstd')) return undefined
  const type = format === 'oci' ? toOciMediaType(mediaType) : toDockerMediaType(mediaType)
  return isDockerType(type) === (format === 'docker') ? type : undefined
}

function cannotConvert({ descriptor }: ManifestNode, reason: string): TareError {
  return new TareError('CANNOT_CONVERT', `${descriptor.digest} cannot be written as another format: ${reason}`, {
    hint: 'Push the list in its own format, or remove the member',
  })
}
