import type { Platform } from '../oci/index.ts'

/** A stream of the process that text goes to. */
export interface HostStream {
  write(bytes: string | Uint8Array, done?: (error?: Error | null) => void): boolean
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** Standard input of the process. */
export interface HostInput extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean | undefined
  /** Ends a read that waits. */
  destroy?(): unknown
}

/** Time as the renderers see it. */
export interface Clock {
  /** Milliseconds; only differences mean something. */
  now(): number
  /** Runs `action` once after `delayMs`; the returned function cancels it. Never keeps the process alive. */
  schedule(action: () => void, delayMs: number): () => void
}

/**
 * The parts of the process that the command line reads and writes. Nothing below `cli/` touches them, and tests hand
 * in their own.
 */
export interface Host {
  readonly stdin: HostInput
  readonly stdout: HostStream
  readonly stderr: HostStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Processors that this process may use. */
  readonly cpus: number
  /** Memory that this process may use: the machine's, or less in a container. */
  readonly memoryBytes: number
  /** What images run here without being told otherwise. */
  readonly platform: Platform
  readonly homeDirectory: string
  /** Where spools go without `--workdir`. */
  readonly temporaryDirectory: string
  /** Tells about `SIGINT` and the like; the returned function stops it. */
  onSignal(name: InterruptName, listener: () => void): () => void
  /** Runs `listener` when the process ends, however it does; the returned function takes it back. */
  onExit(listener: () => void): () => void
  /** Ends the process at once. */
  exit(code: number): void
}

/** Signals that end a run in an orderly way. */
export type InterruptName = 'SIGINT' | 'SIGTERM' | 'SIGHUP'
