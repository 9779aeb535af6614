import { decompress } from '../compress/index.ts'
import { isTareError, type ErrorCode } from '../errors/index.ts'
import { type DiffId, type Digest, digestAlgorithm, isLayerType } from '../oci/index.ts'
import { type ByteSource, counted, Digester, digesting, mapLimited, type OperationOptions } from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import { DEFAULT_CONCURRENCY, isFetchedElsewhere } from './copy.ts'
import { readImageTree, type TreeBlob } from './tree.ts'

/** A blob that is not what it should be. */
export interface VerifyProblem {
  readonly digest: Digest
  readonly code: ErrorCode
  readonly message: string
}

/** What {@link verifyImage} found. */
export interface ImageVerification {
  readonly reference: string
  readonly digest: Digest
  readonly mediaType: string
  readonly manifestCount: number
  /** Configs and layers that were read. */
  readonly blobCount: number
  /** Bytes that were read of them. */
  readonly readBytes: number
  /** In the order of the image; empty where everything is as it should be. */
  readonly problems: readonly VerifyProblem[]
}

/** Options of {@link verifyImage}. */
export interface VerifyImageOptions extends OperationOptions {
  /** Blobs read at a time. @default 6 */
  readonly concurrency?: number | undefined
  /** Whether the source may be without a blob; other absent ones are problems. @default none but layers with URLs */
  readonly mayLack?: ((blob: TreeBlob) => boolean) | undefined
}

/**
 * Reads a whole image and holds every byte against its digest: manifests, indexes, configs, layers, and what layers
 * unpack to against the diffIDs of their config. Nothing is written. Layers with URLs that the source does not hold, and
 * what it may be without, are left out.
 *
 * @throws {CopyError} where manifests or configs can't be read; a damaged layer is told in the result
 */
export async function verifyImage(source: ImageSource, options: VerifyImageOptions = {}): Promise<ImageVerification> {
  const tree = await readImageTree(source, options)
  let readBytes = 0
  const check = async (blob: TreeBlob, _at: number, signal: AbortSignal): Promise<VerifyProblem | undefined> => {
    const { descriptor, role } = blob
    let doneBytes = 0
    const progress = (state: 'running' | 'done' | 'failed'): void => {
      const totals = { doneBytes, totalBytes: descriptor.size }
      options.onProgress?.({ kind: 'blob', id: descriptor.digest, label: `verify ${role}`, ...totals, state })
    }
    const bytes = counted(openVerifiedBlob(source, descriptor, 'source', { signal }), (length) => {
      readBytes += length
      doneBytes += length
      progress('running')
    })
    const mayLack = isFetchedElsewhere(descriptor) || options.mayLack?.(blob) === true
    const problem = await problemOf(blob, bytes, mayLack, signal)
    progress(problem === undefined ? 'done' : 'failed')
    return problem
  }
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY
  const found = await mapLimited(tree.blobs, concurrency, check, options)
  return {
    reference: source.reference,
    digest: tree.root.descriptor.digest,
    mediaType: tree.root.descriptor.mediaType,
    manifestCount: tree.documents.length,
    blobCount: tree.blobs.length,
    readBytes,
    problems: found.filter((problem) => problem !== undefined),
  }
}

async function problemOf(
  { descriptor, diffId }: TreeBlob,
  bytes: ByteSource,
  mayLack: boolean,
  signal: AbortSignal,
): Promise<VerifyProblem | undefined> {
  const { digest } = descriptor
  try {
    const unpacked =
      diffId !== undefined && isLayerType(descriptor.mediaType) ? await plainDigest(bytes, diffId) : undefined
    if (unpacked === undefined) for await (const chunk of bytes) void chunk
    if (unpacked === undefined || unpacked === diffId) return undefined
    return { digest, code: 'DIGEST_MISMATCH', message: `unpacks to ${unpacked}, its config says ${diffId}` }
  } catch (error) {
    signal.throwIfAborted()
    if (!isTareError(error) || error.category !== 'content') throw error
    if (error.code === 'BLOB_NOT_FOUND' && mayLack) return undefined
    return { digest, code: error.code, message: error.message }
  }
}

async function plainDigest(bytes: ByteSource, diffId: DiffId): Promise<Digest> {
  const digester = new Digester(digestAlgorithm(diffId))
  const { source } = await decompress(bytes)
  for await (const chunk of digesting(source, digester)) void chunk
  return digester.digest()
}
