import { TareError } from '../errors/index.ts'
import { type Digest, isDigest } from './digest.ts'

/** Names an image in a registry. Without tag and digest it names a repository. */
export interface Reference {
  /** Host and port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string
  /** Path inside the registry, lower case: `library/debian`. */
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: Digest | undefined
}

/** Options of {@link parseReference}. */
export interface ParseReferenceOptions {
  /** Registry of a name that starts with none. @default 'docker.io' */
  readonly defaultRegistry?: string | undefined
}

/** The registry that names without one mean. */
export const DEFAULT_REGISTRY = 'docker.io'
/** The tag that names without tag and digest mean. */
export const DEFAULT_TAG = 'latest'

/** Docker Hub's name of long ago, still found in settings and scripts. */
const LEGACY_DEFAULT_REGISTRY = 'index.docker.io'
const OFFICIAL = 'library/'
/** Characters in a registry or a repository; each. */
const MAX_NAME_LENGTH = 255
/** Longer than any reference can be: registry, repository, tag (128), sha512 digest, and what joins them. */
const MAX_REFERENCE_LENGTH = 1024

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::([0-9]{1,5}))?$`)
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const IMAGE_ID = /^[0-9a-f]{64}$/

/**
 * Parses `[registry/]repository[:tag][@digest]` by the rules of Docker's familiar names: the first component is a
 * registry if it has a dot, a colon or an upper-case letter, or is `localhost`; `debian` is `docker.io/library/debian`.
 * No tag is added, see {@link withDefaultTag}.
 *
 * @throws {TareError} `INVALID_REFERENCE`
 * @see https://github.com/distribution/reference
 */
export function parseReference(text: string, options: ParseReferenceOptions = {}): Reference {
  const fail = (problem: string, hint: string): never => {
    throw new TareError('INVALID_REFERENCE', `reference ${JSON.stringify(text.slice(0, 160))}: ${problem}`, { hint })
  }
  if (text === '') fail('is empty', `Write ${SYNTAX}`)
  if (text.length > MAX_REFERENCE_LENGTH) fail('is too long', `Write ${SYNTAX}`)
  if (text.includes('://')) fail('has a scheme', `Write ${SYNTAX}, without http:// or the like`)
  if (IMAGE_ID.test(text)) fail('is an image ID, not a name', 'To pick content by digest write NAME@sha256:…')

  const [named, digest] = cut(text, '@')
  if (digest !== undefined && !isDigest(digest)) {
    fail('the digest is malformed', 'After @ comes sha256: and 64, or sha512: and 128, lower-case hex digits')
  }
  const { registry, path } = splitRegistry(named, options.defaultRegistry ?? DEFAULT_REGISTRY)
  if (!isRegistry(registry)) {
    fail(
      `${JSON.stringify(registry)} is not a registry`,
      'A registry is host or host:port; IPv6 goes in brackets: [::1]:5000',
    )
  }
  const [repository, tag] = cut(path, ':')
  if (repository !== repository.toLowerCase()) {
    fail('the repository has upper-case letters', `Repositories are lower case: ${repository.toLowerCase()}`)
  }
  if (repository.length > MAX_NAME_LENGTH)
    fail('the repository is too long', `The limit is ${MAX_NAME_LENGTH} characters`)
  if (!REPOSITORY.test(repository)) {
    fail(
      repository === '' ? 'there is no repository' : 'the repository is malformed',
      `Write ${SYNTAX}; the parts of a repository are letters and digits joined by . _ __ or -`,
    )
  }
  if (tag !== undefined && !isTag(tag)) {
    fail('the tag is malformed', 'A tag is up to 128 letters, digits, _ . and -, not starting with . or -')
  }
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(isDigest(digest) ? { digest } : {}),
  }
}

const SYNTAX = '[REGISTRY/]REPOSITORY[:TAG][@DIGEST]'

function cut(text: string, separator: string): readonly [before: string, after: string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function splitRegistry(name: string, defaultRegistry: string): { readonly registry: string; readonly path: string } {
  const [first, rest] = cut(name, '/')
  const startsWithRegistry = rest !== undefined && (first === 'localhost' || /[.:A-Z]/.test(first))
  const stated = startsWithRegistry ? first : defaultRegistry
  const path = startsWithRegistry ? rest : name
  const registry = stated === LEGACY_DEFAULT_REGISTRY ? DEFAULT_REGISTRY : stated
  return { registry, path: registry === DEFAULT_REGISTRY && !path.includes('/') ? OFFICIAL + path : path }
}

function isRegistry(text: string): boolean {
  const match = text.length > MAX_NAME_LENGTH ? null : REGISTRY.exec(text)
  const port = Number(match?.[1] ?? 80)
  return match !== null && port >= 1 && port <= 65_535
}

/**
 * Whether `text` is a well-formed tag.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
 */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** The reference in full, every part written out. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`
}

/** The shortest text that {@link parseReference} reads back as the same: `debian` for `docker.io/library/debian`. */
export function familiarReference(reference: Reference): string {
  const { registry, repository } = reference
  const official = repository.startsWith(OFFICIAL) ? repository.slice(OFFICIAL.length) : repository
  const name = [official, repository].find((short) => {
    const split = splitRegistry(short, DEFAULT_REGISTRY)
    return split.registry === registry && split.path === repository && !IMAGE_ID.test(short)
  })
  return name === undefined ? formatReference(reference) : name + suffix(reference)
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The same reference, tagged `latest` if it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: DEFAULT_TAG } : reference
}
