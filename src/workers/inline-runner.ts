import { CodecKernel, DeflateKernels } from '../kernels/index.ts'
import type { KernelRunner } from './kernel-runner.ts'
import { runDecode, runEncode } from './run-codec.ts'
import { DeflateStream, runPiece, runTrials } from './run-deflate.ts'

/** Runs jobs one after the other in this thread: for tests, browsers, and where one core is all there is. */
export async function createInlineRunner(): Promise<KernelRunner> {
  const codec = await CodecKernel.load()
  return {
    concurrency: 1,
    async encode(job, signal) {
      signal?.throwIfAborted()
      return runEncode(codec, job)
    },
    async decode(job, signal) {
      signal?.throwIfAborted()
      return runDecode(codec, job)
    },
    async deflatePiece(piece, signal) {
      signal?.throwIfAborted()
      return runPiece(new DeflateKernels(), piece)
    },
    async *deflateStream(job, plain, signal) {
      // Kernels of its own: several streams may be read in turns.
      const stream = await DeflateStream.open(new DeflateKernels(), job)
      for await (const chunk of plain) {
        signal?.throwIfAborted()
        yield stream.next(chunk)
      }
      yield stream.next(undefined)
    },
    async tryEncoders(job, signal) {
      signal?.throwIfAborted()
      return runTrials(new DeflateKernels(), job)
    },
    async [Symbol.asyncDispose]() {},
  }
}
