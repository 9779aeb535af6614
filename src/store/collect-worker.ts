/** Runs a collection off the main thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { type ErrorCode, isTareError } from '../errors/index.ts'
import { type CollectJob, collect } from './collector.ts'
import type { CollectionReport } from './context.ts'

/** What the thread answers. */
export type CollectReply =
  /** `report` is undefined while another collection is under way. */
  | { readonly kind: 'done'; readonly report: CollectionReport | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined }

async function reply(): Promise<CollectReply> {
  try {
    // The cast holds: collect.ts is the only one to start this file.
    return { kind: 'done', report: await collect(workerData as CollectJob) }
  } catch (error) {
    if (!isTareError(error)) throw error
    return { kind: 'failed', code: error.code, message: error.message, hint: error.hint }
  }
}

parentPort?.postMessage(await reply())
