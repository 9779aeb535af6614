import type { DeflateKernel } from '../../../src/kernels/deflate-kernel.ts'
import { PgzipEncoder } from '../../../src/kernels/pgzip-framing.ts'
import { CRITICAL_SIZES, DEFLATE_INPUTS, type DeflateInputKind, numbers } from '../../support/deflate-inputs.ts'
import type { KlauspostEncoder, KlauspostJob } from './klauspost-encoder.ts'

/** First and last release of each family, by the family's id. */
export const KLAUSPOST_RELEASES: readonly (readonly [family: number, first: string, last: string])[] = [
  [0, '1.9.0', '1.9.7'],
  [1, '1.9.8', '1.10.0'],
  [2, '1.10.1', '1.10.1'],
  [3, '1.10.2', '1.11.12'],
  [4, '1.11.13', '1.12.1'],
  [5, '1.12.2', '1.12.2'],
  [6, '1.12.3', '1.13.6'],
  [7, '1.14.0', '1.14.1'],
  [8, '1.14.2', '1.14.2'],
  [9, '1.14.3', '1.14.4'],
  [10, '1.15.0', '1.15.9'],
  [11, '1.15.10', '1.15.10'],
  [12, '1.15.11', '1.15.14'],
  [13, '1.15.15', '1.17.11'],
  [14, '1.18.0', '1.18.0'],
  [15, '1.18.1', '1.18.1'],
  [16, '1.18.2', '1.19.2'],
  [17, '1.20.0', '1.20.3'],
]

/** Levels of a family that the kernel knows; but for 7 to 9 of release 1.18.1, which may write what can't be read. */
export function klauspostLevels(family: number): readonly number[] {
  const levels = [-2, 0, 1, 2, 3, 4, 5, 6]
  return family === 15 ? levels : [...levels, 7, 8, 9]
}

const KINDS = Object.keys(DEFLATE_INPUTS) as DeflateInputKind[]
/** Most bytes of a corpus, and what one stream takes of it. */
const CORPUS_BYTES = 1 << 20

/**
 * Encodes generated inputs with the real encoder and with the kernel.
 *
 * @returns the jobs whose streams differ
 */
export async function differingJobs(
  kernel: DeflateKernel,
  encoder: KlauspostEncoder,
  family: number,
  seed: number,
  streams: number,
): Promise<KlauspostJob[]> {
  const next = numbers(seed)
  const levels = klauspostLevels(family)
  const different: KlauspostJob[] = []
  for (let left = streams; left > 0; ) {
    const corpus = DEFLATE_INPUTS.mixed(CORPUS_BYTES, next(1e9))
    for (let at = 0; at < CORPUS_BYTES; ) {
      const size = Math.min(1 + next(60_000), CORPUS_BYTES - at)
      const kind = KINDS[next(KINDS.length)] ?? 'noise'
      corpus.set(DEFLATE_INPUTS[kind](size, next(1e9)), at)
      at += size
    }
    const jobs = Array.from({ length: Math.min(left, 200) }, () => generatedJob(next, levels))
    left -= jobs.length
    const expected = await encoder.encode(corpus, jobs)
    for (const [index, job] of jobs.entries()) {
      const actual = encode(kernel, family, corpus, job)
      if (Buffer.compare(actual, expected[index] ?? new Uint8Array(0)) !== 0) different.push(job)
    }
  }
  return different
}

function generatedJob(next: (below: number) => number, levels: readonly number[]): KlauspostJob {
  const scale = next(20)
  let size = next(scale < 12 ? 5_000 : scale < 19 ? 140_000 : 900_000)
  if (next(3) === 0) size = CRITICAL_SIZES[next(CRITICAL_SIZES.length)] ?? 0
  const block = next(4) === 0 ? 16_385 + next(next(2) === 0 ? 200 : 120_000) : 0
  const start = next(CORPUS_BYTES - size)
  const writes: number[] = []
  const cuts = next(3) === 0 ? next(6) : 0
  let left = block > 0 && next(4) === 0 ? Math.min(block * (1 + next(3)), CORPUS_BYTES - start) : size
  for (let i = 0; i < cuts; i++) {
    const piece = next(3) === 0 ? Math.min(left, next(300)) : next(left + 1)
    writes.push(piece)
    left -= piece
  }
  writes.push(left)
  return {
    start,
    level: levels[next(levels.length)] ?? 0,
    dictionary: block === 0 && next(4) === 0 ? Math.min(start, next(next(2) === 0 ? 40 : 40_000)) : 0,
    block,
    writes,
    flushes: writes.map((_, index) => index).filter(() => next(3) === 0),
  }
}

/** The job's stream by the kernel. */
export function encode(kernel: DeflateKernel, family: number, corpus: Uint8Array, job: KlauspostJob): Uint8Array {
  const parameters = { family, level: job.level, parameter: 0 }
  const parts: Uint8Array[] = []
  let encoder: Pick<DeflateKernel, 'write' | 'flush' | 'end'> = kernel
  if (job.block > 0) encoder = new PgzipEncoder(kernel, { ...parameters, blockBytes: job.block })
  else {
    kernel.begin(parameters)
    if (job.dictionary > 0) kernel.setDictionary(corpus.subarray(job.start - job.dictionary, job.start))
  }
  let at = job.start
  for (const [index, size] of job.writes.entries()) {
    parts.push(encoder.write(corpus.subarray(at, at + size)))
    at += size
    if (job.flushes.includes(index)) parts.push(encoder.flush())
  }
  parts.push(encoder.end())
  return Buffer.concat(parts)
}
