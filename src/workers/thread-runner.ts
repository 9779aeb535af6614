import { on } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { Tinypool } from 'tinypool'
import { TareError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import type { DeflateOutput, DeflatePiece, DeflateStreamJob, KernelRunner } from './kernel-runner.ts'
import type { StreamInput, StreamTask, WorkerReply } from './worker.ts'

/** Options of {@link createThreadRunner}. */
export interface ThreadRunnerOptions {
  /** Worker threads, at least 1. */
  readonly threads: number
}

/** The worker's file has the extension of this one: `.ts` from a checkout, `.js` from the package. */
const WORKER_URL = new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url)
/** Chunks of a stream that may be on their way to its worker. */
const CHUNKS_AHEAD = 2

/**
 * Runs jobs on worker threads, which start with the first job. Aborting a job ends its thread, so a kernel never
 * outlives the signal.
 */
export function createThreadRunner(options: ThreadRunnerOptions): KernelRunner {
  const threads = Math.max(1, options.threads)
  const jobs = new WorkerPool(threads)
  // Streams keep a thread while their plain bytes are made, which may take other jobs: never on the same threads.
  const streams = new WorkerPool(threads)
  return {
    concurrency: threads + 1,
    encode: (job, signal) => jobs.run('encode', job, [job.reference, job.target], signal),
    decode: (job, signal) => jobs.run('decode', job, [job.reference, job.payload], signal),
    deflatePiece: (piece, signal) => jobs.run('deflatePiece', piece, arraysOf(piece), signal),
    tryEncoders: (job, signal) => jobs.run('tryEncoders', job, [], signal),
    deflateStream: (job, plain, signal) => runStream(streams, job, plain, signal),
    async [Symbol.asyncDispose]() {
      await Promise.all([jobs.close(), streams.close()])
    },
  }
}

function arraysOf(piece: DeflatePiece): readonly Uint8Array[] {
  switch (piece.kind) {
    case 'pgzip':
      return [piece.dictionary, piece.plain]
    case 'pigz':
      return [piece.history, piece.plain]
    case 'segment':
      return [piece.window, piece.plain]
  }
}

async function* runStream(
  pool: WorkerPool,
  job: DeflateStreamJob,
  plain: ByteSource,
  signal: AbortSignal | undefined,
): AsyncIterable<DeflateOutput> {
  signal?.throwIfAborted()
  const { port1: port, port2 } = new MessageChannel()
  const task: StreamTask = { job, port: port2 }
  const done = pool.post('deflateStream', task, [port2], signal)
  // Raised where it is awaited; until then it must not count as unhandled.
  done.catch(() => port.close())
  const replies = on(port, 'message', { close: ['close'] })[Symbol.asyncIterator]()
  const receive = async (): Promise<DeflateOutput> => {
    const { value, done: closed } = await replies.next()
    // The worker went away: its own failure says why.
    if (closed === true) await done
    signal?.throwIfAborted()
    return unpack((value as [WorkerReply<DeflateOutput>])[0]) // what worker.ts posts
  }
  try {
    let ahead = 0
    for await (const chunk of plain) {
      // A copy, because the chunk may be a view of something larger.
      const input = { chunk: new Uint8Array(chunk) } satisfies StreamInput
      port.postMessage(input, [input.chunk.buffer])
      if (++ahead < CHUNKS_AHEAD) continue
      yield await receive()
      ahead--
    }
    port.postMessage({ chunk: undefined } satisfies StreamInput)
    for (; ahead >= 0; ahead--) yield await receive()
  } finally {
    port.close()
    await done.catch(() => {})
  }
}

/** A lazily started pool of threads that all run `worker.ts`. */
class WorkerPool {
  readonly #threads: number
  #pool: Tinypool | undefined

  constructor(threads: number) {
    this.#threads = threads
  }

  /** Runs a task whose worker answers with a {@link WorkerReply}; arrays that are all of their buffer are given away. */
  async run<Result>(
    name: string,
    job: unknown,
    arrays: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const transfer = new Set(arrays.filter(isWholeBuffer).map((bytes) => bytes.buffer as ArrayBuffer))
    const reply = await this.post(name, job, [...transfer], signal)
    return unpack(reply as WorkerReply<Result>) // the task of that name in worker.ts
  }

  /** Runs a task to its end. @throws {TareError} `WORKER_FAILED` */
  async post(
    name: string,
    task: unknown,
    transferList: readonly (ArrayBuffer | StreamTask['port'])[],
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    signal?.throwIfAborted()
    this.#pool ??= new Tinypool({
      filename: WORKER_URL.href,
      runtime: 'worker_threads',
      minThreads: 0,
      maxThreads: this.#threads,
      idleTimeout: 2_000,
    })
    try {
      const options = { name, transferList: [...transferList] }
      return await this.#pool.run(task, signal === undefined ? options : { ...options, signal })
    } catch (cause) {
      signal?.throwIfAborted()
      throw new TareError('WORKER_FAILED', `a worker thread failed at ${name}`, {
        cause,
        hint: 'Try again with fewer --jobs, or more --memory',
      })
    }
  }

  async close(): Promise<void> {
    await this.#pool?.destroy()
  }
}

function unpack<Result>(reply: WorkerReply<Result>): Result {
  if (reply.kind === 'failed') throw new TareError(reply.code, reply.message, { hint: reply.hint })
  return reply.result
}

/** Only an array that is all of its buffer can be given away without taking others along. */
function isWholeBuffer(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.byteLength === bytes.buffer.byteLength
}
