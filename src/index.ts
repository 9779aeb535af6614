/**
 * Tare ships container images net of what the other side already has.
 *
 * This entry point has what most programs need: open images, copy, inspect, diff, apply. The parts below it are
 * `tare/oci`, `tare/errors`, `tare/stream`, `tare/tar`, `tare/registry`, `tare/transport`, `tare/image`,
 * `tare/recompress`, `tare/delta` and `tare/sign`.
 *
 * @module
 */
export {
  type ApplyOptions,
  type ApplyPlan,
  type ApplyReport,
  applyDelta,
  type BlobSavings,
  type DeltaSummary,
  type DiffOptions,
  type DiffReport,
  diffImages,
  inspectDelta,
  planApply,
  planDiff,
} from './delta/index.ts'
export { type ErrorCategory, type ErrorCode, hasErrorCode, isTareError, TareError } from './errors/index.ts'
export {
  type CopyOptions,
  type CopyReport,
  copyImage,
  type ImageReport,
  type InspectOptions,
  inspectImage,
} from './image/index.ts'
export {
  type Descriptor,
  type Digest,
  formatPlatform,
  parsePlatform,
  type Platform,
} from './oci/index.ts'
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
