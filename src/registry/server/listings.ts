import { type Descriptor, MEDIA_TYPE } from '../../oci/index.ts'
import { type Call, requireDigest, type Service } from './call.ts'
import { readManifestDocument } from './manifest-document.ts'
import { refuse, refuseMethod } from './refusal.ts'
import { jsonReply, type Reply, type ReplyHeaders } from './reply.ts'
import type { Route } from './route.ts'
import type { StoredManifest } from './storage.ts'

/**
 * GET of the tags: all of them, or a page.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
 */
export async function handleTags(
  { storage }: Service,
  { request }: Call,
  { repository }: Extract<Route, { kind: 'tags' }>,
): Promise<Reply> {
  requireGet(request.method)
  const all = await storage.tags(repository)
  if (all.length === 0 && !(await storage.hasRepository(repository))) {
    throw refuse(404, 'NAME_UNKNOWN', 'repository name not known to registry', { name: repository })
  }
  const page = pageOf(all, request.query, all.length)
  return jsonReply(200, { name: repository, tags: page.entries }, linkHeader(request.path, request.query, page))
}

/** GET of the repository names, always in pages. Docker's endpoint, reserved by the specification. */
export async function handleCatalog({ storage, pageSize }: Service, { request }: Call): Promise<Reply> {
  requireGet(request.method)
  const page = pageOf(await storage.repositories(), request.query, pageSize)
  return jsonReply(200, { repositories: page.entries }, linkHeader(request.path, request.query, page))
}

/**
 * GET of the manifests whose subject is the given one, as an index; in pages when there are many. Each listed manifest
 * is read, because its descriptor carries its annotations.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 */
export async function handleReferrers(
  service: Service,
  { request }: Call,
  route: Extract<Route, { kind: 'referrers' }>,
): Promise<Reply> {
  requireGet(request.method)
  const subject = requireDigest(route.digest)
  const artifactType = request.query.get('artifactType') ?? ''
  const limit = Math.min(requestedCount(request.query) ?? service.pageSize, service.pageSize)
  const last = request.query.get('last') ?? ''
  const manifests: Descriptor[] = []
  let sizeBytes = 0
  let more = false
  for (const digest of await service.storage.referrers(route.repository, subject)) {
    if (digest <= last) continue
    const stored = await service.storage.getManifest(route.repository, digest)
    if (stored === undefined) continue
    const descriptor = referrerDescriptor(stored)
    if (artifactType !== '' && descriptor.artifactType !== artifactType) continue
    sizeBytes += JSON.stringify(descriptor).length
    // An index is a manifest, and clients need not read larger ones; a single descriptor passes in any case.
    more = manifests.length >= limit || (manifests.length > 0 && sizeBytes > service.maxManifestBytes)
    if (more) break
    manifests.push(descriptor)
  }
  const page: Page = { entries: manifests.map(({ digest }) => digest), more }
  return jsonReply(
    200,
    { schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests },
    {
      'Content-Type': MEDIA_TYPE.OCI_INDEX,
      ...(artifactType === '' ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...linkHeader(request.path, request.query, page),
    },
  )
}

function referrerDescriptor({ digest, mediaType, bytes }: StoredManifest): Descriptor {
  const { artifactType, annotations } = readManifestDocument(bytes, mediaType)
  return { mediaType, digest, size: bytes.length, artifactType, annotations }
}

interface Page {
  readonly entries: readonly string[]
  readonly more: boolean
}

/** The entries after `last`, at most `n` of them. */
function pageOf(sorted: readonly string[], query: URLSearchParams, defaultCount: number): Page {
  const count = requestedCount(query) ?? defaultCount
  const last = query.get('last') ?? ''
  const rest = sorted.filter((entry) => entry > last)
  return { entries: rest.slice(0, count), more: count > 0 && rest.length > count }
}

function requestedCount(query: URLSearchParams): number | undefined {
  const text = query.get('n')
  if (text === null || text === '') return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw refuse(400, 'UNSUPPORTED', 'n is not a number of entries')
}

/** Where the next page starts, with the other parameters kept. */
function linkHeader(path: string, query: URLSearchParams, { entries, more }: Page): ReplyHeaders {
  const last = entries.at(-1)
  if (!more || last === undefined) return {}
  const next = new URLSearchParams(query)
  next.set('last', last)
  return { Link: `<${path}?${next.toString()}>; rel="next"` }
}

function requireGet(method: string): void {
  if (method !== 'GET' && method !== 'HEAD') throw refuseMethod(method, ['GET', 'HEAD'])
}
