import {
  type ContentProvider,
  type Descriptor,
  type ImageConfig,
  type ManifestDocument,
  parseImageConfig,
  parseManifestDocument,
} from '../../oci/index.ts'
import { readAllBytes, verified } from '../../stream/index.ts'
import { MAX_MANIFEST_BYTES } from '../../transport/index.ts'
import { MAX_CONFIG_BYTES } from '../tree.ts'

/** Options of everything that looks into content. */
export interface ContentReadOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a small blob whole, and holds it against its descriptor. **Buffers.**
 *
 * @throws {TareError} `BLOB_NOT_FOUND`, `LIMIT_EXCEEDED`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`
 */
export async function readBlobBytes(
  provider: ContentProvider,
  descriptor: Descriptor,
  maxBytes: number,
  options: ContentReadOptions = {},
): Promise<Uint8Array> {
  await using reader = await provider.openReader(descriptor, options)
  return await readAllBytes(verified(reader.read(), descriptor, 'blob'), maxBytes, `blob ${descriptor.digest}`)
}

/**
 * Reads and parses a manifest or index.
 *
 * @throws {TareError} as {@link readBlobBytes} and `parseManifestDocument` do
 */
export async function readManifestBlob(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: ContentReadOptions = {},
): Promise<ManifestDocument> {
  const bytes = await readBlobBytes(provider, descriptor, MAX_MANIFEST_BYTES, options)
  return parseManifestDocument(bytes, {
    subject: `manifest ${descriptor.digest}`,
    mediaType: descriptor.mediaType,
  })
}

/**
 * Reads and parses an image config.
 *
 * @throws {TareError} as {@link readBlobBytes} and `parseImageConfig` do
 */
export async function readConfigBlob(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: ContentReadOptions = {},
): Promise<ImageConfig> {
  const bytes = await readBlobBytes(provider, descriptor, MAX_CONFIG_BYTES, options)
  return parseImageConfig(bytes, `config ${descriptor.digest}`)
}
