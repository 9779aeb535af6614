import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runPeer } from '../../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const SOURCE = fileURLToPath(new URL('.', import.meta.url))

/** A stream to make: `writes` are sizes, `flushes` the indexes of the writes that a Flush follows. */
export interface GoJob {
  /** First byte in the corpus. */
  readonly start: number
  readonly level: number
  readonly writes: readonly number[]
  readonly flushes: readonly number[]
}

/** Go's own encoder: the helper program beside this file, built by one release of Go. */
export class GoEncoder implements AsyncDisposable {
  readonly #scratch: TemporaryDirectory

  private constructor(scratch: TemporaryDirectory) {
    this.#scratch = scratch
  }

  /** @param release - as `go1.25.4`, fetched if need be; the installed Go when left out */
  static async build(release?: string): Promise<GoEncoder> {
    const scratch = await temporaryDirectory()
    const env = release === undefined ? { GOPROXY: 'off' } : { GOTOOLCHAIN: release }
    await runPeer('go', ['build', '-o', scratch.join('go-deflate'), '.'], { cwd: SOURCE, env })
    return new GoEncoder(scratch)
  }

  /** One raw deflate stream for each job. */
  async encode(corpus: Uint8Array, jobs: readonly GoJob[]): Promise<Uint8Array[]> {
    const path = this.#scratch.join('corpus')
    await writeFile(path, corpus)
    const program = spawn(this.#scratch.join('go-deflate'), [path], { stdio: ['pipe', 'pipe', 'inherit'] })
    program.stdin.end(jobs.map((job) => `${JSON.stringify(job)}\n`).join(''))
    const output = await buffer(program.stdout)
    const streams: Uint8Array[] = []
    for (let at = 0; at < output.length; ) {
      const size = output.readUInt32LE(at)
      streams.push(output.subarray(at + 4, at + 4 + size))
      at += 4 + size
    }
    return streams
  }

  /** Bytes of a file that it encodes in a second, on one thread. */
  async measure(path: string, level: number): Promise<number> {
    const { stdout } = await runPeer(this.#scratch.join('go-deflate'), ['bench', path, `${level}`])
    return Number(stdout)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch[Symbol.asyncDispose]()
  }
}
