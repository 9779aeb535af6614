import { hasErrorCode } from '../errors/index.ts'
import {
  type ContentManager,
  type ContentProvider,
  type Descriptor,
  type Digest,
  type DiffId,
  formatReference,
  isConfigType,
  isIndexType,
  isManifestType,
  parseReference,
} from '../oci/index.ts'
import type { ImageRecord } from '../store/index.ts'
import { type ContentReadOptions, readConfigBlob, readManifestBlob } from './content/read-blob.ts'

/** A layer that is wanted: by its digest, or, where that is not to be had, as the plain tar it unpacks to. */
export interface WantedLayer {
  readonly digest: Digest
  readonly diffId?: DiffId | undefined
}

/** An image that holds layers that are wanted. */
export interface LocalBaseline {
  /** Name of the record. */
  readonly name: string
  /** One manifest of that image. */
  readonly manifest: Descriptor
  /** Opens just that manifest: `store:NAME@DIGEST`. */
  readonly reference: string
  /** Wanted layers that it holds and none before it does, by the digests that they are wanted by. */
  readonly layers: readonly Digest[]
}

/** What {@link localBaselines} found. */
export interface LocalBaselines {
  /** Few images that hold together what can be had; the one that holds most comes first. */
  readonly baselines: readonly LocalBaseline[]
  /** What no image holds. */
  readonly missing: readonly WantedLayer[]
}

/** Where {@link localBaselines} looks: a namespace of the store. */
export interface BaselinePlace {
  readonly content: ContentProvider & Pick<ContentManager, 'info'>
  readonly images: { list(filters: readonly string[], options: ContentReadOptions): Promise<readonly ImageRecord[]> }
}

/**
 * Picks, among the images of a store, those that hold given layers: the ones a delta needs, by `DeltaPlan.needs`. A blob
 * of the same digest goes before one that only unpacks to the same tar. Images that are damaged or incomplete lend what
 * they hold of whole manifests.
 *
 * @throws {TareError} `STORE_DAMAGED`, …
 */
export async function localBaselines(
  place: BaselinePlace,
  needs: readonly WantedLayer[],
  options: ContentReadOptions = {},
): Promise<LocalBaselines> {
  const candidates = needs.length === 0 ? [] : await findCandidates(place, options)
  const baselines: LocalBaseline[] = []
  let missing = needs
  for (const isHeld of [byDigest, byDiffId]) {
    for (;;) {
      const best = bestOf(candidates, missing, isHeld)
      if (best === undefined) break
      const { candidate, layers } = best
      const wanted = new Set(layers)
      missing = missing.filter(({ digest }) => !wanted.has(digest))
      const { name, manifest } = candidate
      baselines.push({ name, manifest, reference: referenceOf(name, manifest.digest), layers })
    }
  }
  return { baselines, missing }
}

/** A manifest whose config and layers are known. */
interface Candidate {
  readonly name: string
  readonly manifest: Descriptor
  readonly digests: ReadonlySet<Digest>
  /** Layers, by the plain tars they unpack to. */
  readonly diffIds: ReadonlyMap<DiffId, Descriptor>
}

type IsHeld = (candidate: Candidate, wanted: WantedLayer) => boolean
const byDigest: IsHeld = ({ digests }, { digest }) => digests.has(digest)
const byDiffId: IsHeld = ({ diffIds }, { diffId }) => diffId !== undefined && diffIds.has(diffId)

function bestOf(
  candidates: readonly Candidate[],
  needs: readonly WantedLayer[],
  isHeld: IsHeld,
): { readonly candidate: Candidate; readonly layers: readonly Digest[] } | undefined {
  let best: { readonly candidate: Candidate; readonly layers: readonly Digest[] } | undefined
  for (const candidate of candidates) {
    const layers = needs.filter((wanted) => isHeld(candidate, wanted)).map(({ digest }) => digest)
    if (layers.length > (best?.layers.length ?? 0)) best = { candidate, layers }
  }
  return best
}

async function findCandidates(place: BaselinePlace, options: ContentReadOptions): Promise<readonly Candidate[]> {
  const candidates: Candidate[] = []
  const seen = new Set<Digest>()
  const visit = async (name: string, descriptor: Descriptor): Promise<void> => {
    const { digest, mediaType } = descriptor
    if (seen.has(digest) || !(isIndexType(mediaType) || isManifestType(mediaType))) return
    seen.add(digest)
    options.signal?.throwIfAborted()
    const document = await readManifestBlob(place.content, descriptor, options)
    if (document.kind === 'index') {
      for (const member of document.manifests) await lenient(visit(name, member))
      return
    }
    const { config, layers } = document
    const isImage = isConfigType(config.mediaType)
    const diffIds = isImage ? (await readConfigBlob(place.content, config, options)).rootfs.diffIds : []
    const held = await Promise.all(layers.map((layer) => isPresent(place, layer, options)))
    const isMatched = diffIds.length === layers.length
    candidates.push({
      name,
      manifest: { mediaType, digest, size: descriptor.size },
      digests: new Set([config.digest, ...layers.filter((_, at) => held[at]).map((layer) => layer.digest)]),
      diffIds: new Map(isMatched ? layers.flatMap((layer, at) => pairOf(diffIds[at], layer, held[at])) : []),
    })
  }
  for (const { name, target } of await place.images.list([], options)) await lenient(visit(name, target))
  return candidates
}

function pairOf(
  diffId: DiffId | undefined,
  layer: Descriptor,
  isHeld: boolean | undefined,
): readonly (readonly [DiffId, Descriptor])[] {
  return diffId === undefined || isHeld !== true ? [] : [[diffId, layer]]
}

/**
 * All layers of images that a store holds, by the plain tars they unpack to.
 *
 * @throws {TareError} `STORE_DAMAGED`, …
 */
export async function localLayers(
  place: BaselinePlace,
  options: ContentReadOptions = {},
): Promise<ReadonlyMap<DiffId, Descriptor>> {
  return new Map((await findCandidates(place, options)).flatMap(({ diffIds }) => [...diffIds]))
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
  { content }: BaselinePlace,
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

/** Records need not have names of Docker's form; the digest alone will do for those. */
function referenceOf(name: string, digest: Digest): string {
  try {
    const { digest: own, ...reference } = parseReference(name)
    return own === undefined ? `store:${formatReference(reference)}@${digest}` : `store:@${digest}`
  } catch (error) {
    if (hasErrorCode(error, 'INVALID_REFERENCE')) return `store:@${digest}`
    throw error
  }
}
