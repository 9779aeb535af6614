import { DEFAULT_CONCURRENCY } from '../image/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  counted,
  digestOf,
  mapLimited,
  type OperationOptions,
  type ProgressEvent,
} from '../stream/index.ts'
import type { ImageDestination, ManifestContent } from '../transport/index.ts'
import {
  BUNDLE_ARTIFACT_TYPE,
  type BlobOrigin,
  DELTA_ARTIFACT_TYPE,
  DELTA_MEDIA_TYPE,
  type DeltaPlan,
  formatPlan,
  IMAGE_NAME_ANNOTATION,
  type PlannedBlob,
} from './plan.ts'

/** When a delta was made: RFC 3339. */
export const CREATED_ANNOTATION = 'org.opencontainers.image.created'

/** Everything that the delta of one image is put together from. */
export interface DeltaContents {
  readonly plan: DeltaPlan
  /** Gives a blob of the target that the delta holds; reading it to the end verifies it. */
  readonly openBlob: (blob: PlannedBlob, signal: AbortSignal | undefined) => ByteSource
  /** Gives a patch or a recipe. */
  readonly openMade: (digest: Digest) => ByteSource
}

/** Options of {@link writeDelta} and {@link writeBundle}. */
export interface WriteDeltaOptions extends OperationOptions {
  /** For the `created` annotation, seconds since 1970; left out, there is none. */
  readonly createdSeconds?: number | undefined
  /**
   * What the delta names as its subject. A registry lists it among the referrers of its target then; but programs that
   * take an artifact's subject along whatever happens, as `oras cp` does, cannot copy it where its target is not.
   * Default `target`.
   */
  readonly subject?: 'target' | 'none' | undefined
  /** Called with the delta's digest before it becomes visible; a failure keeps it from that. */
  readonly beforeCommit?: ((digest: Digest) => Promise<void>) | undefined
}

/**
 * Writes a delta as an OCI artifact: the plan is its config, documents, blobs and patches are its layers, the target
 * is its subject if that is wanted.
 *
 * @returns the digest of the delta manifest
 * @see docs/formats/delta.md
 */
export async function writeDelta(
  destination: ImageDestination,
  contents: DeltaContents,
  options: WriteDeltaOptions,
): Promise<Digest> {
  const part = describeDelta(contents, options)
  return writeAll(destination, [part], [part.manifest], options)
}

/**
 * Writes a bundle: an index of deltas, each under the name of its image. What several of them hold is stored once.
 *
 * @param members - in the order of the bundle, names unique
 * @returns the digest of the index
 * @see docs/formats/delta.md
 */
export async function writeBundle(
  destination: ImageDestination,
  members: readonly { readonly name: string; readonly contents: DeltaContents }[],
  options: WriteDeltaOptions,
): Promise<Digest> {
  const parts = members.map(({ contents }) => describeDelta(contents, options))
  const manifests = parts.map((part, position) => ({
    ...part.manifest.descriptor,
    annotations: { [IMAGE_NAME_ANNOTATION]: members[position]?.name ?? '' },
  }))
  const index = documentOf(
    MEDIA_TYPE.OCI_INDEX,
    { artifactType: BUNDLE_ARTIFACT_TYPE, manifests, annotations: createdAnnotation(options) },
    BUNDLE_ARTIFACT_TYPE,
  )
  const documents = new Map(parts.map(({ manifest }) => [manifest.descriptor.digest, manifest]))
  return writeAll(destination, parts, [...documents.values(), index], options)
}

/** A blob of the archive. */
interface DeltaPiece {
  readonly descriptor: Descriptor
  readonly open: (signal: AbortSignal | undefined) => ByteSource
}

interface DescribedDelta {
  readonly manifest: ManifestContent
  /** The plan, then everything else in the plan's order, each digest once. */
  readonly pieces: readonly DeltaPiece[]
}

function describeDelta(contents: DeltaContents, options: WriteDeltaOptions): DescribedDelta {
  const { plan } = contents
  const planBytes = formatPlan(plan)
  const config = { mediaType: DELTA_MEDIA_TYPE.PLAN, digest: digestOf(planBytes), size: planBytes.length }
  const held = heldPieces(contents)
  const manifest = documentOf(
    MEDIA_TYPE.OCI_MANIFEST,
    {
      artifactType: DELTA_ARTIFACT_TYPE,
      config,
      layers: held.map((piece) => piece.descriptor),
      subject: options.subject === 'none' ? undefined : plan.target,
      annotations: createdAnnotation(options),
    },
    DELTA_ARTIFACT_TYPE,
  )
  return { manifest, pieces: [{ descriptor: config, open: () => bytesSource(planBytes) }, ...held] }
}

/** @param root - the last of the documents */
async function writeAll(
  destination: ImageDestination,
  parts: readonly DescribedDelta[],
  documents: readonly ManifestContent[],
  options: WriteDeltaOptions,
): Promise<Digest> {
  const pieces = new Map<Digest, DeltaPiece>()
  for (const piece of parts.flatMap((part) => part.pieces)) {
    if (!pieces.has(piece.descriptor.digest)) pieces.set(piece.descriptor.digest, piece)
  }
  const blobs = [...pieces.values()]
  await destination.prepare?.({ blobs: blobs.map((piece) => piece.descriptor), manifests: documents }, options)
  const put = (piece: DeltaPiece, _index: number, signal: AbortSignal): Promise<void> =>
    putPiece(destination, piece, { ...options, signal })
  await mapLimited(blobs, DEFAULT_CONCURRENCY, put, options)
  for (const document of documents) await destination.putManifest(document, options)
  const root = documents.at(-1) as ManifestContent
  await options.beforeCommit?.(root.descriptor.digest)
  return (await destination.commit(root, options)).digest
}

async function putPiece(destination: ImageDestination, piece: DeltaPiece, options: OperationOptions): Promise<void> {
  const { digest, size } = piece.descriptor
  const progress = (state: ProgressEvent['state'], doneBytes: number): void =>
    options.onProgress?.({ kind: 'blob', id: digest, label: 'write', doneBytes, totalBytes: size, state })
  progress('started', 0)
  const open = async (): Promise<ByteSource> => {
    let doneBytes = 0
    return counted(piece.open(options.signal), (length) => progress('running', (doneBytes += length)))
  }
  await destination.putBlob(piece.descriptor, open, options)
  progress('done', size)
}

/** What the delta holds besides its plan, in the plan's order, each digest once. */
function heldPieces(contents: DeltaContents): readonly DeltaPiece[] {
  const pieces = new Map<Digest, DeltaPiece>()
  for (const blob of contents.plan.blobs) {
    const { from } = blob
    if (from.kind === 'archive') {
      const descriptor = heldDescriptor(blob)
      pieces.set(descriptor.digest, { descriptor, open: (signal) => contents.openBlob(blob, signal) })
      continue
    }
    for (const descriptor of madeBlobs(from)) {
      pieces.set(descriptor.digest, { descriptor, open: () => contents.openMade(descriptor.digest) })
    }
  }
  return [...pieces.values()]
}

/** How the delta manifest describes a blob of the target that the delta holds. */
export function heldDescriptor({ role, mediaType, digest, size }: PlannedBlob): Descriptor {
  const isDocument = role === 'manifest' || role === 'index'
  return { mediaType: isDocument ? DELTA_MEDIA_TYPE.DOCUMENT : mediaType, digest, size }
}

/** The patch and the recipe of a blob, as far as the delta holds them as blobs of their own. */
export function madeBlobs(from: BlobOrigin): readonly Descriptor[] {
  const made: Descriptor[] = []
  if (from.kind === 'patch') made.push({ mediaType: DELTA_MEDIA_TYPE.PATCH, ...from.patch })
  if ((from.kind === 'patch' || from.kind === 'baseline-tar') && from.recipe?.kind === 'blob') {
    made.push({ mediaType: DELTA_MEDIA_TYPE.RECIPE, digest: from.recipe.digest, size: from.recipe.size })
  }
  return made
}

function documentOf(mediaType: string, fields: object, artifactType: string): ManifestContent {
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length, artifactType }, bytes }
}

function createdAnnotation({ createdSeconds }: WriteDeltaOptions): Readonly<Record<string, string>> | undefined {
  if (createdSeconds === undefined) return undefined
  return { [CREATED_ANNOTATION]: new Date(createdSeconds * 1000).toISOString().replace('.000Z', 'Z') }
}
