import { TareError } from '../errors/index.ts'
import { codecMemoryBytes } from '../kernels/index.ts'

/** The largest job that a patch makes, see `SIZES` of `delta/match`: reference and target. */
const LARGEST_JOB = { referenceBytes: 16 * 2 ** 20, targetBytes: 8 * 2 ** 20 }
/** What Node itself and one stream of blobs take. */
const BASE_BYTES = 224 * 2 ** 20

/** Memory that one worker takes at most, with the arrays on their way to it. */
const WORKER_BYTES: number =
  codecMemoryBytes(LARGEST_JOB.referenceBytes, LARGEST_JOB.targetBytes) +
  2 * (LARGEST_JOB.referenceBytes + LARGEST_JOB.targetBytes)

/** Memory that a run with some codec threads takes at most, in bytes. */
export function memoryOfThreads(threads: number): number {
  return BASE_BYTES + threads * WORKER_BYTES
}

/** How many codec threads fit into some memory: perhaps none. */
export function fittingThreads(memoryBytes: number): number {
  return Math.max(0, Math.floor((memoryBytes - BASE_BYTES) / WORKER_BYTES))
}

/**
 * How many codec threads to start within a memory bound. Fewer threads make the same bytes, only later.
 *
 * @param wanted - threads that would be used if memory were no matter
 * @throws {TareError} `MEMORY_LIMIT` when not even one fits
 */
export function threadsWithin(memoryBytes: number, wanted: number): number {
  const fitting = fittingThreads(memoryBytes)
  if (fitting < 1) {
    const leastMiB = Math.ceil((BASE_BYTES + WORKER_BYTES) / 2 ** 20)
    throw new TareError('MEMORY_LIMIT', `${Math.floor(memoryBytes / 2 ** 20)} MiB is not enough for one worker`, {
      hint: `Give --memory ${leastMiB}MiB or more`,
    })
  }
  return Math.min(wanted, fitting)
}
