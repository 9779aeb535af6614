import { hasErrorCode, SizeMismatchError, TareError } from '../../errors/index.ts'
import {
  type Annotations,
  type ContentProvider,
  type Descriptor,
  type DescriptorHandler,
  type Digest,
  digestAlgorithm,
  digestHex,
  formatGoJson,
  handleInOrder,
  IMAGE_NAME_ANNOTATION,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  parseDigest,
  type PlatformMatcher,
  REF_NAME_ANNOTATION,
  sortByPlatform,
  walk,
} from '../../oci/index.ts'
import type { ImageStore } from '../../store/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  exactly,
  type OperationOptions,
  verified,
} from '../../stream/index.ts'
import { TAR_TRAILER, tarHeader, tarPadding } from '../../tar/index.ts'
import { childrenHandler } from '../content/children.ts'
import { readManifestBlob } from '../content/read-blob.ts'
import { formatDescriptor } from '../go-descriptor.ts'
import { joinMembers } from '../json-text.ts'
import { familiarName, referenceObject } from './reference-names.ts'

/** What goes into an archive. */
export interface ExportTarget {
  /** A manifest or an index. */
  readonly descriptor: Descriptor
  /** Names it gets in the archive; without any it keeps the annotations it has. */
  readonly names?: readonly string[] | undefined
}

/** Options of {@link exportArchive}. */
export interface ExportOptions extends OperationOptions {
  /**
   * Members of an index to take, and the one that `manifest.json` lists: the best. Without it all members are taken, and
   * none is listed.
   */
  readonly platform?: PlatformMatcher | undefined
  /** Take members that do not match as well. @default false */
  readonly allPlatforms?: boolean | undefined
  /** Leave out `manifest.json`, by which Docker reads the archive. @default false */
  readonly skipDockerManifest?: boolean | undefined
  /** Blobs to take; their descriptors stay in the manifests all the same. @default all */
  readonly blobFilter?: ((descriptor: Descriptor) => boolean) | undefined
  /** Leave out layers that may not be passed on. @default false */
  readonly skipNonDistributable?: boolean | undefined
  /**
   * Leave out members of an index that are not there, and config and layers of a manifest that lacks one of them, which
   * `manifest.json` then does not list. Otherwise what is missing is an error. @default false
   */
  readonly skipMissing?: boolean | undefined
}

/**
 * Looks up images for {@link exportArchive}.
 *
 * @throws {TareError} `NOT_FOUND`
 */
export async function exportTargets(
  images: ImageStore,
  names: readonly string[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly ExportTarget[]> {
  const targets: ExportTarget[] = []
  for (const name of names) targets.push({ descriptor: (await images.get(name, options)).target, names: [name] })
  return targets
}

/**
 * Writes images into a tar that is an OCI layout and a Docker archive in one. The same images make the same bytes, which
 * for a single one are those of containerd. Everything that can be found wanting beforehand is, before the first byte;
 * blobs are verified while they are written.
 *
 * @throws {TareError} while reading: `BLOB_NOT_FOUND`, `NO_MATCHING_PLATFORM`, `INVALID_REFERENCE` for a name that
 * Docker would not take, `DIGEST_MISMATCH`, `INVALID_ARGUMENT` for what is neither manifest nor index
 */
export async function* exportArchive(
  provider: ContentProvider,
  targets: readonly ExportTarget[],
  options: ExportOptions = {},
): ByteSource {
  options.signal?.throwIfAborted()
  const plan = new ExportPlan(provider, options)
  const entries: Descriptor[] = targets.flatMap(({ descriptor, names = [] }) =>
    names.length === 0 ? [descriptor] : names.map((name) => withName(descriptor, name)),
  )
  for (const entry of entries) await plan.add(entry)
  const files = await plan.finish(entries)
  for (const file of files) yield* tarEntry(file, options.signal)
  yield TAR_TRAILER
}

interface ArchiveFile {
  readonly path: string
  readonly mode: number
  readonly sizeBytes: number
  /** Left out for directories. */
  readonly open?: (() => ByteSource) | undefined
}

async function* tarEntry({ path, mode, sizeBytes, open }: ArchiveFile, signal: AbortSignal | undefined): ByteSource {
  yield tarHeader({ path, mode, sizeBytes, type: open === undefined ? 'directory' : 'file' })
  if (open === undefined) return
  yield* exactly(abortable(open(), signal), sizeBytes, path)
  const padding = tarPadding(sizeBytes)
  if (padding.length > 0) yield padding
}

/** An element of `manifest.json`. */
interface DockerImage {
  readonly descriptor: Descriptor
  readonly names: string[]
}

class ExportPlan {
  readonly #provider: ContentProvider
  readonly #options: ExportOptions
  readonly #files = new Map<string, ArchiveFile>()
  readonly #algorithms = new Set<string>()
  readonly #dockerImages = new Map<Digest, DockerImage>()
  /** Manifests without all that they name. */
  readonly #incomplete = new Set<Digest>()
  /** The manifest that an index means; undefined where it means none. */
  readonly #picks = new Map<Digest, Descriptor | undefined>()

  constructor(provider: ContentProvider, options: ExportOptions) {
    this.#provider = provider
    this.#options = options
  }

  async add(entry: Descriptor): Promise<void> {
    const name = entry.annotations?.[IMAGE_NAME_ANNOTATION] ?? ''
    const pick = await this.#pick(entry)
    if (pick === undefined || this.#incomplete.has(pick.digest)) return
    const image = this.#dockerImages.get(pick.digest) ?? { descriptor: pick, names: [] }
    this.#dockerImages.set(pick.digest, image)
    if (name !== '' && !image.names.includes(name)) image.names.push(name)
  }

  async finish(entries: readonly Descriptor[]): Promise<readonly ArchiveFile[]> {
    this.#document('oci-layout', formatGoJson({ imageLayoutVersion: '1.0.0' }), 0o444)
    const index = joinMembers([
      ['schemaVersion', '2'],
      ['manifests', `[${entries.map(formatDescriptor).join(',')}]`],
    ])
    this.#document('index.json', index, 0o644)
    if (this.#options.skipDockerManifest !== true && this.#dockerImages.size > 0) {
      this.#document('manifest.json', await this.#dockerManifest(), 0o644)
    }
    if (this.#algorithms.size > 0) this.#directory('blobs/')
    for (const algorithm of this.#algorithms) this.#directory(`blobs/${algorithm}/`)
    // Paths are ASCII, so this is the order of their bytes.
    return [...this.#files.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** Takes an entry with all below it. @returns the manifest that it means to Docker */
  async #pick(entry: Descriptor): Promise<Descriptor | undefined> {
    if (this.#picks.has(entry.digest)) return this.#picks.get(entry.digest)
    const pick = await this.#take(entry)
    this.#picks.set(entry.digest, pick)
    return pick
  }

  async #take(entry: Descriptor): Promise<Descriptor | undefined> {
    if (isManifestType(entry.mediaType)) {
      await this.#takeTree(entry)
      return entry
    }
    if (!isIndexType(entry.mediaType)) {
      throw new TareError('INVALID_ARGUMENT', `${entry.digest} is ${entry.mediaType}; only manifests can be exported`)
    }
    return this.#takeIndex(entry)
  }

  async #takeIndex(entry: Descriptor): Promise<Descriptor | undefined> {
    const { platform: matcher, allPlatforms, skipDockerManifest, signal } = this.#options
    const document = await readManifestBlob(this.#provider, entry, { signal })
    const members = document.kind === 'index' ? document.manifests : []
    const isMatching = ({ platform }: Descriptor): boolean =>
      matcher !== undefined && (platform === undefined || matcher.matches(platform))
    await this.#takeBlob(entry)
    for (const member of members) {
      if (matcher !== undefined && allPlatforms !== true && !isMatching(member)) continue
      if (this.#options.skipMissing === true && !(await this.#isThere(member, signal))) {
        this.#incomplete.add(member.digest)
      } else await this.#takeTree(member)
    }
    if (matcher === undefined) return undefined
    const whole = members.filter((member) => isMatching(member) && !this.#incomplete.has(member.digest))
    const [best] = sortByPlatform(whole, matcher)
    if (best !== undefined || skipDockerManifest === true) return best
    throw new TareError('NO_MATCHING_PLATFORM', `index ${entry.digest} has no match for the platform`)
  }

  async #takeTree(root: Descriptor): Promise<void> {
    const take: DescriptorHandler = async (descriptor) => {
      this.#algorithms.add(digestAlgorithm(parseDigest(descriptor.digest)))
      await this.#takeBlob(descriptor)
      return []
    }
    const children = childrenHandler(this.#provider)
    const below = this.#options.skipMissing === true ? this.#whatIsThere(children) : children
    await walk(handleInOrder(take, below), [root], this.#options)
  }

  /** Of an index the members that are there, of a manifest all or nothing. */
  #whatIsThere(children: DescriptorHandler): DescriptorHandler {
    return async (descriptor, signal) => {
      const found = await children(descriptor, signal)
      const held = await Promise.all(found.map((child) => this.#isThere(child, signal)))
      if (!held.includes(false)) return found
      if (isIndexType(descriptor.mediaType)) return found.filter((_, at) => held[at])
      this.#incomplete.add(descriptor.digest)
      return []
    }
  }

  async #isThere(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<boolean> {
    const { blobFilter, skipNonDistributable } = this.#options
    if (blobFilter?.(descriptor) === false) return true
    if (skipNonDistributable === true && isForeignLayerType(descriptor.mediaType)) return true
    try {
      await using reader = await this.#provider.openReader(descriptor, { signal })
      return reader.sizeBytes === descriptor.size
    } catch (error) {
      if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return false
      throw error
    }
  }

  async #takeBlob(descriptor: Descriptor): Promise<void> {
    const { blobFilter, skipNonDistributable, signal } = this.#options
    if (blobFilter?.(descriptor) === false) return
    if (skipNonDistributable === true && isForeignLayerType(descriptor.mediaType)) return
    const path = blobPath(descriptor.digest)
    if (this.#files.has(path)) return
    const provider = this.#provider
    {
      // So that a missing blob is told before anything is written.
      await using reader = await provider.openReader(descriptor, { signal })
      if (reader.sizeBytes !== descriptor.size) {
        throw new SizeMismatchError(`blob ${descriptor.digest}`, descriptor.size, reader.sizeBytes)
      }
    }
    async function* open(): ByteSource {
      await using reader = await provider.openReader(descriptor, { signal })
      yield* verified(reader.read(), descriptor, 'blob')
    }
    this.#files.set(path, { path, mode: 0o444, sizeBytes: descriptor.size, open })
  }

  async #dockerManifest(): Promise<string> {
    const elements: string[] = []
    for (const { descriptor, names } of this.#dockerImages.values()) {
      const document = await readManifestBlob(this.#provider, descriptor, this.#options)
      if (document.kind !== 'manifest') continue
      const tags = names.map(familiarName)
      const layers = document.layers.map((layer) => blobPath(layer.digest))
      elements.push(
        joinMembers([
          ['Config', formatGoJson(blobPath(document.config.digest))],
          ['RepoTags', formatGoJson(tags.length === 0 ? null : tags)],
          ['Layers', formatGoJson(layers.length === 0 ? null : layers)],
        ]),
      )
    }
    return `[${elements.join(',')}]`
  }

  #document(path: string, text: string, mode: number): void {
    const bytes = Buffer.from(text)
    this.#files.set(path, { path, mode, sizeBytes: bytes.length, open: () => bytesSource(bytes) })
  }

  #directory(path: string): void {
    this.#files.set(path, { path, mode: 0o755, sizeBytes: 0 })
  }
}

function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`
}

function withName(descriptor: Descriptor, name: string): Descriptor {
  const annotations: Annotations = {
    ...descriptor.annotations,
    [IMAGE_NAME_ANNOTATION]: name,
    [REF_NAME_ANNOTATION]: referenceObject(name),
  }
  return { ...descriptor, annotations }
}
