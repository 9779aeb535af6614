import { fileError, TareError } from '../errors/index.ts'
import type { HostStream } from './host.ts'

/** What a write says when the reader has gone: `EOF` on Windows. */
const READER_HAS_GONE: ReadonlySet<unknown> = new Set(['EPIPE', 'EOF', 'ECONNRESET', 'ERR_STREAM_DESTROYED'])

/**
 * Writes to a stream of the process and knows when everything is out. When the reader has gone (`tare … | head`) the
 * rest is dropped without a word: the work itself is not at fault.
 */
export class OutputPipe {
  readonly #stream: HostStream
  #pending = 0
  #isBroken = false
  #failure: Error | undefined
  #waiting: (() => void)[] = []

  constructor(stream: HostStream) {
    this.#stream = stream
  }

  /** Why the output is incomplete although somebody wants it: a full disk, most likely. */
  get failure(): Error | undefined {
    return this.#failure
  }

  write(bytes: string | Uint8Array): void {
    if (this.#isBroken || bytes.length === 0) return
    this.#pending++
    this.#stream.write(bytes, (error) => {
      if (error) {
        this.#isBroken = true
        if (!READER_HAS_GONE.has('code' in error ? error.code : undefined)) this.#failure ??= error
      }
      this.#pending--
      if (this.#pending > 0) return
      for (const resolve of this.#waiting.splice(0)) resolve()
    })
  }

  /**
   * Writes something of which every byte counts, and waits until it has left.
   *
   * @throws {TareError} `DISK_FULL`, `FILE_ACCESS`; also when the reader has gone
   */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (!error) return resolve()
        this.#isBroken = true
        const isGone = READER_HAS_GONE.has('code' in error ? error.code : undefined)
        const gone = new TareError('FILE_ACCESS', 'standard output: its reader has gone', { cause: error })
        reject(isGone ? gone : fileError('standard output', 'write', error))
      })
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
