import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { fileError, TareError } from '../errors/index.ts'
import { isProcessGone } from '../stream/index.ts'

/** A lock held longer than this is taken from its holder; updates under it take milliseconds. */
const STALE_AFTER_MS = 60_000
/** A holder that no longer runs keeps its lock at least this long, so that a fresh lock is never misjudged. */
const DEAD_AFTER_MS = 1_000
/** Give up waiting for a lock that keeps being taken by others. */
const GIVE_UP_AFTER_MS = 120_000
const LONGEST_PAUSE_MS = 100

/** A lock that is held. */
export interface HeldLock {
  /**
   * Makes sure that nobody took the lock meanwhile; call it right before what must not happen twice.
   *
   * @throws {LockLostError}
   */
  confirm(): Promise<void>
}

/** Another process judged the lock abandoned and took it. */
class LockLostError extends Error {
  override readonly name = 'LockLostError'
}

/**
 * Runs `work` while holding a lock file, among all processes that use the same path. A lock whose holder died is taken
 * over. Where the lock is lost in spite of that (a holder stopped for a minute), `work` runs anew from its beginning.
 *
 * @param path - the lock file; its directory exists
 * @throws {TareError} `FILE_ACCESS` when the lock can't be had
 */
export async function withFileLock<Output>(
  path: string,
  work: (lock: HeldLock) => Promise<Output>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Output> {
  // Another host's process of the same number must not pass for a dead one of ours.
  const token = `${process.pid} ${hostname()} ${randomBytes(8).toString('hex')}\n`
  for (;;) {
    await acquire(path, token, options.signal)
    try {
      return await work({ confirm: () => confirm(path, token) })
    } catch (error) {
      if (!(error instanceof LockLostError)) throw error
    } finally {
      if ((await holder(path)) === token) await rm(path, { force: true })
    }
  }
}

async function acquire(path: string, token: string, signal: AbortSignal | undefined): Promise<void> {
  const startedAt = performance.now()
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted()
    try {
      await writeFile(path, token, { flag: 'wx' })
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
        throw fileError(path, 'create', error)
    }
    await removeAbandoned(path)
    if (performance.now() - startedAt > GIVE_UP_AFTER_MS) {
      throw new TareError('FILE_ACCESS', `${path} is held by another process`, {
        hint: `If no other process is writing there, remove ${path}`,
      })
    }
    await wait(pauseMs, undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}

async function removeAbandoned(path: string): Promise<void> {
  const token = await holder(path)
  const found = await stat(path).catch(() => undefined)
  if (token === undefined || found === undefined) return
  const heldMs = Date.now() - found.mtimeMs
  if (heldMs < DEAD_AFTER_MS || (heldMs < STALE_AFTER_MS && !isDead(token))) return
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await rename(path, aside)
    // Somebody else may have been faster, and this be a fresh lock: then it goes back.
    if ((await holder(aside)) !== token) await link(aside, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EEXIST')))
      throw error
  } finally {
    await rm(aside, { force: true })
  }
}

/** Whether the holder is known not to run any more; of another host's processes nothing is known. */
function isDead(token: string): boolean {
  const [pid, host] = token.trim().split(' ')
  if (host !== hostname() || pid === undefined || !/^[1-9]\d{0,9}$/.test(pid)) return false
  return isProcessGone(Number(pid))
}

async function holder(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

async function confirm(path: string, token: string): Promise<void> {
  if ((await holder(path)) !== token) throw new LockLostError()
}
