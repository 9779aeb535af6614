import type { HostStream } from './host.ts'

/**
 * Writes to a stream of the process and knows when everything is out. When the reader has gone (`tare … | head`) the
 * rest is dropped without a word: the work itself is not at fault.
 */
export class OutputPipe {
  readonly #stream: HostStream
  #pending = 0
  #isBroken = false
  #waiting: (() => void)[] = []

  constructor(stream: HostStream) {
    this.#stream = stream
  }

  write(bytes: string | Uint8Array): void {
    if (this.#isBroken || bytes.length === 0) return
    this.#pending++
    this.#stream.write(bytes, (error) => {
      if (error) this.#isBroken = true
      this.#pending--
      if (this.#pending > 0) return
      for (const resolve of this.#waiting.splice(0)) resolve()
    })
  }

  /** Resolves when all that was written has left the process or was dropped. */
  flushed(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }
}
