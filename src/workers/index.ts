/** Runs kernels, in this thread or on all cores. */
export { createInlineRunner } from './inline-runner.ts'
export type {
  DecodeJob,
  DeflateOutput,
  DeflatePiece,
  DeflateStreamJob,
  EncodedGroup,
  EncodeJob,
  KernelRunner,
  TrialJob,
  TrialResult,
} from './kernel-runner.ts'
export { createThreadRunner, type ThreadRunnerOptions } from './thread-runner.ts'
export { fittingThreads, memoryOfThreads, threadsWithin } from './threads-within.ts'
