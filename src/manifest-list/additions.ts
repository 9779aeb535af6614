import { resolve } from 'node:path'
import { CopyError, TareError } from '../errors/index.ts'
import {
  attestedDigest,
  type Descriptor,
  formatPlatform,
  isAttestationPlatform,
  isConfigType,
  isManifestType,
  type Manifest,
  parseImageConfig,
  parseManifestDocument,
  type Platform,
  platformOfConfig,
  selectPlatform,
  withoutAbsent,
} from '../oci/index.ts'
import { MAX_CONFIG_BYTES } from '../image/index.ts'
import { mapLimited, type OperationOptions, readAllBytes } from '../stream/index.ts'
import {
  formatTransportReference,
  type ImageSource,
  type ManifestContent,
  type OpenContext,
  openSource,
  openVerifiedBlob,
  parseReferenceOnDisk,
  STANDARD_STREAM,
  type TransportReference,
} from '../transport/index.ts'
import type { ArtifactAddition } from './artifact.ts'
import { ListModel } from './list-model.ts'
import { isArtifactType } from './artifact-type.ts'

/** Opens the image that a location names. */
export type OpenLocation = (location: string, context: OpenContext) => Promise<ImageSource>

/** Options of {@link readImage}. */
export interface ReadImageOptions extends OpenContext {
  /** Takes every member of an index, attestations and nested indexes too. @default false */
  readonly all?: boolean | undefined
  /** Takes of an index the best match for each of these. A single image is taken whatever it is for. */
  readonly platforms?: readonly Platform[] | undefined
  /** @default `openSource` */
  readonly open?: OpenLocation | undefined
}

/** Members that come from an image, not yet in a list. */
export interface ImageAddition {
  readonly kind: 'image'
  /** Where their manifests and blobs are. */
  readonly location: string
  readonly members: readonly Descriptor[]
}

/** What a list can be added to. */
export type ListAddition = ImageAddition | ArtifactAddition

/** Members whose configs are read at a time. */
const READ_CONCURRENCY = 6

/**
 * Reads what an image would add to a list: the image, or members of its index. Nothing is copied: manifests, and configs
 * where the index does not say for what a member is, are all that is read.
 *
 * @param reference - with its transport; relative paths are resolved
 * @throws {TareError} `PLATFORM_REQUIRED` for an index without `all` and `platforms`; `NO_MATCHING_PLATFORM`;
 * `NOT_FOUND`, …
 */
export async function readImage(
  reference: TransportReference | string,
  options: ReadImageOptions = {},
): Promise<ImageAddition> {
  const location = await locationOf(reference)
  const { open = openSource } = options
  await using source = await open(location, options)
  try {
    const members = await membersOf(source, await source.resolve(options), options)
    const complete = await mapLimited(
      members,
      READ_CONCURRENCY,
      (member, _index, signal) => withPlatform(member, source, { ...options, signal }),
      options,
    )
    return { kind: 'image', location, members: complete }
  } catch (error) {
    throw CopyError.at('source', location, error)
  }
}

/** The text under which an image is found again from any directory. @throws {TareError} `INVALID_ARGUMENT` for a stream */
export async function locationOf(reference: TransportReference | string): Promise<string> {
  const parsed = typeof reference === 'string' ? await parseReferenceOnDisk(reference) : reference
  if ('path' in parsed && parsed.path === STANDARD_STREAM) {
    throw new TareError('INVALID_ARGUMENT', `${formatTransportReference(parsed)} can be read once only`, {
      hint: 'A list remembers where its members are: write the archive to a file first',
    })
  }
  return formatTransportReference('path' in parsed ? { ...parsed, path: resolve(parsed.path) } : parsed)
}

/** A member, and its manifest where that was read already. */
interface Candidate {
  readonly member: Descriptor
  readonly manifest?: Manifest | undefined
}

async function membersOf(
  source: ImageSource,
  { descriptor, bytes }: ManifestContent,
  options: ReadImageOptions,
): Promise<readonly Candidate[]> {
  const { digest, size, mediaType } = descriptor
  const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  if (document.kind === 'manifest') {
    const { artifactType } = document
    return [{ member: { mediaType: document.mediaType, digest, size, artifactType }, manifest: document }]
  }
  const list = ListModel.fromBytes(bytes, { subject: source.reference, mediaType })
  const members = options.all === true ? list.members() : pickMembers(list, options.platforms ?? [], source.reference)
  // What a descriptor embeds is there to save a request; at the new place the manifest is at hand.
  return members.map((member) => ({ member: { ...member, data: undefined } }))
}

function pickMembers(list: ListModel, platforms: readonly Platform[], reference: string): readonly Descriptor[] {
  if (platforms.length > 0) return selectMembers(list.members(), platforms, reference, false)
  throw new TareError('PLATFORM_REQUIRED', `${reference} is an index, and no platform was chosen`, {
    hint: `Choose a platform, or take all members. ${offer(list.members())}`,
  })
}

/**
 * The members that platforms pick, each the best match, in their order. A digest may be listed for several platforms;
 * all of its entries are taken.
 *
 * @param subject - what they are members of, for the error
 * @param withAttestations - whether those come too that speak of what was picked. @default true
 * @throws {TareError} `NO_MATCHING_PLATFORM`
 */
export function selectMembers(
  members: readonly Descriptor[],
  platforms: readonly Platform[],
  subject = 'the list',
  withAttestations = true,
): readonly Descriptor[] {
  const picked = new Set(
    platforms.map((wanted) => {
      const member = pickMember(members, wanted)
      if (member !== undefined) return member.digest
      const problem = `platform ${formatPlatform(wanted)} is not in ${subject}`
      throw new TareError('NO_MATCHING_PLATFORM', problem, { hint: offer(members) })
    }),
  )
  return members.filter((member) => {
    const attested = withAttestations ? attestedDigest(member) : undefined
    return picked.has(member.digest) || (attested !== undefined && picked.has(attested))
  })
}

function offer(members: readonly Descriptor[]): string {
  const offered = members.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]))
  return offered.length === 0 ? 'It names no platform' : `It has ${[...new Set(offered)].join(', ')}`
}

/** The best match among the members of an index; one without a platform is taken where nothing else matches. */
function pickMember(members: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  const runnable = members.filter(({ platform }) => platform === undefined || !isAttestationPlatform(platform))
  return (
    selectPlatform(wanted, runnable) ??
    runnable.find(({ platform, mediaType }) => platform === undefined && isManifestType(mediaType))
  )
}

/** Where an entry does not say it, the config says for what an image is. */
async function withPlatform(
  { member, manifest }: Candidate,
  source: ImageSource,
  options: OperationOptions,
): Promise<Descriptor> {
  const { platform = { os: '', architecture: '' }, artifactType, mediaType, digest } = member
  const isStated = platform.os !== '' && platform.architecture !== ''
  if (isStated || isArtifactType(artifactType) || !isManifestType(mediaType)) return member
  const document = manifest ?? (await readMember(member, source, options))
  if (isArtifactType(document.artifactType) || !isConfigType(document.config.mediaType)) return member
  const subject = `config ${document.config.digest}`
  const bytes = await readAllBytes(
    openVerifiedBlob(source, document.config, 'source', options),
    MAX_CONFIG_BYTES,
    subject,
  )
  const config = platformOfConfig(parseImageConfig(bytes, subject)) ?? platform
  options.logger?.debug(`${digest}: platform ${formatPlatform(config)} is taken from its config`)
  return { ...member, platform: filled(platform, config) }
}

async function readMember(member: Descriptor, source: ImageSource, options: OperationOptions): Promise<Manifest> {
  const { digest, mediaType } = member
  const bytes = await source.readManifest(member, options)
  const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  if (document.kind === 'manifest') return document
  throw new TareError('INTERNAL', `${digest} is an index although it is announced as ${mediaType}`)
}

/** Version and features go with the system, the variant with the processor. */
function filled(stated: Platform, config: Platform): Platform {
  const system = stated.os === '' ? config : stated
  const processor = stated.architecture === '' ? config : stated
  return withoutAbsent({
    os: system.os,
    architecture: processor.architecture,
    variant: processor.variant,
    'os.version': system['os.version'],
    'os.features': system['os.features'],
    features: stated.features,
  })
}
