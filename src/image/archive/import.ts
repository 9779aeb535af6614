import {
  type Descriptor,
  type DescriptorHandler,
  type Digest,
  filterPlatforms,
  IMAGE_NAME_ANNOTATION,
  type Labels,
  type PlatformMatcher,
  REF_NAME_ANNOTATION,
  setChildrenLabels,
  walkNotEmpty,
} from '../../oci/index.ts'
import type { ImageRecord, NewImage, StoreNamespace } from '../../store/index.ts'
import type { ByteSource } from '../../stream/index.ts'
import { readChildren } from '../content/children.ts'
import { importIndex, type ImportIndexOptions } from './import-index.ts'
import type { ReferenceTranslator } from './reference-names.ts'

/** Options of {@link importImages}. */
export interface ImportOptions extends ImportIndexOptions {
  /** A further record, for the archive's index as a whole. */
  readonly indexName?: string | undefined
  /**
   * Makes an image name of `org.opencontainers.image.ref.name`; none of the empty text. A full name that containerd or
   * Docker wrote beside it counts as it is. @default the name as it is
   */
  readonly translateReference?: ReferenceTranslator | undefined
  /** A further record for each image, by digest; none of the empty text. */
  readonly digestReference?: ((digest: Digest) => string) | undefined
  /** Whether an image goes without that record, by the name it has; the empty text for none. */
  readonly skipDigestReference?: ((name: string) => boolean) | undefined
  /** Members of indexes to keep, on all levels. @default all */
  readonly platform?: PlatformMatcher | undefined
  /** Labels that the records get. */
  readonly labels?: Labels | undefined
}

/** What {@link importImages} made. */
export interface ImportReport {
  /** The archive's index, which is content too. */
  readonly index: Descriptor
  /** Records by the order of the archive; none where it names nothing. */
  readonly images: readonly ImageRecord[]
}

/**
 * Reads an archive into a store, and makes records for the images it names. All records appear at once, when everything
 * else is there; a lease keeps the content until then. Layers may be missing: `checkImage` tells.
 *
 * @throws {TareError} `EMPTY_WALK` where nothing is for the platform; `BLOB_NOT_FOUND` for a missing manifest;
 * `INVALID_ARGUMENT` for a name that no record can have; and as `importIndex` does
 */
export async function importImages(
  namespace: StoreNamespace,
  archive: ByteSource,
  options: ImportOptions = {},
): Promise<ImportReport> {
  await using leased = await namespace.leased(options)
  const { content, images } = leased.namespace
  const index = await importIndex(content, archive, options)
  const records: NewImage[] = []
  if (options.indexName !== undefined) records.push({ name: options.indexName, target: index })
  const children: DescriptorHandler = async (descriptor, signal) => {
    const found = await readChildren(content, descriptor, { signal })
    // Only what the archive itself lists is an image.
    if (descriptor.digest === index.digest) for (const entry of found) records.push(...recordsFor(entry, options))
    return found
  }
  const handler = setChildrenLabels(content, filterPlatforms(children, options.platform))
  await walkNotEmpty(handler, [index], options)
  const labelled = records.map((record) => ({ ...record, labels: options.labels }))
  return { index, images: await images.putAll(labelled, options) }
}

function recordsFor(
  entry: Descriptor,
  { translateReference, digestReference, skipDigestReference }: ImportOptions,
): readonly NewImage[] {
  const reference = entry.annotations?.[REF_NAME_ANNOTATION] ?? ''
  const translated = reference === '' ? '' : (translateReference?.(reference) ?? reference)
  const name = entry.annotations?.[IMAGE_NAME_ANNOTATION] || translated
  const records: NewImage[] = name === '' ? [] : [{ name, target: entry }]
  if (skipDigestReference?.(name) === true) return records
  const byDigest = digestReference?.(entry.digest) ?? ''
  return byDigest === '' ? records : [...records, { name: byDigest, target: entry }]
}
