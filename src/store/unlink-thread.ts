/** Removes files for a collection. */
import { unlinkSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { ABSENT, REFUSED, REMOVED, type UnlinkOrder } from './unlinker.ts'

parentPort?.on('message', ({ paths, outcomes, left }: UnlinkOrder) => {
  for (const [at, path] of paths) Atomics.store(outcomes, at, unlink(path))
  if (Atomics.sub(left, 0, 1) === 1) Atomics.notify(left, 0)
})

/** A refusal is found again, and told, by the thread that asked. */
function unlink(path: string): number {
  try {
    unlinkSync(path)
    return REMOVED
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? ABSENT : REFUSED
  }
}
