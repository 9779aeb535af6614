import { isFetchedElsewhere } from '../image/index.ts'
import type { Descriptor, Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSelection } from './final-image.ts'
import type { Inventory } from './inventory.ts'
import { MissingLayersError } from './missing-layers-error.ts'
import { readSelected, type VetReport, vetReport } from './push.ts'
import type { IncrementalArchive } from './read-archive.ts'
import { missingLayers, type PushOrigin } from './survey-target.ts'

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
    throw new MissingLayersError(archive.reference, missing, 'Pull again against an inventory of what is there now')
  }
  return vetReport(archive, targets, surveyed)
}
