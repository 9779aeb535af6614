/** Runs a collection off the main thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { type ErrorCode, isTareError } from '../errors/index.ts'
import { type CollectJob, collect } from './collector.ts'
import type { CollectionReport } from './context.ts'

/** What the thread answers: any number of parts of the report's blobs, then one of the others. */
export type CollectReply =
  /** In parts, since taking a long list over in one go would hold up the other side. */
  | { readonly kind: 'blobs'; readonly blobs: CollectionReport['blobs'] }
  /** `report` is undefined while another collection is under way; its blobs have gone before. */
  | { readonly kind: 'done'; readonly report: CollectionReport | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined }

const PART = 500

function answer(reply: CollectReply): void {
  parentPort?.postMessage(reply)
}

try {
  // The cast holds: collect.ts is the only one to start this file.
  const report = await collect(workerData as CollectJob)
  const blobs = report?.blobs ?? []
  for (let start = 0; start < blobs.length; start += PART)
    answer({ kind: 'blobs', blobs: blobs.slice(start, start + PART) })
  answer({ kind: 'done', report: report && { ...report, blobs: [] } })
} catch (error) {
  if (!isTareError(error)) throw error
  answer({ kind: 'failed', code: error.code, message: error.message, hint: error.hint })
}
