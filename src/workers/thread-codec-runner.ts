import { Tinypool } from 'tinypool'
import { TareError } from '../errors/index.ts'
import type { CodecRunner, DecodeJob, EncodedGroup, EncodeJob } from './codec-runner.ts'
import type { WorkerReply } from './codec-worker.ts'

/** Options of {@link createThreadCodecRunner}. */
export interface ThreadCodecRunnerOptions {
  /** Worker threads, at least 1. */
  readonly threads: number
}

/** The worker's file has the extension of this one: `.ts` from a checkout, `.js` from the package. */
const WORKER_URL = new URL(`./codec-worker${import.meta.url.slice(-3)}`, import.meta.url)

/**
 * Runs jobs on worker threads, which start with the first job. Aborting a job ends its thread, so a kernel never
 * outlives the signal.
 */
export function createThreadCodecRunner(options: ThreadCodecRunnerOptions): CodecRunner {
  const threads = Math.max(1, options.threads)
  let pool: Tinypool | undefined
  const run = async <Result>(
    name: 'encode' | 'decode',
    job: EncodeJob | DecodeJob,
    transfer: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<Result> => {
    signal?.throwIfAborted()
    pool ??= new Tinypool({
      filename: WORKER_URL.href,
      runtime: 'worker_threads',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: 2_000,
    })
    const transferList = transfer.filter(isWholeBuffer).map((bytes) => bytes.buffer as ArrayBuffer)
    let reply: WorkerReply<Result>
    try {
      reply = await pool.run(job, { name, transferList, ...(signal === undefined ? {} : { signal }) })
    } catch (cause) {
      signal?.throwIfAborted()
      throw new TareError('WORKER_FAILED', `a worker thread failed to ${name} a group of bytes`, {
        cause,
        hint: 'Try again with fewer --jobs, or more --memory',
      })
    }
    if (reply.kind === 'failed') throw new TareError(reply.code, reply.message, { hint: reply.hint })
    return reply.result
  }
  return {
    concurrency: threads + 1,
    encode: (job, signal) => run<EncodedGroup>('encode', job, [job.reference, job.target], signal),
    decode: (job, signal) => run<Uint8Array>('decode', job, [job.reference, job.payload], signal),
    async [Symbol.asyncDispose]() {
      await pool?.destroy()
    },
  }
}

/** Only an array that is all of its buffer can be given away without taking others along. */
function isWholeBuffer(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.byteLength === bytes.buffer.byteLength
}
