import { hasErrorCode } from '../../errors/index.ts'
import type { Digest } from '../../oci/index.ts'
import { digestOf, readAllBytes } from '../../stream/index.ts'
import { type Call, requireDigest, type Service } from './call.ts'
import { type ManifestDocument, readManifestDocument } from './manifest-document.ts'
import { isTag } from './names.ts'
import { Refusal, type RefusalReason, refuse, refuseMethod } from './refusal.ts'
import { emptyReply, type Reply } from './reply.ts'
import type { Route } from './route.ts'
import type { StoredManifest } from './storage.ts'

/** Most `tag` parameters of one push; the specification wants ten at least. */
const MAX_TAG_PARAMETERS = 100

type Reference = { readonly tag: string } | { readonly digest: Digest }

/**
 * GET, HEAD, PUT and DELETE of a manifest, by tag or digest. Manifests are stored and served byte for byte.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
 */
export async function handleManifest(
  service: Service,
  call: Call,
  route: Extract<Route, { kind: 'manifest' }>,
): Promise<Reply> {
  const { repository } = route
  const reference = referenceOf(route.reference)
  switch (call.request.method) {
    case 'GET':
    case 'HEAD':
      return getManifest(service, call, repository, reference)
    case 'PUT':
      return putManifest(service, call, repository, reference)
    case 'DELETE':
      return deleteManifest(service, repository, reference)
    default:
      throw refuseMethod(call.request.method, ['GET', 'HEAD', 'PUT', 'DELETE'])
  }
}

async function getManifest(
  { storage }: Service,
  { request }: Call,
  repository: string,
  reference: Reference,
): Promise<Reply> {
  const digest = 'tag' in reference ? await storage.resolveTag(repository, reference.tag) : reference.digest
  const manifest = digest === undefined ? undefined : await storage.getManifest(repository, digest)
  if (manifest === undefined) throw unknownManifest(reference)
  const common = { 'Docker-Content-Digest': manifest.digest, ETag: `"${manifest.digest}"` }
  if (request.headers['if-none-match'] === common.ETag) return emptyReply(304, common)
  return {
    status: 200,
    headers: { ...common, 'Content-Type': manifest.mediaType, 'Content-Length': manifest.bytes.length },
    body: request.method === 'HEAD' ? undefined : manifest.bytes,
  }
}

async function putManifest(service: Service, call: Call, repository: string, reference: Reference): Promise<Reply> {
  const tags = tagsToSet(call.request.query, reference)
  const bytes = await manifestBody(service, call)
  const algorithm = 'digest' in reference && reference.digest.startsWith('sha512:') ? 'sha512' : 'sha256'
  const digest = digestOf(bytes, algorithm)
  if ('digest' in reference && reference.digest !== digest) {
    throw refuse(400, 'DIGEST_INVALID', `the manifest's digest is ${digest}`)
  }
  // Parameters such as a charset do not belong to the type.
  const contentType = call.request.headers['content-type']?.split(';')[0]?.trim()
  const document = readManifestDocument(bytes, contentType === '' ? undefined : contentType)
  if (service.missingReferences === 'refuse') await checkReferences(service, repository, document)
  const { mediaType, subject } = document
  const manifest: StoredManifest = { digest, mediaType, bytes, subject }
  await service.storage.putManifest(repository, manifest, tags)
  return emptyReply(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
    ...('digest' in reference && tags.length > 0 ? { 'OCI-Tag': tags.join(', ') } : {}),
  })
}

async function deleteManifest(service: Service, repository: string, reference: Reference): Promise<Reply> {
  if (!service.deletes) throw refuseMethod('DELETE', ['GET', 'HEAD', 'PUT'], 'is switched off')
  const deleted =
    'tag' in reference
      ? await service.storage.deleteTag(repository, reference.tag)
      : await service.storage.deleteManifest(repository, reference.digest)
  if (!deleted) throw unknownManifest(reference)
  return emptyReply(202)
}

/** Everything a manifest names must be in the repository, except its subject. */
async function checkReferences({ storage }: Service, repository: string, document: ManifestDocument): Promise<void> {
  const missing: RefusalReason[] = []
  for (const digest of new Set(document.blobs)) {
    if ((await storage.blobSize(repository, digest)) === undefined) {
      missing.push({ code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to repository', detail: { digest } })
    }
  }
  for (const digest of new Set(document.manifests)) {
    if (!(await storage.hasManifest(repository, digest))) {
      missing.push({ code: 'MANIFEST_BLOB_UNKNOWN', message: 'manifest unknown to repository', detail: { digest } })
    }
  }
  if (missing.length > 0) throw new Refusal(404, missing)
}

async function manifestBody({ maxManifestBytes }: Service, call: Call): Promise<Uint8Array> {
  const tooLarge = refuse(413, 'SIZE_INVALID', `a manifest has at most ${maxManifestBytes} bytes here`)
  if (Number(call.request.headers['content-length'] ?? 0) > maxManifestBytes) throw tooLarge
  try {
    return await readAllBytes(call.body(), maxManifestBytes, 'manifest')
  } catch (error) {
    throw hasErrorCode(error, 'LIMIT_EXCEEDED') ? tooLarge : error
  }
}

function referenceOf(text: string): Reference {
  if (text.includes(':')) return { digest: requireDigest(text) }
  if (isTag(text)) return { tag: text }
  throw refuse(400, 'TAG_INVALID', `tag ${JSON.stringify(text.slice(0, 200))} is not valid`)
}

function tagsToSet(query: URLSearchParams, reference: Reference): readonly string[] {
  if ('tag' in reference) return [reference.tag]
  const tags = [...new Set(query.getAll('tag'))]
  if (tags.length > MAX_TAG_PARAMETERS) {
    throw refuse(414, 'UNSUPPORTED', `at most ${MAX_TAG_PARAMETERS} tags go with one push`)
  }
  for (const tag of tags) if (!isTag(tag)) throw refuse(400, 'TAG_INVALID', 'a tag parameter is not a valid tag')
  return tags
}

function unknownManifest(reference: Reference): Refusal {
  return refuse(404, 'MANIFEST_UNKNOWN', 'manifest unknown to repository', reference)
}
