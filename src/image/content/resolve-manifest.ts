import { TareError } from '../../errors/index.ts'
import {
  type ContentProvider,
  type Descriptor,
  type DiffId,
  type ImageIndex,
  isConfigType,
  isIndexType,
  isManifestType,
  type Manifest,
  type Platform,
  type PlatformMatcher,
  platformOfConfig,
  sortByPlatform,
} from '../../oci/index.ts'
import { type ContentReadOptions, readConfigBlob, readManifestBlob } from './read-blob.ts'

/** A manifest that was picked. */
export interface ResolvedManifest {
  readonly descriptor: Descriptor
  readonly document: Manifest
}

/** Indexes nested deeper than this are refused. */
const MAX_DEPTH = 8

/**
 * The manifest that an image means on a platform. A manifest means itself, whatever its platform. Of an index the best
 * member that matches is taken, the next best where that leads nowhere; a member without a platform comes last and is
 * judged by its config. Without a matcher it is the first manifest there is.
 *
 * @throws {TareError} `NO_MATCHING_PLATFORM`; `NOT_FOUND` where the target is neither manifest nor index;
 * `BLOB_NOT_FOUND`, `INVALID_DOCUMENT`, …
 */
export async function resolveManifest(
  provider: ContentProvider,
  target: Descriptor,
  matcher: PlatformMatcher | undefined,
  options: ContentReadOptions = {},
): Promise<ResolvedManifest> {
  if (isManifestType(target.mediaType)) return requireManifest(provider, target, options)
  if (!isIndexType(target.mediaType)) throw unexpectedType(target)
  const found = await pick(provider, target, matcher, options, 0)
  if (found !== undefined) return found
  throw new TareError('NO_MATCHING_PLATFORM', `index ${target.digest} has no match for the platform`)
}

async function pick(
  provider: ContentProvider,
  descriptor: Descriptor,
  matcher: PlatformMatcher | undefined,
  options: ContentReadOptions,
  depth: number,
): Promise<ResolvedManifest | undefined> {
  if (isManifestType(descriptor.mediaType)) return pickManifest(provider, descriptor, matcher, options)
  if (!isIndexType(descriptor.mediaType)) {
    if (matcher === undefined) return undefined
    throw unexpectedType(descriptor)
  }
  if (depth >= MAX_DEPTH) {
    throw new TareError('LIMIT_EXCEEDED', `${descriptor.digest}: indexes are nested more than ${MAX_DEPTH} deep`)
  }
  const document = await readManifestBlob(provider, descriptor, options)
  if (document.kind !== 'index') throw unexpectedType(descriptor)
  for (const member of candidates(document, matcher)) {
    const found = await pick(provider, member, matcher, options, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function candidates(index: ImageIndex, matcher: PlatformMatcher | undefined): readonly Descriptor[] {
  if (matcher === undefined) return index.manifests
  const matching = index.manifests.filter(({ platform }) => platform === undefined || matcher.matches(platform))
  return sortByPlatform(matching, matcher)
}

async function pickManifest(
  provider: ContentProvider,
  descriptor: Descriptor,
  matcher: PlatformMatcher | undefined,
  options: ContentReadOptions,
): Promise<ResolvedManifest | undefined> {
  const resolved = await requireManifest(provider, descriptor, options)
  if (matcher === undefined || descriptor.platform !== undefined) return resolved
  const platform = await statedPlatform(provider, resolved.document, options)
  return platform !== undefined && matcher.matches(platform) ? resolved : undefined
}

async function statedPlatform(
  provider: ContentProvider,
  { config }: Manifest,
  options: ContentReadOptions,
): Promise<Platform | undefined> {
  if (!isConfigType(config.mediaType)) return undefined
  return platformOfConfig(await readConfigBlob(provider, config, options))
}

async function requireManifest(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: ContentReadOptions,
): Promise<ResolvedManifest> {
  const document = await readManifestBlob(provider, descriptor, options)
  if (document.kind !== 'manifest') throw unexpectedType(descriptor)
  return { descriptor, document }
}

function unexpectedType({ digest, mediaType }: Descriptor): TareError {
  return new TareError('NOT_FOUND', `${digest} leads to no manifest: it is ${mediaType || 'of no type'}`)
}

/** The config that an image means on a platform. @throws {TareError} as {@link resolveManifest} */
export async function resolveConfig(
  provider: ContentProvider,
  target: Descriptor,
  matcher: PlatformMatcher | undefined,
  options: ContentReadOptions = {},
): Promise<Descriptor> {
  return (await resolveManifest(provider, target, matcher, options)).document.config
}

/** The diffIDs that a config lists, the lowest layer first. @throws {TareError} `BLOB_NOT_FOUND`, `INVALID_DOCUMENT`, … */
export async function readRootFs(
  provider: ContentProvider,
  config: Descriptor,
  options: ContentReadOptions = {},
): Promise<readonly DiffId[]> {
  return (await readConfigBlob(provider, config, options)).rootfs.diffIds
}
