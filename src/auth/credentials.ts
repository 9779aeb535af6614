import { TareError } from '../errors/index.ts'
import type { OperationOptions } from '../stream/index.ts'

/**
 * Who somebody is to a registry. An `identity-token` is exchanged for access tokens (OAuth2 refresh); a
 * `registry-token` is an access token itself and is sent as it is.
 */
export type Credentials =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string }
  | { readonly kind: 'registry-token'; readonly token: string }

/** Nobody in particular. */
export const ANONYMOUS: Credentials = { kind: 'anonymous' }

/** What credentials are wanted for. */
export interface CredentialTarget {
  /** Host and port as users write it; Docker Hub is `docker.io`. */
  readonly registry: string
  /** Left out for requests that concern no repository. */
  readonly repository?: string | undefined
}

/** Finds the credentials for a target; {@link ANONYMOUS} when there are none. */
export type CredentialProvider = (
  target: CredentialTarget,
  options?: Pick<OperationOptions, 'signal'>,
) => Promise<Credentials>

/**
 * Parses the value of `--creds`.
 *
 * @throws {TareError} `INVALID_ARGUMENT`; the value is not repeated
 */
export function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(':')
  if (colon > 0) return { kind: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) }
  throw new TareError('INVALID_ARGUMENT', 'the credentials are not of the form USER:PASSWORD')
}

/** The value of a Basic `Authorization` field. */
export function basicAuthorization(credentials: Extract<Credentials, { kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
}
