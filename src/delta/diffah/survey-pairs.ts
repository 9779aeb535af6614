import { TareError } from '../../errors/index.ts'
import {
  DEFAULT_CONCURRENCY,
  type ImageTree,
  isFetchedElsewhere,
  type ManifestNode,
  narrowTree,
  platformHint,
} from '../../image/index.ts'
import { type Descriptor, type Digest, digestAlgorithm, isConfigType, type Platform } from '../../oci/index.ts'
import { type ByteSource, mapLimited, type OperationOptions } from '../../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../../transport/index.ts'
import { checkNames, type ImagePair } from '../diff.ts'
import { type Survey, surveyImages } from '../survey.ts'

/** An image of an archive to be, before any layer is read. */
export interface PairSurvey {
  readonly name: string
  /** As Tare's own deltas see it. */
  readonly survey: Survey
  readonly target: ManifestNode
  /** The one manifest that the archive is made against. */
  readonly baseline: ManifestNode
  readonly baselineReference: string
  /** Layers of that manifest: what the archive may build on. */
  readonly baselineLayers: ReadonlyMap<Digest, Descriptor>
}

/** A layer that an archive has to hold, for one image or several. */
export interface ShippedLayer {
  readonly descriptor: Descriptor
  /** The first image that lacks it in its baseline. */
  readonly pair: PairSurvey
  /** Reading it to the end verifies it. */
  readonly open: (signal: AbortSignal | undefined) => ByteSource
  /** What a patch may be made against: layers of the baseline of every image that has the layer. */
  readonly sources: readonly BaselineBlob[]
}

/** A layer of a baseline, with its bytes as the baseline's transport gives them. */
export interface BaselineBlob {
  readonly descriptor: Descriptor
  /** Reading it to the end verifies it. */
  readonly open: (signal: AbortSignal | undefined) => ByteSource
}

/** Options of {@link surveyPairs}. */
export interface SurveyPairsOptions extends OperationOptions {
  /** Members of indexes to take; an archive has room for one platform. */
  readonly platforms?: readonly Platform[] | undefined
}

/**
 * Reads manifests and configs of both sides, and refuses what an archive of diffah can't say.
 *
 * @throws {TareError} `PLATFORM_REQUIRED` for an index, `UNSUPPORTED_BY_DESTINATION`, `INVALID_ARGUMENT`,
 *   `DUPLICATE_IMAGE_NAME`; {@link CopyError}
 */
export async function surveyPairs(
  pairs: readonly ImagePair[],
  options: SurveyPairsOptions,
): Promise<readonly PairSurvey[]> {
  checkNames(pairs)
  const work = (pair: ImagePair, _position: number, signal: AbortSignal): Promise<PairSurvey> =>
    surveyPair(pair, { ...options, platforms: pair.platforms ?? options.platforms, signal })
  return mapLimited(pairs, DEFAULT_CONCURRENCY, work, options)
}

async function surveyPair(pair: ImagePair, options: SurveyPairsOptions): Promise<PairSurvey> {
  const { name, baselines, target } = pair
  const platforms = options.platforms ?? []
  const [source, second] = baselines
  if (source === undefined || second !== undefined) {
    throw inexpressible(`${name} has ${baselines.length} baselines`, 'they name exactly one for each image')
  }
  if (platforms.length > 1) {
    throw inexpressible(`${platforms.length} platforms of ${name} were asked for`, 'they hold one')
  }
  const survey = await surveyImages(baselines, target, options)
  const image = onlyManifest(survey.tree, target.reference)
  checkTarget(image, target.reference)
  const whole = survey.baseline.images[0]?.tree ?? survey.tree
  const baseline = onlyManifest(narrowTree(whole, platforms).tree, source.reference)
  checkAlgorithms(baseline, source.reference)
  if (whole.root.kind === 'index') {
    const { digest } = baseline.descriptor
    const how = 'by that digest, or copied out of the index with tare copy --platform'
    options.logger?.warn(`the baseline of ${name} is an index: diffah takes its member ${digest} alone, ${how}`)
  }
  const baselineLayers = new Map(baseline.document.layers.map((layer) => [layer.digest, layer]))
  await checkHeld(image, baselineLayers, target, options)
  return { name, survey, target: image, baseline, baselineReference: source.reference, baselineLayers }
}

function onlyManifest({ root }: ImageTree, reference: string): ManifestNode {
  if (root.kind === 'manifest') return root
  throw new TareError('PLATFORM_REQUIRED', `${reference} is an index, and an archive of diffah holds one platform`, {
    hint: platformHint(root),
  })
}

function checkTarget(target: ManifestNode, reference: string): void {
  const { config, layers } = target.document
  if (!isConfigType(config.mediaType)) {
    throw inexpressible(`${reference} is an artifact of type ${config.mediaType}`, 'they hold images')
  }
  if (layers.length === 0) throw inexpressible(`${reference} has no layer`, 'images without layers do not apply there')
  checkAlgorithms(target, reference)
}

function checkAlgorithms({ descriptor, document }: ManifestNode, reference: string): void {
  const found = [descriptor, document.config, ...document.layers].find(
    ({ digest }) => digestAlgorithm(digest) !== 'sha256',
  )
  if (found !== undefined) throw inexpressible(`${reference} has the digest ${found.digest}`, 'they know sha256 alone')
}

/** Layers that are left to their URLs have no place in an archive, unless somebody has them after all. */
async function checkHeld(
  { document }: ManifestNode,
  baselineLayers: ReadonlyMap<Digest, Descriptor>,
  target: ImageSource,
  options: OperationOptions,
): Promise<void> {
  for (const layer of document.layers) {
    if (!isFetchedElsewhere(layer) || baselineLayers.has(layer.digest)) continue
    if ((await target.hasBlob?.(layer, options)) !== false) continue
    throw inexpressible(`layer ${layer.digest} of ${target.reference} is kept elsewhere`, 'they hold every layer')
  }
}

/** @param reason - what archives of diffah are like */
function inexpressible(subject: string, reason: string): TareError {
  return new TareError('UNSUPPORTED_BY_DESTINATION', `${subject}, which archives of diffah cannot express: ${reason}`, {
    hint: 'Make a delta of Tare, which can',
  })
}

/** The layers that an archive has to hold, each once, in the order of the images. */
export function shippedLayers(surveys: readonly PairSurvey[]): readonly ShippedLayer[] {
  const shipped = new Map<Digest, ShippedLayer>()
  for (const pair of surveys) {
    for (const descriptor of pair.target.document.layers) {
      const { digest } = descriptor
      if (pair.baselineLayers.has(digest) || shipped.has(digest)) continue
      shipped.set(digest, {
        descriptor,
        pair,
        open: (signal) => openVerifiedBlob(pair.survey.target, descriptor, 'target', { signal }),
        sources: commonSources(digest, surveys),
      })
    }
  }
  return [...shipped.values()]
}

/**
 * Whoever takes a blob takes it as the archive stores it, also an image whose baseline has it: so the source of its patch
 * has to be in the baselines of all of them.
 */
function commonSources(digest: Digest, surveys: readonly PairSurvey[]): readonly BaselineBlob[] {
  const takers = surveys.filter((pair) => pair.target.document.layers.some((layer) => layer.digest === digest))
  const [first, ...others] = takers
  if (first === undefined) return []
  return [...first.baselineLayers.values()]
    .filter((layer) => others.every((pair) => pair.baselineLayers.has(layer.digest)))
    .map((descriptor) => ({
      descriptor,
      open: (signal) => first.survey.baseline.openBlob(descriptor.digest, { signal }),
    }))
}
