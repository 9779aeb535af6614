import { on } from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import { type ErrorCode, isTareError } from '../errors/index.ts'
import { CodecKernel, DeflateKernels } from '../kernels/index.ts'
import type {
  DecodeJob,
  DeflatePiece,
  DeflateStreamJob,
  EncodedGroup,
  EncodeJob,
  TrialJob,
  TrialResult,
} from './kernel-runner.ts'
import { runDecode, runEncode } from './run-codec.ts'
import { DeflateStream, runPiece, runTrials } from './run-deflate.ts'

/** Errors lose their class on the way between threads, so a failure of ours travels as data. */
export type WorkerReply<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly hint?: string | undefined }

/** A stream's job, and the port over which its chunks come and its outputs go. */
export interface StreamTask {
  readonly job: DeflateStreamJob
  readonly port: MessagePort
}

/** What goes to a stream: the next plain bytes, or its end. */
export type StreamInput = { readonly chunk: Uint8Array | undefined }

let codec: Promise<CodecKernel> | undefined
const deflate = new DeflateKernels()

/** The `encode` task of the pool. */
export function encode(job: EncodeJob): Promise<WorkerReply<EncodedGroup>> {
  return reply(async () => runEncode(await (codec ??= CodecKernel.load()), job))
}

/** The `decode` task of the pool. */
export function decode(job: DecodeJob): Promise<WorkerReply<Uint8Array>> {
  return reply(async () => runDecode(await (codec ??= CodecKernel.load()), job))
}

/** The `deflatePiece` task of the pool. */
export function deflatePiece(piece: DeflatePiece): Promise<WorkerReply<Uint8Array>> {
  return reply(() => runPiece(deflate, piece))
}

/** The `tryEncoders` task of the pool. */
export function tryEncoders(job: TrialJob): Promise<WorkerReply<readonly TrialResult[]>> {
  return reply(() => runTrials(deflate, job))
}

/** The `deflateStream` task of the pool: answers each input with an output, and is done after the last. */
export async function deflateStream({ job, port }: StreamTask): Promise<void> {
  const opening = DeflateStream.open(deflate, job)
  // Told with the first reply; until then it must not count as unhandled.
  opening.catch(() => {})
  for await (const [{ chunk }] of on(port, 'message', { close: ['close'] }) as AsyncIterable<[StreamInput]>) {
    const output = await reply(async () => (await opening).next(chunk))
    port.postMessage(output, output.kind === 'done' ? [output.result.deflate.buffer as ArrayBuffer] : [])
    if (chunk === undefined || output.kind === 'failed') break
  }
  port.close()
}

async function reply<Result>(run: () => Promise<Result>): Promise<WorkerReply<Result>> {
  try {
    return { kind: 'done', result: await run() }
  } catch (error) {
    if (!isTareError(error)) throw error
    return { kind: 'failed', code: error.code, message: error.message, hint: error.hint }
  }
}
