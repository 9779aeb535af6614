import { setTimeout as wait } from 'node:timers/promises'
import { isTareError } from '../errors/index.ts'
import type { OperationOptions } from '../stream/index.ts'

/** How often something is tried again that failed for a reason that may pass. */
export interface RetryPushOptions extends OperationOptions {
  /** Further tries after the first. @default 3 */
  readonly maxRetries?: number | undefined
  /** The same pause before each, in milliseconds. @default 1000 before the first, each further one twice as long */
  readonly retryDelayMs?: number | undefined
}

const DEFAULT_RETRIES = 3
const FIRST_DELAY_MS = 1000

/**
 * Runs `work`, and runs it again where it failed for a reason that may pass: the network, or a registry that is busy.
 * Each pause is told as a warning. An abort during a pause ends the tries at once.
 *
 * @param pause - waits; tests hand in their own
 */
export async function retryIfNecessary<Output>(
  work: () => Promise<Output>,
  options: RetryPushOptions = {},
  pause: (delayMs: number, signal: AbortSignal | undefined) => Promise<void> = sleep,
): Promise<Output> {
  const { maxRetries = DEFAULT_RETRIES, retryDelayMs, signal, logger } = options
  for (let retry = 1; ; retry++) {
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      if (retry > maxRetries || !isPassing(error)) throw error
      const delayMs = retryDelayMs ?? FIRST_DELAY_MS * 2 ** (retry - 1)
      const reason = error instanceof Error ? error.message : String(error)
      logger?.warn(`failed, tries again in ${delayMs / 1000} s (${retry} of ${maxRetries}): ${reason}`)
      await pause(delayMs, signal)
    }
  }
}

async function sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await wait(delayMs, undefined, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw error
  })
}

/**
 * Whether the same may work later: connections that fail or are cut, limits of rate, faults of the server. Not what a
 * registry refuses for good, such as a login, a name or a manifest it does not like.
 */
export function isPassing(error: unknown): boolean {
  if (!isTareError(error)) return false
  if (error.code === 'NETWORK' || error.code === 'RATE_LIMITED') return true
  return error.code === 'REGISTRY_REFUSED' && (statusOf(error) ?? 0) >= 500
}

/** The HTTP status that an error, or what led to it, carries. */
function statusOf(error: unknown): number | undefined {
  for (let link = error; link instanceof Error; link = link.cause) {
    if ('status' in link && typeof link.status === 'number') return link.status
  }
  return undefined
}
