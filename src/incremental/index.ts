/** Archives without the layers that the receiver has: pull, vet, push, overlay, inventory. */
export { applyArchive, type ApplyArchiveOptions, layersLeftOut, vetArchive } from './apply-archive.ts'
export {
  formatBases,
  INCREMENTAL_ANNOTATION,
  type LayerRecipe,
  parseBases,
  type RecipeContent,
  type RecordedBase,
} from './archive-format.ts'
export {
  buildLayersDictionary,
  type FetchedImageManifest,
  fetchManifests,
  type FetchManifestsOptions,
  processList,
} from './fetch-manifests.ts'
export { type FinalInput, type ImageSelection, referenceName } from './final-image.ts'
export { chooseDestinations, type ChosenDestination, type DestinationChoice, type NamedImage } from './destinations.ts'
export { hostPlatform } from './host-platform.ts'
export { type ImagesAtOptions, type OpenedImages, openImagesAt, openImagesOfRegistry } from './images-at.ts'
export {
  type Authentications,
  Incremental,
  type IncrementalCallOptions,
  type IncrementalOptions,
  type Reporter,
  type UserPassword,
} from './incremental.ts'
export {
  type ArchivedImageReport,
  type ArchiveReport,
  type ArchiveVerification,
  inspectIncremental,
  verifyIncremental,
} from './inspect-archive.ts'
export {
  formatInventory,
  type Inventory,
  INVENTORY_MEDIA_TYPE,
  type InventoryImage,
  type InventoryInput,
  type InventoryLayer,
  type InventoryManifest,
  inventorySources,
  parseInventory,
  readInventory,
  takeInventory,
  writeInventory,
} from './inventory.ts'
export {
  type KnownImage,
  type KnownLayer,
  KnownLayersSource,
  type KnownManifest,
} from './known-layers-source.ts'
export { type MissingLayer, MissingLayersError } from './missing-layers-error.ts'
export { diffArchives, type DiffArchivesOptions, type OverlayReport } from './overlay.ts'
export {
  type ArchivedBlob,
  type ArchivedOutcome,
  type PulledImage,
  pullIncremental,
  type PullOptions,
  type PullReport,
} from './pull.ts'
export {
  type PushedBlob,
  type PushedImage,
  type PushedOutcome,
  pushIncremental,
  type PushMapping,
  type PushOptions,
  type PushReport,
  type VetOptions,
  type VetReport,
  type VettedBlob,
  type VettedImage,
  vetIncremental,
} from './push.ts'
export {
  type DeltaMapping,
  pushDeltas,
  type PushDeltasOptions,
  vetDeltas,
  type VetDeltasOptions,
  type VetDeltasReport,
  type VettedDelta,
} from './push-delta.ts'
export { type ImagePlace, listImagesOf } from './images-of-place.ts'
export { type ArchivedImage, IncrementalArchive, isIncrementalIndex, type OpenArchiveOptions } from './read-archive.ts'
export type { ListedReferrer, ReferrerChoice } from './referrers.ts'
export { RemoveOnClose } from './remove-on-close.ts'
export type { PushOrigin } from './survey-target.ts'
export { vetAgainstInventory, vetDeltasAgainstInventory, type VetInventoryOptions } from './vet-inventory.ts'
export { Writer } from './writer.ts'
