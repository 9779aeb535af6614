import {
  type Annotations,
  type Descriptor,
  type Digest,
  encodeGoJson,
  encodeOciIndex,
  type GoJson,
  goPlatform,
  MEDIA_TYPE,
  type Platform,
} from '../oci/index.ts'

/** The two formats of a list. */
export type ListType = typeof MEDIA_TYPE.OCI_INDEX | typeof MEDIA_TYPE.DOCKER_LIST

/** Everything that a list holds; each format can express a part of it. */
export interface ListContents {
  readonly members: readonly Descriptor[]
  /** `null` stands in place of an empty array, as podman writes a list that never had a member. */
  readonly isNull: boolean
  readonly artifactType?: string | undefined
  readonly subject?: Descriptor | undefined
  readonly annotations: Annotations
}

/** Something that a list holds and a format cannot express. */
export interface ListLoss {
  readonly what: 'annotations' | 'artifact type' | 'embedded data' | 'features' | 'subject'
  /** The member it belongs to; undefined where it belongs to the list itself. */
  readonly digest?: Digest | undefined
}

/**
 * Writes a list in one of its formats, byte for byte as containers' tools do: keys in their order, nothing empty that
 * may be left out.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 * @see https://distribution.github.io/distribution/spec/manifest-v2-2/#manifest-list
 */
export function encodeList(contents: ListContents, type: ListType): Uint8Array {
  const { members, isNull, subject } = contents
  const isAbsent = isNull && members.length === 0
  if (type === MEDIA_TYPE.OCI_INDEX) {
    return encodeOciIndex({
      ...contents,
      manifests: isAbsent ? null : members.map(withoutEmptyPlatform),
      subject: subject === undefined ? undefined : withoutEmptyPlatform(subject),
    })
  }
  return encodeGoJson({ schemaVersion: 2, mediaType: type, manifests: isAbsent ? null : members.map(dockerDescriptor) })
}

/** What is lost when a list is written in a format. */
export function lossesIn(contents: ListContents, type: ListType): readonly ListLoss[] {
  if (type === MEDIA_TYPE.OCI_INDEX) {
    return contents.members.flatMap(({ digest, platform }) =>
      isEmpty(platform?.features) ? [] : [{ what: 'features', digest }],
    )
  }
  return [
    ...lossesToDocker(contents),
    ...contents.members.flatMap((member) => lossesToDocker(member).map((loss) => ({ ...loss, digest: member.digest }))),
  ]
}

/** What a list, or a member, has that only an OCI index can express. */
function lossesToDocker(holder: Partial<Pick<ListContents, 'subject'>> & Partial<Descriptor>): readonly ListLoss[] {
  const found: ListLoss['what'][] = []
  if (Object.keys(holder.annotations ?? {}).length > 0) found.push('annotations')
  if (holder.artifactType) found.push('artifact type')
  if (holder.data) found.push('embedded data')
  if (holder.subject !== undefined) found.push('subject')
  return found.map((what) => ({ what }))
}

/** Left out where nothing is known of it; `features` belong to Docker's lists. */
function withoutEmptyPlatform(member: Descriptor): Descriptor {
  return member.platform === undefined || hasOciPlatform(member.platform) ? member : { ...member, platform: undefined }
}

function hasOciPlatform({ os, architecture, variant, ...rest }: Platform): boolean {
  return [os, architecture, variant, rest['os.version']].some(Boolean) || !isEmpty(rest['os.features'])
}

/** The order of size and digest is not that of OCI, and the platform is always there. */
export function dockerDescriptor(descriptor: Descriptor): { readonly [name: string]: GoJson | undefined } {
  return {
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    digest: descriptor.digest,
    urls: nonEmpty(descriptor.urls),
    platform: {
      ...goPlatform(descriptor.platform ?? { os: '', architecture: '' }),
      features: nonEmpty(descriptor.platform?.features),
    },
  }
}

function nonEmpty(texts: readonly string[] | undefined): readonly string[] | undefined {
  return isEmpty(texts) ? undefined : texts
}

function isEmpty(texts: readonly string[] | undefined): boolean {
  return texts === undefined || texts.length === 0
}
