import { createHash, randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Process, place and eight random digits. */
const TOKEN_PATTERN = /^([0-9a-f]{8})([0-9a-f]{8})[0-9a-f]{8}$/

/** What {@link temporaryToken} gives, for patterns of names. */
export const TEMPORARY_TOKEN_PATTERN = '[0-9a-f]{24}'
const TEMPORARY_PATTERN = new RegExp(`^\\.(.+)\\.(${TEMPORARY_TOKEN_PATTERN})\\.tmp$`, 's')

let ownPlace: string | undefined

/** Where process ids mean what they mean here: this host, and on Linux this container. */
function place(): string {
  ownPlace ??= createHash('sha256').update(`${hostname()}\n${processNamespace()}`).digest('hex').slice(0, 8)
  return ownPlace
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

/** A part for the name of a temporary file that nobody else has. It says who made the file. */
export function temporaryToken(): string {
  return `${process.pid.toString(16).padStart(8, '0')}${place()}${randomBytes(4).toString('hex')}`
}

/** Name of the temporary file that becomes `name`. */
export function temporaryName(name: string): string {
  return `.${name}.${temporaryToken()}.tmp`
}

/**
 * The token in a name that {@link temporaryName} gave.
 *
 * @param base - the only file, or which files, whose temporary ones count; any when left out
 */
export function tokenOfTemporary(name: string, base?: string | ((base: string) => boolean)): string | undefined {
  const [, found, token] = TEMPORARY_PATTERN.exec(name) ?? []
  if (found === undefined || base === undefined) return token
  return (typeof base === 'string' ? found === base : base(found)) ? token : undefined
}

/** Whether the process with that id is known not to run on this machine any more. */
export function isProcessGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/**
 * Removes what killed processes left in a directory. Files of processes that run, or that ran elsewhere, stay. What
 * can't be removed stays too: it is in nobody's way.
 *
 * @param tokenOf - finds the {@link temporaryToken} in a name; names without one are left alone
 */
export async function removeAbandoned(directory: string, tokenOf: (name: string) => string | undefined): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const token = tokenOf(name)
    if (token === undefined || !isAbandoned(token)) continue
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => {})
  }
}

/** Whether the process that made a token is known not to run any more on this machine. */
export function isAbandoned(token: string): boolean {
  const [, pid, where] = TOKEN_PATTERN.exec(token) ?? []
  return pid !== undefined && where === place() && isProcessGone(Number.parseInt(pid, 16))
}
