import { refuse } from './refusal.ts'
import { isRepositoryName } from './names.ts'

/**
 * Where a request goes. Repository names contain slashes, so routes are patterns over the whole path.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
 */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }

type Pattern = readonly [RegExp, (repository: string, last: string) => Route]

// The first match wins: `…/blobs/uploads` is the collection of uploads, not a blob called `uploads`.
const PATTERNS: readonly Pattern[] = [
  [/^\/v2\/?$/, () => ({ kind: 'base' })],
  [/^\/v2\/_catalog$/, () => ({ kind: 'catalog' })],
  [/^\/v2\/(.+)\/tags\/list$/s, (repository) => ({ kind: 'tags', repository })],
  [/^\/v2\/(.+)\/blobs\/uploads\/?$/s, (repository) => ({ kind: 'uploads', repository })],
  [/^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/s, (repository, id) => ({ kind: 'upload', repository, id })],
  [/^\/v2\/(.+)\/blobs\/([^/]+)$/s, (repository, digest) => ({ kind: 'blob', repository, digest })],
  [/^\/v2\/(.+)\/manifests\/([^/]+)$/s, (repository, reference) => ({ kind: 'manifest', repository, reference })],
  [/^\/v2\/(.+)\/referrers\/([^/]+)$/s, (repository, digest) => ({ kind: 'referrers', repository, digest })],
]

/**
 * Finds the route of a request target's path, which is taken as it came: nothing resolves `..` before the repository
 * name has been held against its grammar.
 *
 * @param path - still percent-encoded, without the query
 * @returns undefined when the path belongs to no endpoint
 * @throws {Refusal} 400 when the encoding or the repository name is malformed
 */
export function routeOf(path: string): Route | undefined {
  const decoded = decodePath(path)
  for (const [pattern, make] of PATTERNS) {
    const match = pattern.exec(decoded)
    if (match === null) continue
    const route = make(match[1] ?? '', match[2] ?? '')
    if ('repository' in route) checkRepositoryName(route.repository)
    return route
  }
  return undefined
}

/** @throws {Refusal} 400 `NAME_INVALID` */
export function checkRepositoryName(name: string): void {
  if (!isRepositoryName(name)) {
    throw refuse(400, 'NAME_INVALID', `repository name ${JSON.stringify(name.slice(0, 300))} is not valid`)
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw refuse(400, 'NAME_INVALID', 'the path is not valid percent-encoded UTF-8')
  }
}
