import { CodecKernel } from '../kernels/index.ts'
import type { CodecRunner } from './codec-runner.ts'
import { runDecode, runEncode } from './run-job.ts'

/** Runs jobs one after the other in this thread: for tests, browsers, and where one core is all there is. */
export async function createInlineCodecRunner(): Promise<CodecRunner> {
  const kernel = await CodecKernel.load()
  return {
    concurrency: 1,
    async encode(job, signal) {
      signal?.throwIfAborted()
      return runEncode(kernel, job)
    },
    async decode(job, signal) {
      signal?.throwIfAborted()
      return runDecode(kernel, job)
    },
    async [Symbol.asyncDispose]() {},
  }
}
