import type { Annotations, Descriptor } from './descriptor.ts'

/**
 * An OCI image manifest (also of an artifact) or a Docker schema 2 manifest. A view: the bytes it was parsed from stay
 * the truth.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export interface Manifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Annotations | undefined
}

/**
 * An OCI image index or a Docker manifest list.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export interface ImageIndex {
  readonly kind: 'index'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Annotations | undefined
}
