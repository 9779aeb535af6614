import { CopyError, isTareError, TareError } from '../errors/index.ts'
import { type ImageTree, readImageTree, type WantedLayer } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import type { LayerForm } from '../transport/index.ts'
import type { BaselineLayer, BaselineSet } from './baseline-set.ts'
import { blobPatchMemory } from './blob-patch.ts'
import type { Delta } from './delta.ts'
import { isMade, takenFromBaseline } from './fit-to-baseline.ts'
import type { PlannedBaseline, PlannedBlob } from './plan.ts'
import { deltaOnly } from './target-documents.ts'

/**
 * Whether an image can be rebuilt. `missing-patch-source`: the baseline lacks a layer that a patch reads;
 * `missing-reuse-layer`: one that is taken as it is. `error`: the baseline or the destination can't be used.
 * `schema-error`: the delta itself is not sound.
 */
export type PreflightStatus = 'ok' | 'missing-patch-source' | 'missing-reuse-layer' | 'error' | 'schema-error'

/** What preflight found out about one image. */
export interface PreflightResult {
  readonly name: string
  readonly status: PreflightStatus
  /** Every baseline layer that patches or recipes read and that is not there. */
  readonly missingPatchSources: readonly Digest[]
  /** Every baseline layer that is taken as it is and that is not there. */
  readonly missingReuseLayers: readonly Digest[]
  /** What the delta was made against: baselines that would do. */
  readonly madeAgainst: readonly PlannedBaseline[]
  /** Why the status is not `ok`. */
  readonly error?: TareError | undefined
}

/** Options of {@link preflightDelta}. */
export interface PreflightOptions extends OperationOptions {
  /** How the destination keeps layers. @default 'stored' */
  readonly layerForm?: LayerForm | undefined
  /** Memory that decoding may take; a patch that needs more is an error. */
  readonly memoryBytes?: number | undefined
}

/** Baseline layers looked up at a time. */
const LOOKUP_CONCURRENCY = 8

/**
 * Checks one image against its baseline without writing anything: the target's documents are whole, and every layer
 * that is taken from the baseline is there. Only manifests are read; layers are asked for.
 *
 * @throws the signal's reason alone; what is wrong with the image stands in the result
 */
export async function preflightDelta(
  delta: Delta,
  baseline: BaselineSet,
  options: PreflightOptions = {},
): Promise<PreflightResult> {
  const { name, plan } = delta
  const base = { name, missingPatchSources: [], missingReuseLayers: [], madeAgainst: plan.baselines }
  const documents = await readTarget(delta, options)
  if (isTareError(documents)) return { ...base, status: 'schema-error', error: documents }
  const needed = neededBlobs(plan.blobs, options.layerForm ?? 'stored')
  try {
    const [patchSources, reuseLayers] = [
      await missingOf(needed.patchSources, baseline, options),
      await missingOf(needed.reuseLayers, baseline, options),
    ]
    const found = { ...base, missingPatchSources: patchSources, missingReuseLayers: reuseLayers }
    if (patchSources.length === 0 && reuseLayers.length === 0) {
      checkMemory(plan.blobs, baseline, options.memoryBytes)
      return { ...found, status: 'ok' }
    }
    const status = patchSources.length > 0 ? 'missing-patch-source' : 'missing-reuse-layer'
    return { ...found, status, error: lacking([...patchSources, ...reuseLayers], plan.baselines) }
  } catch (error) {
    return failedPreflight(delta, error, options)
  }
}

/** The result for an image whose baseline or destination can't be used. */
export function failedPreflight(delta: Delta, error: unknown, options: OperationOptions): PreflightResult {
  options.signal?.throwIfAborted()
  if (!isTareError(error)) throw error
  return {
    name: delta.name,
    status: 'error',
    missingPatchSources: [],
    missingReuseLayers: [],
    madeAgainst: delta.plan.baselines,
    error,
  }
}

/** A layer that a baseline has to have: `digest` is what it is called in messages, and may be a diffID. */
interface NeededBlob extends WantedLayer {
  readonly find: (baseline: BaselineSet) => BaselineLayer | undefined
}

interface NeededBlobs {
  readonly patchSources: readonly NeededBlob[]
  readonly reuseLayers: readonly NeededBlob[]
}

function neededBlobs(blobs: readonly PlannedBlob[], layerForm: LayerForm): NeededBlobs {
  const patchSources = new Map<Digest, NeededBlob>()
  const reuseLayers = new Map<Digest, NeededBlob>()
  const byDiffId = (diffId: Digest): NeededBlob => ({
    digest: diffId,
    diffId,
    find: (baseline) => baseline.byDiffId(diffId),
  })
  const byEither = (digest: Digest, diffId = digest, unpacksTo?: Digest): NeededBlob => ({
    digest,
    diffId,
    unpacksTo,
    find: (baseline) => baseline.byDigest(digest) ?? baseline.byDiffId(diffId),
  })
  for (const { digest, diffId, from } of blobs) {
    switch (from.kind) {
      case 'archive':
      case 'foreign':
        break
      case 'baseline':
        // A destination of plain tars takes any layer that unpacks to the same.
        reuseLayers.set(digest, byEither(digest, layerForm === 'plain' ? diffId : digest, diffId))
        break
      case 'baseline-tar':
        reuseLayers.set(diffId ?? digest, byDiffId(diffId ?? digest))
        break
      case 'blob-patch':
        patchSources.set(from.source, byEither(from.source))
        break
      case 'patch':
        for (const source of from.sources) patchSources.set(source, byDiffId(source))
        break
    }
    // Destinations that keep plain tars have no use for recipes.
    if (layerForm === 'plain' || (from.kind !== 'patch' && from.kind !== 'baseline-tar')) continue
    for (const read of from.recipe?.reads ?? []) {
      patchSources.set(read, { digest: read, find: (baseline) => baseline.byDigest(read) })
    }
  }
  return { patchSources: [...patchSources.values()], reuseLayers: [...reuseLayers.values()] }
}

/**
 * What has to be in baselines to rebuild the target of a delta.
 *
 * @param layerForm - how the destination keeps layers
 * @param isHeld - blobs that a baseline has: they are taken as they are, whatever the delta makes them of
 */
export function wantedLayers(
  { plan }: Delta,
  layerForm: LayerForm,
  isHeld: (digest: Digest) => boolean = () => false,
): readonly WantedLayer[] {
  const blobs = plan.blobs.map((blob) => (isMade(blob) && isHeld(blob.digest) ? takenFromBaseline(blob) : blob))
  const { patchSources, reuseLayers } = neededBlobs(blobs, layerForm)
  return [...patchSources, ...reuseLayers].map(({ digest, diffId, unpacksTo }) => ({ digest, diffId, unpacksTo }))
}

/** A layer counts as there when a manifest lists it and its source has it. */
async function missingOf(
  needed: readonly NeededBlob[],
  baseline: BaselineSet,
  options: OperationOptions,
): Promise<readonly Digest[]> {
  const isMissing = async ({ find }: NeededBlob, _at: number, signal: AbortSignal): Promise<boolean> => {
    const layer = find(baseline)
    if (layer === undefined) return true
    const { source, descriptor } = layer
    const isHeld = await source.hasBlob?.(descriptor, { ...options, signal }).catch((error: unknown) => {
      throw CopyError.at('baseline', descriptor.digest, error)
    })
    return isHeld === false
  }
  const answers = await mapLimited(needed, LOOKUP_CONCURRENCY, isMissing, options)
  return needed.filter((_blob, position) => answers[position]).map((blob) => blob.digest)
}

/** @throws {TareError} `MEMORY_LIMIT` naming the first layer that can't be made within it */
function checkMemory(blobs: readonly PlannedBlob[], baseline: BaselineSet, memoryBytes: number | undefined): void {
  if (memoryBytes === undefined) return
  for (const blob of blobs) {
    const needed = blobPatchMemory(blob, baseline)
    if (needed <= memoryBytes) continue
    const [neededMiB, givenMiB] = [Math.ceil(needed / 2 ** 20), Math.floor(memoryBytes / 2 ** 20)]
    throw new TareError(
      'MEMORY_LIMIT',
      `layer ${blob.digest} takes about ${neededMiB} MiB to make from its patch, ${givenMiB} MiB are allowed`,
      { hint: `Give --memory ${neededMiB}MiB or more` },
    )
  }
}

/** The target's documents as the delta holds them, or what is wrong with them. */
export async function readTarget(delta: Delta, options: OperationOptions): Promise<ImageTree | TareError> {
  try {
    const tree = await readImageTree(deltaOnly(delta), { ...options, side: 'delta' })
    const planned = new Set(delta.plan.blobs.map((blob) => blob.digest))
    const unplanned = tree.blobs.find((blob) => !planned.has(blob.descriptor.digest))
    if (unplanned === undefined) return tree
    return new TareError(
      'INVALID_DOCUMENT',
      `delta of ${delta.name}: its plan leaves out ${unplanned.descriptor.digest}`,
    )
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!isTareError(error)) throw error
    return error
  }
}

function lacking(missing: readonly Digest[], madeAgainst: readonly PlannedBaseline[]): TareError {
  const names = madeAgainst.map(({ name, descriptor }) => `${name} (${descriptor.digest})`).join(', ')
  return new TareError(
    'BASELINE_LACKS_BLOB',
    `the baseline lacks ${missing.length === 1 ? 'a layer' : `${missing.length} layers`} the delta builds on: ${missing.join(', ')}`,
    { hint: names === '' ? 'The delta was made without a baseline' : `The delta was made against ${names}` },
  )
}
