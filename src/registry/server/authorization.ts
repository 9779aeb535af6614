import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from './refusal.ts'
import type { Route } from './route.ts'

/** One request, as hooks see it. */
export interface RegistryRequest {
  readonly method: string
  /** Path as it came, percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Undefined for paths that are no endpoint of the registry. */
  readonly route: Route | undefined
}

/** What a request needs. Spelled as in the scopes of Docker's tokens. */
export interface Access {
  readonly type: 'repository' | 'registry'
  /** Repository name, or `catalog`. */
  readonly name: string
  readonly actions: readonly ('pull' | 'push' | 'delete' | '*')[]
}

/** How a client can prove who it is. */
export type Challenge =
  | { readonly scheme: 'basic'; readonly realm: string }
  | {
      readonly scheme: 'bearer'
      /** URL of the token service. */
      readonly realm: string
      readonly service: string
      readonly error?: 'invalid_token' | 'insufficient_scope' | undefined
    }

/** The decision over a request. The scope of a bearer challenge is what the request needs. */
export type Authorization =
  | { readonly kind: 'allow' }
  | { readonly kind: 'challenge'; readonly challenge: Challenge }
  | { readonly kind: 'deny' }

/**
 * Decides over a request before its body is read. `access` is empty for `/v2/` itself, where the answer says whether a
 * client is known at all.
 */
export type Authorize = (request: RegistryRequest, access: readonly Access[]) => Authorization | Promise<Authorization>

/** Lets users in by name and password. */
export function basicAuthorization(
  realm: string,
  isKnown: (user: string, password: string) => boolean | Promise<boolean>,
): Authorize {
  return async ({ headers }) => {
    const encoded = /^basic +([a-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1]
    const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? []
    if (user !== undefined && password !== undefined && (await isKnown(user, password))) return { kind: 'allow' }
    return { kind: 'challenge', challenge: { scheme: 'basic', realm } }
  }
}

/**
 * Lets in whoever brings a token that grants the access.
 *
 * @param realm - URL of the token service
 * @param grants - whether a token is good for all of `access`
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export function bearerAuthorization(
  realm: string,
  service: string,
  grants: (token: string, access: readonly Access[]) => boolean | Promise<boolean>,
): Authorize {
  return async ({ headers }, access) => {
    const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    if (token !== undefined && (await grants(token, access))) return { kind: 'allow' }
    const error = token === undefined ? undefined : 'insufficient_scope'
    return { kind: 'challenge', challenge: { scheme: 'bearer', realm, service, error } }
  }
}

/** What a request to a route needs. Mounting from another repository is asked for by the mount itself. */
export function neededAccess(route: Route, method: string): readonly Access[] {
  switch (route.kind) {
    case 'base':
      return []
    case 'catalog':
      return [{ type: 'registry', name: 'catalog', actions: ['*'] }]
    case 'tags':
    case 'referrers':
      return [{ type: 'repository', name: route.repository, actions: ['pull'] }]
    case 'manifest':
    case 'blob':
      return [{ type: 'repository', name: route.repository, actions: CONTENT_ACTIONS[method] ?? ['pull'] }]
    case 'uploads':
    case 'upload':
      return [{ type: 'repository', name: route.repository, actions: ['pull', 'push'] }]
  }
}

const CONTENT_ACTIONS: Readonly<Record<string, Access['actions']>> = {
  PUT: ['pull', 'push'],
  DELETE: ['delete'],
}

/** @throws {Refusal} 401 with the challenge, or 403 */
export async function checkAuthorized(
  authorize: Authorize | undefined,
  request: RegistryRequest,
  access: readonly Access[],
): Promise<void> {
  const decision = (await authorize?.(request, access)) ?? { kind: 'allow' }
  switch (decision.kind) {
    case 'allow':
      return
    case 'challenge':
      throw new Refusal(401, [{ code: 'UNAUTHORIZED', message: 'authentication required', detail: access }], {
        'WWW-Authenticate': challengeText(decision.challenge, access),
      })
    case 'deny':
      throw new Refusal(403, [{ code: 'DENIED', message: 'access to the resource is denied', detail: access }])
  }
}

function challengeText(challenge: Challenge, access: readonly Access[]): string {
  switch (challenge.scheme) {
    case 'basic':
      return `Basic realm=${quoted(challenge.realm)}`
    case 'bearer': {
      const scope = access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ')
      const parameters = [`realm=${quoted(challenge.realm)}`, `service=${quoted(challenge.service)}`]
      if (scope !== '') parameters.push(`scope=${quoted(scope)}`)
      if (challenge.error !== undefined) parameters.push(`error=${quoted(challenge.error)}`)
      return `Bearer ${parameters.join(',')}`
    }
  }
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, String.raw`\$&`)}"`
}
