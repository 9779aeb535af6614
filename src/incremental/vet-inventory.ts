import type { DeltaSet } from '../delta/index.ts'
import { isFetchedElsewhere } from '../image/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSelection } from './final-image.ts'
import type { Inventory } from './inventory.ts'
import { type MissingLayer, MissingLayersError } from './missing-layers-error.ts'
import type { VetDeltasReport, VettedDelta } from './push-delta.ts'
import { readSelected, type VetReport, vetReport } from './push.ts'
import type { IncrementalArchive } from './read-archive.ts'
import { missingLayers, type PushOrigin } from './survey-target.ts'

const STALE_HINT = 'Pull again against an inventory of what is there now'

/** Options of {@link vetAgainstInventory}. */
export interface VetInventoryOptions extends OperationOptions {
  /** What is taken of an index. @default all */
  readonly selection?: ImageSelection | undefined
}

/**
 * Checks against an inventory, without any network, that every layer an archive leaves out is there: by digest, or by
 * diffID where the archive has a recipe.
 *
 * @param place - what to call where the inventory was taken, for the report
 * @throws {MissingLayersError} naming every layer that is not there, and what it belongs to
 */
export async function vetAgainstInventory(
  archive: IncrementalArchive,
  inventory: Inventory,
  place: string,
  options: VetInventoryOptions = {},
): Promise<VetReport> {
  const layers = inventory.images.flatMap((image) => image.manifests).flatMap((manifest) => manifest.layers)
  const digests = new Set(layers.map((layer) => layer.digest))
  const diffIds = new Set(layers.map((layer) => layer.diffId))
  const originOf = async (descriptor: Descriptor): Promise<PushOrigin['kind']> => {
    if (await archive.hasBlob(descriptor)) return 'carried'
    if (digests.has(descriptor.digest)) return 'present'
    if (isFetchedElsewhere(descriptor)) return 'foreign'
    const recipe = archive.recipes.get(descriptor.digest)
    if (recipe === undefined) return 'missing'
    const isThere = diffIds.has(recipe.diffId) || recipe.sources.some((source) => digests.has(source.digest))
    return isThere ? 'rebuilt' : 'missing'
  }
  const targets = []
  const surveyed: Map<Digest, { readonly kind: PushOrigin['kind'] }>[] = []
  for (const image of archive.images) {
    const tree = await readSelected(image, options)
    const origins = new Map<Digest, { readonly kind: PushOrigin['kind'] }>()
    for (const { descriptor } of tree.blobs) origins.set(descriptor.digest, { kind: await originOf(descriptor) })
    targets.push({ image, tree, destination: { reference: place } })
    surveyed.push(origins)
  }
  const missing = missingLayers(targets, surveyed)
  if (missing.length > 0) {
    throw new MissingLayersError(archive.reference, missing, STALE_HINT)
  }
  return vetReport(archive, targets, surveyed)
}

/**
 * Checks against an inventory, without any network, that every layer deltas build on is there: by digest, or by diffID
 * where a patch or recipe reads it.
 *
 * @param place - what to call where the inventory was taken, for the report
 * @throws {MissingLayersError} naming every layer that is not there, and the image it belongs to
 */
export function vetDeltasAgainstInventory(
  { reference, deltas }: DeltaSet,
  { images }: Inventory,
  place: string,
): VetDeltasReport {
  const byDigest = new Map<Digest, string>()
  const byDiffId = new Map<Digest, string>()
  for (const image of images) {
    for (const { digest, diffId } of image.manifests.flatMap((manifest) => manifest.layers)) {
      byDigest.set(digest, image.name)
      if (diffId !== undefined) byDiffId.set(diffId, image.name)
    }
  }
  const missing: MissingLayer[] = []
  const vetted = deltas.map(({ name, plan }): VettedDelta => {
    const { digest: target, mediaType } = plan.target
    const whole = new Set(plan.blobs.filter(({ from }) => from.kind === 'baseline').map(({ digest }) => digest))
    const layers = plan.needs.flatMap(({ digest, diffId, size: sizeBytes }) => {
      const like = whole.has(digest) || diffId === undefined ? undefined : byDiffId.get(diffId)
      const repository = byDigest.get(digest) ?? like
      if (repository !== undefined) return [{ digest, sizeBytes, repository }]
      const owner = { image: deltas.length > 1 ? name : target }
      missing.push({ digest, mediaType: MEDIA_TYPE.OCI_LAYER, sizeBytes, destination: place, images: [owner] })
      return []
    })
    return { name, target: { digest: target, mediaType }, destination: place, layers }
  })
  if (missing.length > 0) throw new MissingLayersError(reference, missing, STALE_HINT)
  return { delta: reference, images: vetted }
}
