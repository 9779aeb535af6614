import { type ErrorCode, isTareError } from '../errors/index.ts'
import { CodecKernel } from '../kernels/index.ts'
import type { DecodeJob, EncodedGroup, EncodeJob } from './codec-runner.ts'
import { runDecode, runEncode } from './run-job.ts'

/** Errors lose their class on the way between threads, so a failure of ours travels as data. */
export type WorkerReply<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined }

const kernel: Promise<CodecKernel> = CodecKernel.load()

/** The `encode` task of the pool. */
export function encode(job: EncodeJob): Promise<WorkerReply<EncodedGroup>> {
  return reply((loaded) => runEncode(loaded, job))
}

/** The `decode` task of the pool. */
export function decode(job: DecodeJob): Promise<WorkerReply<Uint8Array>> {
  return reply((loaded) => runDecode(loaded, job))
}

async function reply<Result>(run: (kernel: CodecKernel) => Result): Promise<WorkerReply<Result>> {
  try {
    return { kind: 'done', result: run(await kernel) }
  } catch (error) {
    if (!isTareError(error)) throw error
    return { kind: 'failed', code: error.code, message: error.message, hint: error.hint }
  }
}
