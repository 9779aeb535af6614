import { applyDelta, type ApplyReport, type Delta, type NeededLayer, readDelta } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { KnownLayersSource } from './known-layers-source.ts'
import { type MissingLayer, MissingLayersError } from './missing-layers-error.ts'
import { holdsBlob, repositoryNamed } from './repositories.ts'

/** Options of {@link vetDelta}. */
export interface VetDeltaOptions extends OperationOptions {
  /** Further repositories of the target's registry that may hold layers. Those of the baselines are looked into anyway. */
  readonly mountFrom?: readonly string[] | undefined
}

/** Options of {@link pushDelta}. */
export interface PushDeltaOptions extends VetDeltaOptions {
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Blobs rebuilt at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** What {@link vetDelta} found: every layer that the delta builds on, and the repository that has it. */
export interface VetDeltaReport {
  readonly delta: string
  readonly target: { readonly digest: Digest; readonly mediaType: string }
  readonly destination: string
  readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number; readonly repository: string }[]
}

/**
 * Checks, without writing, that the registry of a destination has every layer that a delta builds on. Blobs are asked for
 * with HEAD only.
 *
 * @param delta - where the delta lies
 * @throws {MissingLayersError} naming every layer that is nowhere
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_BY_DESTINATION`; {@link CopyError}
 */
export async function vetDelta(
  delta: ImageSource,
  destination: ImageDestination,
  options: VetDeltaOptions = {},
): Promise<VetDeltaReport> {
  const opened = await readDelta(delta, options)
  const found = await findLayers(opened, destination, options)
  const { digest, mediaType } = opened.plan.target
  return {
    delta: delta.reference,
    target: { digest, mediaType },
    destination: destination.reference,
    layers: found.map(({ need, place }) => ({
      digest: need.digest,
      sizeBytes: need.size,
      repository: place.repository?.repository ?? place.reference,
    })),
  }
}

/**
 * Pushes the target of a delta: what the delta builds on is read from the registry it is pushed to, in the destination's
 * repository or another one.
 *
 * @throws {MissingLayersError} before anything is written; otherwise as `applyDelta` does
 */
export async function pushDelta(
  delta: ImageSource,
  destination: ImageDestination,
  options: PushDeltaOptions,
): Promise<ApplyReport> {
  const opened = await readDelta(delta, options)
  const found = await findLayers(opened, destination, options)
  await mountWhole(opened, destination, found, options)
  return applyDelta(delta, [foundSource(found)], destination, options)
}

/** A layer that a delta builds on, and a repository that has it. */
interface FoundLayer {
  readonly need: NeededLayer
  readonly place: ImageSource
}

async function findLayers(
  { plan, source }: Delta,
  destination: ImageDestination,
  options: VetDeltaOptions,
): Promise<readonly FoundLayer[]> {
  const places = placesFor(
    plan.baselines.map(({ name }) => name),
    destination,
    options.mountFrom ?? [],
  )
  const found: FoundLayer[] = []
  const missing: MissingLayer[] = []
  for (const need of plan.needs) {
    const place = await holderOf(need, places, options)
    if (place !== undefined) found.push({ need, place })
    else {
      missing.push({
        digest: need.digest,
        mediaType: MEDIA_TYPE.OCI_LAYER,
        sizeBytes: need.size,
        destination: places[0]?.reference ?? destination.reference,
        images: [{ image: plan.target.digest }],
      })
    }
  }
  if (missing.length === 0) return found
  const names = plan.baselines.map(({ name, descriptor }) => name || descriptor.digest).join(', ')
  const hint = `The delta was made against ${names}; where another repository has those layers, name it to mount from`
  throw new MissingLayersError(source.reference, missing, hint)
}

function placesFor(
  names: readonly string[],
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
  const recorded = names.flatMap((name) => {
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
  const [first] = found
  const root: Descriptor = {
    mediaType: MEDIA_TYPE.OCI_INDEX,
    digest: `sha256:${'0'.repeat(64)}`,
    size: 0,
  }
  return new KnownLayersSource({
    reference: first?.place.reference ?? 'the target',
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
