/** Deltas between images: make, apply, inspect. */
export { type ApplyOptions, type ApplyPlan, type ApplyReport, applyDelta, planApply } from './apply.ts'
export { type Delta, isDelta, readDelta } from './delta-archive.ts'
export { type DiffOptions, type DiffReport, diffImages, planDiff } from './diff.ts'
export { type DeltaSummary, inspectDelta } from './inspect-delta.ts'
export {
  type BlobOrigin,
  DELTA_ARTIFACT_TYPE,
  DELTA_MEDIA_TYPE,
  type DeltaPlan,
  type NeededLayer,
  type PatchBlob,
  type PlannedBaseline,
  type PlannedBlob,
  type PlannedRole,
} from './plan.ts'
export type { BlobSavings } from './savings.ts'
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
