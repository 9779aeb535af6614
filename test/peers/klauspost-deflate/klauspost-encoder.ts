import { spawn } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runPeer } from '../../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const SOURCE = fileURLToPath(new URL('.', import.meta.url))
const MODULE = 'github.com/klauspost/compress'

/** A stream to make: `writes` are sizes, `flushes` the indexes of the writes that a Flush follows. */
export interface KlauspostJob {
  /** First byte in the corpus. */
  readonly start: number
  readonly level: number
  /** Bytes before `start` that are the dictionary; 0 for none. */
  readonly dictionary: number
  /** Block size of pgzip; 0 for a single stream. */
  readonly block: number
  readonly writes: readonly number[]
  readonly flushes: readonly number[]
}

/** klauspost's own encoders: the helper program beside this file, built with one version of klauspost/compress. */
export class KlauspostEncoder implements AsyncDisposable {
  readonly #scratch: TemporaryDirectory

  private constructor(scratch: TemporaryDirectory) {
    this.#scratch = scratch
  }

  /**
   * @param version - of klauspost/compress, as `1.18.0`; fetched through the Go module proxy if need be
   * @throws Error when it can't be built, for instance because the proxy is out of reach
   */
  static async build(version: string): Promise<KlauspostEncoder> {
    const scratch = await temporaryDirectory()
    for (const name of ['main.go', 'go.mod', 'go.sum']) await copyFile(SOURCE + name, scratch.join(name))
    const go = (...args: readonly string[]): Promise<unknown> =>
      runPeer('go', args, { cwd: scratch.path, env: { GOFLAGS: '-mod=mod' } })
    try {
      await go('mod', 'edit', '-replace', `${MODULE}=${MODULE}@v${version}`)
      await go('build', '-o', 'klauspost-deflate', '.')
    } catch (error) {
      await scratch[Symbol.asyncDispose]()
      throw error
    }
    return new KlauspostEncoder(scratch)
  }

  /** One raw deflate stream for each job. */
  async encode(corpus: Uint8Array, jobs: readonly KlauspostJob[]): Promise<Uint8Array[]> {
    const path = this.#scratch.join('corpus')
    await writeFile(path, corpus)
    const program = spawn(this.#scratch.join('klauspost-deflate'), [path], { stdio: ['pipe', 'pipe', 'inherit'] })
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
    const { stdout } = await runPeer(this.#scratch.join('klauspost-deflate'), ['bench', path, `${level}`])
    return Number(stdout)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch[Symbol.asyncDispose]()
  }
}
