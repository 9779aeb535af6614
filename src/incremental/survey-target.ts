import {
  DEFAULT_CONCURRENCY,
  type ImageTree,
  isFetchedElsewhere,
  manifestBlobs,
  manifestsOf,
  type TreeBlob,
} from '../image/index.ts'
import { type Descriptor, type Digest, formatPlatform } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import type { LayerRecipe } from './archive-format.ts'
import type { HeldLayers } from './held-layers.ts'
import type { MissingLayer } from './missing-layers-error.ts'
import type { ArchivedImage, IncrementalArchive } from './read-archive.ts'
import { holdsBlob, repositoryNamed } from './repositories.ts'

/** An image of an archive and where it goes. */
export interface PushTarget {
  readonly image: ArchivedImage
  readonly tree: ImageTree
  readonly destination: ImageDestination
}

/** What of a target a report tells. */
export type SurveyedTarget = Pick<PushTarget, 'image' | 'tree'> & {
  readonly destination: Pick<ImageDestination, 'reference' | 'repository'>
}

/** Where a blob comes from when an image is pushed. */
export type PushOrigin =
  /** The destination has it; the archive holds it; nobody holds it, its manifest names URLs; it is nowhere. */
  | { readonly kind: 'present' | 'carried' | 'foreign' | 'missing'; readonly from?: undefined }
  /** Another repository of the registry has it. */
  | { readonly kind: 'mountable'; readonly from: string }
  /** A baseline image that can be read has it. */
  | { readonly kind: 'baseline'; readonly from: string; readonly source: ImageSource; readonly descriptor: Descriptor }
  /** It is made of a layer of the same content. */
  | {
      readonly kind: 'rebuilt'
      readonly from: string
      readonly recipe: LayerRecipe
      readonly source: ImageSource
      readonly descriptor: Descriptor
    }

/** What a report tells of an origin. */
export interface FoundOrigin {
  readonly kind: PushOrigin['kind']
  readonly from?: string | undefined
}

/** Options of {@link surveyTargets}. */
export interface SurveyTargetOptions extends OperationOptions {
  /** Repositories of the destinations' registry to look for layers in. */
  readonly mountFrom?: readonly string[] | undefined
  /** Layers of baseline images, to read what the destination lacks. */
  readonly held?: HeldLayers | undefined
  /** Requests at a time. @default 6 */
  readonly concurrency?: number | undefined
  /** Whether to ask the destination also for blobs that the archive holds. */
  readonly asksForAll: boolean
}

/** Where the blobs of one image come from, each digest once. */
export type Origins = ReadonlyMap<Digest, PushOrigin>

/** Finds out, without writing, where every blob of the targets would come from. Registries get HEAD requests only. */
export async function surveyTargets(
  archive: IncrementalArchive,
  targets: readonly PushTarget[],
  options: SurveyTargetOptions,
): Promise<readonly Origins[]> {
  const places = new Places(archive, targets, options)
  const surveyed: Origins[] = []
  for (const target of targets) {
    const origins = new Map<Digest, PushOrigin>()
    await mapLimited(
      target.tree.blobs,
      options.concurrency ?? DEFAULT_CONCURRENCY,
      async ({ descriptor }, _index, signal) => {
        origins.set(descriptor.digest, await places.originOf(target, descriptor, { ...options, signal }))
      },
      options,
    )
    surveyed.push(origins)
  }
  return surveyed
}

/** The layers that are nowhere, each digest once for each place, with all that it belongs to. */
export function missingLayers(
  targets: readonly SurveyedTarget[],
  surveyed: readonly ReadonlyMap<Digest, FoundOrigin>[],
): readonly MissingLayer[] {
  const missing = new Map<string, MissingLayer>()
  for (const [at, { image, tree, destination }] of targets.entries()) {
    const place = placeName(destination)
    for (const { blob, platform } of namedBlobs(tree)) {
      const { digest, mediaType, size } = blob.descriptor
      if (surveyed[at]?.get(digest)?.kind !== 'missing') continue
      const key = `${place} ${digest}`
      const known = missing.get(key)
      const owner = { image: imageLabel(image), platform }
      const owners = known?.images ?? []
      const isListed = owners.some((each) => each.image === owner.image && each.platform === owner.platform)
      missing.set(key, {
        digest,
        mediaType,
        sizeBytes: size,
        destination: place,
        images: isListed ? owners : [...owners, owner],
      })
    }
  }
  return [...missing.values()]
}

/** What an image is called where it has no name. */
export function imageLabel(image: ArchivedImage): string {
  return image.name ?? image.entry.digest
}

function placeName({ repository, reference }: Pick<ImageSource, 'repository' | 'reference'>): string {
  return repository === undefined ? reference : `docker://${repository.registry}/${repository.repository}`
}

function namedBlobs(tree: ImageTree): readonly { readonly blob: TreeBlob; readonly platform: string | undefined }[] {
  const ofManifests = manifestsOf(tree).flatMap((node) => {
    const platform = node.platform === undefined ? undefined : formatPlatform(node.platform)
    return manifestBlobs(node).map((blob) => ({ blob, platform }))
  })
  const known = new Set(ofManifests.map(({ blob }) => blob.descriptor.digest))
  const leaves = tree.blobs.filter((blob) => !known.has(blob.descriptor.digest))
  return [...ofManifests, ...leaves.map((blob) => ({ blob, platform: undefined }))]
}

/** The places where layers are looked for; each is asked once for each layer. */
class Places {
  readonly #archive: IncrementalArchive
  readonly #options: SurveyTargetOptions
  readonly #repositories: ReadonlyMap<string, readonly string[]>
  readonly #neighbours = new Map<string, ImageSource>()
  readonly #answers = new Map<string, Promise<boolean>>()

  constructor(archive: IncrementalArchive, targets: readonly PushTarget[], options: SurveyTargetOptions) {
    this.#archive = archive
    this.#options = options
    this.#repositories = candidateRepositories(targets, options.mountFrom ?? [])
  }

  async originOf(target: PushTarget, descriptor: Descriptor, options: OperationOptions): Promise<PushOrigin> {
    const { destination } = target
    const isCarried = await this.#archive.hasBlob(descriptor)
    if (isCarried && !this.#options.asksForAll) return { kind: 'carried' }
    if (await this.#has(destination, descriptor, options)) return { kind: 'present' }
    if (isCarried) return { kind: 'carried' }
    if (isFetchedElsewhere(descriptor)) return { kind: 'foreign' }
    for (const repository of this.#candidates(destination)) {
      const source = this.#neighbour(destination, repository)
      if (source !== undefined && (await this.#holds(source, descriptor, options))) {
        return { kind: 'mountable', from: repository }
      }
    }
    const held = this.#options.held?.byDigest(descriptor.digest)
    if (held !== undefined) return { kind: 'baseline', from: held.source.reference, ...held }
    return (await this.#rebuilt(destination, descriptor, options)) ?? { kind: 'missing' }
  }

  async #rebuilt(
    destination: ImageDestination,
    descriptor: Descriptor,
    options: OperationOptions,
  ): Promise<PushOrigin | undefined> {
    const recipe = this.#archive.recipes.get(descriptor.digest)
    if (recipe === undefined) return undefined
    const own = destination.repository?.repository
    const repositories = own === undefined ? [] : [own, ...this.#candidates(destination)]
    for (const repository of repositories) {
      const source = this.#neighbour(destination, repository)
      for (const like of recipe.sources) {
        if (source !== undefined && (await this.#holds(source, like, options))) {
          return { kind: 'rebuilt', from: `${repository}@${like.digest}`, recipe, source, descriptor: like }
        }
      }
    }
    const held = this.#options.held?.byDiffId(recipe.diffId)
    if (held === undefined) return undefined
    return { kind: 'rebuilt', from: `${held.source.reference}@${held.descriptor.digest}`, recipe, ...held }
  }

  #candidates({ repository }: ImageDestination): readonly string[] {
    if (repository === undefined) return []
    return (this.#repositories.get(repository.registry) ?? []).filter((name) => name !== repository.repository)
  }

  #neighbour(destination: ImageDestination, repository: string): ImageSource | undefined {
    const key = `${destination.repository?.registry} ${repository}`
    const known = this.#neighbours.get(key) ?? destination.neighbour?.(repository)
    if (known !== undefined) this.#neighbours.set(key, known)
    return known
  }

  #has(destination: ImageDestination, descriptor: Descriptor, options: OperationOptions): Promise<boolean> {
    return this.#once(`${placeName(destination)} ${descriptor.digest}`, () => destination.hasBlob(descriptor, options))
  }

  #holds(source: ImageSource, descriptor: Descriptor, options: OperationOptions): Promise<boolean> {
    return this.#once(`${placeName(source)} ${descriptor.digest}`, () => holdsBlob(source, descriptor, options))
  }

  #once(key: string, ask: () => Promise<boolean>): Promise<boolean> {
    const known = this.#answers.get(key) ?? ask()
    this.#answers.set(key, known)
    return known
  }
}

/** Repositories by registry: those named outright, those of base, those of the other images. */
function candidateRepositories(
  targets: readonly PushTarget[],
  mountFrom: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const byRegistry = new Map<string, Set<string>>()
  const add = (registry: string, repository: string): void => {
    byRegistry.set(registry, (byRegistry.get(registry) ?? new Set()).add(repository))
  }
  for (const { destination } of targets) {
    if (destination.repository !== undefined) for (const name of mountFrom) add(destination.repository.registry, name)
  }
  for (const { image } of targets) {
    for (const { name } of image.bases) {
      const reference = repositoryNamed(name)
      if (reference !== undefined) add(reference.registry, reference.repository)
    }
  }
  for (const { destination } of targets) {
    if (destination.repository !== undefined) add(destination.repository.registry, destination.repository.repository)
  }
  return new Map([...byRegistry].map(([registry, names]) => [registry, [...names]]))
}
