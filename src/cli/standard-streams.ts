import { fileError, TareError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import type { Host } from './host.ts'
import type { OutputPipe } from './output-pipe.ts'

/** References that write an archive to standard output. */
const PIPED_PATTERN = /^(?:oci|docker)-archive:-(?:[:@]|$)/

/**
 * Standard input and output as archives: `-` in place of a file. What goes to standard output is then the archive and
 * nothing else; the result of the verb moves to stderr.
 */
export class StandardStreams {
  readonly #host: Pick<Host, 'stdin' | 'stdout'>
  readonly #stdout: OutputPipe
  readonly #signal: AbortSignal
  #isInputTaken = false
  #isOutputTaken = false
  #writtenBytes = 0

  constructor(host: Pick<Host, 'stdin' | 'stdout'>, stdout: OutputPipe, signal: AbortSignal) {
    this.#host = host
    this.#stdout = stdout
    this.#signal = signal
  }

  /** Whether an archive goes, or has gone, to standard output. */
  get isOutputTaken(): boolean {
    return this.#isOutputTaken
  }

  /** Bytes of archives that have gone to standard output. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /**
   * Sets standard output aside for an archive, where a reference says so. Comes before any work, so that nothing else
   * is printed there, not even an error.
   *
   * @param reference - an image, or a delta with `isDelta`, whose bare `-` means the same
   * @throws {TareError} `INVALID_ARGUMENT` when standard output is a terminal
   */
  claimOutput(reference: string, isDelta = false): void {
    if (!PIPED_PATTERN.test(reference) && !(isDelta && reference === '-')) return
    if (this.#host.stdout.isTTY === true) {
      throw new TareError('INVALID_ARGUMENT', 'an archive cannot be written to a terminal', {
        hint: 'Send it on with | or > FILE, or give a path',
      })
    }
    this.#isOutputTaken = true
  }

  /**
   * Reads standard input.
   *
   * @throws {TareError} `INVALID_ARGUMENT` when it is a terminal, or was read before
   */
  readonly read = (): ByteSource => {
    const { stdin } = this.#host
    if (stdin.isTTY === true) {
      throw new TareError('INVALID_ARGUMENT', 'standard input is a terminal', {
        hint: 'Send a file into it with | or < FILE, or give a path in place of -',
      })
    }
    if (this.#isInputTaken) {
      throw new TareError('INVALID_ARGUMENT', 'standard input can be read only once', {
        hint: 'Give - for one thing only, and paths for the others',
      })
    }
    this.#isInputTaken = true
    return this.#input()
  }

  /**
   * Writes a whole archive to standard output.
   *
   * @throws {TareError} `FILE_ACCESS`, `DISK_FULL`; also when the reader has gone, because half an archive is none
   */
  readonly write = async (archive: ByteSource): Promise<void> => {
    if (!this.#isOutputTaken) throw new TareError('INTERNAL', 'standard output was not set aside for an archive')
    for await (const chunk of archive) {
      await this.#stdout.send(chunk)
      this.#writtenBytes += chunk.length
    }
  }

  async *#input(): ByteSource {
    const { stdin } = this.#host
    // Otherwise a wait for a writer that says nothing could not be ended.
    const stop = (): void => void stdin.destroy?.()
    this.#signal.addEventListener('abort', stop, { once: true })
    try {
      yield* stdin
    } catch (error) {
      this.#signal.throwIfAborted()
      throw fileError('standard input', 'read', error)
    } finally {
      this.#signal.removeEventListener('abort', stop)
    }
  }
}
