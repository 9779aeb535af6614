import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SCRATCH_ENVIRONMENT } from './scratch-cache.ts'

/** The command line of the checkout. */
export const TARE_MAIN: string = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** How a run ended, and what it printed. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Where and with what a run happens. */
export interface RunTareOptions {
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** Runs `tare` to its end, out of the user's cache and configuration. */
export function runTare(args: readonly string[], options: RunTareOptions = {}): Promise<Ended> {
  const env = { ...SCRATCH_ENVIRONMENT, ...options.env }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [TARE_MAIN, ...args],
      { env, cwd: options.cwd, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

/** The result in a JSON envelope. */
export function resultIn({ stdout }: Pick<Ended, 'stdout'>): Readonly<Record<string, unknown>> {
  return part(stdout, 'result')
}

/** The error in a JSON envelope. */
export function errorIn({ stdout }: Pick<Ended, 'stdout'>): Readonly<Record<string, unknown>> {
  return part(stdout, 'error')
}

function part(stdout: string, name: 'result' | 'error'): Readonly<Record<string, unknown>> {
  const envelope = JSON.parse(stdout) as Readonly<Record<string, unknown>>
  assert.equal(envelope['schemaVersion'], 1)
  const found = envelope[name]
  assert.ok(typeof found === 'object' && found !== null, stdout)
  return found as Readonly<Record<string, unknown>>
}
