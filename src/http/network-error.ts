import { TareError } from '../errors/index.ts'
import { isLoopbackHost, printableUrl } from './printable-url.ts'

const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket',
  ENOTSOCK: 'not a socket',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed while sending',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host name cannot be looked up now',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'connection timed out',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the body stopped arriving',
  UND_ERR_SOCKET: 'connection closed by the other side',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the body is shorter or longer than announced',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate comes from an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate comes from an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
}

const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|CRL_|HOSTNAME_)/

/** Codes of answers that are no HTTP at all; no second try changes those. */
const NOT_HTTP_CODE = /^HPE_/

/**
 * Says what went wrong on the way to or from a server: `TLS` when the handshake failed, `REGISTRY_PROTOCOL` when the
 * answer is not HTTP, else `NETWORK`. Names the URL without its query; only the code of the cause is repeated, since
 * messages of lower layers may quote more than they should.
 */
export function networkError(url: URL, cause: unknown): TareError {
  const code = connectionErrorCode(cause)
  const message = `${printableUrl(url)}: ${connectionProblem(code)}`
  if (code !== undefined && TLS_CODE.test(code))
    return new TareError('TLS', message, { cause, hint: tlsHint(url, code) })
  if (code !== undefined && NOT_HTTP_CODE.test(code)) return new TareError('REGISTRY_PROTOCOL', message, { cause })
  return new TareError('NETWORK', message, { cause })
}

function tlsHint(url: URL, code: string): string {
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return isLoopbackHost(url.hostname)
      ? 'If it speaks plain HTTP, as a registry on this machine often does, pass --tls-verify=false'
      : 'The host may speak plain HTTP or an old TLS; --tls-verify=false allows plain HTTP'
  }
  return "Pass the authority's certificate with --cert-dir, or --tls-verify=false to go without the check"
}

/** What a code of a failed connection means, in words. */
export function connectionProblem(code: string | undefined): string {
  return code === undefined ? 'the request failed' : `${MEANINGS[code] ?? 'the request failed'} (${code})`
}

/** The first code in an error, its causes, or the attempts it stands for: `ECONNREFUSED`, `UND_ERR_SOCKET`, … */
export function connectionErrorCode(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return error.code
  if (error instanceof AggregateError) {
    for (const inner of error.errors) {
      const code = connectionErrorCode(inner, depth + 1)
      if (code !== undefined) return code
    }
  }
  return connectionErrorCode(error.cause, depth + 1)
}
