import type { Digest, DigestAlgorithm } from '../../oci/index.ts'
import { type ByteSource, exactly } from '../../stream/index.ts'
import { chunkRange } from './byte-range.ts'
import { type Call, requireDigest, type Service } from './call.ts'
import { refuse, Refusal, refuseMethod } from './refusal.ts'
import { emptyReply, type Reply, type ReplyHeaders } from './reply.ts'
import { checkRepositoryName, type Route } from './route.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * POST: opens an upload session, or does it all at once: `?digest=` with the body, `?mount=` with a blob that another
 * repository has.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
 */
export async function handleUploads(
  service: Service,
  call: Call,
  route: Extract<Route, { kind: 'uploads' }>,
): Promise<Reply> {
  const { method, query } = call.request
  const { repository } = route
  if (method !== 'POST') throw refuseMethod(method, ['POST'])
  if (query.has('mount')) {
    const digest = requireDigest(query.get('mount'))
    if (await mount(service, call, repository, digest)) return blobCreated(repository, digest)
  }
  const algorithm = requestedAlgorithm(query)
  if (!query.has('digest')) return sessionReply(repository, await service.storage.startUpload(repository, algorithm), 0)

  const digest = requireDigest(query.get('digest'))
  const id = await service.storage.startUpload(repository, algorithm)
  try {
    await service.storage.appendUpload(repository, id, 0, call.body())
    await service.storage.finishUpload(repository, id, digest)
  } catch (error) {
    // The client never heard of the session, so it cannot resume it.
    await service.storage.cancelUpload(repository, id)
    throw error
  }
  return blobCreated(repository, digest)
}

/**
 * An upload session: PATCH appends a chunk, PUT closes it, GET tells how far it got, DELETE cancels it. A body that
 * breaks off leaves its bytes in the session, and the client goes on from there.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
 */
export async function handleUpload(
  service: Service,
  call: Call,
  route: Extract<Route, { kind: 'upload' }>,
): Promise<Reply> {
  const { storage } = service
  const { repository, id } = route
  const { method, query } = call.request
  if (!METHODS.includes(method)) throw refuseMethod(method, METHODS)
  if (!UUID.test(id)) throw unknownUpload()
  return service.uploads.run(id, async () => {
    const sizeBytes = await storage.uploadSize(repository, id)
    if (sizeBytes === undefined) throw unknownUpload()
    switch (method) {
      case 'PATCH':
        return sessionReply(repository, id, await append(service, call, route, sizeBytes))
      case 'PUT': {
        const digest = requireDigest(query.get('digest'))
        await append(service, call, route, sizeBytes)
        try {
          await storage.finishUpload(repository, id, digest)
        } catch (error) {
          // No further bytes can make it right.
          await storage.cancelUpload(repository, id)
          throw error
        }
        return blobCreated(repository, digest)
      }
      case 'DELETE':
        await storage.cancelUpload(repository, id)
        return emptyReply(204)
      default:
        return emptyReply(204, sessionHeaders(repository, id, sizeBytes))
    }
  })
}

const METHODS: readonly string[] = ['GET', 'PATCH', 'PUT', 'DELETE']

async function append(
  { storage }: Service,
  call: Call,
  { repository, id }: Extract<Route, { kind: 'upload' }>,
  sizeBytes: number,
): Promise<number> {
  return storage.appendUpload(repository, id, sizeBytes, chunkBody(call, repository, id, sizeBytes))
}

/** The body, held against `Content-Range` where there is one. */
function chunkBody(call: Call, repository: string, id: string, sizeBytes: number): ByteSource {
  const header = call.request.headers['content-range']
  if (header === undefined) return call.body()
  const range = chunkRange(header)
  if (range === undefined) throw refuse(400, 'BLOB_UPLOAD_INVALID', 'Content-Range is malformed')
  if (range.first !== sizeBytes) {
    const reason = { code: 'BLOB_UPLOAD_INVALID', message: `the next chunk starts at ${sizeBytes}` } as const
    throw new Refusal(416, [reason], sessionHeaders(repository, id, sizeBytes))
  }
  const length = range.last - range.first + 1
  const stated = call.request.headers['content-length']
  if (stated !== undefined && Number(stated) !== length) {
    throw refuse(400, 'SIZE_INVALID', `Content-Range is ${length} bytes long, Content-Length says ${stated}`)
  }
  return exactly(call.body(), length, 'chunk')
}

/** Without `from` any repository will do that has the blob and that the client may read. */
async function mount(service: Service, call: Call, repository: string, digest: Digest): Promise<boolean> {
  const { storage } = service
  const from = call.request.query.get('from')
  if (from !== null) checkRepositoryName(from)
  for (const name of from === null ? await storage.repositories() : [from]) {
    if ((await storage.blobSize(name, digest)) === undefined) continue
    if (!(await call.isAllowed({ type: 'repository', name, actions: ['pull'] }))) continue
    if (await storage.linkBlob(repository, digest, name)) return true
  }
  return false
}

function requestedAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const algorithm = query.get('digest-algorithm') ?? query.get('digest')?.split(':')[0] ?? 'sha256'
  if (algorithm === 'sha256' || algorithm === 'sha512') return algorithm
  throw refuse(400, 'DIGEST_INVALID', 'digest algorithm is not sha256 or sha512')
}

function unknownUpload(): Refusal {
  return refuse(404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown to repository')
}

function sessionReply(repository: string, id: string, sizeBytes: number): Reply {
  return emptyReply(202, sessionHeaders(repository, id, sizeBytes))
}

/** `Range` includes both ends, so an empty session and one of a single byte look alike; all registries do it so. */
function sessionHeaders(repository: string, id: string, sizeBytes: number): ReplyHeaders {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    Range: `0-${Math.max(0, sizeBytes - 1)}`,
    'Docker-Upload-UUID': id,
  }
}

function blobCreated(repository: string, digest: Digest): Reply {
  return emptyReply(201, { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest })
}
