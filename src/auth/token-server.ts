import { TareError } from '../errors/index.ts'
import { type HttpClient, type HttpRequest, HttpStatusError, printableUrl } from '../http/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import { basicAuthorization, type Credentials } from './credentials.ts'
import type { Scope } from './scope.ts'

/** An access token and how long it lasts. */
export interface AccessToken {
  readonly token: string
  /** Seconds from the moment it was asked for. */
  readonly lifetimeSeconds: number
}

/** What to ask a token server for. */
export interface TokenRequest {
  /** From the challenge. */
  readonly realm: URL
  readonly service: string | undefined
  readonly scopes: readonly Scope[]
  readonly credentials: Exclude<Credentials, { kind: 'registry-token' }>
}

/** No larger answer is read; real tokens stay below 16 KiB. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** What a token lasts when the server does not say. @see https://distribution.github.io/distribution/spec/auth/token/ */
const DEFAULT_LIFETIME_SECONDS = 60

/**
 * Fetches an access token: by GET, with the user name and password if there are any, or by POST for an identity token.
 *
 * @throws {TareError} `AUTH_REQUIRED`, `RATE_LIMITED`, `REGISTRY_REFUSED`, `REGISTRY_PROTOCOL`, `NETWORK`, `TLS`
 * @see https://distribution.github.io/distribution/spec/auth/token/
 * @see https://distribution.github.io/distribution/spec/auth/oauth/
 */
export async function fetchToken(
  http: HttpClient,
  request: TokenRequest,
  options: Pick<OperationOptions, 'signal' | 'logger'> = {},
): Promise<AccessToken> {
  const response = await http.request({ ...toHttpRequest(request), signal: options.signal, logger: options.logger })
  const subject = `token server ${printableUrl(request.realm)}`
  if (response.status !== 200) throw await HttpStatusError.read(response, subject)
  return readAnswer(await response.bytes(MAX_ANSWER_BYTES), subject)
}

function toHttpRequest({ realm, service, scopes, credentials }: TokenRequest): HttpRequest {
  if (credentials.kind === 'identity-token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'tare',
      refresh_token: credentials.token,
      ...(service === undefined ? {} : { service }),
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    })
    return {
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: Buffer.from(form.toString()),
      // The token is in the body, and a redirect would take it to wherever it leads.
      redirect: 'manual',
    }
  }
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const headers: Record<string, string> = { accept: 'application/json' }
  if (credentials.kind === 'basic') {
    url.searchParams.set('account', credentials.username)
    headers['authorization'] = basicAuthorization(credentials)
  }
  return { method: 'GET', url, headers }
}

function readAnswer(bytes: Uint8Array, subject: string): AccessToken {
  let answer: unknown
  try {
    answer = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    throw new TareError('REGISTRY_PROTOCOL', `${subject}: the answer is not JSON`)
  }
  const {
    token,
    access_token: accessToken,
    expires_in: expiresIn,
  } = { ...(answer as object | null) } as {
    readonly [field: string]: unknown
  }
  const value = [token, accessToken].find((text) => typeof text === 'string' && text !== '')
  // It becomes a header field: nothing but visible ASCII may get there.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new TareError('REGISTRY_PROTOCOL', `${subject}: the answer holds no token`)
  }
  const isLifetime = typeof expiresIn === 'number' && Number.isFinite(expiresIn) && expiresIn > 0
  return { token: value, lifetimeSeconds: isLifetime ? expiresIn : DEFAULT_LIFETIME_SECONDS }
}
