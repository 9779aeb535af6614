import { InvalidDocumentError, TareError } from '../errors/index.ts'
import { DEFAULT_CONCURRENCY } from '../image/index.ts'
import { MAX_RECIPE_BYTES, parseRecipe, type Recipe } from '../recompress/index.ts'
import {
  type Descriptor,
  type Digest,
  isManifestType,
  MEDIA_TYPE,
  type Manifest,
  parseManifestDocument,
} from '../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  counted,
  digestOf,
  mapLimited,
  type OperationOptions,
  type ProgressEvent,
  readAllBytes,
} from '../stream/index.ts'
import { type ImageDestination, type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import {
  type BlobOrigin,
  DELTA_ARTIFACT_TYPE,
  DELTA_MEDIA_TYPE,
  type DeltaPlan,
  formatPlan,
  MAX_PLAN_BYTES,
  type PlannedBlob,
  parsePlan,
} from './plan.ts'

/** Everything {@link writeDelta} puts together. */
export interface DeltaContents {
  readonly plan: DeltaPlan
  /** For the `created` annotation, seconds since 1970. */
  readonly createdSeconds?: number | undefined
  /** Gives a blob of the target that the delta holds; reading it to the end verifies it. */
  readonly openBlob: (blob: PlannedBlob, signal: AbortSignal | undefined) => ByteSource
  /** Gives a patch or a recipe. */
  readonly openMade: (digest: Digest) => ByteSource
}

/**
 * Writes a delta as an OCI artifact: the plan is its config, documents, blobs and patches are its layers, the target
 * is its subject.
 *
 * @returns the digest of the delta manifest
 * @see docs/formats/delta.md
 */
export async function writeDelta(
  destination: ImageDestination,
  contents: DeltaContents,
  options: OperationOptions,
): Promise<Digest> {
  const { plan } = contents
  const planBytes = formatPlan(plan)
  const planDescriptor = { mediaType: DELTA_MEDIA_TYPE.PLAN, digest: digestOf(planBytes), size: planBytes.length }
  const pieces = deltaPieces(contents)
  const layers = pieces.map((piece) => piece.descriptor)
  const bytes = new TextEncoder().encode(JSON.stringify(manifestDocument(contents, planDescriptor, layers)))
  const descriptor = {
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType: DELTA_ARTIFACT_TYPE,
  }
  const manifest = { descriptor, bytes }
  await destination.prepare?.({ blobs: [planDescriptor, ...layers], manifests: [manifest] }, options)
  await destination.putBlob(planDescriptor, async () => bytesSource(planBytes), options)
  const put = (piece: DeltaPiece, _index: number, signal: AbortSignal): Promise<void> =>
    putPiece(destination, piece, { ...options, signal })
  await mapLimited(pieces, DEFAULT_CONCURRENCY, put, options)
  await destination.putManifest(manifest, options)
  return (await destination.commit(manifest, options)).digest
}

interface DeltaPiece {
  readonly descriptor: Descriptor
  readonly open: (signal: AbortSignal | undefined) => ByteSource
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
function deltaPieces(contents: DeltaContents): readonly DeltaPiece[] {
  const pieces = new Map<Digest, DeltaPiece>()
  for (const blob of contents.plan.blobs) {
    const { from, role, digest, size } = blob
    if (from.kind === 'archive') {
      const isDocument = role === 'manifest' || role === 'index'
      const mediaType = isDocument ? DELTA_MEDIA_TYPE.DOCUMENT : blob.mediaType
      pieces.set(digest, { descriptor: { mediaType, digest, size }, open: (signal) => contents.openBlob(blob, signal) })
      continue
    }
    for (const descriptor of madeBlobs(from)) {
      pieces.set(descriptor.digest, { descriptor, open: () => contents.openMade(descriptor.digest) })
    }
  }
  return [...pieces.values()]
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

function manifestDocument(contents: DeltaContents, config: Descriptor, layers: readonly Descriptor[]): unknown {
  const { createdSeconds, plan } = contents
  const created =
    createdSeconds === undefined ? undefined : new Date(createdSeconds * 1000).toISOString().replace('.000Z', 'Z')
  const annotations = created === undefined ? undefined : { 'org.opencontainers.image.created': created }
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    artifactType: DELTA_ARTIFACT_TYPE,
    config,
    layers,
    subject: plan.target,
    annotations,
  }
}

/** An opened delta. */
export interface Delta {
  readonly source: ImageSource
  readonly descriptor: Descriptor
  readonly manifest: Manifest
  readonly plan: DeltaPlan
  /** Recipes of the target's blobs, by the blob's digest. */
  readonly recipes: ReadonlyMap<Digest, Recipe>
}

/**
 * Opens a delta wherever it lies and reads its plan.
 *
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_FORMAT`; {@link InvalidDocumentError}
 */
export async function readDelta(source: ImageSource, options: OperationOptions): Promise<Delta> {
  const { descriptor, bytes } = await source.resolve(options)
  const subject = `delta manifest ${descriptor.digest}`
  const manifest = parseManifestDocument(bytes, { subject, mediaType: descriptor.mediaType })
  if (manifest.kind !== 'manifest' || !isManifestType(descriptor.mediaType) || !isDelta(manifest)) {
    throw new TareError('NOT_A_DELTA', `${source.reference} is not a delta`, {
      hint: 'It holds an image or another artifact; deltas are made by tare diff',
    })
  }
  const planBytes = await readAllBytes(
    openVerifiedBlob(source, manifest.config, 'delta', options),
    MAX_PLAN_BYTES,
    'delta plan',
  )
  const plan = parsePlan(planBytes, 'delta plan')
  checkHolds(manifest, plan)
  return { source, descriptor, manifest, plan, recipes: await readRecipes(source, plan, options) }
}

/** All recipes are read and checked before any work: one of an unknown kind must not show up in the middle. */
async function readRecipes(
  source: ImageSource,
  plan: DeltaPlan,
  options: OperationOptions,
): Promise<ReadonlyMap<Digest, Recipe>> {
  const recipes = new Map<Digest, Recipe>()
  for (const { digest, from } of plan.blobs) {
    const place = from.kind === 'patch' || from.kind === 'baseline-tar' ? from.recipe : undefined
    if (place === undefined) continue
    const bytes = place.kind === 'inline' ? place.recipe : await readRecipeBlob(source, place, options)
    recipes.set(digest, parseRecipe(bytes))
  }
  return recipes
}

function readRecipeBlob(
  source: ImageSource,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  options: OperationOptions,
): Promise<Uint8Array> {
  const descriptor = { mediaType: DELTA_MEDIA_TYPE.RECIPE, digest, size }
  return readAllBytes(openVerifiedBlob(source, descriptor, 'delta', options), MAX_RECIPE_BYTES, `recipe ${digest}`)
}

/** Whether a manifest is that of a delta. */
export function isDelta(manifest: Manifest): boolean {
  // Old tools drop `artifactType`; the config's type says the same.
  return manifest.artifactType === DELTA_ARTIFACT_TYPE || manifest.config.mediaType === DELTA_MEDIA_TYPE.PLAN
}

/** The manifest lists everything the plan takes from the delta. */
function checkHolds(manifest: Manifest, plan: DeltaPlan): void {
  const held = new Set(manifest.layers.map((layer) => layer.digest))
  const problems = plan.blobs.flatMap(({ digest, from }, index) => {
    const wanted = from.kind === 'archive' ? [digest] : madeBlobs(from).map((made) => made.digest)
    return wanted
      .filter((blob) => !held.has(blob))
      .map((blob) => ({ path: `$.blobs[${index}].from`, message: `${blob} is not a layer of the delta manifest` }))
  })
  if (problems.length > 0) throw new InvalidDocumentError('delta plan', problems)
}
