import { MEDIA_TYPE } from '../../oci/index.ts'

/** Docker's types, and OCI's for the same. */
const PAIRS: readonly (readonly [docker: string, oci: string])[] = [
  [MEDIA_TYPE.DOCKER_LIST, MEDIA_TYPE.OCI_INDEX],
  [MEDIA_TYPE.DOCKER_MANIFEST, MEDIA_TYPE.OCI_MANIFEST],
  [MEDIA_TYPE.DOCKER_CONFIG, MEDIA_TYPE.OCI_CONFIG],
  [MEDIA_TYPE.DOCKER_LAYER, MEDIA_TYPE.OCI_LAYER],
  [MEDIA_TYPE.DOCKER_LAYER_GZIP, MEDIA_TYPE.OCI_LAYER_GZIP],
  [MEDIA_TYPE.DOCKER_LAYER_ZSTD, MEDIA_TYPE.OCI_LAYER_ZSTD],
  [MEDIA_TYPE.DOCKER_FOREIGN_LAYER, MEDIA_TYPE.OCI_FOREIGN_LAYER],
  [MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP, MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP],
]

/** OCI's type for one of Docker's; any other type is returned as it is. */
export function toOciMediaType(mediaType: string): string {
  return PAIRS.find(([docker]) => docker === mediaType)?.[1] ?? mediaType
}

/** Docker's type for one of OCI's; any other type is returned as it is. */
export function toDockerMediaType(mediaType: string): string {
  return PAIRS.find(([, oci]) => oci === mediaType)?.[0] ?? mediaType
}

/** A compression that a layer's media type can state. */
export type LayerCompression = 'none' | 'gzip' | 'zstd'

/** Types of the same layer, by compression. */
const FAMILIES: readonly Readonly<Record<LayerCompression, string>>[] = [
  { none: MEDIA_TYPE.DOCKER_LAYER, gzip: MEDIA_TYPE.DOCKER_LAYER_GZIP, zstd: MEDIA_TYPE.DOCKER_LAYER_ZSTD },
  { none: MEDIA_TYPE.OCI_LAYER, gzip: MEDIA_TYPE.OCI_LAYER_GZIP, zstd: MEDIA_TYPE.OCI_LAYER_ZSTD },
  {
    none: MEDIA_TYPE.OCI_FOREIGN_LAYER,
    gzip: MEDIA_TYPE.OCI_FOREIGN_LAYER_GZIP,
    zstd: MEDIA_TYPE.OCI_FOREIGN_LAYER_ZSTD,
  },
  // Docker has no foreign layers in zstd; OCI's type says the same.
  {
    none: MEDIA_TYPE.DOCKER_FOREIGN_LAYER,
    gzip: MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP,
    zstd: MEDIA_TYPE.OCI_FOREIGN_LAYER_ZSTD,
  },
]

/** The type of a layer in another compression; undefined for a layer of no known kind, an encrypted one for example. */
export function withCompression(mediaType: string, compression: LayerCompression): string | undefined {
  return FAMILIES.find((family) => Object.values(family).includes(mediaType))?.[compression]
}
