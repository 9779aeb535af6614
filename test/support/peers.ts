import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * Toolchains too large to install for a few tests, and what Debian doesn't have: their absence never fails one. Docker 29
 * and containerd 2 are looked for by the names `dockerd29`, `containerd2` and `ctr2`.
 */
const OPTIONAL: ReadonlySet<string> = new Set(['cosign', 'go', 'java', 'python3', 'dockerd29', 'containerd2', 'ctr2'])

/**
 * Whether a program of Debian's is here. Gives the `skip` value for a test: `false` to run it, else the reason. With
 * `REQUIRE_PEERS=1` an absent peer fails the test instead of skipping it, but for what Debian lacks or is too large.
 */
export function skipWithout(...programs: readonly string[]): string | false {
  const absent = programs.filter((program) => !isInstalled(program))
  if (absent.length === 0) return false
  const reason = `${absent.join(', ')} not installed`
  const isRequired = absent.some((program) => !OPTIONAL.has(program))
  if (isRequired && process.env['REQUIRE_PEERS'] === '1') throw new Error(`${reason}, and REQUIRE_PEERS=1`)
  return reason
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What a program printed. */
export interface PeerOutput {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; rejects with its output when it fails. */
export async function runPeer(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<PeerOutput> {
  return promisify(execFile)(program, [...args], {
    maxBuffer: 64 * 1024 * 1024,
    cwd: options.cwd,
    env: options.env === undefined ? process.env : { ...process.env, ...options.env },
  })
}
