import type { CodecId, DeflateCheckpoint, EncoderSpec, PgzipParameters, PigzParameters } from '../kernels/index.ts'
import type { ByteSource } from '../stream/index.ts'

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

/** A piece of a deflate stream that can be made by itself. All arrays are given away. */
export type DeflatePiece =
  | {
      readonly kind: 'pgzip'
      readonly parameters: PgzipParameters
      readonly dictionary: Uint8Array
      readonly plain: Uint8Array
      readonly isLast: boolean
    }
  | {
      readonly kind: 'pigz'
      readonly parameters: PigzParameters
      readonly history: Uint8Array
      readonly plain: Uint8Array
      readonly isLast: boolean
    }
  | {
      /** From one checkpoint to the next: whole bytes, from the one that holds the first border's last bit. */
      readonly kind: 'segment'
      readonly spec: EncoderSpec
      /** Left out for the first segment. */
      readonly checkpoint?: DeflateCheckpoint | undefined
      readonly window: Uint8Array
      /** Up to the next checkpoint and some more, or to the end of the stream. */
      readonly plain: Uint8Array
      /** Bytes that this segment makes; left out for the last one, which ends the stream. */
      readonly deflateBytes?: number | undefined
    }

/** A deflate stream that is made in one go. */
export interface DeflateStreamJob {
  readonly spec: EncoderSpec
  /** Plain positions, ascending, at which the encoder is flushed. */
  readonly flushes: readonly number[]
  /** Tell of a checkpoint about every so many plain bytes; left out, never. */
  readonly checkpointBytes?: number | undefined
}

/** Part of what a stream makes. */
export interface DeflateOutput {
  readonly deflate: Uint8Array
  readonly checkpoints: readonly DeflateCheckpoint[]
}

/** Which of some encoders made the beginning of a deflate stream. Arrays are copied. */
export interface TrialJob {
  readonly specs: readonly EncoderSpec[]
  /** Plain positions, ascending, at which the encoder is flushed. */
  readonly flushes: readonly number[]
  readonly plain: Uint8Array
  /** Whether `plain` is all the stream holds, so that its end can be compared too. */
  readonly isWhole: boolean
  readonly deflate: Uint8Array
}

/** How far an encoder got. */
export interface TrialResult {
  /** Bytes, from the start, that are equal. */
  readonly equalBytes: number
  /** Whether everything the encoder wrote is equal. */
  readonly isEqual: boolean
}

/**
 * Runs kernels, in this thread or in others. Results do not depend on which: the same job gives the same bytes.
 */
export interface KernelRunner extends AsyncDisposable {
  /** Jobs that run at a time; callers keep about this many under way. */
  readonly concurrency: number
  encode(job: EncodeJob, signal?: AbortSignal): Promise<EncodedGroup>
  /** @throws {TareError} `CORRUPT_PATCH`, `UNSUPPORTED_FORMAT` for an unknown codec */
  decode(job: DecodeJob, signal?: AbortSignal): Promise<Uint8Array>
  /** @throws {TareError} `CORRUPT_RECIPE`, `UNSUPPORTED_FORMAT` for settings no kernel knows */
  deflatePiece(piece: DeflatePiece, signal?: AbortSignal): Promise<Uint8Array>
  /** Makes a stream while its plain bytes come. @throws {TareError} as {@link KernelRunner.deflatePiece} */
  deflateStream(job: DeflateStreamJob, plain: ByteSource, signal?: AbortSignal): AsyncIterable<DeflateOutput>
  /** @returns a result for each encoder, in order */
  tryEncoders(job: TrialJob, signal?: AbortSignal): Promise<readonly TrialResult[]>
}
