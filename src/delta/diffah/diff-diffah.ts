import { TareError } from '../../errors/index.ts'
import { bareDescriptor, type Digest, type Platform } from '../../oci/index.ts'
import { bytesSource, mapLimited, SpoolDirectory } from '../../stream/index.ts'
import { type ArchiveOutputOptions, openVerifiedBlob } from '../../transport/index.ts'
import { baselineName } from '../baseline-set.ts'
import type { BundleReport, DiffReport, ImagePair } from '../diff.ts'
import type { BlobOrigin, DeltaPlan, PlannedBlob } from '../plan.ts'
import { countSavings, savingsOf } from '../savings.ts'
import { checkFreeSpace } from '../spool-space.ts'
import { BlobPatcher, type BlobPatcherOptions, type StoredLayer } from './blob-patcher.ts'
import { type Comparison, type ComparisonTools, compareWithTare } from './compare.ts'
import { rankSources } from './fingerprint.ts'
import type { Sidecar, SidecarBlob } from './sidecar.ts'
import {
  type PairSurvey,
  type ShippedLayer,
  shippedLayers,
  type SurveyPairsOptions,
  surveyPairs,
} from './survey-pairs.ts'
import { type StoredBlobOpener, writeDiffahArchive } from './write-diffah.ts'

/** Options of {@link diffDiffah}. */
export interface DiffahOptions extends SurveyPairsOptions, BlobPatcherOptions, ArchiveOutputOptions {
  /** What made the archive, and its version: `tare 0.1.0`. */
  readonly tool: string
  /** Time recorded in the archive, seconds since 1970; left out, it is Go's zero, which says that there is none. */
  readonly createdSeconds?: number | undefined
  /** Where layers are spooled. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Layers patched at a time; it makes no difference to the bytes. @default 2 */
  readonly concurrency?: number | undefined
  /** With these the archive is compared with what Tare's own format would take, which takes about as long again. */
  readonly comparison?: ComparisonTools | undefined
}

/** What {@link diffDiffah} made, or with {@link planDiffah} would make. Its digest is that of `diffah.json`. */
export interface DiffahReport extends BundleReport {
  /** Absent in a dry run, and where no comparison was asked for. */
  readonly comparison?: Comparison | undefined
}

const DEFAULT_LAYERS_AT_ONCE = 2
/** The zero of Go's `time.Time`. */
const NO_TIME = '0001-01-01T00:00:00Z'

/**
 * Writes an archive as diffah reads it (schema v1): layers that the baseline lacks, whole or as a patch between whole
 * blobs. Each patch is proven by applying it. Equal images and options give equal bytes.
 *
 * @param pairs - with one baseline each; names as diffah's, unique
 * @throws {TareError} `PLATFORM_REQUIRED`, `UNSUPPORTED_BY_DESTINATION` for what the format can't say,
 *   `INVALID_ARGUMENT`, `DUPLICATE_IMAGE_NAME`, `MEMORY_LIMIT`, `DISK_FULL`; {@link CopyError}
 */
export async function diffDiffah(
  pairs: readonly ImagePair[],
  path: string,
  options: DiffahOptions,
): Promise<DiffahReport> {
  checkOptions(options)
  const surveys = await surveyPairs(pairs, options)
  const layers = shippedLayers(surveys)
  await checkFreeSpace(options.workdir, spoolBytesOf(layers, options), options.logger)
  await using spool = await SpoolDirectory.create(options.workdir)
  const patcher = new BlobPatcher(spool, options)
  const outcomes = await mapLimited(
    layers,
    options.concurrency ?? DEFAULT_LAYERS_AT_ONCE,
    (layer) => patcher.store(layer),
    options,
  )
  const stored = new Map<Digest, StoredLayer>()
  for (const [position, { descriptor }] of layers.entries()) {
    const outcome = outcomes[position]
    if (outcome !== undefined) stored.set(descriptor.digest, outcome)
  }
  const { blobs, openers } = archiveBlobs(surveys, layers, stored)
  const sidecar = sidecarOf(surveys, blobs, options)
  const digest = await writeDiffahArchive(path, sidecar, openers, options)
  const report = reportOf(surveys, layers, (layer) => originOf(stored.get(layer)), options)
  if (options.comparison === undefined) return { digest, ...report }
  const storedBytes = (layer: Digest): number => blobs.get(layer)?.archiveSize ?? 0
  return { digest, ...report, comparison: await compareWithTare(layers, storedBytes, options.comparison, options) }
}

/**
 * Says what {@link diffDiffah} would do, from manifests and configs alone: no layer is read, so a patch is announced with
 * the size of its layer as the upper bound.
 */
export async function planDiffah(pairs: readonly ImagePair[], options: DiffahOptions): Promise<DiffahReport> {
  checkOptions(options)
  const surveys = await surveyPairs(pairs, options)
  const layers = shippedLayers(surveys)
  const expected = new Map(layers.map((layer) => [layer.descriptor.digest, expectedOrigin(layer, options)]))
  return reportOf(surveys, layers, (layer) => expected.get(layer), options)
}

function checkOptions({ level, windowLog, candidates, platforms }: DiffahOptions): void {
  const check = (name: string, value: number | undefined, low: number, high: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return
    throw new TareError('INVALID_ARGUMENT', `${name} must be a whole number from ${low} to ${high}, got ${value}`)
  }
  check('level', level, 1, 22)
  check('window log', windowLog === 'auto' ? undefined : windowLog, 10, 31)
  check('candidates', candidates, 1, 1000)
  check('platforms', platforms?.length, 0, 1)
}

function expectedOrigin({ descriptor, sources }: ShippedLayer, { intraLayer }: DiffahOptions): BlobOrigin {
  const [nearest] = rankSources(
    descriptor,
    sources.map((source) => source.descriptor),
  )
  if (intraLayer === 'off' || nearest === undefined) return { kind: 'archive' }
  return { kind: 'blob-patch', patch: { size: descriptor.size }, source: nearest.digest }
}

function originOf(stored: StoredLayer | undefined): BlobOrigin | undefined {
  if (stored === undefined) return undefined
  if (stored.kind === 'full') return { kind: 'archive' }
  return { kind: 'blob-patch', patch: { size: stored.file.sizeBytes }, source: stored.source }
}

/** Everything the archive holds, as the sidecar tells it and as bytes. */
function archiveBlobs(
  surveys: readonly PairSurvey[],
  layers: readonly ShippedLayer[],
  stored: ReadonlyMap<Digest, StoredLayer>,
): { readonly blobs: ReadonlyMap<Digest, SidecarBlob>; readonly openers: ReadonlyMap<Digest, StoredBlobOpener> } {
  const blobs = new Map<Digest, SidecarBlob>()
  const openers = new Map<Digest, StoredBlobOpener>()
  for (const { target, survey } of surveys) {
    const { config } = target.document
    const { digest } = target.descriptor
    blobs.set(digest, fullBlob(target.descriptor.mediaType, target.bytes.length))
    openers.set(digest, () => bytesSource(target.bytes))
    blobs.set(config.digest, fullBlob(config.mediaType, config.size))
    openers.set(config.digest, (signal) => openVerifiedBlob(survey.target, config, 'target', { signal }))
  }
  for (const { descriptor } of layers) {
    const { digest, mediaType, size } = descriptor
    const layer = stored.get(digest)
    if (layer?.kind === 'full') {
      blobs.set(digest, fullBlob(mediaType, size))
      openers.set(digest, layer.open)
    } else if (layer !== undefined) {
      const { source: patchFrom, file } = layer
      blobs.set(digest, { size, mediaType, archiveSize: file.sizeBytes, encoding: 'patch', patchFrom })
      openers.set(digest, () => file.read())
    }
  }
  return { blobs, openers }
}

function fullBlob(mediaType: string, size: number): SidecarBlob {
  return { size, mediaType, archiveSize: size, encoding: 'full' }
}

function sidecarOf(
  surveys: readonly PairSurvey[],
  blobs: ReadonlyMap<Digest, SidecarBlob>,
  { tool, createdSeconds, platforms }: DiffahOptions,
): Sidecar {
  const [toolName = '', ...version] = tool.split(' ')
  return {
    tool: toolName,
    toolVersion: version.join(' '),
    createdAt:
      createdSeconds === undefined ? NO_TIME : new Date(createdSeconds * 1000).toISOString().replace('.000Z', 'Z'),
    platform: platformText(platforms?.[0] ?? surveys[0]?.target.platform),
    blobs,
    images: surveys.map(({ name, target, baseline, baselineReference }) => ({
      name,
      baseline: {
        manifestDigest: baseline.descriptor.digest,
        mediaType: baseline.descriptor.mediaType,
        sourceHint: baselineName(baselineReference),
      },
      target: {
        manifestDigest: target.descriptor.digest,
        manifestSize: target.bytes.length,
        mediaType: target.descriptor.mediaType,
      },
    })),
  }
}

/** As diffah writes it: no versions or features of a system. An image need not name any, but the field may not be empty. */
function platformText(platform: Platform | undefined): string {
  const parts = [platform?.os, platform?.architecture, platform?.variant].filter((part) => part !== undefined)
  return parts.join('/').replace(/^\/|\/$/g, '') || 'unknown'
}

/** Layers to patch with their patches, and all they may be patched from. About. */
function spoolBytesOf(layers: readonly ShippedLayer[], { intraLayer }: DiffahOptions): number {
  if (intraLayer === 'off') return 0
  const sources = new Map<Digest, number>()
  let bytes = 0
  for (const { descriptor, sources: usable } of layers) {
    if (usable.length > 0) bytes += descriptor.size
    for (const source of usable) sources.set(source.descriptor.digest, source.descriptor.size)
  }
  return [...sources.values()].reduce((sum, size) => sum + size, bytes)
}

function reportOf(
  surveys: readonly PairSurvey[],
  layers: readonly ShippedLayer[],
  origin: (layer: Digest) => BlobOrigin | undefined,
  options: DiffahOptions,
): Omit<DiffahReport, 'digest' | 'comparison'> {
  const plans = surveys.map((survey) => planOf(survey, origin, options.tool))
  const images = surveys.flatMap((pair, position): readonly (DiffReport & { readonly name: string })[] => {
    const plan = plans[position]
    if (plan === undefined) return []
    const own = layers.filter((layer) => layer.pair === pair)
    const { digest, mediaType } = pair.target.descriptor
    return [
      {
        name: pair.name,
        target: { reference: pair.survey.target.reference, digest, mediaType },
        baselines: [{ reference: pair.baselineReference, digest: pair.baseline.descriptor.digest }],
        index: pair.survey.index,
        blobs: savingsOf(plan),
        ...countSavings([plan]),
        spoolBytes: spoolBytesOf(own, options),
        reads: {
          targetBytes: own.reduce((sum, layer) => sum + layer.descriptor.size, 0),
          baselineBytes: sourceBytes(own, options),
        },
      },
    ]
  })
  return { images, ...countSavings(plans), spoolBytes: spoolBytesOf(layers, options) }
}

/** Any source may have to be read to find the best. */
function sourceBytes(layers: readonly ShippedLayer[], { intraLayer }: DiffahOptions): number {
  if (intraLayer === 'off') return 0
  const sources = new Map(
    layers.flatMap((layer) => layer.sources).map(({ descriptor }) => [descriptor.digest, descriptor]),
  )
  return [...sources.values()].reduce((sum, { size }) => sum + size, 0)
}

/** The archive's share in one image, as whoever opens it will see it. */
function planOf(pair: PairSurvey, origin: (layer: Digest) => BlobOrigin | undefined, tool: string): DeltaPlan {
  const { target, baseline, baselineReference, survey } = pair
  const blobs = survey.tree.blobs.map((blob): PlannedBlob => {
    const known: BlobOrigin = blob.role === 'config' ? { kind: 'archive' } : { kind: 'baseline' }
    const from = origin(blob.descriptor.digest) ?? known
    return { role: blob.role, ...bareDescriptor(blob.descriptor), diffId: blob.diffId, from }
  })
  return {
    schemaVersion: 1,
    tool,
    target: bareDescriptor(target.descriptor),
    baselines: [{ name: baselineName(baselineReference), descriptor: bareDescriptor(baseline.descriptor) }],
    needs: [],
    blobs: [{ role: 'manifest', ...bareDescriptor(target.descriptor), from: { kind: 'archive' } }, ...blobs],
  }
}
