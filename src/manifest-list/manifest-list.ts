import { resolve } from 'node:path'
import { TareError } from '../errors/index.ts'
import { type Digest, isDigest, parseManifestDocument } from '../oci/index.ts'
import type { ListItems, ListStore, ListStoreOptions } from '../store/index.ts'
import { digestOf, type Logger } from '../stream/index.ts'
import type { ManifestContent, OpenContext, TransportReference } from '../transport/index.ts'
import { type ListAddition, type OpenLocation, readImage, type ReadImageOptions } from './additions.ts'
import { type Artifact, type ArtifactOptions, readArtifact } from './artifact.ts'
import { CompositeSource, type Selection } from './composite-source.ts'
import {
  encodeArtifacts,
  encodeFeatures,
  encodeInstances,
  LIST_DOCUMENTS,
  parseArtifacts,
  parseFeatures,
  parseInstances,
} from './list-documents.ts'
import type { ListContents } from './list-json.ts'
import { type ListFromBytesOptions, ListModel, parseList, requireListType } from './list-model.ts'
import { warnOfClashes } from './platform-clashes.ts'
import { type PushListOptions, type PushListReport, pushList } from './push.ts'

/** Options of {@link ManifestList.saveToImage}. */
export interface SaveListOptions extends ListStoreOptions {
  /** The list to replace; with an ID that no list has, a new one gets it. @default a new list */
  readonly id?: string | undefined
  /** In full, for a new list; one that is replaced keeps its own. */
  readonly names?: readonly string[] | undefined
  /** @default the format that fits, see `preferredType` */
  readonly mediaType?: string | undefined
}

/** What {@link ManifestList.loadFromImage} gives. */
export interface LoadedList {
  readonly id: string
  readonly list: ManifestList
}

/** Options of {@link ManifestList.reference}. */
export interface ListReferenceOptions extends OpenContext {
  /** Which members can be read. @default { kind: 'all' } */
  readonly selection?: Selection | undefined
  /** Opens where a member is. @default `openSource` */
  readonly open?: OpenLocation | undefined
}

/**
 * A list with what is known of its members: where each can be read again, and the files that artifacts are made of. It
 * is kept in a {@link ListStore} and pushed with its members.
 *
 * @example
 * ```ts
 * import { ManifestList } from 'tare/manifest-list'
 * import { MemoryListStore } from 'tare/store'
 *
 * const store = new MemoryListStore()
 * const list = ManifestList.create()
 * const id = await list.saveToImage(store, { names: ['localhost/app:v1'] })
 * const loaded = await ManifestList.loadFromImage(store, 'localhost/app:v1')
 * console.log(loaded.id === id, loaded.list.instances())
 * ```
 */
export class ManifestList extends ListModel {
  readonly #locations = new Map<Digest, string>()
  readonly #artifacts = new Map<Digest, Artifact>()
  #id: string | undefined
  /** The bytes that stand for some contents: as they were stored. */
  #saved: { readonly bytes: Uint8Array; readonly contents: ListContents } | undefined

  /** A list without members, not stored yet. */
  static override create(): ManifestList {
    return new ManifestList({ members: [], isNull: true, annotations: {} })
  }

  /** Reads a list's bytes. Where its members are is not known. @throws as `ListModel.fromBytes` */
  static override fromBytes(bytes: Uint8Array, options: ListFromBytesOptions): ManifestList {
    return new ManifestList(parseList(bytes, options))
  }

  /**
   * Loads a stored list.
   *
   * @param idOrName - an ID, an unambiguous beginning of one, or a name in full
   * @throws {TareError} `NOT_FOUND`, also where the record holds no list or does not say where the members are;
   * `NOT_A_LIST` for an image; `INVALID_DOCUMENT`
   */
  static async loadFromImage(store: ListStore, idOrName: string, options: ListStoreOptions = {}): Promise<LoadedList> {
    const { id } = await store.find(idOrName, options)
    const list = ManifestList.#restored(id, await store.readItems(id, options))
    return { id, list }
  }

  static #restored(id: string, items: ListItems): ManifestList {
    const { manifest, instances, artifacts, features } = LIST_DOCUMENTS
    const bytes = requiredItem(items, manifest, id)
    const list = ManifestList.fromBytes(bytes, { subject: `list ${id}` })
    const locations = parseInstances(requiredItem(items, instances, id), `${instances} of list ${id}`)
    for (const [digest, location] of locations) list.#locations.set(digest, location)
    const artifactsItem = items.get(artifacts)
    if (artifactsItem !== undefined) {
      const known = parseArtifacts(artifactsItem, `${artifacts} of list ${id}`)
      for (const [digest, artifact] of known) list.#artifacts.set(digest, artifact)
    }
    const featuresItem = items.get(features)
    if (featuresItem !== undefined) {
      const known = parseFeatures(featuresItem, `${features} of list ${id}`)
      for (const [digest, texts] of known) if (list.has(digest)) list.setFeatures(digest, texts)
    }
    list.#id = id
    list.#saved = { bytes, contents: list.contents() }
    return list
  }

  /** Independent of this list from now on. */
  override clone(): ManifestList {
    const list = new ManifestList(this.contents())
    for (const [digest, location] of this.#locations) list.#locations.set(digest, location)
    for (const [digest, artifact] of this.#artifacts) list.#artifacts.set(digest, artifact)
    list.#id = this.#id
    list.#saved = this.#saved
    return list
  }

  /** The ID under which the list is stored; undefined before it is saved. */
  get id(): string | undefined {
    return this.#id
  }

  /** Where members are: a reference with its transport for each digest. Artifacts made of files have none. */
  locations(): ReadonlyMap<Digest, string> {
    return this.#locations
  }

  /** Says where a member is from now on. @throws {TareError} `INSTANCE_NOT_FOUND` */
  setLocation(digest: Digest, location: string): void {
    this.checkListed(digest)
    this.#locations.set(digest, location)
  }

  /** Artifacts made of files, by the digest of their manifest. */
  artifacts(): ReadonlyMap<Digest, Artifact> {
    return this.#artifacts
  }

  /** The files that an artifact is made of; empty for any other member. */
  files(digest: Digest): readonly string[] {
    return this.#artifacts.get(digest)?.files ?? []
  }

  /**
   * The first artifact that is made of a file; a digest is returned as it is.
   *
   * @throws {TareError} `INSTANCE_NOT_FOUND`
   */
  instanceByFile(file: string): Digest {
    if (isDigest(file)) return file
    const path = resolve(file)
    for (const [digest, { files }] of this.#artifacts) if (files.includes(path)) return digest
    throw new TareError('INSTANCE_NOT_FOUND', `no artifact of the list is made of ${file}`)
  }

  /**
   * Adds an image, or members of its index. Nothing is copied: what is remembered is where they are.
   *
   * @param reference - with its transport; relative paths are resolved
   * @returns the digest of the first member that was added
   * @throws as {@link readImage}; the list is as it was
   */
  async add(reference: TransportReference | string, options: ReadImageOptions = {}): Promise<Digest> {
    return this.addRead(await readImage(reference, options), options)
  }

  /**
   * Adds an artifact made of files.
   *
   * @returns the digest of its manifest
   * @throws as {@link readArtifact}; the list is as it was
   */
  async addArtifact(files: readonly string[], options: ArtifactOptions = {}): Promise<Digest> {
    return this.addRead(await readArtifact(files, options), options)
  }

  /**
   * Adds what was read before, so that nobody waits for the network while he holds a lock. A member that is listed
   * already moves to the end; where it is stays what it was. Says so where a platform is now claimed by two members.
   *
   * @returns the digest of the first member
   * @throws {TareError} `NOT_FOUND` where the addition has no members
   */
  addRead(addition: ListAddition, options: { readonly logger?: Logger | undefined } = {}): Digest {
    const [first] = addition.members
    if (first === undefined) throw new TareError('NOT_FOUND', 'there is nothing to add: the index has no members')
    for (const member of addition.members) {
      this.addInstance(member)
      if (addition.kind === 'artifact') this.#artifacts.set(member.digest, addition.artifact)
      else if (!this.#locations.has(member.digest)) this.#locations.set(member.digest, addition.location)
    }
    if (options.logger !== undefined) warnOfClashes(this.members(), addition.members, options.logger)
    return first.digest
  }

  /** The list as it is pushed: the bytes that are stored, or new ones where it has changed since. */
  document(): ManifestContent {
    const bytes = this.#isAsSaved() ? this.#saved?.bytes : undefined
    return contentOfList(bytes ?? this.serialize())
  }

  /** Removes all members with the digest, and what is known of them. @throws {TareError} `INSTANCE_NOT_FOUND` */
  override remove(digest: Digest): void {
    super.remove(digest)
    this.#locations.delete(digest)
    this.#artifacts.delete(digest)
  }

  /** Removes every member; annotations, artifact type and subject of the list stay. */
  override clear(): void {
    super.clear()
    this.#locations.clear()
    this.#artifacts.clear()
  }

  /**
   * Stores the list: anew, or in place of the one with the ID.
   *
   * @returns the ID
   * @throws {TareError} `NAME_IN_USE`, `INVALID_ARGUMENT` for a type that is none of a list; nothing has changed then
   */
  async saveToImage(store: ListStore, options: SaveListOptions = {}): Promise<string> {
    const { id, names = [], signal } = options
    const contents = this.contents()
    const bytes = this.serialize(options.mediaType)
    const state = { items: this.#items(bytes), content: this.#storedMembers() }
    const isStored = id !== undefined && (await store.records({ signal })).some((record) => record.id === id)
    if (isStored) {
      await store.write(id, state, { signal })
      this.#id = id
    } else {
      this.#id = (await store.create({ id, names, ...state }, { signal })).id
    }
    this.#saved = { bytes, contents }
    return this.#id
  }

  /**
   * The list as an image to read: it resolves to the list, and members are read from wherever each is. A place is
   * opened when something of it is wanted.
   *
   * @throws {TareError} `LIST_NOT_SAVED` before the list was stored
   */
  reference(options: ListReferenceOptions = {}): CompositeSource {
    if (this.#id === undefined) {
      throw new TareError('LIST_NOT_SAVED', 'the list was never saved, so nothing refers to it', {
        hint: 'Save it first, in a MemoryListStore if it need not last',
      })
    }
    const parts = {
      document: this.document(),
      members: this.members(),
      locations: new Map(this.#locations),
      artifacts: new Map(this.#artifacts),
    }
    return new CompositeSource(parts, { ...options, reference: `list:${this.#id}` })
  }

  /**
   * Pushes the list, and members of it, to a destination of any transport.
   *
   * @param destination - with its transport
   * @throws as {@link pushList}
   */
  push(destination: TransportReference | string, options: PushListOptions = {}): Promise<PushListReport> {
    return pushList(this, destination, options)
  }

  /** No method changes a part in place, so equal parts are the same ones. */
  #isAsSaved(): boolean {
    const [now, then] = [this.contents(), this.#saved?.contents]
    return (
      now.members === then?.members &&
      now.annotations === then.annotations &&
      now.artifactType === then.artifactType &&
      now.subject === then.subject
    )
  }

  /** Members that lie in the local store. A list need not be kept there, but where it is it keeps them. */
  #storedMembers(): readonly Digest[] {
    return [...this.#locations].flatMap(([digest, location]) => (location.startsWith('store:') ? [digest] : []))
  }

  #items(manifest: Uint8Array): ListItems {
    const { mediaType } = contentOfList(manifest).descriptor
    const lost = this.lossesIn(requireListType(mediaType)).flatMap(({ what, digest }) =>
      what === 'features' && digest !== undefined ? [[digest, this.features(digest)] as const] : [],
    )
    const items: readonly (readonly [string, Uint8Array | undefined])[] = [
      [LIST_DOCUMENTS.manifest, manifest],
      [LIST_DOCUMENTS.instances, encodeInstances(this.#locations, this.#id)],
      [LIST_DOCUMENTS.artifacts, encodeArtifacts(this.#artifacts)],
      [LIST_DOCUMENTS.features, encodeFeatures(new Map(lost))],
    ]
    return new Map(items.filter((item): item is readonly [string, Uint8Array] => item[1] !== undefined))
  }
}

function contentOfList(bytes: Uint8Array): ManifestContent {
  const { mediaType } = parseManifestDocument(bytes, { subject: 'the list' })
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/** A document that every stored list has. */
function requiredItem(items: ListItems, name: string, id: string): Uint8Array {
  const bytes = items.get(name)
  if (bytes !== undefined) return bytes
  throw new TareError('NOT_FOUND', `${id} has no ${name}, so it is not a list that was made here`)
}
