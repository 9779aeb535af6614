import { SYSTEM_TIMING, type Timing } from './timing.ts'

/** How often and how patiently to try again. */
export interface RetryOptions {
  /** Further tries after the first; 0 or more. @default 4 */
  readonly retries?: number | undefined
  /** Longest first pause in milliseconds; each further one doubles. @default 250 */
  readonly baseDelayMs?: number | undefined
  /** Longest pause that backoff reaches, in milliseconds; a longer `baseDelayMs` counts instead. @default 10000 */
  readonly maxDelayMs?: number | undefined
  /** Longest `Retry-After` that is waited for, in milliseconds; a longer one ends the tries at once. @default 60000 */
  readonly maxRetryAfterMs?: number | undefined
}

/** Exponential backoff with jitter that obeys `Retry-After`. Holds no state: one policy serves all requests. */
export class RetryPolicy {
  readonly retries: number
  readonly timing: Timing
  readonly #baseDelayMs: number
  readonly #maxDelayMs: number
  readonly #maxRetryAfterMs: number

  /** @throws {RangeError} for negative counts or times */
  constructor(options: RetryOptions = {}, timing: Timing = SYSTEM_TIMING) {
    this.retries = natural('retries', options.retries ?? 4)
    this.#baseDelayMs = natural('baseDelayMs', options.baseDelayMs ?? 250)
    this.#maxDelayMs = Math.max(natural('maxDelayMs', options.maxDelayMs ?? 10_000), this.#baseDelayMs)
    this.#maxRetryAfterMs = natural('maxRetryAfterMs', options.maxRetryAfterMs ?? 60_000)
    this.timing = timing
  }

  /**
   * The pause before a retry, or `undefined` to give up.
   *
   * @param retry - 1 for the first retry
   * @param retryAfter - the server's header, if it sent one: seconds or an HTTP date
   * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
   */
  delayBefore(retry: number, retryAfter?: string): number | undefined {
    if (retry > this.retries) return undefined
    const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, this.timing.now())
    if (asked !== undefined) {
      // Coming back before the time the server named only adds to its load, so a long one is not cut short.
      return asked > this.#maxRetryAfterMs ? undefined : asked
    }
    const ceiling = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** (retry - 1))
    // Half fixed, half by chance: clients that failed together do not return together.
    return ceiling * (0.5 + this.timing.random() / 2)
  }

  /**
   * Waits before a retry.
   *
   * @returns false, at once, when it is time to give up
   */
  async pauseBefore(retry: number, signal?: AbortSignal, retryAfter?: string): Promise<boolean> {
    const delayMs = this.delayBefore(retry, retryAfter)
    if (delayMs === undefined) return false
    await this.timing.sleep(delayMs, signal)
    return true
  }
}

/** Answers that a later try may change. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || (status >= 502 && status <= 504)
}

/** Milliseconds to wait from `now` on; `undefined` for nonsense. */
function parseRetryAfter(header: string, now: number): number | undefined {
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

function natural(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`${name} must be 0 or more, got ${value}`)
}
