import { hasErrorCode } from '../../errors/index.ts'
import {
  type ContentManager,
  type ContentProvider,
  type Descriptor,
  type DescriptorHandler,
  type Digest,
  formatPlatform,
  walk,
} from '../../oci/index.ts'
import { readChildren } from './children.ts'
import { imagePlatforms } from './image-platforms.ts'
import type { ContentReadOptions } from './read-blob.ts'

/** One blob below an image: a document, a config, a layer. */
export interface SurveyedBlob {
  readonly descriptor: Descriptor
  readonly isPresent: boolean
}

/** What {@link surveyImage} found. */
export interface ImageSurvey {
  /** All that could be found, the target too, each digest once. What lies below an absent document is not known. */
  readonly blobs: ReadonlyMap<Digest, SurveyedBlob>
  /** As text, each once; empty where a document that would tell is absent. */
  readonly platforms: readonly string[]
  /** Bytes of all blobs, as their descriptors state them. */
  readonly totalBytes: number
  /** Bytes of those that are there. */
  readonly presentBytes: number
  readonly missingCount: number
}

/**
 * Looks what an image is made of, on all platforms, and what of it is there. Absent content is told, not an error;
 * layers are not read.
 *
 * @throws {TareError} `INVALID_DOCUMENT`, … for a document that is damaged
 */
export async function surveyImage(
  content: ContentProvider & Pick<ContentManager, 'info'>,
  target: Descriptor,
  options: ContentReadOptions = {},
): Promise<ImageSurvey> {
  const blobs = new Map<Digest, SurveyedBlob>()
  const handler: DescriptorHandler = async (descriptor, signal) => {
    if (blobs.has(descriptor.digest)) return []
    const isPresent = await holds(content, descriptor, { signal })
    blobs.set(descriptor.digest, { descriptor, isPresent })
    return isPresent ? readChildren(content, descriptor, { signal }) : []
  }
  await walk(handler, [target], options)
  const all = [...blobs.values()]
  const bytesOf = (list: readonly SurveyedBlob[]): number => list.reduce((sum, blob) => sum + blob.descriptor.size, 0)
  const present = all.filter((blob) => blob.isPresent)
  return {
    blobs,
    platforms: await platformsOf(content, target, options),
    totalBytes: bytesOf(all),
    presentBytes: bytesOf(present),
    missingCount: all.length - present.length,
  }
}

async function holds(
  content: Pick<ContentManager, 'info'>,
  { digest }: Descriptor,
  options: ContentReadOptions,
): Promise<boolean> {
  try {
    await content.info(digest, options)
    return true
  } catch (error) {
    if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return false
    throw error
  }
}

async function platformsOf(
  content: ContentProvider,
  target: Descriptor,
  options: ContentReadOptions,
): Promise<readonly string[]> {
  try {
    const platforms = await imagePlatforms(content, target, options)
    return [...new Set(platforms.map(formatPlatform))]
  } catch (error) {
    if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return []
    throw error
  }
}
