import { on } from 'node:events'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { TareError } from '../errors/index.ts'
import type { CollectReply } from './collect-worker.ts'
import type { CollectJob } from './collector.ts'
import type { CollectionReport } from './context.ts'

/** The worker's file has the extension of this one: `.ts` from a checkout, `.js` from the package. */
const WORKER_URL = new URL(`./collect-worker${import.meta.url.slice(-3)}`, import.meta.url)
const PAUSE_MS = 50

/** Collects on a thread of its own; waits for its turn where another collection is under way. */
export async function collectInThread(job: CollectJob, signal: AbortSignal | undefined): Promise<CollectionReport> {
  for (;;) {
    const report = await collectOnce(job, signal)
    if (report !== undefined) return report
    await wait(PAUSE_MS, undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}

async function collectOnce(job: CollectJob, signal: AbortSignal | undefined): Promise<CollectionReport | undefined> {
  signal?.throwIfAborted()
  // Flags of the process are none of the thread's: with --input-type it would not even start.
  const worker = new Worker(WORKER_URL, { workerData: job, execArgv: [] })
  try {
    const blobs: CollectionReport['blobs'][number][] = []
    for await (const [message] of on(worker, 'message', { signal, close: ['exit'] })) {
      const reply = message as CollectReply // what collect-worker.ts posts
      switch (reply.kind) {
        case 'blobs':
          for (const blob of reply.blobs) blobs.push(blob)
          // `on` gives what has come in one go; let others have a turn in between.
          await nextTurn()
          break
        case 'done':
          return reply.report && { ...reply.report, blobs }
        case 'failed':
          throw new TareError(reply.code, reply.message, { hint: reply.hint })
      }
    }
    throw new TareError('WORKER_FAILED', 'the collection ended without an answer')
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof TareError) throw cause
    throw new TareError('WORKER_FAILED', 'the collection failed', { cause })
  } finally {
    // What it had not committed is undone; another collection takes up from there.
    await worker.terminate()
  }
}
