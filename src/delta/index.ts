/** Deltas between images: make, look into, check, apply. One image, or a bundle of many. */
export {
  type ApplyBundleOptions,
  type ApplyBundleReport,
  applyBundle,
  applyDelta,
  type ApplyImageResult,
  type ApplyImageStatus,
  type ApplyOptions,
  type ApplyPlanOptions,
  type ApplyReport,
  planApply,
  type PlannedImage,
  planUnbundle,
  preflight,
} from './apply.ts'
export type { ApplyPlan } from './apply-plan.ts'
export type { ImageTask } from './apply-run.ts'
export { type Delta, type DeltaFormat, type DeltaSet, pickDelta } from './delta.ts'
export {
  type BundleReport,
  diffBundle,
  type DiffOptions,
  type DiffReport,
  diffImages,
  type ImagePair,
  planBundle,
  planDiff,
} from './diff.ts'
export {
  type Comparison,
  type ComparisonTools,
  DiffahArchive,
  diffahArchiveIn,
  diffDiffah,
  type DiffahOptions,
  type DiffahReport,
  openDiffahArchive,
  planDiffah,
} from './diffah/index.ts'
export {
  type DeltaSummary,
  type HistogramBucket,
  type ImageSummary,
  inspectDelta,
  type LayerKind,
  type LayerRow,
  type TopSaving,
  type WasteEntry,
} from './inspect-delta.ts'
export {
  type LocalBaselinesOptions,
  type OpenedBaselines,
  openLocalBaselines,
  openWantedBaselines,
} from './local-baselines.ts'
export {
  type BlobOrigin,
  BUNDLE_ARTIFACT_TYPE,
  DELTA_ARTIFACT_TYPE,
  DELTA_MEDIA_TYPE,
  type DeltaPlan,
  IMAGE_NAME_ANNOTATION,
  IMAGE_NAME_PATTERN,
  type NeededLayer,
  type PatchBlob,
  type PlannedBaseline,
  type PlannedBlob,
  type PlannedOrigin,
  type PlannedRole,
} from './plan.ts'
export type { PreflightResult, PreflightStatus } from './preflight.ts'
export { isDelta, readDeltas } from './read-delta.ts'
export type { BlobSavings, BlobTotals } from './savings.ts'
export type { SurveyOptions } from './survey.ts'
export { type DeltaVerification, verifyDelta } from './verify-delta.ts'
export {
  type BaselineSpec,
  type BundlePair,
  type BundleSpec,
  type OutputSpec,
  parseBaselineSpec,
  parseBundleSpec,
  parseOutputSpec,
  type SpecOptions,
} from './bundle-spec.ts'
