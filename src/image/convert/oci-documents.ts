import {
  type Descriptor,
  encodeGoJson,
  type GoJson,
  type ImageIndex,
  isJsonObject,
  type Manifest,
  MEDIA_TYPE,
  parseJson,
  type Platform,
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

/** What a layer is compressed with, as far as media types tell it. */
export type LayerCompression = 'none' | 'gzip' | 'zstd'

const VARIANTS: readonly Readonly<Record<LayerCompression, string>>[] = [
  { none: MEDIA_TYPE.OCI_LAYER, gzip: MEDIA_TYPE.OCI_LAYER_GZIP, zstd: MEDIA_TYPE.OCI_LAYER_ZSTD },
  {
    none: MEDIA_TYPE.OCI_FOREIGN_LAYER,
    gzip: MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP,
    zstd: MEDIA_TYPE.OCI_FOREIGN_LAYER_ZSTD,
  },
]

/** The OCI layer type for the same layer in another compression; undefined where the type is not one of an image's. */
export function ociLayerVariant(mediaType: string, compression: LayerCompression): string | undefined {
  return VARIANTS.find((variants) => Object.values(variants).includes(mediaType))?.[compression]
}

/** Writes an OCI manifest that stands for a Docker one, with the key order of containers/image. */
export function ociManifestOfDocker(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  return encodeGoJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    config: descriptorValue(config),
    layers: layers.map(descriptorValue),
  })
}

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
  const { artifactType, config, annotations } = document
  return encodeGoJson({
    schemaVersion: 2,
    mediaType: statesMediaType(bytes, subject) ? document.mediaType : undefined,
    artifactType,
    config: descriptorValue(config),
    layers: layers.map(descriptorValue),
    subject: document.subject === undefined ? undefined : descriptorValue(document.subject),
    annotations: mapValue(annotations),
  })
}

/** Writes an OCI index, of the members of a Docker list or of an OCI index, with the key order of containers/image. */
export function ociIndexWithMembers(document: ImageIndex, members: readonly Descriptor[]): Uint8Array {
  const { subject, annotations, artifactType } = document
  return encodeGoJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_INDEX,
    artifactType,
    manifests: members.map(descriptorValue),
    subject: subject === undefined ? undefined : descriptorValue(subject),
    annotations: mapValue(annotations),
  })
}

function statesMediaType(bytes: Uint8Array, subject: string): boolean {
  const value = parseJson(bytes, subject, MAX_DOCUMENT_BYTES)
  return isJsonObject(value) && 'mediaType' in value
}

function descriptorValue(descriptor: Descriptor): GoJson {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor
  return {
    mediaType,
    digest,
    size,
    urls: urls === undefined || urls.length === 0 ? undefined : urls,
    annotations: mapValue(annotations),
    data,
    platform: platform === undefined ? undefined : platformValue(platform),
    artifactType,
  }
}

/** Docker's `features` are unknown to OCI. */
function platformValue(platform: Platform): GoJson {
  const features = platform['os.features']
  return {
    architecture: platform.architecture,
    os: platform.os,
    'os.version': platform['os.version'],
    'os.features': features === undefined || features.length === 0 ? undefined : features,
    variant: platform.variant,
  }
}

function mapValue(annotations: Readonly<Record<string, string>> | undefined): GoJson | undefined {
  const entries = Object.entries(annotations ?? {})
  return entries.length === 0 ? undefined : new Map(entries)
}
