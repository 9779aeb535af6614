import { TareError } from '../../errors/index.ts'
import {
  type ContentProvider,
  type Descriptor,
  filterPlatforms,
  handleInOrder,
  limitManifests,
  type PlatformMatcher,
  walk,
} from '../../oci/index.ts'
import { childrenHandler } from './children.ts'
import type { ContentReadOptions } from './read-blob.ts'

/**
 * Bytes of an image on a platform, as its descriptors state them: target, best manifest, config and layers, what is
 * listed twice counted twice. Blobs need not be there; indexes and the manifest do.
 *
 * @throws {TareError} `NO_MATCHING_PLATFORM`, `BLOB_NOT_FOUND`; `INVALID_ARGUMENT` for a target of no possible size
 */
export async function imageSize(
  provider: ContentProvider,
  target: Descriptor,
  matcher: PlatformMatcher,
  options: ContentReadOptions = {},
): Promise<number> {
  let sizeBytes = 0
  const children = limitManifests(filterPlatforms(childrenHandler(provider), matcher), matcher, 1)
  const handler = handleInOrder(async ({ digest, size }) => {
    if (!(size >= 0)) throw new TareError('INVALID_ARGUMENT', `${digest} has ${size} bytes, which can't be`)
    sizeBytes += size
    return []
  }, children)
  await walk(handler, [target], options)
  return sizeBytes
}
