import { hasErrorCode, TareError } from '../errors/index.ts'
import {
  type Annotations,
  type Descriptor,
  type Digest,
  type ImageIndex,
  isIndexType,
  isJsonObject,
  MEDIA_TYPE,
  parseJson,
  parseManifestDocument,
  type Platform,
  withoutAbsent,
} from '../oci/index.ts'
import { encodeList, type ListContents, type ListLoss, type ListType, lossesIn } from './list-json.ts'

/** Options of {@link ListModel.fromBytes}. */
export interface ListFromBytesOptions {
  /** Which document, for errors: `list app:latest`. */
  readonly subject: string
  /** What the descriptor or the transport says it is. */
  readonly mediaType?: string | undefined
}

const MAX_BYTES = 8 * 1024 * 1024

/**
 * A manifest list and an image index in one: whatever either format can express is held and edited together, and
 * written in the one that was asked for or that fits. Methods that take a digest look at the first member with it and
 * throw `INSTANCE_NOT_FOUND` where there is none; what getters give is never changed by later edits.
 *
 * @example
 * ```ts
 * import { ListModel } from 'tare/manifest-list'
 *
 * const list = ListModel.create()
 * const digest = `sha256:${'0'.repeat(64)}` as const
 * list.addInstance({ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 562 })
 * list.setOs(digest, 'linux')
 * list.setArchitecture(digest, 'arm64')
 * console.log(new TextDecoder().decode(list.serialize()))
 * ```
 */
export class ListModel {
  #members: readonly Descriptor[]
  #isNull: boolean
  #annotations: Annotations
  #artifactType: string | undefined
  #subject: Descriptor | undefined

  protected constructor(contents: ListContents) {
    this.#members = contents.members
    this.#isNull = contents.isNull
    this.#annotations = contents.annotations
    this.#artifactType = contents.artifactType
    this.#subject = contents.subject
  }

  /** A list without members. */
  static create(): ListModel {
    return new ListModel(EMPTY_LIST)
  }

  /**
   * Reads an OCI index or a Docker manifest list. Members are kept as they are: equal digests, nested indexes and
   * artifacts too. Unknown fields are lost with the next {@link ListModel.serialize}.
   *
   * @param bytes - at most 8 MiB
   * @throws {TareError} `NOT_A_LIST` for the manifest of one image; `INVALID_DOCUMENT` with every problem
   */
  static fromBytes(bytes: Uint8Array, options: ListFromBytesOptions): ListModel {
    return new ListModel(parseList(bytes, options))
  }

  /** Independent of this list from now on. */
  clone(): ListModel {
    return new ListModel(this.contents())
  }

  /** All members in order, as an index would describe them, with Docker's `features` in the platform. */
  members(): readonly Descriptor[] {
    return this.#members
  }

  /** The digests of all members in order; one that is listed twice comes twice. */
  instances(): readonly Digest[] {
    return this.#members.map((member) => member.digest)
  }

  /** Whether a member has the digest. */
  has(digest: Digest): boolean {
    return this.#members.some((member) => member.digest === digest)
  }

  /** Makes sure that a member has the digest. @throws {TareError} `INSTANCE_NOT_FOUND` */
  checkListed(digest: Digest): void {
    this.#find(digest)
  }

  /** The first member with the digest. @throws {TareError} `INSTANCE_NOT_FOUND` */
  member(digest: Digest): Descriptor {
    return this.#find(digest).member
  }

  /**
   * Adds a member at the end. Members that had its digest are replaced by it: what was set on them goes.
   *
   * @param member - an empty platform counts as none
   */
  addInstance(member: Descriptor): void {
    this.#members = [...this.#members.filter(({ digest }) => digest !== member.digest), tidy(member)]
    this.#isNull = false
  }

  /** Removes all members with the digest. @throws {TareError} `INSTANCE_NOT_FOUND`; the list is as it was */
  remove(digest: Digest): void {
    this.checkListed(digest)
    this.#members = this.#members.filter((member) => member.digest !== digest)
  }

  /** Removes every member; annotations, artifact type and subject of the list stay. */
  clear(): void {
    this.#members = []
  }

  /** Where the manifest can also be had. */
  urls(digest: Digest): readonly string[] {
    return this.member(digest).urls ?? []
  }

  /** Replaces where the manifest can also be had. */
  setUrls(digest: Digest, urls: readonly string[]): void {
    this.#edit(digest, (member) => ({ ...member, urls: [...urls] }))
  }

  /** Annotations of a member, or of the list where no digest is given; empty where there are none. */
  annotations(digest?: Digest): Annotations {
    return digest === undefined ? this.#annotations : (this.member(digest).annotations ?? {})
  }

  /** Adds annotations to a member, or to the list where `digest` is undefined; those of the same key are replaced. */
  setAnnotations(digest: Digest | undefined, annotations: Annotations): void {
    if (digest === undefined) this.#annotations = { ...this.#annotations, ...annotations }
    else this.#edit(digest, (member) => ({ ...member, annotations: { ...member.annotations, ...annotations } }))
  }

  /** Removes all annotations of a member, or of the list where no digest is given. */
  clearAnnotations(digest?: Digest): void {
    if (digest === undefined) this.#annotations = {}
    else this.#edit(digest, (member) => ({ ...member, annotations: undefined }))
  }

  /** The operating system, such as `linux`; empty where it is not stated. */
  os(digest: Digest): string {
    return this.#platform(digest).os
  }

  /** Sets the operating system; an empty text takes it away. */
  setOs(digest: Digest, os: string): void {
    this.#setPlatform(digest, { os })
  }

  /** The processor, such as `arm64`; empty where it is not stated. */
  architecture(digest: Digest): string {
    return this.#platform(digest).architecture
  }

  /** Sets the processor; an empty text takes it away. */
  setArchitecture(digest: Digest, architecture: string): void {
    this.#setPlatform(digest, { architecture })
  }

  /** The version of the system; empty where it is not stated. */
  osVersion(digest: Digest): string {
    return this.#platform(digest)['os.version'] ?? ''
  }

  /** Sets the version of the system; an empty text takes it away. */
  setOsVersion(digest: Digest, version: string): void {
    this.#setPlatform(digest, { 'os.version': version })
  }

  /** The variant of the processor, such as `v7`; empty where it is not stated. */
  variant(digest: Digest): string {
    return this.#platform(digest).variant ?? ''
  }

  /** Sets the variant of the processor; an empty text takes it away. */
  setVariant(digest: Digest, variant: string): void {
    this.#setPlatform(digest, { variant })
  }

  /** What the member needs of the system, such as `win32k`. */
  osFeatures(digest: Digest): readonly string[] {
    return this.#platform(digest)['os.features'] ?? []
  }

  /** Replaces what the member needs of the system. */
  setOsFeatures(digest: Digest, features: readonly string[]): void {
    this.#setPlatform(digest, { 'os.features': [...features] })
  }

  /** What the member needs of the processor. Docker's lists alone can express it. */
  features(digest: Digest): readonly string[] {
    return this.#platform(digest).features ?? []
  }

  /** Replaces what the member needs of the processor. Docker's lists alone can express it. */
  setFeatures(digest: Digest, features: readonly string[]): void {
    this.#setPlatform(digest, { features: [...features] })
  }

  /** The media type of the member's manifest. */
  mediaType(digest: Digest): string {
    return this.member(digest).mediaType
  }

  /** Sets the media type of the member's manifest, in either format. */
  setMediaType(digest: Digest, mediaType: string): void {
    this.#edit(digest, (member) => ({ ...member, mediaType }))
  }

  /** The artifact type of a member, or of the list where no digest is given; empty where there is none. */
  artifactType(digest?: Digest): string {
    return (digest === undefined ? this.#artifactType : this.member(digest).artifactType) ?? ''
  }

  /** Sets the artifact type of a member, or of the list where `digest` is undefined; an empty text takes it away. */
  setArtifactType(digest: Digest | undefined, artifactType: string): void {
    if (digest === undefined) this.#artifactType = artifactType || undefined
    else this.#edit(digest, (member) => ({ ...member, artifactType }))
  }

  /** What the list refers to. */
  subject(): Descriptor | undefined {
    return this.#subject
  }

  /** Makes the list refer to something; undefined takes it away. */
  setSubject(subject: Descriptor | undefined): void {
    this.#subject = subject === undefined ? undefined : tidy(subject)
  }

  /**
   * The format that {@link ListModel.serialize} takes when none is asked for: OCI where something is held that only an
   * index can express (annotations, artifact types, a subject, embedded data), else Docker where a member has features,
   * else Docker for a list without members, else OCI.
   */
  preferredType(): ListType {
    if (lossesIn(this.contents(), MEDIA_TYPE.DOCKER_LIST).length > 0) return MEDIA_TYPE.OCI_INDEX
    if (lossesIn(this.contents(), MEDIA_TYPE.OCI_INDEX).length > 0) return MEDIA_TYPE.DOCKER_LIST
    return this.#members.length === 0 ? MEDIA_TYPE.DOCKER_LIST : MEDIA_TYPE.OCI_INDEX
  }

  /** What is lost when the list is written in a format; nothing where it can all be expressed. */
  lossesIn(type: ListType): readonly ListLoss[] {
    return lossesIn(this.contents(), type)
  }

  /**
   * The list as bytes, equal to those of containers' tools for the same contents.
   *
   * @param mediaType - an OCI index or a Docker manifest list. @default {@link ListModel.preferredType}
   * @throws {TareError} `INVALID_ARGUMENT` for any other type
   */
  serialize(mediaType: string = this.preferredType()): Uint8Array {
    return encodeList(this.contents(), requireListType(mediaType))
  }

  /** The list as an OCI index. */
  ociV1(): ImageIndex {
    return viewOf(this.serialize(MEDIA_TYPE.OCI_INDEX))
  }

  /** The list as a Docker manifest list. */
  docker(): ImageIndex {
    return viewOf(this.serialize(MEDIA_TYPE.DOCKER_LIST))
  }

  /** Everything there is, for those who write it in another way. */
  contents(): ListContents {
    return {
      members: this.#members,
      isNull: this.#isNull,
      annotations: this.#annotations,
      artifactType: this.#artifactType,
      subject: this.#subject,
    }
  }

  #find(digest: Digest): { readonly member: Descriptor; readonly index: number } {
    const index = this.#members.findIndex((member) => member.digest === digest)
    const member = this.#members[index]
    if (member !== undefined) return { member, index }
    throw new TareError('INSTANCE_NOT_FOUND', `no member of the list has the digest ${digest}`, {
      hint: this.#members.length === 0 ? 'The list has no members' : 'tare manifest inspect shows the members',
    })
  }

  #edit(digest: Digest, change: (member: Descriptor) => Descriptor): void {
    const { member, index } = this.#find(digest)
    this.#members = this.#members.with(index, tidy(change(member)))
  }

  #platform(digest: Digest): Platform {
    return this.member(digest).platform ?? NO_PLATFORM
  }

  #setPlatform(digest: Digest, fields: Partial<Platform>): void {
    const platform = this.#platform(digest)
    this.#edit(digest, (member) => ({ ...member, platform: { ...platform, ...fields } }))
  }
}

const EMPTY_LIST: ListContents = { members: [], isNull: true, annotations: {} }
const NO_PLATFORM: Platform = { os: '', architecture: '' }

/**
 * Makes sure of one of the two formats.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function requireListType(mediaType: string): ListType {
  if (mediaType === MEDIA_TYPE.OCI_INDEX || mediaType === MEDIA_TYPE.DOCKER_LIST) return mediaType
  throw new TareError('INVALID_ARGUMENT', `a list cannot be written as ${mediaType}`, {
    hint: `Lists are ${MEDIA_TYPE.OCI_INDEX} or ${MEDIA_TYPE.DOCKER_LIST}`,
  })
}

/** Reads what a list's bytes hold. @throws as {@link ListModel.fromBytes} */
export function parseList(bytes: Uint8Array, options: ListFromBytesOptions): ListContents {
  const document = parseDocument(bytes, options)
  const { manifests, annotations = {}, artifactType, subject } = document
  const isNull = manifests.length === 0 && isMembersNull(bytes, options.subject)
  return { members: manifests.map(tidy), isNull, annotations, artifactType, subject }
}

function parseDocument(bytes: Uint8Array, { subject, mediaType }: ListFromBytesOptions): ImageIndex {
  const notAList = (cause?: unknown): TareError =>
    new TareError('NOT_A_LIST', `${subject} is the manifest of one image, not a list`, { cause })
  if (mediaType !== undefined && !isIndexType(mediaType)) throw notAList()
  try {
    const document = parseManifestDocument(bytes, { subject, mediaType })
    if (document.kind === 'index') return document
  } catch (error) {
    throw hasErrorCode(error, 'SCHEMA1_UNSUPPORTED') ? notAList(error) : error
  }
  throw notAList()
}

/** A view has an empty array either way, but the bytes that are written again shall be the same. */
function isMembersNull(bytes: Uint8Array, subject: string): boolean {
  const value = parseJson(bytes, subject, MAX_BYTES)
  return isJsonObject(value) && value['manifests'] === null
}

function viewOf(bytes: Uint8Array): ImageIndex {
  return parseDocument(bytes, { subject: 'the list' })
}

/** Leaves out what is empty, so that a member that is set back is as it was. Lists are copied: they may be others'. */
function tidy(descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size, urls, annotations = {}, data, artifactType, platform } = descriptor
  return withoutAbsent({
    mediaType,
    digest,
    size,
    urls: copyOf(urls),
    annotations: Object.keys(annotations).length === 0 ? undefined : { ...annotations },
    data: data || undefined,
    artifactType: artifactType || undefined,
    platform: platform === undefined ? undefined : tidyPlatform(platform),
  })
}

function tidyPlatform(platform: Platform): Platform | undefined {
  const { os, architecture } = platform
  const tidied: Platform = withoutAbsent({
    os,
    architecture,
    variant: platform.variant || undefined,
    'os.version': platform['os.version'] || undefined,
    'os.features': copyOf(platform['os.features']),
    features: copyOf(platform.features),
  })
  return os === '' && architecture === '' && Object.keys(tidied).length === 2 ? undefined : tidied
}

function copyOf(texts: readonly string[] | undefined): readonly string[] | undefined {
  return texts === undefined || texts.length === 0 ? undefined : [...texts]
}
