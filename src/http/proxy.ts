import { BlockList, isIP } from 'node:net'
import { TareError } from '../errors/index.ts'
import { isLoopbackHost } from './printable-url.ts'

/** Environment variables by name. Only the command line reads the real ones and passes them down. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy for a request, by the usual variables: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, lower case
 * first. Loopback is never proxied. `NO_PROXY` takes `*`, host names (which cover their subdomains), `host:port`,
 * addresses and CIDR blocks.
 *
 * @returns the proxy's URL, which may carry credentials for it, or `undefined` for a direct connection
 * @throws {TareError} `INVALID_ARGUMENT` when the variable is no http or https URL
 */
export function proxyFor(target: URL, environment: Environment): URL | undefined {
  const read = (name: string): string | undefined => environment[name.toLowerCase()] || environment[name] || undefined
  const variable = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = read(variable) ?? read('ALL_PROXY')
  if (proxy === undefined || isLoopbackHost(target.hostname) || isExempt(target, read('NO_PROXY') ?? '')) {
    return undefined
  }
  const url = URL.parse(proxy.includes('://') ? proxy : `http://${proxy}`)
  // The value is not repeated: it may hold a password.
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TareError('INVALID_ARGUMENT', `${variable} is not the URL of a proxy`, {
      hint: 'Set it to http://host:port or https://host:port',
    })
  }
  return url
}

function isExempt(target: URL, noProxy: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = target.port === '' ? (target.protocol === 'https:' ? '443' : '80') : target.port
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || matchesHost(entry, host, port) || matchesBlock(entry, host))
}

function matchesHost(entry: string, host: string, port: string): boolean {
  const [, bracketed, plain, wantedPort] = /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? []
  const name = (bracketed ?? plain ?? entry).replace(/^\*?\./, '')
  if (wantedPort !== undefined && wantedPort !== port) return false
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`))
}

function matchesBlock(entry: string, host: string): boolean {
  const family = isIP(host)
  const [network, prefix] = entry.split('/')
  if (family === 0 || network === undefined || prefix === undefined || isIP(network) !== family) return false
  const bits = Number(prefix)
  if (!/^\d{1,3}$/.test(prefix) || bits > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const block = new BlockList()
  block.addSubnet(network, bits, type)
  return block.check(host, type)
}
