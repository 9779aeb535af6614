import { errorClass } from '../../errors/index.ts'
import { type ContentProvider, childDescriptors, type Descriptor, type PlatformMatcher } from '../../oci/index.ts'
import type { ContentReadOptions } from './read-blob.ts'
import { resolveManifest } from './resolve-manifest.ts'

/** What of an image is there. */
export interface ImageCheck {
  /** Whether there is a manifest for the platform; blobs may be missing all the same. */
  readonly isAvailable: boolean
  /** Config and layers, in order; the target itself where there is no manifest. */
  readonly required: readonly Descriptor[]
  readonly present: readonly Descriptor[]
  readonly missing: readonly Descriptor[]
}

/**
 * Looks which blobs of an image are there, on a platform. They are not read.
 *
 * @throws {TareError} whatever keeps the manifest from being found out, but for its absence
 */
export async function checkImage(
  provider: ContentProvider,
  target: Descriptor,
  matcher: PlatformMatcher | undefined,
  options: ContentReadOptions = {},
): Promise<ImageCheck> {
  let required: readonly Descriptor[]
  try {
    required = childDescriptors((await resolveManifest(provider, target, matcher, options)).document)
  } catch (error) {
    if (errorClass(error) !== 'not-found') throw error
    return { isAvailable: false, required: [target], present: [], missing: [target] }
  }
  const present: Descriptor[] = []
  const missing: Descriptor[] = []
  for (const descriptor of required) {
    if (await isPresent(provider, descriptor, options)) present.push(descriptor)
    else missing.push(descriptor)
  }
  return { isAvailable: true, required, present, missing }
}

async function isPresent(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: ContentReadOptions,
): Promise<boolean> {
  try {
    await using reader = await provider.openReader(descriptor, options)
    void reader
    return true
  } catch (error) {
    if (errorClass(error) === 'not-found') return false
    throw error
  }
}
