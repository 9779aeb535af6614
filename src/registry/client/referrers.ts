import { hasErrorCode, TareError } from '../../errors/index.ts'
import type { HttpResponse } from '../../http/index.ts'
import { type Descriptor, type Digest, parseManifestDocument } from '../../oci/index.ts'
import type { OperationOptions } from '../../stream/index.ts'
import { nextPage } from './paging.ts'
import type { RepositoryClient } from './repository-client.ts'

/** Which referrers are wanted. */
export interface ListReferrersOptions extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** Only artifacts of this type. */
  readonly artifactType?: string | undefined
}

/** Referrers read of one subject. */
const MAX_REFERRERS = 100_000

/**
 * Lists referrers, filtered by us too, since a registry may ignore the filter.
 *
 * @param fetch - gets an index; `NOT_FOUND` where there is none
 */
export async function listReferrers(
  repository: RepositoryClient,
  digest: Digest,
  fetch: (target: string | URL) => Promise<{ readonly response: HttpResponse; readonly bytes: Uint8Array }>,
  options: ListReferrersOptions,
): Promise<readonly Descriptor[]> {
  const { artifactType } = options
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  const found: Descriptor[] = []
  try {
    let target: string | URL | undefined = `${repository.name}/referrers/${digest}${query}`
    for (let page = 1; target !== undefined; page++) {
      const { response, bytes } = await fetch(target)
      found.push(...readReferrers(bytes, digest, response.header('content-type')))
      if (found.length > MAX_REFERRERS) {
        throw new TareError('LIMIT_EXCEEDED', `referrers of ${digest}: more than ${MAX_REFERRERS}`)
      }
      target = nextPage(response, page)
    }
  } catch (error) {
    if (!hasErrorCode(error, 'NOT_FOUND')) throw error
    found.push(...(await readFallback(repository, digest, options)))
  }
  return artifactType === undefined ? found : found.filter((referrer) => referrer.artifactType === artifactType)
}

async function readFallback(
  repository: RepositoryClient,
  digest: Digest,
  options: ListReferrersOptions,
): Promise<readonly Descriptor[]> {
  try {
    const { descriptor, bytes } = await repository.getManifest(referrersTag(digest), options)
    return readReferrers(bytes, digest, descriptor.mediaType)
  } catch (error) {
    if (hasErrorCode(error, 'NOT_FOUND')) return []
    throw error
  }
}

function readReferrers(bytes: Uint8Array, digest: Digest, mediaType: string | undefined): readonly Descriptor[] {
  const document = parseManifestDocument(bytes, { subject: `referrers of ${digest}`, mediaType })
  if (document.kind === 'index') return document.manifests
  throw new TareError('REGISTRY_PROTOCOL', `referrers of ${digest}: the answer is not an index`)
}

/** The tag that holds the referrers of a digest where the registry keeps no list. */
export function referrersTag(digest: Digest): string {
  return digest.replace(':', '-').slice(0, 128)
}
