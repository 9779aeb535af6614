import {
  type ContentProvider,
  type Descriptor,
  type DescriptorHandler,
  isAttestationPlatform,
  isConfigType,
  normalizePlatform,
  type Platform,
  platformOfConfig,
  walk,
} from '../../oci/index.ts'
import { readChildren } from './children.ts'
import { type ContentReadOptions, readConfigBlob } from './read-blob.ts'

/**
 * The platforms an image is for, in the order of its tree, not made unique: what descriptors state as it stands, else
 * what configs state. Attestations are for none.
 *
 * @throws {TareError} `BLOB_NOT_FOUND` where a document below it is absent, `INVALID_DOCUMENT`, …
 */
export async function imagePlatforms(
  provider: ContentProvider,
  target: Descriptor,
  options: ContentReadOptions = {},
): Promise<readonly Platform[]> {
  const platforms: Platform[] = []
  const handler: DescriptorHandler = async (descriptor, signal) => {
    if (descriptor.platform !== undefined) {
      if (!isAttestationPlatform(descriptor.platform)) platforms.push(descriptor.platform)
      return []
    }
    if (isConfigType(descriptor.mediaType)) {
      const platform = platformOfConfig(await readConfigBlob(provider, descriptor, { signal }))
      if (platform !== undefined) platforms.push(normalizePlatform(platform))
    }
    return readChildren(provider, descriptor, { signal })
  }
  await walk(handler, [target], options)
  return platforms
}
