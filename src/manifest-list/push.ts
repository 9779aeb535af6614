import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import {
  type CopiedBlob,
  DEFAULT_CONCURRENCY,
  type ImageNode,
  type ImageTree,
  repositoriesToMountFrom,
  writeTree,
} from '../image/index.ts'
import { type Descriptor, type Digest, formatPlatform } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import {
  type ImageDestination,
  type ImageSource,
  type ManifestContent,
  type OpenContext,
  openDestination,
  type TransportReference,
} from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { OpenLocation } from './additions.ts'
import type { CompositeSource, Selection } from './composite-source.ts'
import {
  type LayerCompression,
  parseLayerCompression,
  parseRecompression,
  type RecompressOptions,
} from './compression-variants.ts'
import { formatOf, type ListFormat } from './convert-member.ts'
import { LayerRecompressor } from './layer-recompressor.ts'
import type { ListLoss } from './list-json.ts'
import type { ManifestList } from './manifest-list.ts'
import { planPush, type PushPlan } from './push-plan.ts'
import { retryIfNecessary, type RetryPushOptions } from './retry.ts'
import { MemberRewriter } from './rewrite-member.ts'

/** Changes the source of a push, to watch or replace what is read through it. */
export type SourceFilter = (source: ImageSource) => ImageSource | Promise<ImageSource>

/** Signs what a push wrote. */
export interface PushSigner {
  /** @param destination - the reference that the push went to, as text */
  sign(manifest: ManifestContent, destination: string, options: OperationOptions): Promise<void>
}

/** A signature of a member, where it lies, as an artifact that refers to the member. */
export interface FoundSignature {
  readonly manifest: ManifestContent
  /** What the artifact names. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

/** Takes the signatures of members along. */
export interface SignatureCarrier {
  /** The signatures that there are of a manifest at its place. */
  find(manifest: ManifestContent, source: ImageSource, options: OperationOptions): Promise<readonly FoundSignature[]>
  /**
   * Puts a signature beside its manifest.
   *
   * @param destination - the reference that the push went to, as text
   */
  put(signature: FoundSignature, destination: string, options: OperationOptions): Promise<void>
}

/** Options of {@link pushList}. */
export interface PushListOptions extends OperationOptions, RetryPushOptions {
  /** @default { kind: 'all' } */
  readonly selection?: Selection | undefined
  /**
   * What becomes of the list when not all of its members are pushed: kept as it is, which a registry takes only if it
   * has the others already, or written anew without them. @default 'keep'
   */
  readonly partial?: 'keep' | 'rewrite' | undefined
  /** Writes the list and all of its members in one format. @default each keeps its own */
  readonly format?: ListFormat | undefined
  /** For each platform that lacks an image in one of these, a copy in it is added. */
  readonly addCompression?: readonly string[] | undefined
  /** Layers that are compressed otherwise are made anew, unless the destination has them. */
  readonly compression?: { readonly format: string; readonly level?: number | undefined } | undefined
  /** Makes them anew even where the destination has them as they are; needs `compression`. @default false */
  readonly forceCompression?: boolean | undefined
  /** Runs the encoder of gzip. @default one in this thread */
  readonly kernels?: KernelRunner | undefined
  /** @default signatures of members are not looked for */
  readonly signatures?: SignatureCarrier | undefined
  /** Leaves signatures of members behind, so that members may be changed. @default false */
  readonly removeSignatures?: boolean | undefined
  /** Signs every manifest that was pushed, the list last. */
  readonly signer?: PushSigner | undefined
  readonly sourceFilter?: SourceFilter | undefined
  /** How the places of members are reached. */
  readonly sources?: OpenContext | undefined
  /** How the destination is reached. */
  readonly destination?: OpenContext | undefined
  /** Opens the place of a member. @default `openSource` */
  readonly open?: OpenLocation | undefined
  /** Blobs, and members, moved at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** What became of a member. */
export interface PushedMember {
  /** In the list that was pushed from. */
  readonly digest: Digest
  /** At the destination. */
  readonly pushedDigest: Digest
  readonly platform?: string | undefined
  /** `variant`: a copy in another compression, beside the member it was made of. */
  readonly outcome: 'kept' | 'changed' | 'variant'
}

/** What {@link pushList} did. */
export interface PushListReport {
  readonly destination: string
  /** What the destination's reference points at now: the list, or the one member that was selected. */
  readonly digest: Digest
  readonly mediaType: string
  /** `dropped`: one member stands for itself. */
  readonly index: 'kept' | 'rewritten' | 'dropped'
  /** Members that were pushed, copies included. */
  readonly members: readonly PushedMember[]
  /** Members of the list at the destination. */
  readonly listedCount: number
  /** What the list holds and the pushed one does not. */
  readonly losses: readonly ListLoss[]
  readonly blobs: readonly CopiedBlob[]
  /** Bytes of blobs that were written. */
  readonly writtenBytes: number
  /** Bytes of blobs the destination had, or mounted from elsewhere. */
  readonly savedBytes: number
}

/** Options with their texts understood, and contradictions refused. */
export interface CheckedPushOptions extends PushListOptions {
  readonly selection: Selection
  /** Docker's features of members, which the list's own format may have no place for. */
  readonly features: ReadonlyMap<Digest, readonly string[]>
  readonly variants: readonly LayerCompression[]
  readonly recompress: RecompressOptions | undefined
}

/**
 * Pushes a list with its members. Manifests are read from the members' places before anything is written; each blob is
 * sent once however many members share it; the reference moves last. The list itself stays as it is.
 *
 * @param destination - with its transport
 * @throws {TareError} `LIST_NOT_SAVED`; `SPARSE_INDEX` where the registry lacks members that were not pushed;
 * `CANNOT_CONVERT`; `PLATFORM_REQUIRED` for a destination that takes no lists; `SIGNATURE_FORBIDS_CHANGE`;
 * `INVALID_ARGUMENT` for options that contradict each other
 * @throws {CopyError} with the code of its cause and the side that failed
 */
export async function pushList(
  list: ManifestList,
  destination: TransportReference | string,
  options: PushListOptions = {},
): Promise<PushListReport> {
  const checked = { ...checkOptions(options), features: featuresOf(list) }
  const { selection, open, signal, logger, onProgress } = checked
  return retryIfNecessary(async () => {
    await using composite = list.reference({ ...options.sources, selection, open, signal, logger, onProgress })
    const source = (await options.sourceFilter?.(composite)) ?? composite
    await using target = await openDestination(destination, { ...options.destination, signal, logger })
    return await pushOnce(source, composite, target, checked)
  }, options)
}

function featuresOf(list: ManifestList): CheckedPushOptions['features'] {
  return new Map(
    list
      .members()
      .flatMap(({ digest, platform }) => (platform?.features === undefined ? [] : [[digest, platform.features]])),
  )
}

function checkOptions(options: PushListOptions): Omit<CheckedPushOptions, 'features'> {
  const { selection = { kind: 'all' }, compression, format, addCompression = [], forceCompression } = options
  const refuse = (problem: string, hint: string): never => {
    throw new TareError('INVALID_ARGUMENT', problem, { hint })
  }
  const variants = [...new Set(addCompression.map(parseLayerCompression))]
  if (variants.length > 0 && selection.kind !== 'all') {
    refuse('variants of other compression can be added to a whole list only', 'Push all members')
  }
  if (forceCompression === true && compression === undefined) {
    refuse('a compression cannot be forced without saying which', 'Name gzip or zstd as the compression format')
  }
  const recompress = compression === undefined ? undefined : parseRecompression(compression.format, compression.level)
  if (format === 'docker' && (recompress?.format === 'zstd' || variants.includes('zstd'))) {
    refuse('Docker’s format has no zstd layers', 'Push in the OCI format')
  }
  return { ...options, selection, variants, recompress }
}

async function pushOnce(
  source: ImageSource,
  composite: CompositeSource,
  target: ImageDestination,
  options: CheckedPushOptions,
): Promise<PushListReport> {
  const { sources, kernels, recompress, forceCompression, signal } = options
  await using recompressor = new LayerRecompressor({ source, kernels, workdir: sources?.workdir })
  const keepsLayer =
    recompress === undefined || forceCompression === true
      ? undefined
      : (layer: Parameters<typeof target.hasBlob>[0]) => target.hasBlob(layer, { signal })
  const rewriter = new MemberRewriter({ source, recompressor, keepsLayer })
  const plan = await planPush(source, target, rewriter, options)
  const signatures = await findSignatures(plan, composite, options)
  const written = await writePlan(plan, source, composite, target, rewriter, options)
  const manifest = [plan.tree.root, ...plan.alternatives].find(
    (root) => root.descriptor.mediaType === written.mediaType,
  )
  for (const signature of signatures) await options.signatures?.put(signature, target.reference, options)
  await sign(plan.tree, manifest ?? plan.tree.root, target, options)
  const { digest, mediaType, blobs, writtenBytes, savedBytes } = written
  const losses = plan.lossesIn(mediaType)
  warnOfLosses(losses, mediaType, options)
  return {
    destination: target.reference,
    digest,
    mediaType,
    index: mediaType === plan.tree.root.descriptor.mediaType ? plan.index : 'rewritten',
    members: plan.members.map(({ digest: from, node, outcome }) => ({
      digest: from,
      pushedDigest: node.descriptor.digest,
      platform: platformOf(node),
      outcome,
    })),
    listedCount: plan.listedCount,
    losses,
    blobs,
    writtenBytes,
    savedBytes,
  }
}

async function writePlan(
  plan: PushPlan,
  source: ImageSource,
  composite: CompositeSource,
  target: ImageDestination,
  rewriter: MemberRewriter,
  { concurrency, signal, logger, onProgress }: CheckedPushOptions,
): ReturnType<typeof writeTree> {
  try {
    return await writeTree(plan.tree, target, {
      concurrency,
      signal,
      logger,
      onProgress,
      alternatives: plan.alternatives,
      openBlob: async (blob, blobSignal) =>
        rewriter.open(blob.descriptor.digest) ?? source.openBlob(blob.descriptor, { signal: blobSignal }),
      mountFrom: (blob) => repositoriesToMountFrom(composite.repositoriesOf(blob.descriptor.digest), target),
    })
  } catch (error) {
    throw plan.absent.length > 0 && isMissingMember(error) ? sparseIndex(plan, target, error) : error
  }
}

/** What registries call a manifest, or a blob, that an index names and they do not have. */
const MISSING_CODES: ReadonlySet<string> = new Set(['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN'])

function isMissingMember(error: unknown): boolean {
  if (!hasErrorCode(error, 'REGISTRY_REFUSED')) return false
  for (let link: unknown = error; isTareError(link); link = link.cause) {
    if (!('diagnostics' in link) || !Array.isArray(link.diagnostics)) continue
    return link.diagnostics.some((entry: { readonly code?: unknown }) => MISSING_CODES.has(String(entry.code)))
  }
  return false
}

function sparseIndex({ absent }: PushPlan, { reference }: ImageDestination, cause: unknown): TareError {
  const shown = absent.slice(0, 8).join(', ')
  const more = absent.length > 8 ? `, and ${absent.length - 8} more` : ''
  const problem = `${reference} refuses the list, which has members that it lacks and that were not pushed: ${shown}${more}`
  return new TareError('SPARSE_INDEX', problem, {
    cause,
    hint: 'Push all members, or have the list written anew without the others (--partial rewrite)',
  })
}

/** Signatures of the members that are pushed as they are. */
async function findSignatures(
  plan: PushPlan,
  composite: CompositeSource,
  options: CheckedPushOptions,
): Promise<readonly FoundSignature[]> {
  const { signatures, removeSignatures, concurrency = DEFAULT_CONCURRENCY, ...operation } = options
  if (signatures === undefined || removeSignatures === true) return []
  const originals = plan.members.filter(({ outcome }) => outcome !== 'variant')
  const found = await mapLimited(
    originals,
    concurrency,
    async ({ original, outcome }, _index, signal) => {
      const { digest } = original.descriptor
      const place = await composite.sourceOf(digest, { ...operation, signal })
      const ofMember = await signatures.find(original, place, { ...operation, signal })
      if (outcome === 'kept' || ofMember.length === 0) return ofMember
      throw new TareError('SIGNATURE_FORBIDS_CHANGE', `member ${digest} is signed, and would be changed`, {
        hint: 'Push it in its own format and compression, or leave its signatures behind (--remove-signatures)',
      })
    },
    operation,
  )
  return found.flat()
}

async function sign(
  { documents, root }: ImageTree,
  manifest: ManifestContent,
  { reference }: ImageDestination,
  { signer, ...options }: CheckedPushOptions,
): Promise<void> {
  if (signer === undefined) return
  for (const document of documents) if (document !== root) await signer.sign(document, reference, options)
  await signer.sign(manifest, reference, options)
}

function warnOfLosses(losses: readonly ListLoss[], mediaType: string, { logger }: OperationOptions): void {
  const lost = [...new Set(losses.map(({ what }) => what))]
  if (lost.length > 0)
    logger?.warn(
      `${formatOf(mediaType) === 'docker' ? 'a Docker list' : 'an OCI index'} has no ${lost.join(', no ')}: left out`,
    )
}

function platformOf(node: ImageNode): string | undefined {
  const platform = node.kind === 'manifest' ? node.platform : node.descriptor.platform
  return platform === undefined ? undefined : formatPlatform(platform)
}
