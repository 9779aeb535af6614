import type { Digest } from './digest.ts'
import type { Platform } from './platform.ts'

/** String to string, as OCI documents carry them. */
export type Annotations = Readonly<Record<string, string>>

/**
 * Names content by media type, digest and size.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[] | undefined
  readonly annotations?: Annotations | undefined
  /** The content itself, base64. */
  readonly data?: string | undefined
  readonly artifactType?: string | undefined
  readonly platform?: Platform | undefined
}

/** The three fields that identify content, without decoration. */
export function bareDescriptor(descriptor: Descriptor): Descriptor {
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size }
}
