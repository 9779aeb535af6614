import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import { connectionErrorCode, connectionProblem } from '../http/index.ts'

/** Codes of connections that never came up. */
const UNREACHED: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTSOCK',
  'ECONNREFUSED',
  'EACCES',
  'EPERM',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** What to do where an engine can't be reached. */
export interface EngineHints {
  /** There is no socket, or nobody listens. */
  readonly absent: string
  /** The socket is closed to this user. */
  readonly forbidden: string
}

/**
 * Says why an engine can't be spoken to: `ENGINE_UNREACHABLE` where no connection came up, `NETWORK` where one broke,
 * `TLS`, and `ENGINE_PROTOCOL` for what is no HTTP. What is none of these passes unchanged.
 *
 * @param subject - the engine, with its address
 */
export function engineConnectionError(subject: string, cause: unknown, hints: EngineHints): unknown {
  if (isTareError(cause) && !hasErrorCode(cause, 'NETWORK', 'TLS', 'REGISTRY_PROTOCOL')) return cause
  const code = connectionErrorCode(isTareError(cause) ? cause.cause : cause)
  if (code === undefined && !isTareError(cause)) return cause
  const message = `${subject}: ${connectionProblem(code)}`
  if (hasErrorCode(cause, 'TLS')) {
    return new TareError('TLS', message, { cause, hint: 'Its certificates are looked for in DOCKER_CERT_PATH' })
  }
  if (hasErrorCode(cause, 'REGISTRY_PROTOCOL')) return new TareError('ENGINE_PROTOCOL', message, { cause })
  if (code === undefined || !UNREACHED.has(code)) return new TareError('NETWORK', message, { cause })
  const isForbidden = code === 'EACCES' || code === 'EPERM'
  return new TareError('ENGINE_UNREACHABLE', message, { cause, hint: isForbidden ? hints.forbidden : hints.absent })
}
