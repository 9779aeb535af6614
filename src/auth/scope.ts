/** What may be done with a repository. */
export type RepositoryAction = 'pull' | 'push' | 'delete'

/** `type:name:action,action` as token servers know it. */
export type Scope = `${string}:${string}:${string}`

/** The scope of a listing of all repositories. */
export const CATALOG_SCOPE: Scope = 'registry:catalog:*'

/** The scope of a repository. */
export function repositoryScope(repository: string, actions: readonly RepositoryAction[]): Scope {
  return `repository:${repository}:${actions.join(',')}`
}

/**
 * The union of scopes: one for each resource, all its actions, both in order, nothing else. Text that is no scope is
 * left out.
 *
 * @see https://distribution.github.io/distribution/spec/auth/scope/
 */
export function unionScopes(...scopes: readonly string[]): readonly Scope[] {
  const actionsOf = new Map<string, Set<string>>()
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(':')
    const resource = scope.slice(0, Math.max(colon, 0))
    if (!resource.includes(':')) continue
    const known = actionsOf.get(resource) ?? new Set()
    actionsOf.set(resource, known)
    for (const action of scope.slice(colon + 1).split(',')) if (action !== '') known.add(action)
  }
  return [...actionsOf]
    .map(([resource, actions]): Scope => `${resource as `${string}:${string}`}:${[...actions].toSorted().join(',')}`)
    .toSorted()
}
