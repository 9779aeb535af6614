import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { TareError } from '../errors/index.ts'
import type { HttpClient } from '../http/index.ts'
import { parseJson } from '../oci/index.ts'
import { readAllBytes, readFileRange } from '../stream/index.ts'
import type { Run } from './run.ts'

/** Tokens have some 2 KiB. */
const MAX_TOKEN_BYTES = 64 * 1024
const AUDIENCE = 'sigstore'

/**
 * Finds where an identity token is to be had: a file, the variable `SIGSTORE_ID_TOKEN`, or the build service that this
 * runs in (GitHub Actions, Buildkite).
 *
 * @param file - path, or `-` for standard input, which is read at once
 * @returns gives the token; asked late, because tokens last minutes
 * @throws {TareError} `IDENTITY_TOKEN` when there is no place to ask
 */
export async function findIdentityToken(
  run: Run,
  file: string | undefined,
  http: HttpClient,
): Promise<() => Promise<string>> {
  const { host, signal, standard } = run
  if (file === '-') {
    const token = text(await readAllBytes(standard.read(), MAX_TOKEN_BYTES, 'standard input'))
    return async () => token
  }
  if (file !== undefined) return async () => text(await readAllBytes(readFileRange(file), MAX_TOKEN_BYTES, file))
  const { env } = host
  const token = env['SIGSTORE_ID_TOKEN'] ?? ''
  if (token !== '') return async () => token
  const requestUrl = env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? ''
  const requestToken = env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''
  if (requestUrl !== '' && requestToken !== '') return () => fromGitHub(requestUrl, requestToken, http, signal)
  if (env['BUILDKITE'] === 'true') return () => fromBuildkite(signal)
  throw new TareError('IDENTITY_TOKEN', 'there is no identity token', {
    hint: 'Give one with --identity-token or SIGSTORE_ID_TOKEN, or run where GitHub Actions or Buildkite hands them out',
  })
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trim()
}

/** @see https://docs.github.com/actions/reference/security/oidc */
async function fromGitHub(
  requestUrl: string,
  requestToken: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<string> {
  const refuse = (what: string): TareError => new TareError('IDENTITY_TOKEN', `GitHub Actions ${what}`)
  const url = URL.parse(requestUrl)
  if (url === null) throw refuse('names no usable ACTIONS_ID_TOKEN_REQUEST_URL')
  url.searchParams.set('audience', AUDIENCE)
  const headers = { accept: 'application/json', authorization: `Bearer ${requestToken}` }
  const response = await http.request({ method: 'GET', url, headers, signal })
  if (response.status !== 200) {
    await response.discard()
    throw refuse(`answered ${response.status} when it was asked for an identity token`)
  }
  const answer = parseJson(await response.bytes(MAX_TOKEN_BYTES), 'answer of GitHub Actions', MAX_TOKEN_BYTES)
  if (typeof answer === 'object' && answer !== null && 'value' in answer && typeof answer.value === 'string') {
    return answer.value
  }
  throw refuse('answered without an identity token')
}

/** @see https://buildkite.com/docs/agent/v3/cli-oidc */
async function fromBuildkite(signal: AbortSignal): Promise<string> {
  try {
    const args = ['oidc', 'request-token', '--audience', AUDIENCE]
    const { stdout } = await promisify(execFile)('buildkite-agent', args, { signal, maxBuffer: MAX_TOKEN_BYTES })
    return stdout.trim()
  } catch (cause) {
    signal.throwIfAborted()
    throw new TareError('IDENTITY_TOKEN', 'buildkite-agent gave no identity token', { cause })
  }
}
