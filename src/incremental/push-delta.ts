import { applyBundle, type ApplyBundleReport, type Delta, type DeltaSet, type NeededLayer } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { KnownLayersSource } from './known-layers-source.ts'
import { type MissingLayer, MissingLayersError } from './missing-layers-error.ts'
import { holdsBlob, repositoryNamed } from './repositories.ts'

/** An image of a delta or bundle, and where it shall go. */
export interface DeltaMapping {
  readonly delta: Delta
  readonly destination: ImageDestination
}

/** Options of {@link vetDeltas}. */
export interface VetDeltasOptions extends OperationOptions {
  /** Further repositories of the target's registry that may hold layers. Those of the baselines are looked into anyway. */
  readonly mountFrom?: readonly string[] | undefined
}

/** Options of {@link pushDeltas}. */
export interface PushDeltasOptions extends VetDeltasOptions {
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Blobs rebuilt at a time. @default 6 */
  readonly concurrency?: number | undefined
  /** Memory that decoding may take; what needs more is refused before any work. */
  readonly memoryBytes?: number | undefined
}

/** Layers that one image of a delta builds on, and the repository, or image of an inventory, that has each. */
export interface VettedDelta {
  readonly name: string
  readonly target: { readonly digest: Digest; readonly mediaType: string }
  readonly destination: string
  readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number; readonly repository: string }[]
}

/** What {@link vetDeltas} found: nothing is missing. */
export interface VetDeltasReport {
  readonly delta: string
  readonly images: readonly VettedDelta[]
}

/**
 * Checks, without writing, that the registries of the destinations have every layer that deltas build on. Blobs are asked
 * for with HEAD only.
 *
 * @throws {MissingLayersError} naming every layer that is nowhere, and the image it belongs to
 * @throws {TareError} `UNSUPPORTED_BY_DESTINATION` for a destination that is no registry; {@link CopyError}
 */
export async function vetDeltas(
  { reference }: DeltaSet,
  mappings: readonly DeltaMapping[],
  options: VetDeltasOptions = {},
): Promise<VetDeltasReport> {
  const found = await findAll(reference, mappings, options)
  const images = mappings.map(({ delta, destination }, at): VettedDelta => {
    const { digest, mediaType } = delta.plan.target
    const layers = (found[at] ?? []).map(({ need, place }) => ({
      digest: need.digest,
      sizeBytes: need.size,
      repository: place.repository?.repository ?? place.reference,
    }))
    return { name: delta.name, target: { digest, mediaType }, destination: destination.reference, layers }
  })
  return { delta: reference, images }
}

/**
 * Pushes the targets of deltas: what they build on is read from the registry they are pushed to, in the destination's
 * repository or another one.
 *
 * @throws {MissingLayersError} before anything is written; otherwise as `applyBundle` does in its strict mode
 */
export async function pushDeltas(
  set: DeltaSet,
  mappings: readonly DeltaMapping[],
  options: PushDeltasOptions,
): Promise<ApplyBundleReport> {
  const found = await findAll(set.reference, mappings, options)
  for (const [at, { delta, destination }] of mappings.entries()) {
    await mountWhole(delta, destination, found[at] ?? [], options)
  }
  const tasks = mappings.map(({ delta, destination }, at) => ({
    name: delta.name,
    baselines: async () => [foundSource(found[at] ?? [])],
    destination: async () => destination,
  }))
  return applyBundle(set, tasks, { ...options, mode: 'strict' })
}

/** A layer that a delta builds on, and a repository that has it. */
interface FoundLayer {
  readonly need: NeededLayer
  readonly place: ImageSource
}

async function findAll(
  reference: string,
  mappings: readonly DeltaMapping[],
  options: VetDeltasOptions,
): Promise<readonly (readonly FoundLayer[])[]> {
  options.signal?.throwIfAborted()
  const found: FoundLayer[][] = []
  const missing: MissingLayer[] = []
  for (const { delta, destination } of mappings) {
    const { plan, name } = delta
    const places = placesFor(delta, destination, options.mountFrom ?? [])
    const layers: FoundLayer[] = []
    for (const need of plan.needs) {
      const place = await holderOf(need, places, options)
      if (place !== undefined) layers.push({ need, place })
      else {
        missing.push({
          digest: need.digest,
          mediaType: MEDIA_TYPE.OCI_LAYER,
          sizeBytes: need.size,
          destination: places[0]?.reference ?? destination.reference,
          images: [{ image: mappings.length > 1 ? name : plan.target.digest }],
        })
      }
    }
    found.push(layers)
  }
  if (missing.length === 0) return found
  const baselines = mappings.flatMap(({ delta }) => delta.plan.baselines)
  const names = [...new Set(baselines.map(({ name, descriptor }) => name || descriptor.digest))].join(', ')
  const hint = `It was made against ${names}; where another repository has those layers, name it to mount from`
  throw new MissingLayersError(reference, missing, hint)
}

function placesFor(
  { plan }: Delta,
  destination: ImageDestination,
  mountFrom: readonly string[],
): readonly ImageSource[] {
  const { repository } = destination
  if (repository === undefined) {
    throw new TareError(
      'UNSUPPORTED_BY_DESTINATION',
      `${destination.reference} is no registry to read a baseline from`,
      {
        hint: 'Name the baseline yourself: tare apply DELTA BASELINE TARGET',
      },
    )
  }
  const recorded = plan.baselines.flatMap(({ name }) => {
    const reference = repositoryNamed(name)
    return reference?.registry === repository.registry ? [reference.repository] : []
  })
  const repositories = new Set([repository.repository, ...mountFrom, ...recorded])
  return [...repositories].flatMap((name) => destination.neighbour?.(name) ?? [])
}

async function holderOf(
  need: NeededLayer,
  places: readonly ImageSource[],
  options: OperationOptions,
): Promise<ImageSource | undefined> {
  for (const place of places) if (await holdsBlob(place, descriptorOf(need), options)) return place
  return undefined
}

/** Layers that the target takes over as they are, and that another repository has: no byte of them need move. */
async function mountWhole(
  { plan }: Delta,
  destination: ImageDestination,
  found: readonly FoundLayer[],
  options: OperationOptions,
): Promise<void> {
  const whole = new Set(plan.blobs.filter(({ from }) => from.kind === 'baseline').map(({ digest }) => digest))
  for (const { need, place } of found) {
    const repository = place.repository?.repository
    if (!whole.has(need.digest) || repository === destination.repository?.repository) continue
    const descriptor = descriptorOf(need)
    if (await destination.hasBlob(descriptor, options)) continue
    const mountFrom = repository === undefined ? [] : [repository]
    await destination.putBlob(descriptor, () => place.openBlob(descriptor, options), { ...options, mountFrom })
  }
}

/** The layers as one baseline image, each in a manifest of its own: not all of them have a known diffID. */
function foundSource(found: readonly FoundLayer[]): ImageSource {
  const places = new Map(found.map(({ need, place }) => [need.digest, place]))
  const manifests = found.map(({ need }) => ({
    descriptor: { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: need.digest, size: need.size },
    layers: [{ descriptor: descriptorOf(need), diffId: need.diffId }],
  }))
  // An image that was never anywhere: its digest is nobody's.
  const root: Descriptor = { mediaType: MEDIA_TYPE.OCI_INDEX, digest: `sha256:${'0'.repeat(64)}`, size: 0 }
  return new KnownLayersSource({
    reference: found[0]?.place.reference ?? 'the target',
    root,
    manifests,
    openLayer: async (descriptor, options) => {
      const place = places.get(descriptor.digest)
      if (place === undefined) throw new TareError('BLOB_NOT_FOUND', `no repository has ${descriptor.digest}`)
      return place.openBlob(descriptor, options)
    },
  })
}

/** The media type does not matter: what a layer is compressed with shows in its bytes. */
function descriptorOf({ digest, size }: NeededLayer): Descriptor {
  return { mediaType: MEDIA_TYPE.OCI_LAYER, digest, size }
}
