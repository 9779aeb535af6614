/**
 * Tare ships container images net of what the other side already has.
 *
 * This entry point has what most programs need: open images; copy, inspect, verify them; make, look into, check and
 * apply deltas, of one image or of many. Signatures are in `tare/sign`, which loads more. The other parts are `tare/oci`,
 * `tare/errors`, `tare/stream`, `tare/tar`, `tare/registry`, `tare/store`, `tare/transport`, `tare/image`,
 * `tare/recompress`, `tare/delta`, `tare/incremental` and `tare/manifest-list`. `docs/library.md` has whole programs.
 *
 * @module
 */
export {
  applyBundle,
  type ApplyBundleOptions,
  type ApplyBundleReport,
  applyDelta,
  type ApplyImageResult,
  type ApplyImageStatus,
  type ApplyOptions,
  type ApplyPlan,
  type ApplyPlanOptions,
  type ApplyReport,
  type BlobSavings,
  type BlobTotals,
  type BundleReport,
  type Delta,
  type DeltaFormat,
  type DeltaSet,
  type DeltaSummary,
  type DeltaVerification,
  DiffahArchive,
  type DiffahOptions,
  type DiffahReport,
  diffBundle,
  diffDiffah,
  diffImages,
  type DiffOptions,
  type DiffReport,
  type HistogramBucket,
  type ImagePair,
  type ImageSummary,
  type ImageTask,
  inspectDelta,
  type LayerKind,
  type LayerRow,
  type LocalBaselinesOptions,
  openDiffahArchive,
  type OpenedBaselines,
  openLocalBaselines,
  pickDelta,
  planApply,
  planBundle,
  planDiff,
  planDiffah,
  type PlannedImage,
  planUnbundle,
  preflight,
  type PreflightResult,
  type PreflightStatus,
  readDeltas,
  type TopSaving,
  verifyDelta,
  type WasteEntry,
} from './delta/index.ts'
export { type ErrorCategory, type ErrorCode, hasErrorCode, isTareError, TareError } from './errors/index.ts'
export {
  type CopyOptions,
  type CopyReport,
  copyImage,
  type ImageReport,
  type ImageVerification,
  type InspectOptions,
  inspectImage,
  verifyImage,
  type VerifyImageOptions,
  type VerifyProblem,
} from './image/index.ts'
export {
  type Descriptor,
  type Digest,
  formatPlatform,
  parsePlatform,
  type Platform,
} from './oci/index.ts'
export { RecipeCache } from './recompress/index.ts'
export type { Logger, OperationOptions, ProgressEvent } from './stream/index.ts'
export {
  type ImageDestination,
  type ImageSource,
  type OpenContext,
  openDestination,
  openSource,
} from './transport/index.ts'
export {
  type KernelRunner,
  createInlineRunner,
  createThreadRunner,
  type ThreadRunnerOptions,
} from './workers/index.ts'
