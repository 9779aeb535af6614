import { TareError } from '../errors/index.ts'

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
  OCI_LAYER_ENCRYPTED: 'application/vnd.oci.image.layer.v1.tar+encrypted',
  OCI_LAYER_GZIP_ENCRYPTED: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
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
  CHECKPOINT: 'application/vnd.containerd.container.criu.checkpoint.criu.tar',
  CHECKPOINT_PRE_DUMP: 'application/vnd.containerd.container.criu.checkpoint.predump.tar',
  CHECKPOINT_RESOURCE: 'application/vnd.containerd.container.resource.tar',
  CHECKPOINT_RW: 'application/vnd.containerd.container.rw.tar',
  CHECKPOINT_CONFIG: 'application/vnd.containerd.container.checkpoint.config.v1+proto',
  CHECKPOINT_OPTIONS: 'application/vnd.containerd.container.checkpoint.options.v1+proto',
  CHECKPOINT_RUNTIME_NAME: 'application/vnd.containerd.container.checkpoint.runtime.name',
  CHECKPOINT_RUNTIME_OPTIONS: 'application/vnd.containerd.container.checkpoint.runtime.options+proto',
} as const

/** Annotation of an entry of `index.json`: its tag, or whatever else its writer calls it. */
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name'
/** Annotation of an entry of `index.json`: the full image name, as containerd and Docker write it beside the tag. */
export const IMAGE_NAME_ANNOTATION = 'io.containerd.image.name'

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

/** A config whose form is known: of an image, or of a containerd checkpoint. */
export function isKnownConfigType(mediaType: string): boolean {
  return isConfigType(mediaType) || mediaType === MEDIA_TYPE.CHECKPOINT || mediaType === MEDIA_TYPE.CHECKPOINT_CONFIG
}

/** Any of Docker's types; annotations of their descriptors have no meaning. */
export function isDockerType(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.docker.')
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

/** A layer whose media type says, or may be trusted to say, that it is a plain tar. */
export function isUncompressedLayerType(mediaType: string): boolean {
  return UNCOMPRESSED_LAYERS.has(mediaType)
}

const UNCOMPRESSED_LAYERS: ReadonlySet<string> = new Set([
  MEDIA_TYPE.DOCKER_LAYER,
  MEDIA_TYPE.DOCKER_FOREIGN_LAYER,
  MEDIA_TYPE.OCI_LAYER,
  MEDIA_TYPE.OCI_FOREIGN_LAYER,
])

const DOCKER_PLAIN: ReadonlySet<string> = new Set([MEDIA_TYPE.DOCKER_LAYER, MEDIA_TYPE.DOCKER_FOREIGN_LAYER])
const DOCKER_COMPRESSED: Readonly<Record<string, 'gzip' | 'zstd'>> = {
  [MEDIA_TYPE.DOCKER_LAYER_GZIP]: 'gzip',
  [MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP]: 'gzip',
  [MEDIA_TYPE.DOCKER_LAYER_ZSTD]: 'zstd',
}

/**
 * The compression of a layer as containerd reads it off the media type: `+` separates suffixes, the alphabetically last
 * one counts, so that `+gzip+encrypted` is gzip; Docker's plain types are `unknown`, since old writers gave them to
 * gzip layers too; a wrapped Docker layer is `''`, as are plain OCI layers.
 *
 * @throws {TareError} `NOT_IMPLEMENTED` for what is no layer of a known kind
 */
export function diffCompression(mediaType: string): 'gzip' | 'zstd' | 'unknown' | '' {
  const [base = '', ...suffixes] = mediaType.split('+')
  const compressed = DOCKER_COMPRESSED[base]
  if (compressed !== undefined || DOCKER_PLAIN.has(base)) {
    if (suffixes.length > 0) return ''
    return compressed ?? 'unknown'
  }
  if (base !== MEDIA_TYPE.OCI_LAYER && base !== MEDIA_TYPE.OCI_FOREIGN_LAYER) {
    throw new TareError('NOT_IMPLEMENTED', `${mediaType.slice(0, 255)} is no kind of layer whose compression is known`)
  }
  const last = suffixes.sort().at(-1)
  return last === 'gzip' || last === 'zstd' ? last : ''
}
