/** Images as trees of documents and blobs: read, narrow, copy, inspect, check, import, export, convert. */
export { type ExportOptions, type ExportTarget, exportArchive, exportTargets } from './archive/export.ts'
export { type ImportOptions, type ImportReport, importImages } from './archive/import.ts'
export { type ImportCompression, importIndex, type ImportIndexOptions } from './archive/import-index.ts'
export {
  type ConvertedImage,
  convertToOci,
  type ConvertToOciOptions,
  isSchema1,
  type LayerFacts,
  ociConfigOfDocker,
  schema1AsOci,
  type Schema1Options,
} from './convert/index.ts'
export {
  addReferencePrefix,
  digestTranslator,
  familiarName,
  filterReferencePrefix,
  normalName,
  referenceObject,
  type ReferenceTranslator,
} from './archive/reference-names.ts'
export { checkImage, type ImageCheck } from './content/check-image.ts'
export { childrenHandler, readChildren } from './content/children.ts'
export { imagePlatforms } from './content/image-platforms.ts'
export { imageSize } from './content/image-size.ts'
export { layerDiffId } from './content/layer-diff-id.ts'
export {
  type ContentReadOptions,
  readBlobBytes,
  readConfigBlob,
  readManifestBlob,
} from './content/read-blob.ts'
export { readRootFs, resolveConfig, resolveManifest, type ResolvedManifest } from './content/resolve-manifest.ts'
export { type ImageSurvey, type SurveyedBlob, surveyImage } from './content/survey-image.ts'
export { convertImage, type ConvertOptions } from './convert/convert-image.ts'
export {
  clearGcLabels,
  type ConvertHook,
  imageConverter,
  type ImageConverterOptions,
} from './convert/image-converter.ts'
export { type ContentConverter, gzipLayer, uncompressLayer, zstdLayer } from './convert/layer-converters.ts'
export { type LayerCompression, toDockerMediaType, toOciMediaType, withCompression } from './convert/media-types.ts'
export {
  checkDestination,
  type CopiedBlob,
  type CopyOptions,
  type CopyReport,
  copyImage,
  DEFAULT_CONCURRENCY,
  isFetchedElsewhere,
  repositoriesToMountFrom,
  writeTree,
  type WriteTreeOptions,
  type WriteTreeReport,
} from './copy.ts'
export { fetchImage, type FetchOptions } from './fetch-image.ts'
export {
  type ImageReport,
  type InspectOptions,
  inspectImage,
  type LayerReport,
  type ManifestReport,
  readNarrowed,
  readRawManifest,
} from './inspect.ts'
export {
  findBaselines,
  type FoundBaselines,
  type IsHeldHere,
  type LocalBaseline,
  localLayers,
  type SearchedPlace,
  type WantedLayer,
} from './local-baselines.ts'
export { type IndexFate, memberTree, type NarrowedTree, narrowTree, offeredPlatforms, platformHint } from './narrow.ts'
export { NearbySource } from './nearby-source.ts'
export {
  type ImageVerification,
  type VerifyImageOptions,
  verifyImage,
  type VerifyProblem,
} from './verify-image.ts'
export {
  type BlobRole,
  type ImageNode,
  type ImageTree,
  type IndexNode,
  imageTree,
  type ManifestNode,
  manifestBlobs,
  manifestsOf,
  MAX_CONFIG_BYTES,
  type ReadTreeOptions,
  readImageTree,
  type TreeBlob,
} from './tree.ts'
