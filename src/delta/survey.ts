import { type ImageTree, type IndexFate, narrowTree, readImageTree, type TreeBlob } from '../image/index.ts'
import { type Digest, isLayerType, type Platform, statedCompression } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { BaselineSet } from './baseline-set.ts'
import type { BlobOrigin } from './plan.ts'
import { spoolEstimate } from './spool-space.ts'

/** Options of {@link surveyImages}. */
export interface SurveyOptions extends OperationOptions {
  /** Members of an index to keep; none diffs it whole. */
  readonly platforms?: readonly Platform[] | undefined
}

/** The target and the baselines before any layer is read. */
export interface Survey {
  readonly target: ImageSource
  readonly tree: ImageTree
  readonly index: IndexFate
  readonly baseline: BaselineSet
  /** Scratch space that patching will take, about, by the layer that takes it. */
  readonly spooled: ReadonlyMap<Digest, number>
}

/** Sum of {@link Survey.spooled}. */
export function spoolBytesOf({ spooled }: Survey): number {
  return [...spooled.values()].reduce((sum, bytes) => sum + bytes, 0)
}

/** Reads manifests and configs of both sides. */
export async function surveyImages(
  baselines: readonly ImageSource[],
  target: ImageSource,
  options: SurveyOptions,
): Promise<Survey> {
  options.signal?.throwIfAborted()
  const whole = await readImageTree(target, { ...options, side: 'target' })
  const { tree, index } = narrowTree(whole, options.platforms ?? [])
  const baseline = await BaselineSet.read(baselines, options)
  const patched = tree.blobs.filter((blob) => expectedOrigin(blob, baseline, target).kind === 'patch')
  return { target, tree, index, baseline, spooled: spoolEstimate(patched, baseline) }
}

/** Origins that follow from digests alone. */
export function knownOrigin(blob: TreeBlob, baseline: BaselineSet): BlobOrigin | undefined {
  const { descriptor, role, diffId } = blob
  // Documents and configs always travel: without them a delta could not even be inspected.
  if (role === 'config') return { kind: 'archive' }
  if (baseline.byDigest(descriptor.digest) !== undefined) return { kind: 'baseline' }
  if (diffId === descriptor.digest && baseline.byDiffId(diffId) !== undefined) return { kind: 'baseline-tar' }
  return isLayerType(descriptor.mediaType) ? undefined : { kind: 'archive' }
}

/** What is to be expected of a blob without reading it; a patch has its layer's size as the upper bound. */
export function expectedOrigin(blob: TreeBlob, baseline: BaselineSet, target: ImageSource): BlobOrigin {
  const known = knownOrigin(blob, baseline)
  if (known !== undefined) return known
  // Whether the bytes of a gzip layer can be made again shows only when it is read.
  const isPatched = target.layerForm === 'plain' || PATCHED.has(statedCompression(blob.descriptor.mediaType))
  const { digest, size } = blob.descriptor
  if (!isPatched) return { kind: 'archive' }
  const isHeld = blob.diffId !== undefined && baseline.byDiffId(blob.diffId) !== undefined
  return isHeld ? { kind: 'baseline-tar' } : { kind: 'patch', patch: { digest, size }, sources: [] }
}

const PATCHED: ReadonlySet<string> = new Set(['none', 'gzip'])
