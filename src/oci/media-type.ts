/**
 * Media types of the OCI image specification and of Docker's, and what can be told from them.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md
 */
export const MEDIA_TYPE = {
  OCI_INDEX: 'application/vnd.oci.image.index.v1+json',
  OCI_MANIFEST: 'application/vnd.oci.image.manifest.v1+json',
  OCI_CONFIG: 'application/vnd.oci.image.config.v1+json',
  OCI_EMPTY: 'application/vnd.oci.empty.v1+json',
  OCI_LAYER: 'application/vnd.oci.image.layer.v1.tar',
  OCI_LAYER_GZIP: 'application/vnd.oci.image.layer.v1.tar+gzip',
  OCI_LAYER_ZSTD: 'application/vnd.oci.image.layer.v1.tar+zstd',
  OCI_FOREIGN_LAYER: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  OCI_FOREIGN_LAYER_GZIP: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  OCI_FOREIGN_LAYER_ZSTD: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  DOCKER_LIST: 'application/vnd.docker.distribution.manifest.list.v2+json',
  DOCKER_MANIFEST: 'application/vnd.docker.distribution.manifest.v2+json',
  DOCKER_CONFIG: 'application/vnd.docker.container.image.v1+json',
  DOCKER_LAYER: 'application/vnd.docker.image.rootfs.diff.tar',
  DOCKER_LAYER_GZIP: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  DOCKER_LAYER_ZSTD: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  DOCKER_FOREIGN_LAYER: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  DOCKER_FOREIGN_LAYER_GZIP: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  DOCKER_SCHEMA1: 'application/vnd.docker.distribution.manifest.v1+json',
  DOCKER_SCHEMA1_SIGNED: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const

/** Manifest and index types Tare asks registries for, the preferred first. */
export const ACCEPTED_MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPE.OCI_INDEX,
  MEDIA_TYPE.OCI_MANIFEST,
  MEDIA_TYPE.DOCKER_LIST,
  MEDIA_TYPE.DOCKER_MANIFEST,
  MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED,
  MEDIA_TYPE.DOCKER_SCHEMA1,
]

/** An OCI index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.OCI_INDEX || mediaType === MEDIA_TYPE.DOCKER_LIST
}

/** An OCI manifest or a Docker schema 2 manifest; artifacts are OCI manifests too. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.OCI_MANIFEST || mediaType === MEDIA_TYPE.DOCKER_MANIFEST
}

/** A Docker schema 1 manifest, signed or not. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.DOCKER_SCHEMA1 || mediaType === MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED
}

/** An image config, OCI or Docker; false for configs of artifacts. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.OCI_CONFIG || mediaType === MEDIA_TYPE.DOCKER_CONFIG
}

const OCI_LAYER_PREFIX = 'application/vnd.oci.image.layer.'
const DOCKER_LAYER_PREFIX = 'application/vnd.docker.image.rootfs.'

/** A filesystem layer in any form: compressed or not, foreign, encrypted. */
export function isLayerType(mediaType: string): boolean {
  return mediaType.startsWith(OCI_LAYER_PREFIX) || mediaType.startsWith(DOCKER_LAYER_PREFIX)
}

/** A layer that registries need not hold (`nondistributable`, Docker's `foreign`); fetched from its `urls`. */
export function isForeignLayerType(mediaType: string): boolean {
  return (
    mediaType.startsWith(`${OCI_LAYER_PREFIX}nondistributable.`) ||
    mediaType.startsWith(`${DOCKER_LAYER_PREFIX}foreign.`)
  )
}

/** A layer encrypted by ocicrypt (`…+encrypted`); its content is opaque. */
export function isEncryptedLayerType(mediaType: string): boolean {
  return isLayerType(mediaType) && mediaType.endsWith('+encrypted')
}

/** What a media type says about compression; what the bytes say is for `compress/` to tell. */
export type StatedCompression = 'none' | 'gzip' | 'zstd' | 'unknown'

/**
 * The compression that a layer's media type states. Docker's archives state gzip for plain tars, so a reader looks at
 * the bytes as well.
 */
export function statedCompression(mediaType: string): StatedCompression {
  if (!isLayerType(mediaType) || isEncryptedLayerType(mediaType)) return 'unknown'
  if (mediaType.endsWith('+gzip') || mediaType.endsWith('.gzip')) return 'gzip'
  if (mediaType.endsWith('+zstd') || mediaType.endsWith('.zstd')) return 'zstd'
  return mediaType.endsWith('.tar') ? 'none' : 'unknown'
}
