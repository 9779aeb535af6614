import { Mutex } from '../stream/index.ts'

/**
 * Lets work begin as memory allows: what is under way never needs more than the limit together, but for work that does
 * so alone. First come, first served, so that large work is not kept waiting by small work behind it.
 */
export class MemoryGate {
  readonly #limitBytes: number
  readonly #queue = new Mutex()
  #usedBytes = 0
  #wake: (() => void) | undefined

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /**
   * Waits until there is room.
   *
   * @returns what gives the memory back when it is disposed
   * @throws the signal's reason
   */
  async enter(bytes: number, signal?: AbortSignal): Promise<Disposable> {
    await this.#queue.run(async () => {
      while (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#limitBytes) await this.#change(signal)
      signal?.throwIfAborted()
      this.#usedBytes += bytes
    })
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#usedBytes -= bytes
        isHeld = false
        this.#wake?.()
      },
    }
  }

  /** Some work has ended, or the signal has been given. */
  #change(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', wake)
        this.#wake = undefined
        resolve()
      }
      this.#wake = wake
      signal?.addEventListener('abort', wake, { once: true })
    })
  }
}
