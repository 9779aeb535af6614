import { requestedRange } from './byte-range.ts'
import { type Call, requireDigest, type Service } from './call.ts'
import { refuse, refuseMethod } from './refusal.ts'
import { emptyReply, type Reply } from './reply.ts'
import type { Route } from './route.ts'

/**
 * GET, HEAD and DELETE of a blob.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs
 */
export async function handleBlob(
  service: Service,
  { request }: Call,
  route: Extract<Route, { kind: 'blob' }>,
): Promise<Reply> {
  const { storage } = service
  const { repository } = route
  const digest = requireDigest(route.digest)
  switch (request.method) {
    case 'GET':
    case 'HEAD': {
      const sizeBytes = await storage.blobSize(repository, digest)
      if (sizeBytes === undefined) throw refuse(404, 'BLOB_UNKNOWN', 'blob unknown to repository', { digest })
      const entityTag = `"${digest}"`
      const common = { 'Docker-Content-Digest': digest, ETag: entityTag, 'Accept-Ranges': 'bytes' }
      if (request.headers['if-none-match'] === entityTag) return emptyReply(304, common)
      const ifRange = request.headers['if-range']
      const range =
        request.method === 'GET' && (ifRange === undefined || ifRange === entityTag)
          ? requestedRange(request.headers.range, sizeBytes)
          : undefined
      if (range === 'unsatisfiable') {
        return emptyReply(416, { ...common, 'Content-Range': `bytes */${sizeBytes}` })
      }
      const offset = range?.first ?? 0
      const length = range === undefined ? sizeBytes : range.last - range.first + 1
      return {
        status: range === undefined ? 200 : 206,
        headers: {
          ...common,
          'Content-Type': 'application/octet-stream',
          'Content-Length': length,
          ...(range === undefined ? {} : { 'Content-Range': `bytes ${range.first}-${range.last}/${sizeBytes}` }),
        },
        body: request.method === 'HEAD' ? undefined : storage.readBlob(repository, digest, { offset, length }),
      }
    }
    case 'DELETE':
      if (!service.deletes) throw refuseMethod('DELETE', ['GET', 'HEAD'], 'is switched off')
      if (!(await storage.deleteBlob(repository, digest))) {
        throw refuse(404, 'BLOB_UNKNOWN', 'blob unknown to repository', { digest })
      }
      return emptyReply(202)
    default:
      throw refuseMethod(request.method, ['GET', 'HEAD', 'DELETE'])
  }
}
