/** Images as trees of documents and blobs: read, narrow, copy, inspect. */
export {
  type ConvertedImage,
  convertToOci,
  type ConvertToOciOptions,
  isSchema1,
  type LayerFacts,
  schema1AsOci,
  type Schema1Options,
} from './convert/index.ts'
export {
  type CopiedBlob,
  type CopyOptions,
  type CopyReport,
  copyImage,
  DEFAULT_CONCURRENCY,
  isFetchedElsewhere,
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
export { type IndexFate, memberTree, type NarrowedTree, narrowTree, offeredPlatforms, platformHint } from './narrow.ts'
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
