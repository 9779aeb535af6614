import { decodeZstdPatch, PatchDictionary, patchMemoryBytes } from '../compress/index.ts'
import { CopyError } from '../errors/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import { memoryOfThreads } from '../workers/index.ts'
import type { BaselineSet, PlainLayerSpool } from './baseline-set.ts'
import type { Delta } from './delta.ts'
import type { MemoryGate } from './memory-gate.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'
import { plainEstimate } from './spool-space.ts'

type BlobPatchOrigin = Extract<BlobOrigin, { kind: 'blob-patch' }>

/** What {@link applyBlobPatch} takes besides delta and baseline. */
export interface BlobPatchTools {
  readonly plainLayers: PlainLayerSpool
  /** Dictionaries and windows of patches under way. */
  readonly memory: MemoryGate
}

/**
 * Makes a blob from a whole blob of the baseline and a patch. The size is held to what the plan says; the digest is for
 * whoever keeps the blob to check.
 *
 * @throws {CopyError} with the side at fault, and codes as {@link decodeZstdPatch}
 */
export async function* applyBlobPatch(
  delta: Delta,
  blob: PlannedBlob,
  from: BlobPatchOrigin,
  baseline: BaselineSet,
  { plainLayers, memory }: BlobPatchTools,
  options: OperationOptions,
): ByteSource {
  const source = await openDictionary(from, baseline, plainLayers, options)
  using _held = await memory.enter(patchMemoryBytes(source.sizeBytes, blob.size), options.signal)
  try {
    const dictionary = await PatchDictionary.read(source.open(), source.sizeBytes, `baseline layer ${from.source}`)
    const target = { sizeBytes: blob.size, subject: `patch of ${blob.digest}` }
    yield* decodeZstdPatch(delta.openPatch(blob, options), dictionary, target)
  } catch (error) {
    throw CopyError.at('delta', blob.digest, error)
  }
}

/** A plain blob may lie compressed in the baseline: it is unpacked to the spool, for how large it is shows only then. */
async function openDictionary(
  { source }: BlobPatchOrigin,
  baseline: BaselineSet,
  plainLayers: PlainLayerSpool,
  options: OperationOptions,
): Promise<{ readonly sizeBytes: number; readonly open: () => ByteSource }> {
  const layer = baseline.byDigest(source)
  if (layer !== undefined) {
    return { sizeBytes: layer.descriptor.size, open: () => baseline.openBlob(source, options) }
  }
  const plain = await plainLayers.open(source, baseline)
  return { sizeBytes: plain.sizeBytes, open: () => plain.stream() }
}

/**
 * Memory that making a blob by a patch between blobs takes, about; 0 for other blobs.
 *
 * @param baseline - tells how large the patch's source is
 */
export function blobPatchMemory({ size, from }: PlannedBlob, baseline: BaselineSet): number {
  if (from.kind !== 'blob-patch') return 0
  const sourceBytes = baseline.byDigest(from.source)?.descriptor.size ?? plainEstimate(baseline.byDiffId(from.source))
  return memoryOfThreads(0) + patchMemoryBytes(sourceBytes, size)
}
