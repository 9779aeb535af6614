import { TareError } from '../errors/index.ts'
import { type Digest, formatReference, parseReference, type Reference } from '../oci/index.ts'
import {
  type ContainerdReference,
  type DockerDaemonReference,
  formatContainerd,
  formatDockerDaemon,
  parseContainerd,
  parseDockerDaemon,
} from './engine-reference.ts'
import { formatRecordName, parseRecordName, type RecordName } from './record-name.ts'
import { requireDigest, shown } from './reference-error.ts'

/** Which image of a layout or archive is meant. */
export type ImagePick =
  /** By `org.opencontainers.image.ref.name` or `io.containerd.image.name`; in docker archives by a repository tag. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** By position, from 0. */
  | { readonly kind: 'position'; readonly position: number }

/** `docker://host/repository[:tag][@digest]` */
export interface DockerReference {
  readonly transport: 'docker'
  readonly reference: Reference
}

/** `oci:DIRECTORY[:name|@digest|:@position]` and `oci-archive:FILE[…]` */
export interface LayoutReference {
  readonly transport: 'oci' | 'oci-archive'
  readonly path: string
  readonly pick?: ImagePick | undefined
}

/** `docker-archive:FILE[:name[:tag]|:@position]`; the name is normalised: `docker.io/library/app:latest`. */
export interface DockerArchiveReference {
  readonly transport: 'docker-archive'
  readonly path: string
  readonly pick?: Exclude<ImagePick, { readonly kind: 'digest' }> | undefined
}

/** `dir:DIRECTORY`; the directory's name may hold colons. */
export interface DirectoryReference {
  readonly transport: 'dir'
  readonly path: string
}

/**
 * `store:NAME[:TAG][@DIGEST]`, the image of a record in the local store, and `store:@DIGEST`, whatever has that digest
 * there.
 */
export interface StoreReference extends RecordName {
  readonly transport: 'store'
}

/** A reference with its transport. */
export type TransportReference =
  | DockerReference
  | LayoutReference
  | DockerArchiveReference
  | DirectoryReference
  | StoreReference
  | DockerDaemonReference
  | ContainerdReference

/** The transports there are. */
export type TransportName = TransportReference['transport']

/** Options of {@link parseTransportReference}. */
export interface ParseTransportOptions {
  /**
   * Whether a path exists; settles where a path with colons ends. Without it, and where nothing exists yet, the first
   * colon ends the path, as for skopeo.
   */
  readonly exists?: ((path: string) => boolean) | undefined
}

/** Longer texts are no references. */
const MAX_REFERENCE_CHARS = 8192

/** Prefixes that other tools know and Tare does not yet. */
const NOT_YET: ReadonlySet<string> = new Set(['containers-storage', 'ostree', 'ocidir', 'sif', 'tarball'])

const KNOWN_HINT = 'Use docker://, oci:, oci-archive:, docker-archive:, dir:, store:, docker-daemon: or containerd:'

/** `USER:PASSWORD@HOST/…` as in URLs, not `NAME:TAG@DIGEST`. */
const CREDENTIALS_PATTERN = /^(?:[a-z]+:)?(?:\/\/)?[^/@:]+:.*@(?!sha\d+:)[^@/]+\//

/**
 * Parses a reference of any transport. Looks at the text alone, unless `exists` is given.
 *
 * @throws {TareError} `UNKNOWN_TRANSPORT` for a bare path or name, with the prefix that is likely meant, and for
 * transports of other tools; `INVALID_REFERENCE`
 */
export function parseTransportReference(text: string, options: ParseTransportOptions = {}): TransportReference {
  if (text.length > MAX_REFERENCE_CHARS || hasControlCharacter(text)) {
    throw new TareError('INVALID_REFERENCE', `reference ${shown(text)} is too long or holds control characters`)
  }
  const colon = text.indexOf(':')
  const [prefix, rest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)]
  if ((prefix === 'docker' || !hasTransportPrefix(text)) && CREDENTIALS_PATTERN.test(text)) {
    // The text is not repeated: errors end up in logs.
    throw new TareError('INVALID_REFERENCE', 'a reference names a user and a password before its host', {
      hint: 'Give them with --creds USER:PASSWORD, or better in a file with --authfile',
    })
  }
  switch (prefix) {
    case 'docker':
      return parseDocker(text, rest)
    case 'oci':
    case 'oci-archive':
      return parseLayout(prefix, text, rest, options)
    case 'docker-archive':
      return parseDockerArchive(text, rest, options)
    case 'dir':
      return { transport: 'dir', path: requirePath(text, rest) }
    case 'store':
      return { transport: 'store', ...parseRecordName(text, rest) }
    case 'docker-daemon':
      return parseDockerDaemon(text, rest)
    case 'containerd':
      return parseContainerd(text, rest)
    default:
      throw unknownTransport(text, prefix)
  }
}

/** The text of a reference; parsing it gives the same reference again. */
export function formatTransportReference(reference: TransportReference): string {
  switch (reference.transport) {
    case 'docker':
      return `docker://${formatReference(reference.reference)}`
    case 'dir':
      return `dir:${reference.path}`
    case 'store':
      return `store:${formatRecordName(reference)}`
    case 'docker-daemon':
      return formatDockerDaemon(reference)
    case 'containerd':
      return formatContainerd(reference)
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
      return `${reference.transport}:${reference.path}${formatPick(reference.pick)}`
  }
}

function formatPick(pick: ImagePick | undefined): string {
  switch (pick?.kind) {
    case undefined:
      return ''
    case 'name':
      return `:${pick.name}`
    case 'digest':
      return `@${pick.digest}`
    case 'position':
      return `:@${pick.position}`
  }
}

function parseDocker(text: string, rest: string): DockerReference {
  if (!rest.startsWith('//')) {
    throw new TareError('INVALID_REFERENCE', `reference ${shown(text)} lacks the slashes after docker:`, {
      hint: `Write docker://${rest}`,
    })
  }
  return { transport: 'docker', reference: parseReference(rest.slice(2)) }
}

function parseLayout(
  transport: 'oci' | 'oci-archive',
  text: string,
  rest: string,
  options: ParseTransportOptions,
): LayoutReference {
  const byDigest = /^(.+?):?@((?:sha256|sha512):[^/@]*)$/.exec(rest)
  const directory = byDigest?.[1] ?? ''
  // `DIR:name@sha256:…` is a name as containerd writes them, unless the colon belongs to the directory.
  if (byDigest !== null && (!directory.includes(':') || options.exists?.(directory) === true)) {
    return { transport, path: directory, pick: { kind: 'digest', digest: requireDigest(text, byDigest[2] ?? '') } }
  }
  const { path, name } = splitPath(text, rest, options)
  if (name === '') return { transport, path }
  return { transport, path, pick: parsePosition(text, name) ?? { kind: 'name', name } }
}

function parseDockerArchive(text: string, rest: string, options: ParseTransportOptions): DockerArchiveReference {
  const { path, name } = splitPath(text, rest, options)
  if (name === '') return { transport: 'docker-archive', path }
  const position = parsePosition(text, name)
  if (position !== undefined) return { transport: 'docker-archive', path, pick: position }
  const { registry, repository, tag, digest } = parseReference(name)
  if (digest !== undefined) {
    throw new TareError(
      'INVALID_REFERENCE',
      `reference ${shown(text)} picks by digest, but docker archives have none`,
      {
        hint: 'Use a tag such as docker-archive:FILE:app:v1, or a position such as docker-archive:FILE:@0',
      },
    )
  }
  const normalised = formatReference({ registry, repository, tag: tag ?? 'latest' })
  return { transport: 'docker-archive', path, pick: { kind: 'name', name: normalised } }
}

function parsePosition(text: string, name: string): { kind: 'position'; position: number } | undefined {
  if (!name.startsWith('@')) return undefined
  if (!/^@\d{1,9}$/.test(name)) {
    throw new TareError(
      'INVALID_REFERENCE',
      `reference ${shown(text)}: ${shown(name)} is neither digest nor position`,
      {
        hint: 'After @ comes a digest (sha256:…) or, after :@, the position of the image counted from 0',
      },
    )
  }
  return { kind: 'position', position: Number(name.slice(1)) }
}

/** Splits at the first colon that has an existing path before it, else at the first. */
function splitPath(
  text: string,
  rest: string,
  { exists }: ParseTransportOptions,
): { readonly path: string; readonly name: string } {
  const first = rest.indexOf(':')
  let end = first
  if (exists !== undefined && first !== -1) {
    for (let colon = first; ; colon = rest.indexOf(':', colon + 1)) {
      const path = colon === -1 ? rest : rest.slice(0, colon)
      if (path !== '' && exists(path)) {
        end = colon
        break
      }
      if (colon === -1) break
    }
  }
  if (end === -1) return { path: requirePath(text, rest), name: '' }
  return { path: requirePath(text, rest.slice(0, end)), name: rest.slice(end + 1) }
}

function requirePath(text: string, path: string): string {
  if (path !== '') return path
  throw new TareError('INVALID_REFERENCE', `reference ${shown(text)} names no path`)
}

function unknownTransport(text: string, prefix: string): TareError {
  if (NOT_YET.has(prefix)) {
    return new TareError('UNKNOWN_TRANSPORT', `reference ${shown(text)}: Tare does not know ${prefix}: yet`, {
      hint: KNOWN_HINT,
    })
  }
  const lowered = `${prefix.toLowerCase()}:`
  if (lowered !== `${prefix}:` && hasTransportPrefix(lowered))
    return bareReference(text.slice(prefix.length + 1), lowered)
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    return new TareError('UNKNOWN_TRANSPORT', `reference ${shown(text)}: there is no transport ${prefix}:`, {
      hint: KNOWN_HINT,
    })
  }
  return bareReference(text, likelyPrefixOfText(text))
}

/**
 * The error for a reference without a transport.
 *
 * @param likely - the prefix to suggest
 */
export function bareReference(text: string, likely: string): TareError {
  const rest = text.replace(/^https?:\/\//, '')
  return new TareError('UNKNOWN_TRANSPORT', `reference ${shown(text)} has no transport`, {
    hint: `Did you mean ${likely}${rest === '' ? '…' : rest.slice(0, 200)}?`,
  })
}

/** What the look of a bare path or name says about its transport. */
export function likelyPrefixOfText(text: string): string {
  if (/^https?:\/\//.test(text)) return 'docker://'
  if (text === '-' || /\.(?:tar|tgz|tzst|tare)(?:\.[a-z0-9]+)?(?::[^/]*)?$/i.test(text)) return 'oci-archive:'
  if (/^[./~]/.test(text) || text.endsWith('/')) return 'oci:'
  return 'docker://'
}

/** Whether the text starts with a prefix that names a transport of Tare's or of another tool. */
export function hasTransportPrefix(text: string): boolean {
  const prefix = text.slice(0, Math.max(text.indexOf(':'), 0))
  return TRANSPORT_NAMES.has(prefix) || NOT_YET.has(prefix)
}

const TRANSPORT_NAMES: ReadonlySet<string> = new Set<TransportName>([
  'docker',
  'oci',
  'oci-archive',
  'docker-archive',
  'dir',
  'store',
  'docker-daemon',
  'containerd',
])

function hasControlCharacter(text: string): boolean {
  for (const character of text) if (character < ' ' || character === '\u007f') return true
  return false
}
