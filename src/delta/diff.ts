import type { IndexFate } from '../image/index.ts'
import { bareDescriptor, type Digest } from '../oci/index.ts'
import type { RecipeCache } from '../recompress/index.ts'
import { bytesSource, SpoolDirectory } from '../stream/index.ts'
import { type ImageDestination, type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { type BaselineLayer, type BaselineSet, baselineName } from './baseline-set.ts'
import { type DeltaContents, writeDelta } from './delta-archive.ts'
import { LayerPatcher } from './layer-patcher.ts'
import type { BlobOrigin, DeltaPlan, NeededLayer, PlannedBlob } from './plan.ts'
import { type BlobSavings, savingsOf } from './savings.ts'
import { checkFreeSpace } from './spool-space.ts'
import { expectedOrigin, type Survey, type SurveyOptions, surveyImages } from './survey.ts'

/** Options of {@link diffImages}. */
export interface DiffOptions extends SurveyOptions {
  /** Runs the kernels; the caller disposes it. */
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Keeps recipes between runs; left out, every gzip layer is taken apart anew. */
  readonly recipes?: RecipeCache | undefined
  /** What made the delta: recorded in the plan. */
  readonly tool: string
  /** Seconds since 1970 for the `created` annotation; left out, there is none. */
  readonly createdSeconds?: number | undefined
}

/** What {@link diffImages} made, or with {@link planDiff} would make. */
export interface DiffReport {
  /** Digest of the delta manifest; absent in a dry run. */
  readonly digest?: Digest | undefined
  readonly target: { readonly reference: string; readonly digest: Digest; readonly mediaType: string }
  readonly baselines: readonly { readonly reference: string; readonly digest: Digest }[]
  readonly index: IndexFate
  readonly blobs: readonly BlobSavings[]
  /** Bytes of all blobs of the target, each counted once. */
  readonly targetBytes: number
  /** Bytes the delta holds of them. */
  readonly shippedBytes: number
  /** Scratch space needed, about. */
  readonly spoolBytes: number
}

/**
 * Makes a delta: everything of `target` that the baselines lack, as small as can be. Each patch is proven by applying
 * it before it is shipped; one that fails is replaced by the whole blob, with a warning.
 *
 * @param destination - an OCI archive or whatever else holds an artifact
 * @throws {CopyError} with the code of its cause and the side that failed
 */
export async function diffImages(
  baselines: readonly ImageSource[],
  target: ImageSource,
  destination: ImageDestination,
  options: DiffOptions,
): Promise<DiffReport> {
  const survey = await surveyImages(baselines, target, options)
  await checkFreeSpace(options.workdir, survey.spoolBytes, options.logger)
  await using spool = await SpoolDirectory.create(options.workdir)
  await using patcher = new LayerPatcher(survey, spool, options)
  const origins = new Map<Digest, BlobOrigin>()
  for (const blob of survey.tree.blobs) origins.set(blob.descriptor.digest, await patcher.originOf(blob))
  const plan = makePlan(survey, origins, options.tool, patcher)
  const digest = await writeDelta(destination, deltaContents(plan, survey, patcher, options), options)
  return { ...reportOf(plan, survey), digest }
}

/**
 * Says what {@link diffImages} would do, from manifests and configs alone: no layer is read, so a patch is announced
 * with the size of its layer as the upper bound.
 */
export async function planDiff(
  baselines: readonly ImageSource[],
  target: ImageSource,
  options: Omit<DiffOptions, 'kernels'>,
): Promise<DiffReport> {
  const survey = await surveyImages(baselines, target, options)
  const origins = new Map(
    survey.tree.blobs.map((blob) => [blob.descriptor.digest, expectedOrigin(blob, survey.baseline, target)]),
  )
  return reportOf(makePlan(survey, origins, options.tool), survey)
}

function makePlan(
  survey: Survey,
  origins: ReadonlyMap<Digest, BlobOrigin>,
  tool: string,
  patcher?: LayerPatcher,
): DeltaPlan {
  const { tree, baseline } = survey
  const documents = tree.documents.toReversed().map(
    (node): PlannedBlob => ({
      role: node.kind,
      ...bareDescriptor(node.descriptor),
      from: { kind: 'archive' },
    }),
  )
  const blobs = tree.blobs.map(
    (blob): PlannedBlob => ({
      role: blob.role,
      ...bareDescriptor(blob.descriptor),
      diffId: blob.diffId ?? patcher?.diffIdOf(blob.descriptor.digest),
      from: origins.get(blob.descriptor.digest) ?? { kind: 'archive' },
    }),
  )
  return {
    schemaVersion: 1,
    tool,
    target: bareDescriptor(tree.root.descriptor),
    baselines: baseline.images.map((image) => ({
      name: baselineName(image.source.reference),
      descriptor: bareDescriptor(image.tree.root.descriptor),
    })),
    needs: neededLayers(blobs, baseline),
    blobs: [...documents, ...blobs],
  }
}

function neededLayers(blobs: readonly PlannedBlob[], baseline: BaselineSet): readonly NeededLayer[] {
  const needed = new Map<Digest, NeededLayer>()
  const add = (layer: BaselineLayer | undefined): void => {
    if (layer === undefined) return
    const { digest, size } = layer.descriptor
    needed.set(digest, { digest, diffId: layer.diffId, size })
  }
  for (const { digest, diffId, from } of blobs) {
    if (from.kind === 'baseline') add(baseline.byDigest(digest))
    else if (from.kind === 'baseline-tar') add(baseline.byDiffId(diffId ?? digest))
    else if (from.kind === 'patch') for (const source of from.sources) add(baseline.byDiffId(source))
  }
  return [...needed.values()]
}

function deltaContents(plan: DeltaPlan, survey: Survey, patcher: LayerPatcher, options: DiffOptions): DeltaContents {
  const documents = new Map(survey.tree.documents.map((node) => [node.descriptor.digest, node.bytes]))
  return {
    plan,
    createdSeconds: options.createdSeconds,
    openMade: (digest) => patcher.openMade(digest),
    openBlob: (blob, signal) => {
      const bytes = documents.get(blob.digest)
      if (bytes !== undefined) return bytesSource(bytes)
      return openVerifiedBlob(survey.target, blob, 'target', { signal })
    },
  }
}

function reportOf(plan: DeltaPlan, survey: Survey): DiffReport {
  const blobs = savingsOf(plan)
  const total = (pick: (blob: BlobSavings) => number): number => blobs.reduce((sum, blob) => sum + pick(blob), 0)
  const { digest, mediaType } = survey.tree.root.descriptor
  return {
    target: { reference: survey.target.reference, digest, mediaType },
    baselines: survey.baseline.images.map(({ source, tree }) => ({
      reference: source.reference,
      digest: tree.root.descriptor.digest,
    })),
    index: survey.index,
    blobs,
    targetBytes: total((blob) => blob.sizeBytes),
    shippedBytes: total((blob) => blob.shippedBytes),
    spoolBytes: survey.spoolBytes,
  }
}
