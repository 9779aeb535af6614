import { hasErrorCode, TareError } from '../errors/index.ts'
import { formatReference, parseReference, type Reference, withDefaultTag } from '../oci/index.ts'
import type { ListRecord, ListStore, ListStoreOptions } from '../store/index.ts'

/** The registry of names that have none: a list is local until it is pushed. */
const LOCAL_REGISTRY = 'localhost'

/**
 * The full name of a list, as podman gives it: `app` is `localhost/app:latest`, `docker.io/app` is
 * `docker.io/library/app:latest`; with a digest the tag goes.
 *
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function normalizeListName(text: string): string {
  return fullName(parseReference(text, { defaultRegistry: LOCAL_REGISTRY }))
}

function fullName(reference: Reference): string {
  const { tag, digest, ...rest } = withDefaultTag(reference)
  return formatReference(digest === undefined ? { ...rest, tag } : { ...rest, digest })
}

/**
 * Finds a list as users name it: by a name in short or in full, by its ID, or by a beginning of that.
 *
 * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`
 */
export async function findList(store: ListStore, text: string, options: ListStoreOptions = {}): Promise<ListRecord> {
  for (const name of candidateNames(text)) {
    try {
      return await store.find(name, options)
    } catch (error) {
      if (!hasErrorCode(error, 'NOT_FOUND')) throw error
    }
  }
  return store.find(text, options)
}

/** What a short name may stand for: a local list first, then one named after an image of Docker Hub. */
function candidateNames(text: string): readonly string[] {
  try {
    return [normalizeListName(text), fullName(parseReference(text))]
  } catch (error) {
    // An ID is no name.
    if (hasErrorCode(error, 'INVALID_REFERENCE')) return []
    throw error
  }
}

/**
 * Where a list goes when no destination is given: the registry that its name begins with.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a name that has none
 */
export function destinationOfName(name: string): string {
  if (!name.startsWith(`${LOCAL_REGISTRY}/`)) return `docker://${name}`
  throw new TareError('INVALID_ARGUMENT', `${name} names no registry to push to`, {
    hint: 'Give a destination, such as docker://registry.example/app:v1',
  })
}
