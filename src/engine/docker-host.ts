import { TareError } from '../errors/index.ts'
import { isLoopbackHost } from '../http/index.ts'

/** Where Docker listens unless it is told otherwise. */
export const DEFAULT_DOCKER_HOST = 'unix:///var/run/docker.sock'

/** How an engine is reached. */
export type DockerAddress =
  | { readonly kind: 'unix'; readonly path: string }
  /** The origin, `http:` or `https:`. */
  | { readonly kind: 'tcp'; readonly url: URL }

const PLAIN_PORT = '2375'
const TLS_PORT = '2376'

/**
 * Parses what stands in `DOCKER_HOST`: `unix:///PATH`, a bare absolute path, `tcp://HOST[:PORT]`. Without TLS only this
 * machine is reached over TCP: whoever may speak to the engine is root there.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parseDockerHost(text: string, options: { readonly isTls: boolean }): DockerAddress {
  const [, scheme = 'unix', rest = text] = /^([a-z+]+):\/\/(.*)$/s.exec(text) ?? []
  switch (scheme) {
    case 'unix':
      return { kind: 'unix', path: socketPath(text, rest) }
    case 'tcp':
    case 'http':
    case 'https':
      return { kind: 'tcp', url: origin(text, rest, options.isTls || scheme === 'https') }
    case 'ssh':
      throw refused(text, 'is reached over ssh, which Tare does not speak', [
        'Forward the socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST,',
        'then use unix:///tmp/docker.sock',
      ])
    default:
      throw refused(text, `has the scheme ${scheme}`, ['Write unix:///PATH or tcp://HOST:PORT'])
  }
}

function socketPath(text: string, path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path
  throw refused(text, 'names no absolute path', ['Write unix:///PATH or tcp://HOST:PORT'])
}

function origin(text: string, rest: string, isTls: boolean): URL {
  const url = URL.parse(`${isTls ? 'https' : 'http'}://${rest}`)
  if (url === null || url.pathname !== '/' || url.search !== '' || url.username !== '' || url.hostname === '') {
    throw refused(text, 'is not tcp://HOST:PORT', ['Write unix:///PATH or tcp://HOST:PORT'])
  }
  // A default port of the scheme does not show in the URL, and is not the engine's.
  if (url.port === '' && !/:\d+\/?$/.test(rest)) url.port = isTls ? TLS_PORT : PLAIN_PORT
  if (!isTls && !isLoopbackHost(url.hostname)) {
    throw refused(text, 'leads to another machine without TLS', [
      'Set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or forward the socket with ssh -L',
    ])
  }
  return url
}

/** The text may hold a password, so no more of it than the host is repeated. */
function refused(text: string, problem: string, hint: readonly string[]): TareError {
  return new TareError('INVALID_ARGUMENT', `docker host ${JSON.stringify(withoutUser(text))} ${problem}`, {
    hint: hint.join(' '),
  })
}

function withoutUser(text: string): string {
  return text.slice(0, 200).replace(/\/\/[^/]*@/, '//')
}
