import { hasErrorCode, isTareError, type TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, type DiffId, isConfigType, isIndexType, isManifestType } from '../oci/index.ts'
import {
  type LocalPlace,
  type LocalPlaceKind,
  type LocalRecords,
  type OpenContext,
  openLocalPlace,
} from '../transport/index.ts'
import { type ContentReadOptions, readConfigBlob, readManifestBlob } from './content/read-blob.ts'

/** A layer that is wanted: by its digest, or, where that is not to be had, as the plain tar it unpacks to. */
export interface WantedLayer {
  readonly digest: Digest
  /** What it unpacks to, where any layer that does will do. */
  readonly diffId?: DiffId | undefined
  /**
   * What it unpacks to, where only its own bytes will do. An engine that tells no more of its layers, but keeps them as
   * they came, is taken at that.
   */
  readonly unpacksTo?: DiffId | undefined
}

/** An image that holds layers that are wanted. */
export interface LocalBaseline {
  /** Opens it: `store:NAME@DIGEST`, `docker-daemon:NAME`, … */
  readonly reference: string
  /** Wanted layers that it holds and none before it does, by the digests that they are wanted by. */
  readonly layers: readonly Digest[]
}

/** A place that was looked in. */
export interface SearchedPlace {
  readonly kind: LocalPlaceKind
  /** What messages call it, where it could be opened. */
  readonly subject?: string | undefined
  /** Images that were found there. */
  readonly images: number
  /** Why it could not be looked in: `FILE_NOT_FOUND` and `ENGINE_UNREACHABLE` where there is none. */
  readonly error?: TareError | undefined
}

/** What {@link findBaselines} found. */
export interface FoundBaselines {
  /** Few images that hold together what can be had; the one that holds most comes first. */
  readonly baselines: readonly LocalBaseline[]
  /** What no image holds. */
  readonly missing: readonly WantedLayer[]
  /** Where it was looked for, in that order. */
  readonly searched: readonly SearchedPlace[]
}

/** Asks whether any image that was found so far has a blob. */
export type IsHeldHere = (digest: Digest) => boolean

/** Nearest first: blobs of the store and of containerd are read where they lie, docker has to save an image whole. */
const PLACES: readonly LocalPlaceKind[] = ['store', 'containerd', 'docker-daemon']

/**
 * Picks, among the images that are on this machine, those that hold given layers: of the local store, and where that
 * does not have all, of containerd and docker where these run. A blob of the same digest goes before one that only
 * unpacks to the same tar. Images that are damaged or incomplete lend what they hold of whole manifests.
 *
 * @param wanted - what is wanted, given what is here: a blob that is here need not be made
 * @param context - where the store and the engines are
 * @throws {TareError} `STORE_DAMAGED`, `UNSUPPORTED_FORMAT`, …; an engine that can't be asked is passed over, and told
 *   in the result
 */
export async function findBaselines(
  wanted: (isHeld: IsHeldHere) => readonly WantedLayer[],
  context: OpenContext,
): Promise<FoundBaselines> {
  const candidates: Candidate[] = []
  const searched: SearchedPlace[] = []
  const isHeld = (digest: Digest): boolean => candidates.some(({ digests }) => digests.has(digest))
  let found: Pick<FoundBaselines, 'baselines' | 'missing'> = { baselines: [], missing: wanted(isHeld) }
  for (const kind of PLACES) {
    if (found.missing.length === 0) break
    const { place, more } = await search(kind, context)
    searched.push(place)
    candidates.push(...more)
    found = choose(candidates, wanted(isHeld))
  }
  return { ...found, searched }
}

/**
 * All layers of images that a namespace of the store, or of containerd, holds, by the plain tars they unpack to.
 *
 * @throws {TareError} `STORE_DAMAGED`, …
 */
export async function localLayers(
  records: LocalRecords,
  options: ContentReadOptions = {},
): Promise<ReadonlyMap<DiffId, Descriptor>> {
  return new Map((await heldManifests(records, options)).flatMap(({ layers }) => [...layers]))
}

/** An image that is here, with what it can lend. */
interface Candidate {
  readonly reference: string
  /** Configs and layers. */
  readonly digests: ReadonlySet<Digest>
  readonly diffIds: ReadonlySet<DiffId>
  /** Layers are as they came, but only what they unpack to is known. */
  readonly keepsBlobs: boolean
}

async function search(
  kind: LocalPlaceKind,
  context: OpenContext,
): Promise<{ readonly place: SearchedPlace; readonly more: readonly Candidate[] }> {
  try {
    await using place = await openLocalPlace(kind, context)
    const more = await candidatesIn(place, context)
    return { place: { kind, subject: place.subject, images: more.length }, more }
  } catch (error) {
    context.signal?.throwIfAborted()
    const mayBePassedOver = kind === 'store' ? hasErrorCode(error, 'FILE_NOT_FOUND') : isTareError(error)
    if (!mayBePassedOver || !isTareError(error)) throw error
    return { place: { kind, images: 0, error }, more: [] }
  }
}

async function candidatesIn(place: LocalPlace, context: OpenContext): Promise<readonly Candidate[]> {
  if (place.kind === 'layers') {
    const { keepsBlobs } = place
    const images = await place.listImages(context)
    return images.map(({ reference, diffIds }) => {
      const plain = new Set(diffIds)
      return { reference, digests: keepsBlobs ? new Set<Digest>() : plain, diffIds: plain, keepsBlobs }
    })
  }
  return (await heldManifests(place.records, context)).map(({ name, digest, digests, layers }) => ({
    reference: place.referenceTo(name, digest),
    digests,
    diffIds: new Set(layers.keys()),
    keepsBlobs: false,
  }))
}

type Holds = (candidate: Candidate, wanted: WantedLayer) => boolean
const byDigest: Holds = ({ digests }, { digest }) => digests.has(digest)
const byDiffId: Holds = ({ diffIds }, { diffId }) => diffId !== undefined && diffIds.has(diffId)
const byGuess: Holds = ({ diffIds, keepsBlobs }, { unpacksTo }) =>
  keepsBlobs && unpacksTo !== undefined && diffIds.has(unpacksTo)

/** Takes the image that holds most of what is left, again and again. */
function choose(
  candidates: readonly Candidate[],
  needs: readonly WantedLayer[],
): Pick<FoundBaselines, 'baselines' | 'missing'> {
  const layersOf = new Map<string, Digest[]>()
  let missing = needs
  for (const holds of [byDigest, byDiffId, byGuess]) {
    for (;;) {
      const best = bestOf(candidates, missing, holds)
      if (best === undefined) break
      const wanted = new Set(best.layers)
      missing = missing.filter(({ digest }) => !wanted.has(digest))
      const { reference } = best.candidate
      layersOf.set(reference, [...(layersOf.get(reference) ?? []), ...wanted])
    }
  }
  return { baselines: [...layersOf].map(([reference, layers]) => ({ reference, layers })), missing }
}

function bestOf(
  candidates: readonly Candidate[],
  needs: readonly WantedLayer[],
  holds: Holds,
): { readonly candidate: Candidate; readonly layers: readonly Digest[] } | undefined {
  let best: { readonly candidate: Candidate; readonly layers: readonly Digest[] } | undefined
  for (const candidate of candidates) {
    const layers = needs.filter((wanted) => holds(candidate, wanted)).map(({ digest }) => digest)
    if (layers.length > (best?.layers.length ?? 0)) best = { candidate, layers }
  }
  return best
}

/** A manifest whose config and layers are known. */
interface HeldManifest {
  /** Of the record that led to it. */
  readonly name: string
  readonly digest: Digest
  /** Config and layers that are there. */
  readonly digests: ReadonlySet<Digest>
  /** Layers that are there, by the plain tars they unpack to. */
  readonly layers: ReadonlyMap<DiffId, Descriptor>
}

async function heldManifests(records: LocalRecords, options: ContentReadOptions): Promise<readonly HeldManifest[]> {
  const { content } = records
  const manifests: HeldManifest[] = []
  const seen = new Set<Digest>()
  const visit = async (name: string, descriptor: Descriptor): Promise<void> => {
    const { digest, mediaType } = descriptor
    if (seen.has(digest) || !(isIndexType(mediaType) || isManifestType(mediaType))) return
    seen.add(digest)
    options.signal?.throwIfAborted()
    const document = await readManifestBlob(content, descriptor, options)
    if (document.kind === 'index') {
      for (const member of document.manifests) await lenient(visit(name, member))
      return
    }
    const { config, layers } = document
    const isImage = isConfigType(config.mediaType)
    const diffIds = isImage ? (await readConfigBlob(content, config, options)).rootfs.diffIds : []
    const held = await Promise.all(layers.map((layer) => isPresent(records, layer, options)))
    const isMatched = diffIds.length === layers.length
    manifests.push({
      name,
      digest,
      digests: new Set([config.digest, ...layers.filter((_, at) => held[at]).map((layer) => layer.digest)]),
      layers: new Map(isMatched ? layers.flatMap((layer, at) => pairOf(diffIds[at], layer, held[at])) : []),
    })
  }
  for (const { name, target } of await records.images.list([], options)) await lenient(visit(name, target))
  return manifests
}

function pairOf(
  diffId: DiffId | undefined,
  layer: Descriptor,
  isHeld: boolean | undefined,
): readonly (readonly [DiffId, Descriptor])[] {
  return diffId === undefined || isHeld !== true ? [] : [[diffId, layer]]
}

const NOT_FIT = [
  'BLOB_NOT_FOUND',
  'INVALID_DOCUMENT',
  'SCHEMA1_UNSUPPORTED',
  'DIGEST_MISMATCH',
  'SIZE_MISMATCH',
  'LIMIT_EXCEEDED',
] as const

/** Lets go of what can't be read as an image: there may be others. */
async function lenient(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!hasErrorCode(error, ...NOT_FIT)) throw error
  })
}

async function isPresent(
  { content }: LocalRecords,
  { digest, size }: Descriptor,
  options: ContentReadOptions,
): Promise<boolean> {
  try {
    return (await content.info(digest, options)).sizeBytes === size
  } catch (error) {
    if (hasErrorCode(error, 'BLOB_NOT_FOUND')) return false
    throw error
  }
}
