import { TareError } from '../errors/index.ts'
import { type HttpClient, SYSTEM_TIMING, type Timing } from '../http/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { basicAuthorization, type CredentialProvider, type Credentials } from './credentials.ts'
import { type Scope, unionScopes } from './scope.ts'
import { SharedFlight } from './shared-flight.ts'
import { fetchToken } from './token-server.ts'

/** Settings of an {@link Authenticator}. */
export interface AuthenticatorOptions {
  readonly http: HttpClient
  /** Host and port as users write it: the key credentials are looked up by. */
  readonly registry: string
  readonly credentials: CredentialProvider
  readonly timing?: Timing | undefined
}

/** What a request needs leave for. */
export interface AccessRequest extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** Chooses the credentials. */
  readonly repository?: string | undefined
  readonly scopes: readonly Scope[]
}

/** What to send with a request. */
export interface Authorization {
  /** Value of the `Authorization` field; `undefined` to send none. */
  readonly header: string | undefined
  /** Whether it was obtained for this request; if that is refused, another one will be too. */
  readonly isFresh: boolean
}

interface CachedToken {
  readonly header: string
  /** From here on a new one is fetched; a little before it really ends. */
  readonly renewAt: number
}

/** A token is renewed this long before its end, or a fifth of its lifetime if that is less. */
const RENEWAL_MARGIN_MS = 30_000
const MAX_CACHED_TOKENS = 1000

/**
 * Knows how to get into one registry: learns its challenges, finds credentials, fetches and keeps tokens. Every request
 * asks it anew, so a token is renewed before the request that would outlive it.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #timing: Timing
  readonly #credentials = new Map<string, SharedFlight<Credentials>>()
  readonly #tokens = new Map<string, CachedToken>()
  readonly #flights = new Map<string, SharedFlight<CachedToken>>()
  #challenge: Challenge | undefined

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#timing = options.timing ?? SYSTEM_TIMING
  }

  /**
   * The authorization for a request, by what the registry has asked for so far.
   *
   * @param registryUrl - where the request goes; tokens are fetched without TLS only from the same host
   * @throws {TareError} `AUTH_REQUIRED`, `AUTH_FILE`, `CREDENTIAL_HELPER`, and all of {@link fetchToken}
   */
  async authorize(registryUrl: URL, access: AccessRequest): Promise<Authorization> {
    const challenge = this.#challenge
    const credentials = await this.#findCredentials(access)
    if (credentials.kind === 'registry-token') return { header: `Bearer ${credentials.token}`, isFresh: true }
    if (challenge === undefined) return { header: undefined, isFresh: false }
    if (challenge.scheme === 'basic') {
      if (credentials.kind === 'basic') return { header: basicAuthorization(credentials), isFresh: true }
      return { header: undefined, isFresh: true }
    }
    const key = [access.repository ?? '', ...unionScopes(...access.scopes)].join(' ')
    const cached = this.#tokens.get(key)
    if (cached !== undefined && this.#timing.now() < cached.renewAt) return { header: cached.header, isFresh: false }
    let flight = this.#flights.get(key)
    if (flight === undefined || flight.isAbandoned) {
      const realm = this.#realm(challenge, registryUrl, credentials)
      flight = new SharedFlight(async (signal) => {
        try {
          return await this.#fetch(key, challenge, realm, credentials, { ...access, signal })
        } finally {
          if (this.#flights.get(key) === flight) this.#flights.delete(key)
        }
      })
      this.#flights.set(key, flight)
    }
    return { header: (await flight.join(access.signal)).header, isFresh: true }
  }

  /**
   * Takes in the `WWW-Authenticate` fields of an answer. A token that was refused is forgotten.
   *
   * @returns the access to ask for next; `undefined` when trying again would change nothing
   */
  learn<Access extends AccessRequest>(
    fields: readonly string[],
    sent: Authorization,
    access: Access,
  ): Access | undefined {
    const challenges = parseChallenges(fields)
    const isBearer = (challenge: Challenge): boolean =>
      challenge.scheme === 'bearer' && challenge.parameters.has('realm')
    const challenge = challenges.find(isBearer) ?? challenges.find(({ scheme }) => scheme === 'basic')
    if (challenge === undefined) return undefined
    const isNew = this.#challenge?.scheme !== challenge.scheme || realmOf(this.#challenge) !== realmOf(challenge)
    this.#challenge = challenge
    const scopes = unionScopes(...access.scopes, ...(challenge.parameters.get('scope') ?? '').split(' '))
    const hasGrown = scopes.join(' ') !== unionScopes(...access.scopes).join(' ')
    if (sent.header !== undefined) {
      for (const [key, token] of this.#tokens) if (token.header === sent.header) this.#tokens.delete(key)
    }
    if (!isNew && !hasGrown && sent.isFresh) return undefined
    return { ...access, scopes }
  }

  /** Whether there is anything to log in with, for messages. */
  async hasCredentials(access: AccessRequest): Promise<boolean> {
    return (await this.#findCredentials(access)).kind !== 'anonymous'
  }

  async #findCredentials({ repository, signal: callerSignal }: AccessRequest): Promise<Credentials> {
    const key = repository ?? ''
    let flight = this.#credentials.get(key)
    if (flight === undefined || flight.isAbandoned) {
      const target = { registry: this.#options.registry, repository }
      flight = new SharedFlight((signal) => this.#options.credentials(target, { signal }))
      this.#credentials.set(key, flight)
    }
    try {
      return await flight.join(callerSignal)
    } catch (error) {
      // A passing fault is not the answer for everybody after it.
      if (callerSignal?.aborted !== true) this.#credentials.delete(key)
      throw error
    }
  }

  #realm(challenge: Challenge, registryUrl: URL, credentials: Credentials): URL {
    const { registry } = this.#options
    const realm = URL.parse(realmOf(challenge) ?? '')
    if (realm === null || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
      throw new TareError('REGISTRY_PROTOCOL', `${registry}: the challenge names no token server`)
    }
    // User info of a foreign URL would become an Authorization field of its own.
    realm.username = ''
    realm.password = ''
    const isSameHost = realm.hostname === registryUrl.hostname && registryUrl.protocol === 'http:'
    if (realm.protocol === 'http:' && credentials.kind !== 'anonymous' && !isSameHost) {
      throw new TareError('AUTH_REQUIRED', `${registry}: credentials are not sent to ${realm.origin} without TLS`, {
        hint: 'The registry names a token server without TLS on another host; its configuration is wrong or hostile',
      })
    }
    return realm
  }

  async #fetch(
    key: string,
    challenge: Challenge,
    realm: URL,
    credentials: Exclude<Credentials, { kind: 'registry-token' }>,
    access: AccessRequest,
  ): Promise<CachedToken> {
    const asked = this.#timing.now()
    const service = challenge.parameters.get('service')
    const scopes = unionScopes(...access.scopes)
    const answer = await fetchToken(this.#options.http, { realm, service, scopes, credentials }, access)
    const lifetimeMs = answer.lifetimeSeconds * 1000
    const renewAt = asked + lifetimeMs - Math.min(RENEWAL_MARGIN_MS, lifetimeMs / 5)
    const token: CachedToken = { header: `Bearer ${answer.token}`, renewAt }
    if (this.#tokens.size >= MAX_CACHED_TOKENS) this.#tokens.clear()
    this.#tokens.set(key, token)
    return token
  }
}

function realmOf(challenge: Challenge | undefined): string | undefined {
  return challenge?.parameters.get('realm')
}
