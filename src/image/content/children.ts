import {
  childDescriptors,
  type ContentProvider,
  type Descriptor,
  type DescriptorHandler,
  isIndexType,
  isManifestType,
} from '../../oci/index.ts'
import { type ContentReadOptions, readManifestBlob } from './read-blob.ts'

/**
 * What a descriptor leads to: config and layers of a manifest, members of an index, nothing for all else.
 *
 * @throws {TareError} `BLOB_NOT_FOUND`, `INVALID_DOCUMENT`, `SCHEMA1_UNSUPPORTED`, …
 */
export async function readChildren(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: ContentReadOptions = {},
): Promise<readonly Descriptor[]> {
  const { mediaType } = descriptor
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) return []
  return childDescriptors(await readManifestBlob(provider, descriptor, options))
}

/** {@link readChildren} as a handler. */
export function childrenHandler(provider: ContentProvider): DescriptorHandler {
  return (descriptor, signal) => readChildren(provider, descriptor, { signal })
}
