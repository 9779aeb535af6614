/**
 * One piece of work that several callers wait for. A caller that aborts leaves alone; the work is aborted when the last
 * one has left.
 */
export class SharedFlight<Output> {
  readonly #abandoned = new AbortController()
  readonly #outcome: Promise<Output>
  #passengers = 0
  #isSettled = false

  /** @param work - started at once; gets the signal that fires when nobody waits any more */
  constructor(work: (signal: AbortSignal) => Promise<Output>) {
    this.#outcome = work(this.#abandoned.signal)
    const settle = (): void => {
      this.#isSettled = true
    }
    // Everybody may have left by the time it fails.
    this.#outcome.then(settle, settle)
  }

  /** Whether the work was given up, so that a newcomer has to start its own. */
  get isAbandoned(): boolean {
    return this.#abandoned.signal.aborted
  }

  /** Waits for the outcome, or ends with the signal's reason. */
  async join(signal: AbortSignal | undefined): Promise<Output> {
    signal?.throwIfAborted()
    this.#passengers++
    const left = Promise.withResolvers<never>()
    const leave = (): void => left.reject(signal?.reason)
    signal?.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([this.#outcome, left.promise])
    } finally {
      signal?.removeEventListener('abort', leave)
      if (--this.#passengers === 0 && !this.#isSettled) this.#abandoned.abort()
    }
  }
}
