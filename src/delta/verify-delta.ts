import { isTareError } from '../errors/index.ts'
import type { VerifyProblem } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { type ByteSource, counted, type OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import type { Delta, DeltaFormat, DeltaSet } from './delta.ts'
import type { PlannedBlob } from './plan.ts'
import { readTarget } from './preflight.ts'
import { readDeltas } from './read-delta.ts'

/** What {@link verifyDelta} found. */
export interface DeltaVerification {
  readonly reference: string
  readonly digest: Digest
  readonly format: DeltaFormat
  readonly images: readonly { readonly name: string; readonly target: Digest }[]
  /** Blobs and patches that were read. */
  readonly blobCount: number
  /** Bytes that were read of them. */
  readonly readBytes: number
  /** In the order of the delta; empty where everything is as it should be. */
  readonly problems: readonly VerifyProblem[]
}

/**
 * Reads a whole delta and holds everything in it against its digest; plans and recipes are parsed, the documents of each
 * target are read as a tree. Whether a baseline fits is not looked at: see `preflight`. Nothing is written.
 *
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_FORMAT`; {@link InvalidDocumentError} for plans that can't be parsed
 */
export async function verifyDelta(
  delta: ImageSource | DeltaSet,
  options: OperationOptions = {},
): Promise<DeltaVerification> {
  const set = 'deltas' in delta ? delta : await readDeltas(delta, options)
  const problems = new Map<string, VerifyProblem>()
  const read = new Set<string>()
  let readBytes = 0
  for (const one of set.deltas) {
    const tree = await readTarget(one, options)
    if (isTareError(tree)) {
      const { digest } = one.plan.target
      problems.set(`target ${digest}`, { digest, code: tree.code, message: tree.message })
    }
    for (const piece of piecesOf(one, options)) {
      if (read.has(piece.key)) continue
      read.add(piece.key)
      const found = await problemOf(piece, (length) => (readBytes += length), options)
      if (found !== undefined) problems.set(piece.key, found)
    }
  }
  return {
    reference: set.reference,
    digest: set.descriptor.digest,
    format: set.format,
    images: set.deltas.map(({ name, plan }) => ({ name, target: plan.target.digest })),
    blobCount: read.size,
    readBytes,
    problems: [...problems.values()],
  }
}

/** Something that an archive holds. */
interface ArchivePiece {
  /** Pieces of one key are the same in all images. */
  readonly key: string
  readonly digest: Digest
  readonly open: () => ByteSource
}

function piecesOf(delta: Delta, options: OperationOptions): readonly ArchivePiece[] {
  return delta.plan.blobs.flatMap((blob: PlannedBlob): readonly ArchivePiece[] => {
    const { digest, from } = blob
    switch (from.kind) {
      case 'archive':
        return [{ key: digest, digest, open: () => delta.openHeld(blob, options) }]
      case 'patch':
        return [{ key: from.patch.digest, digest: from.patch.digest, open: () => delta.openPatch(blob, options) }]
      case 'blob-patch':
        return [{ key: `patch of ${digest}`, digest, open: () => delta.openPatch(blob, options) }]
      // Recipes have been read and parsed.
      case 'baseline':
      case 'baseline-tar':
      case 'foreign':
        return []
    }
  })
}

async function problemOf(
  { digest, open }: ArchivePiece,
  onBytes: (length: number) => void,
  options: OperationOptions,
): Promise<VerifyProblem | undefined> {
  try {
    for await (const chunk of counted(open(), onBytes)) void chunk
    return undefined
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!isTareError(error) || error.category !== 'content') throw error
    return { digest, code: error.code, message: error.message }
  }
}
