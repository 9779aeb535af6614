import { TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  type DocumentNode,
  parseJson,
  readDescriptor,
  readDocument,
} from '../oci/index.ts'

/** The artifact type of a delta manifest. */
export const DELTA_ARTIFACT_TYPE = 'application/vnd.tare.delta.v1+json'
/** The artifact type of an index of deltas: a bundle. */
export const BUNDLE_ARTIFACT_TYPE = 'application/vnd.tare.bundle.v1+json'
/** Annotation of a bundle's member: the name of its image. */
export const IMAGE_NAME_ANNOTATION = 'vnd.tare.image.name'
/** What the image of a delta is called that is no bundle. */
export const DEFAULT_IMAGE_NAME = 'default'
/** What an image may be called: as in diffah's archives. */
export const IMAGE_NAME_PATTERN: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/

/** Media types of what a delta holds besides blobs of the target. */
export const DELTA_MEDIA_TYPE = {
  /** The delta's config: {@link DeltaPlan} as JSON. */
  PLAN: 'application/vnd.tare.delta.plan.v1+json',
  /** A manifest or index of the target. Under its own type a registry would take it for a manifest of this repository. */
  DOCUMENT: 'application/vnd.tare.delta.document.v1+json',
  /** A patch. @see docs/formats/patch.md */
  PATCH: 'application/vnd.tare.delta.patch.v1',
  /** A recipe too large for the plan. @see docs/formats/recipe.md */
  RECIPE: 'application/vnd.tare.delta.recipe.v1',
} as const

/** A delta plan larger than this is refused. */
export const MAX_PLAN_BYTES: number = 64 * 1024 * 1024
const MAX_BLOBS = 100_000

/** How a blob of the target is obtained, as a plan says it. */
export type PlannedOrigin =
  /** The delta holds it as it is. */
  | { readonly kind: 'archive' }
  /** The baseline holds the same blob. */
  | { readonly kind: 'baseline' }
  /** The plain tar of a baseline layer, which may be compressed there, compressed by the recipe. */
  | { readonly kind: 'baseline-tar'; readonly recipe?: RecipePlace | undefined }
  /** The delta holds a patch that makes the plain tar from plain tars of the baseline; compressed by the recipe. */
  | {
      readonly kind: 'patch'
      readonly patch: PatchBlob
      readonly sources: readonly DiffId[]
      readonly recipe?: RecipePlace | undefined
    }
  /** Nobody holds it; its descriptor says where to fetch it. */
  | { readonly kind: 'foreign' }

/** How a blob of the target is obtained, in a delta of any format. */
export type BlobOrigin =
  | PlannedOrigin
  /**
   * One zstd frame that makes the blob from a whole blob of the baseline, compression and all. Only archives of diffah
   * have it; a plan can't say it.
   */
  | { readonly kind: 'blob-patch'; readonly patch: { readonly size: number }; readonly source: Digest }

/**
 * Where the recipe is that makes the blob of its plain tar, bit for bit. A layer without one is plain in the target.
 *
 * @see docs/formats/recipe.md
 */
export type RecipePlace = (
  | { readonly kind: 'inline'; readonly recipe: Uint8Array }
  | { readonly kind: 'blob'; readonly digest: Digest; readonly size: number }
) & {
  /** Baseline blobs whose compressed bytes the recipe reads: a baseline of plain tars will not do. */
  readonly reads?: readonly Digest[] | undefined
}

/** Recipes up to this size stand in the plan. */
export const MAX_INLINE_RECIPE_BYTES = 1024

/** Where a patch lies in the delta. */
export interface PatchBlob {
  readonly digest: Digest
  readonly size: number
}

/** What a blob is to the target. */
export type PlannedRole = 'index' | 'manifest' | 'config' | 'layer'

/** A blob of the target and how it is obtained. */
export interface PlannedBlob {
  readonly role: PlannedRole
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  /** Digest of the layer's plain tar, where the target's config names it. */
  readonly diffId?: DiffId | undefined
  readonly from: BlobOrigin
}

/** A baseline layer that the delta builds on. */
export interface NeededLayer {
  readonly digest: Digest
  readonly diffId?: DiffId | undefined
  /** Bytes of the blob as the producer's baseline held it; 0 where the archive does not tell. */
  readonly size: number
}

/** An image the delta was made against. */
export interface PlannedBaseline {
  /** Its root; of size 0 where the archive does not tell. */
  readonly descriptor: Descriptor
  /** What the producer called it: no path, no credentials. */
  readonly name: string
}

/**
 * The config of a delta: the whole target, and for every blob how it is obtained.
 *
 * @see docs/formats/delta.md
 */
export interface DeltaPlan {
  readonly schemaVersion: 1
  /** What made the delta. Bytes of patches may differ between versions of it. */
  readonly tool: string
  /** The target's root manifest or index. */
  readonly target: Descriptor
  readonly baselines: readonly PlannedBaseline[]
  /** Baseline layers without which the target can't be rebuilt. */
  readonly needs: readonly NeededLayer[]
  /** Manifests and indexes first, the root before its members; then configs and layers in their order. */
  readonly blobs: readonly PlannedBlob[]
}

/** The plan's exact bytes: compact JSON with keys in a fixed order. */
export function formatPlan(plan: DeltaPlan): Uint8Array {
  const { schemaVersion, tool, target, baselines, needs, blobs } = plan
  const ordered = {
    schemaVersion,
    tool,
    target: orderedDescriptor(target),
    baselines: baselines.map(({ name, descriptor }) => ({ name, descriptor: orderedDescriptor(descriptor) })),
    needs: needs.map(({ digest, diffId, size }) => ({ digest, diffId, size })),
    blobs: blobs.map(({ role, mediaType, digest, size, diffId, from }) => ({
      role,
      mediaType,
      digest,
      size,
      diffId,
      from: orderedOrigin(from),
    })),
  }
  return new TextEncoder().encode(JSON.stringify(ordered))
}

function orderedDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function orderedOrigin(from: BlobOrigin): unknown {
  switch (from.kind) {
    case 'archive':
    case 'baseline':
    case 'foreign':
      return { kind: from.kind }
    case 'baseline-tar':
      return { kind: from.kind, recipe: orderedRecipe(from.recipe) }
    case 'blob-patch':
      throw new TareError('INTERNAL', 'a plan cannot tell of patches between whole blobs')
    case 'patch': {
      const { digest, size } = from.patch
      return { kind: from.kind, patch: { digest, size }, sources: from.sources, recipe: orderedRecipe(from.recipe) }
    }
  }
}

function orderedRecipe(place: RecipePlace | undefined): unknown {
  if (place === undefined) return undefined
  const { reads } = place
  if (place.kind === 'inline') return { data: Buffer.from(place.recipe).toString('base64'), reads }
  return { digest: place.digest, size: place.size, reads }
}

const ROLES: readonly PlannedRole[] = ['index', 'manifest', 'config', 'layer']
const ORIGIN_KEYS: Readonly<Record<PlannedOrigin['kind'], readonly string[]>> = {
  archive: ['kind'],
  baseline: ['kind'],
  'baseline-tar': ['kind', 'recipe'],
  patch: ['kind', 'patch', 'sources', 'recipe'],
  foreign: ['kind'],
}

/**
 * Parses and checks a plan. A kind of origin, or a member of one, that this version does not know is
 * `UNSUPPORTED_FORMAT`: it would mean bytes are made in a way we can't.
 *
 * @throws {InvalidDocumentError} with every problem; {@link TareError} `UNSUPPORTED_FORMAT`, `LIMIT_EXCEEDED`
 */
export function parsePlan(bytes: Uint8Array, subject: string): DeltaPlan {
  return readDocument(parseJson(bytes, subject, MAX_PLAN_BYTES), subject, (root) => readPlan(root, subject))
}

function readPlan(root: DocumentNode, subject: string): DeltaPlan {
  const version = root.at('schemaVersion').size()
  if (version > 1) throw unsupported(subject, `schema version ${version}`)
  root.at('schemaVersion').exactly(1)
  const target = readDescriptor(root.at('target'))
  const blobs = root.at('blobs').list(MAX_BLOBS, (node) => readBlob(node, subject))
  if (!blobs.some((blob) => blob.digest === target.digest)) root.at('blobs').report('do not have the target among them')
  return {
    schemaVersion: 1,
    tool: readTool(root.at('tool')),
    target,
    baselines: root.at('baselines').list(MAX_BLOBS, (node) => ({
      name: node.at('name').string(),
      descriptor: readDescriptor(node.at('descriptor')),
    })),
    needs: root.at('needs').list(MAX_BLOBS, (node) => ({
      digest: node.at('digest').digest(),
      diffId: node.at('diffId').optional((diffId) => diffId.digest()),
      size: node.at('size').size(),
    })),
    blobs,
  }
}

/** A word or two that ends up on terminals. */
function readTool(node: DocumentNode): string {
  const tool = node.string()
  if (!/^[ -~]{1,100}$/.test(tool)) node.report('must be up to 100 printable characters')
  return tool
}

function readBlob(node: DocumentNode, subject: string): PlannedBlob {
  const roleText = node.at('role').string()
  const role = ROLES.find((known) => known === roleText)
  if (role === undefined) node.at('role').report(`must be one of ${ROLES.join(', ')}`)
  return {
    role: role ?? 'layer',
    mediaType: node.at('mediaType').mediaType(),
    digest: node.at('digest').digest(),
    size: node.at('size').size(),
    diffId: node.at('diffId').optional((diffId) => diffId.digest()),
    from: readOrigin(node.at('from'), subject),
  }
}

function readOrigin(node: DocumentNode, subject: string): PlannedOrigin {
  const kindText = node.at('kind').string()
  const kind = Object.keys(ORIGIN_KEYS).find((known): known is PlannedOrigin['kind'] => known === kindText)
  if (kind === undefined) throw unsupported(subject, `a blob from ${JSON.stringify(kindText)}`)
  const unknownKey = node.keys().find((key) => !ORIGIN_KEYS[kind].includes(key))
  if (unknownKey !== undefined) throw unsupported(subject, `${JSON.stringify(unknownKey)} in a blob from ${kind}`)
  if (kind !== 'patch' && kind !== 'baseline-tar') return { kind }
  const place = node.at('recipe').optional((recipe) => readRecipePlace(recipe, subject))
  const recipe = place === undefined ? {} : { recipe: place }
  if (kind === 'baseline-tar') return { kind, ...recipe }
  const patch = node.at('patch')
  return {
    kind,
    patch: { digest: patch.at('digest').digest(), size: patch.at('size').size() },
    sources: node.at('sources').list(MAX_BLOBS, (source) => source.digest()),
    ...recipe,
  }
}

function readRecipePlace(node: DocumentNode, subject: string): RecipePlace {
  const list = node.at('reads').optional((digests) => digests.list(MAX_BLOBS, (digest) => digest.digest()))
  const reads = list === undefined ? {} : { reads: list }
  const keys = node
    .keys()
    .filter((key) => key !== 'reads')
    .toSorted()
    .join(' ')
  if (keys === 'data') return { kind: 'inline', recipe: Buffer.from(node.at('data').string(), 'base64'), ...reads }
  if (keys === 'digest size') {
    return { kind: 'blob', digest: node.at('digest').digest(), size: node.at('size').size(), ...reads }
  }
  throw unsupported(subject, `a recipe with ${keys === '' ? 'nothing' : keys}`)
}

function unsupported(subject: string, what: string): TareError {
  return new TareError('UNSUPPORTED_FORMAT', `${subject} uses ${what}, which this Tare does not know`, {
    hint: 'Use the version of Tare that made the delta, or a newer one',
  })
}
