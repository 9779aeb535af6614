import {
  type Descriptor,
  encodeOciManifest,
  isJsonObject,
  type Manifest,
  MEDIA_TYPE,
  parseJson,
} from '../../oci/index.ts'

const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024

/** The OCI layer type that stands for one of Docker's; undefined where there is none. */
export function ociLayerType(mediaType: string): string | undefined {
  return OCI_LAYER_TYPES.get(mediaType)
}

const OCI_LAYER_TYPES: ReadonlyMap<string, string> = new Map([
  [MEDIA_TYPE.DOCKER_LAYER, MEDIA_TYPE.OCI_LAYER],
  [MEDIA_TYPE.DOCKER_LAYER_GZIP, MEDIA_TYPE.OCI_LAYER_GZIP],
  [MEDIA_TYPE.DOCKER_FOREIGN_LAYER, MEDIA_TYPE.OCI_FOREIGN_LAYER],
  [MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP, MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP],
])

/**
 * Writes an OCI manifest again with other layers, as containers/image does: what the specification does not know is
 * dropped.
 *
 * @param bytes - the manifest as it was; one without a `mediaType` stays without
 */
export function ociManifestWithLayers(
  bytes: Uint8Array,
  document: Manifest,
  layers: readonly Descriptor[],
  subject: string,
): Uint8Array {
  const mediaType = statesMediaType(bytes, subject) ? document.mediaType : undefined
  return encodeOciManifest({ ...document, mediaType, layers })
}

function statesMediaType(bytes: Uint8Array, subject: string): boolean {
  const value = parseJson(bytes, subject, MAX_DOCUMENT_BYTES)
  return isJsonObject(value) && 'mediaType' in value
}
