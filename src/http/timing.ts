import { setTimeout as delay } from 'node:timers/promises'

/** The clock, chance and waiting, as one argument, so that tests need none of them. */
export interface Timing {
  /** Milliseconds since the epoch. */
  now(): number
  /** From 0 up to, not including, 1. */
  random(): number
  /** Waits; rejects with the signal's reason when it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** The real ones. */
export const SYSTEM_TIMING: Timing = {
  now: () => Date.now(),
  random: () => Math.random(),
  async sleep(delayMs, signal) {
    try {
      await delay(delayMs, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      // Node wraps the reason in an AbortError of its own; ours passes unchanged.
      signal?.throwIfAborted()
      throw error
    }
  },
}
