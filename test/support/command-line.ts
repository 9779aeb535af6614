import { tmpdir } from 'node:os'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { bytesSource } from '../../src/stream/index.ts'
import type { Host, HostStream } from '../../src/cli/host.ts'
import type { Ended } from './run-tare.ts'

/** Where a run lives: what the environment says. */
export interface RunPlace {
  readonly env: Readonly<Record<string, string>>
  readonly homeDirectory: string
  /** What standard input holds. @default nothing */
  readonly input?: Uint8Array | undefined
}

/** How it ended, with the exact bytes of standard output. */
export interface EndedInProcess extends Ended {
  readonly output: Buffer
}

/** Runs a command line inside this process, which takes a fraction of the time of one of its own. Relative paths are those of the test. */
export async function runInProcess(place: RunPlace, ...argv: readonly string[]): Promise<EndedInProcess> {
  const [stdout, stderr] = [textStream(), textStream()]
  const host: Host = {
    stdin: Object.assign(bytesSource(...(place.input === undefined ? [] : [place.input])), { isTTY: false }),
    stdout,
    stderr,
    ...place,
    cpus: 2,
    memoryBytes: 2 ** 31,
    platform: { os: 'linux', architecture: 'amd64' },
    temporaryDirectory: tmpdir(),
    clock: { now: () => performance.now(), schedule: () => () => {} },
    onSignal: () => () => {},
    onExit: () => () => {},
    exit() {},
  }
  const code = await runCommandLine(argv, host)
  const output = stdout.bytes()
  return { code, output, stdout: output.toString(), stderr: stderr.bytes().toString() }
}

function textStream(): HostStream & { bytes(): Buffer } {
  const chunks: Buffer[] = []
  return {
    write(bytes, done) {
      chunks.push(Buffer.from(bytes))
      done?.()
      return true
    },
    bytes: () => Buffer.concat(chunks),
  }
}
