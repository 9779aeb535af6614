import { TareError } from '../errors/index.ts'
import {
  type DeflateKernels,
  encodePgzipBlock,
  encodePigzBlock,
  type EncoderSpec,
  kernelOf,
  parametersOf,
  type StreamEncoder,
} from '../kernels/index.ts'
import type { DeflateOutput, DeflatePiece, DeflateStreamJob, TrialJob, TrialResult } from './kernel-runner.ts'

/** Makes one piece of a deflate stream. */
export async function runPiece(kernels: DeflateKernels, piece: DeflatePiece): Promise<Uint8Array> {
  switch (piece.kind) {
    case 'pgzip': {
      const { parameters, dictionary, plain, isLast } = piece
      return encodePgzipBlock(await kernels.get('klauspost-deflate'), parameters, dictionary, plain, isLast)
    }
    case 'pigz': {
      const { parameters, history, plain, isLast } = piece
      return encodePigzBlock(await kernels.get('zlib-deflate'), parameters, history, plain, isLast)
    }
    case 'segment':
      return runSegment(kernels, piece)
  }
}

async function runSegment(
  kernels: DeflateKernels,
  segment: Extract<DeflatePiece, { kind: 'segment' }>,
): Promise<Uint8Array> {
  const { spec, checkpoint, window, plain, deflateBytes } = segment
  if (spec.kind === 'pgzip' || spec.kind === 'pigz') {
    throw new TareError('CORRUPT_RECIPE', `recipe is damaged: ${spec.kind} has no checkpoints`)
  }
  const kernel = await kernels.get(kernelOf(spec))
  kernel.begin(parametersOf(spec))
  if (checkpoint !== undefined) kernel.resume(checkpoint, window)
  const made = kernel.write(plain)
  if (deflateBytes === undefined) return joined([made, kernel.end()])
  if (made.length < deflateBytes) {
    throw new TareError('CORRUPT_RECIPE', 'recipe is damaged: a segment makes too little')
  }
  return made.subarray(0, deflateBytes)
}

/** A stream under way: takes plain chunks, gives what can be written by then. */
export class DeflateStream {
  readonly #encoder: StreamEncoder
  readonly #job: DeflateStreamJob
  #position = 0
  #flushed = 0
  #lastCheckpoint = 0

  private constructor(encoder: StreamEncoder, job: DeflateStreamJob) {
    this.#encoder = encoder
    this.#job = job
  }

  static async open(kernels: DeflateKernels, job: DeflateStreamJob): Promise<DeflateStream> {
    return new DeflateStream(await kernels.open(job.spec), job)
  }

  /** @param chunk - left out at the end */
  next(chunk: Uint8Array | undefined): DeflateOutput {
    const parts: Uint8Array[] = []
    const checkpoints: NonNullable<ReturnType<NonNullable<StreamEncoder['checkpoint']>>>[] = []
    const { flushes, checkpointBytes } = this.#job
    for (let start = 0; chunk !== undefined && start < chunk.length; ) {
      const flush = flushes[this.#flushed]
      const end = Math.min(
        chunk.length,
        start + STEP_BYTES,
        flush === undefined ? Infinity : start + flush - this.#position,
      )
      parts.push(this.#encoder.write(chunk.subarray(start, end)))
      this.#position += end - start
      start = end
      this.#flushHere(parts)
      const checkpoint = checkpointBytes === undefined ? undefined : this.#encoder.checkpoint?.()
      if (checkpoint !== undefined && checkpoint.inputBytes >= this.#lastCheckpoint + (checkpointBytes ?? 0)) {
        checkpoints.push(checkpoint)
        this.#lastCheckpoint = checkpoint.inputBytes
      }
    }
    if (chunk === undefined) {
      this.#flushHere(parts)
      parts.push(this.#encoder.end())
    }
    return { deflate: joined(parts), checkpoints }
  }

  /** Makes the flushes that are due; there may be several in one place. */
  #flushHere(parts: Uint8Array[]): void {
    while (this.#job.flushes[this.#flushed] === this.#position) {
      parts.push(this.#encoder.flush())
      this.#flushed++
    }
  }
}

/** One array that is all of its buffer, so that it can be given to another thread. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0))
  let filled = 0
  for (const part of parts) {
    bytes.set(part, filled)
    filled += part.length
  }
  return bytes
}

/** Checkpoints are looked for after so many bytes. */
const STEP_BYTES = 64 * 1024

/** Runs encoders over the beginning of a stream. */
export async function runTrials(kernels: DeflateKernels, job: TrialJob): Promise<readonly TrialResult[]> {
  const results: TrialResult[] = []
  for (const spec of job.specs) results.push(await runTrial(kernels, job, spec))
  return results
}

async function runTrial(kernels: DeflateKernels, job: TrialJob, spec: EncoderSpec): Promise<TrialResult> {
  const stream = await DeflateStream.open(kernels, { spec, flushes: job.flushes })
  let equalBytes = 0
  const agrees = (made: Uint8Array): boolean => {
    const length = Math.min(made.length, job.deflate.length - equalBytes)
    for (let index = 0; index < length; index++) {
      if (made[index] !== job.deflate[equalBytes + index]) {
        equalBytes += index
        return false
      }
    }
    equalBytes += length
    return true
  }
  for (let start = 0; start < job.plain.length; start += STEP_BYTES) {
    // What the beginning holds can be compared up to its end; behind that nothing is known.
    if (!agrees(stream.next(job.plain.subarray(start, start + STEP_BYTES)).deflate))
      return { equalBytes, isEqual: false }
  }
  if (!job.isWhole) return { equalBytes, isEqual: true }
  const isEqual = agrees(stream.next(undefined).deflate) && equalBytes === job.deflate.length
  return { equalBytes, isEqual }
}
