import type { CodecId } from '../kernels/index.ts'

/** Bytes to code against a reference, and the codecs to try. Both arrays are given away. */
export interface EncodeJob {
  readonly reference: Uint8Array
  readonly target: Uint8Array
  /** Tried in this order; the smallest result wins, the earlier one on a tie. */
  readonly codecs: readonly CodecId[]
}

/** The smallest coding of a job's target; `stored` when no codec made it smaller. */
export interface EncodedGroup {
  readonly codec: CodecId
  readonly payload: Uint8Array
}

/** A coded group to expand. All arrays are given away. */
export interface DecodeJob {
  readonly codec: number
  readonly reference: Uint8Array
  readonly payload: Uint8Array
  readonly targetBytes: number
}

/**
 * Runs codec kernels, in this thread or in others. Results do not depend on which: the same job gives the same bytes.
 */
export interface CodecRunner extends AsyncDisposable {
  /** Jobs that run at a time; callers keep about this many under way. */
  readonly concurrency: number
  encode(job: EncodeJob, signal?: AbortSignal): Promise<EncodedGroup>
  /** @throws {TareError} `CORRUPT_PATCH`, `UNSUPPORTED_FORMAT` for an unknown codec */
  decode(job: DecodeJob, signal?: AbortSignal): Promise<Uint8Array>
}
