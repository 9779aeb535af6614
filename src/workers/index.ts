/** Runs codec kernels, in this thread or on all cores. */
export type { CodecRunner, DecodeJob, EncodedGroup, EncodeJob } from './codec-runner.ts'
export { createInlineCodecRunner } from './inline-codec-runner.ts'
export { createThreadCodecRunner, type ThreadCodecRunnerOptions } from './thread-codec-runner.ts'
export { fittingThreads, threadsWithin } from './threads-within.ts'
