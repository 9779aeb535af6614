import { CopyError, type Side } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { type ByteSource, verified } from '../stream/index.ts'
import type { ImageSource, OpenBlobOptions } from './transport.ts'

/**
 * Opens a blob so that reading it to the end proves its size and digest; errors name the side and the digest.
 *
 * @param side - what the source is in the present operation
 */
export async function* openVerifiedBlob(
  source: ImageSource,
  descriptor: Descriptor,
  side: Side,
  options: Omit<OpenBlobOptions, 'offset'> = {},
): ByteSource {
  try {
    yield* verified(await source.openBlob(descriptor, options), descriptor, 'blob')
  } catch (error) {
    throw CopyError.at(side, descriptor.digest, error)
  }
}
