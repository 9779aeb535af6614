/** Images as trees of documents and blobs: read, narrow, copy, inspect. */
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
export {
  type ImageReport,
  type InspectOptions,
  inspectImage,
  type LayerReport,
  type ManifestReport,
  readNarrowed,
  readRawManifest,
} from './inspect.ts'
export { type IndexFate, type NarrowedTree, narrowTree, offeredPlatforms, platformHint } from './narrow.ts'
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
