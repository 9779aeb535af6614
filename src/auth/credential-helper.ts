import { spawn } from 'node:child_process'
import { TareError } from '../errors/index.ts'
import type { Environment } from '../http/index.ts'
import type { Credentials } from './credentials.ts'

/** No more output of a helper is read. */
const MAX_OUTPUT_BYTES = 1024 * 1024
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const NOT_FOUND_PATTERN = /credentials not found|could not be found in the (?:native )?keychain/i

/** Settings of {@link askCredentialHelper}. */
export interface CredentialHelperOptions {
  /** The helper's environment; its `PATH` finds the program. @default this process's */
  readonly environment?: Environment | undefined
  /** @default 30000 */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks `docker-credential-NAME get` for the credentials of a server, through its standard input and output.
 *
 * @returns `undefined` when the helper does not know the server
 * @throws {TareError} `CREDENTIAL_HELPER`; nothing the helper printed is repeated, since it may be a secret
 * @see https://github.com/docker/docker-credential-helpers#development
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  options: CredentialHelperOptions = {},
): Promise<Credentials | undefined> {
  options.signal?.throwIfAborted()
  if (!NAME_PATTERN.test(name)) {
    throw new TareError('CREDENTIAL_HELPER', `credential helper ${JSON.stringify(name.slice(0, 100))} is not a name`)
  }
  const program = `docker-credential-${name}`
  const { exitCode, output } = await run(program, `${server}\n`, options)
  if (exitCode !== 0) {
    if (NOT_FOUND_PATTERN.test(output)) return undefined
    throw new TareError('CREDENTIAL_HELPER', `${program} failed for ${server} (exit code ${exitCode ?? 'none'})`, {
      hint: `Run \`echo ${server} | ${program} get\` to see why`,
    })
  }
  return readAnswer(program, output)
}

function readAnswer(program: string, output: string): Credentials | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(output)
  } catch {
    answer = undefined
  }
  const { Username: username, Secret: secret } = toRecord(answer)
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new TareError('CREDENTIAL_HELPER', `${program} answered something else than a user name and a secret`)
  }
  if (username === '' && secret === '') return undefined
  if (username === '<token>') return { kind: 'identity-token', token: secret }
  return { kind: 'basic', username, password: secret }
}

function toRecord(value: unknown): { readonly [field: string]: unknown } {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

interface HelperRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly output: string
}

function run(program: string, input: string, options: CredentialHelperOptions): Promise<HelperRun> {
  const { timeoutMs = 30_000, signal } = options
  // Not spawn's own timeout, which keeps the process alive after a program that was not found.
  const timeout = AbortSignal.timeout(timeoutMs)
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      killSignal: 'SIGKILL',
      windowsHide: true,
      ...(options.environment === undefined ? {} : { env: { ...options.environment } }),
    })
    const chunks: Buffer[] = []
    let length = 0
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > MAX_OUTPUT_BYTES) child.kill('SIGKILL')
    })
    child.on('error', (cause) => {
      if (signal?.aborted === true) return reject(signal.reason)
      if (timeout.aborted) {
        return reject(new TareError('CREDENTIAL_HELPER', `${program} gave no answer within ${timeoutMs} ms`, { cause }))
      }
      const hint = `The credential file names it; install ${program}, or pass --creds or another --authfile`
      reject(new TareError('CREDENTIAL_HELPER', `${program} cannot be run`, { cause, hint }))
    })
    child.on('close', (exitCode) => resolve({ exitCode, output: Buffer.concat(chunks).toString('utf8') }))
    // A helper may end without reading; its exit code says whether that was a fault.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
