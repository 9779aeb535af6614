import { type Digest, familiarReference, formatReference, parseReference, withDefaultTag } from '../../oci/index.ts'

/** Makes an image name of the name an archive gives; the empty text for none. */
export type ReferenceTranslator = (name: string) => string

/** Puts a prefix before bare tags: `v1` is `PREFIX:v1`. Anything with `/`, `:` or `@` is a name already. */
export function addReferencePrefix(prefix: string): ReferenceTranslator {
  return (name) => (isFull(name) ? name : `${prefix}:${name}`)
}

/** As {@link addReferencePrefix}; names have to be the prefix, or go on behind it with `/`, `:` or `@`. */
export function filterReferencePrefix(prefix: string): ReferenceTranslator {
  return (name) => {
    if (!isFull(name)) return `${prefix}:${name}`
    const next = name[prefix.length]
    return name.startsWith(prefix) && (next === undefined || '/:@'.includes(next)) ? name : ''
  }
}

/** Makes a name of a digest: `PREFIX@sha256:…`; none without a prefix. */
export function digestTranslator(prefix: string): (digest: Digest) => string {
  return (digest) => (prefix === '' ? '' : `${prefix}@${digest}`)
}

function isFull(name: string): boolean {
  return /[/:@]/.test(name)
}

/**
 * What an image is called inside its repository, as containerd tells it: tag, or `@` and digest; nothing where the name
 * is a host alone, the whole name where it can't be told.
 */
export function referenceObject(name: string): string {
  const [, authority = '', path = ''] = /^([^/?#]*)([^?#]*)/.exec(name) ?? []
  if (name.includes('://') || !isAuthority(authority)) return name
  const at = path.search(/[:@]/)
  if (at === -1) return ''
  return path[at] === ':' ? path.slice(at + 1) : path.slice(at)
}

/** Whether Go's URL parser takes it for a user, a host and a port. */
function isAuthority(text: string): boolean {
  const host = text.slice(text.lastIndexOf('@') + 1)
  return host !== '' && /^(?:\[[^\]]*\]|[^\s:[\]<>"\\^`{}|%]+)(?::\d*)?$/.test(host)
}

/** The name that Docker shows: `a:1` for `docker.io/library/a:1`. @throws {TareError} `INVALID_REFERENCE` */
export function familiarName(name: string): string {
  return familiarReference(withDefaultTag(parseReference(name)))
}

/**
 * The name that Docker means: in full, tagged `latest` where it says nothing, without the tag where there is a digest.
 *
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function normalName(name: string): string {
  const { tag, ...reference } = withDefaultTag(parseReference(name))
  return formatReference(reference.digest === undefined ? { ...reference, tag } : reference)
}
