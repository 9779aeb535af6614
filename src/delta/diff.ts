import { TareError } from '../errors/index.ts'
import { DEFAULT_CONCURRENCY, type IndexFate, type TreeBlob } from '../image/index.ts'
import { bareDescriptor, type Digest, type Platform } from '../oci/index.ts'
import type { RecipeCache } from '../recompress/index.ts'
import { bytesSource, mapLimited } from '../stream/index.ts'
import { type ImageDestination, type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { type BaselineImage, type BaselineLayer, type BaselineSet, baselineName } from './baseline-set.ts'
import { LayerPatcher } from './layer-patcher.ts'
import { type BlobOrigin, type DeltaPlan, IMAGE_NAME_PATTERN, type NeededLayer, type PlannedBlob } from './plan.ts'
import { type BlobSavings, countSavings, savingsOf } from './savings.ts'
import { checkFreeSpace } from './spool-space.ts'
import { expectedOrigin, knownOrigin, spoolBytesOf, type Survey, type SurveyOptions, surveyImages } from './survey.ts'
import { Workshop } from './workshop.ts'
import { type DeltaContents, writeBundle, writeDelta, type WriteDeltaOptions } from './write-delta.ts'

/** Options of {@link diffImages}. */
export interface DiffOptions extends SurveyOptions, WriteDeltaOptions {
  /** Runs the kernels; the caller disposes it. */
  readonly kernels: KernelRunner
  /** Where plain layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Keeps recipes between runs; left out, every gzip layer is taken apart anew. */
  readonly recipes?: RecipeCache | undefined
  /** `none` ships what the baseline lacks whole. @default 'all' */
  readonly patches?: 'all' | 'none' | undefined
  /** What made the delta: recorded in the plan. */
  readonly tool: string
}

/** An image of a bundle, and what its receiver has. */
export interface ImagePair {
  /** Unique in the bundle; letters, digits, and `_`, `.`, `-` after the first. */
  readonly name: string
  readonly baselines: readonly ImageSource[]
  readonly target: ImageSource
  /** Members of an index to keep, in place of those in the options. */
  readonly platforms?: readonly Platform[] | undefined
}

/** What {@link diffImages} made, or with {@link planDiff} would make, of one image. */
export interface DiffReport {
  /** Digest of the delta manifest; absent in a dry run and for the images of a bundle. */
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
  /** Bytes of layers that are read to make it: what crosses the wire where the images are remote. */
  readonly reads: { readonly targetBytes: number; readonly baselineBytes: number }
}

/** What {@link diffBundle} made, or with {@link planBundle} would make. */
export interface BundleReport {
  /** Digest of the index of deltas; absent in a dry run. */
  readonly digest?: Digest | undefined
  /** In the order of the pairs. */
  readonly images: readonly (DiffReport & { readonly name: string })[]
  /** Bytes of all blobs of all targets, each counted once. */
  readonly targetBytes: number
  /** Bytes the bundle holds of them. */
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
  await checkFreeSpace(options.workdir, spoolBytesOf(survey), options.logger)
  await using workshop = await Workshop.open(options.workdir, options)
  const plan = await makePlan(survey, workshop, options)
  const digest = await writeDelta(destination, deltaContents(plan, survey, workshop), options)
  return { ...reportOf(plan, survey), digest }
}

/**
 * Makes a bundle: a delta of each pair, under its name. Each can be applied without the others; what several have in
 * common, be it read, made or stored, is so once.
 *
 * @throws {TareError} `DUPLICATE_IMAGE_NAME`, `INVALID_ARGUMENT`; {@link CopyError} as {@link diffImages}
 */
export async function diffBundle(
  pairs: readonly ImagePair[],
  destination: ImageDestination,
  options: DiffOptions,
): Promise<BundleReport> {
  const surveys = await surveyPairs(pairs, options)
  const spoolBytes = bundleSpoolBytes(surveys)
  await checkFreeSpace(options.workdir, spoolBytes, options.logger)
  await using workshop = await Workshop.open(options.workdir, options)
  const plans: DeltaPlan[] = []
  for (const survey of surveys) plans.push(await makePlan(survey, workshop, options))
  const members = surveys.flatMap((survey, position) => {
    const [name, plan] = [pairs[position]?.name, plans[position]]
    return name === undefined || plan === undefined ? [] : [{ name, contents: deltaContents(plan, survey, workshop) }]
  })
  const digest = await writeBundle(destination, members, options)
  return { digest, ...bundleReport(pairs, surveys, plans) }
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
  return reportOf(expectedPlan(survey, options), survey)
}

/** Says what {@link diffBundle} would do, as {@link planDiff} does. */
export async function planBundle(
  pairs: readonly ImagePair[],
  options: Omit<DiffOptions, 'kernels'>,
): Promise<BundleReport> {
  const surveys = await surveyPairs(pairs, options)
  const plans = surveys.map((survey) => expectedPlan(survey, options))
  return bundleReport(pairs, surveys, plans)
}

async function surveyPairs(pairs: readonly ImagePair[], options: SurveyOptions): Promise<readonly Survey[]> {
  checkNames(pairs)
  const work = (pair: ImagePair, _position: number, signal: AbortSignal): Promise<Survey> =>
    surveyImages(pair.baselines, pair.target, { ...options, platforms: pair.platforms ?? options.platforms, signal })
  return mapLimited(pairs, DEFAULT_CONCURRENCY, work, options)
}

/** @throws {TareError} `INVALID_ARGUMENT`, `DUPLICATE_IMAGE_NAME` */
export function checkNames(pairs: readonly Pick<ImagePair, 'name'>[]): void {
  if (pairs.length === 0) throw new TareError('INVALID_ARGUMENT', 'a bundle of no image')
  const seen = new Set<string>()
  for (const { name } of pairs) {
    if (!IMAGE_NAME_PATTERN.test(name)) {
      throw new TareError('INVALID_ARGUMENT', `${JSON.stringify(name.slice(0, 300))} is no name for an image`, {
        hint: 'Names have letters, digits, and after the first also . _ -',
      })
    }
    if (seen.size === seen.add(name).size) {
      throw new TareError('DUPLICATE_IMAGE_NAME', `two images of the bundle are named ${name}`)
    }
  }
}

/** Layers that several pairs have are unpacked once. */
function bundleSpoolBytes(surveys: readonly Survey[]): number {
  const counted = new Map<Digest, number>()
  for (const survey of surveys) for (const [digest, bytes] of survey.spooled) counted.set(digest, bytes)
  return [...counted.values()].reduce((sum, bytes) => sum + bytes, 0)
}

function bundleReport(
  pairs: readonly ImagePair[],
  surveys: readonly Survey[],
  plans: readonly DeltaPlan[],
): Omit<BundleReport, 'digest'> {
  const images = surveys.flatMap((survey, position) => {
    const [name, plan] = [pairs[position]?.name, plans[position]]
    return name === undefined || plan === undefined ? [] : [{ name, ...reportOf(plan, survey) }]
  })
  return { images, ...countSavings(plans), spoolBytes: bundleSpoolBytes(surveys) }
}

async function makePlan(survey: Survey, workshop: Workshop, options: DiffOptions): Promise<DeltaPlan> {
  const patcher = new LayerPatcher(survey, workshop, options)
  const origins = new Map<Digest, BlobOrigin>()
  for (const blob of survey.tree.blobs) origins.set(blob.descriptor.digest, await patcher.originOf(blob))
  return planWith(survey, origins, options.tool, workshop)
}

function expectedPlan(survey: Survey, { tool, patches }: Pick<DiffOptions, 'tool' | 'patches'>): DeltaPlan {
  const { tree, baseline, target } = survey
  const expected = (blob: TreeBlob): BlobOrigin =>
    patches === 'none' ? (knownOrigin(blob, baseline) ?? { kind: 'archive' }) : expectedOrigin(blob, baseline, target)
  const origins = new Map(tree.blobs.map((blob) => [blob.descriptor.digest, expected(blob)]))
  return planWith(survey, origins, tool)
}

function planWith(
  survey: Survey,
  origins: ReadonlyMap<Digest, BlobOrigin>,
  tool: string,
  workshop?: Workshop,
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
      diffId: blob.diffId ?? workshop?.diffIdOf(blob.descriptor.digest),
      from: origins.get(blob.descriptor.digest) ?? { kind: 'archive' },
    }),
  )
  const needs = neededLayers(blobs, baseline)
  return {
    schemaVersion: 1,
    tool,
    target: bareDescriptor(tree.root.descriptor),
    baselines: namedBaselines(baseline, needs).map((image) => ({
      name: baselineName(image.source.reference),
      descriptor: bareDescriptor(image.tree.root.descriptor),
    })),
    needs,
    blobs: [...documents, ...blobs],
  }
}

/** Of an inventory's many images those alone that lend a layer are worth a word. */
function namedBaselines(baseline: BaselineSet, needs: readonly NeededLayer[]): readonly BaselineImage[] {
  const lending = new Set(needs.map(({ digest }) => baseline.byDigest(digest)?.source))
  return baseline.images.filter(({ source }) => source.holdsLayers !== false || lending.has(source))
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

function deltaContents(plan: DeltaPlan, survey: Survey, workshop: Workshop): DeltaContents {
  const documents = new Map(survey.tree.documents.map((node) => [node.descriptor.digest, node.bytes]))
  return {
    plan,
    openMade: (digest) => workshop.openMade(digest),
    openBlob: (blob, signal) => {
      const bytes = documents.get(blob.digest)
      if (bytes !== undefined) return bytesSource(bytes)
      return openVerifiedBlob(survey.target, blob, 'target', { signal })
    },
  }
}

function reportOf(plan: DeltaPlan, survey: Survey): DiffReport {
  const blobs = savingsOf(plan)
  const { digest, mediaType } = survey.tree.root.descriptor
  const { plainLayers } = survey.baseline
  const images = namedBaselines(survey.baseline, plan.needs)
  // Any patch may need any layer: what a baseline has to offer shows only when it is read.
  const isBaselineRead = blobs.some((blob) => blob.origin === 'patch')
  const taken = blobs.filter(({ role, origin }) => role === 'layer' && origin !== 'baseline' && origin !== 'foreign')
  return {
    target: { reference: survey.target.reference, digest, mediaType },
    baselines: images.map(({ source, tree }) => ({ reference: source.reference, digest: tree.root.descriptor.digest })),
    index: survey.index,
    blobs,
    ...countSavings([plan]),
    spoolBytes: spoolBytesOf(survey),
    reads: {
      targetBytes: taken.reduce((sum, blob) => sum + blob.sizeBytes, 0),
      baselineBytes: isBaselineRead ? plainLayers.reduce((sum, layer) => sum + layer.descriptor.size, 0) : 0,
    },
  }
}
