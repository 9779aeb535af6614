import { InvalidDocumentError, TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type Digest,
  type ImageIndex,
  isManifestType,
  type Manifest,
  parseManifestDocument,
} from '../oci/index.ts'
import { MAX_RECIPE_BYTES, parseRecipe, type Recipe } from '../recompress/index.ts'
import { type OperationOptions, readAllBytes } from '../stream/index.ts'
import { type ImageSource, type ManifestContent, openVerifiedBlob } from '../transport/index.ts'
import type { Delta, DeltaSet } from './delta.ts'
import {
  BUNDLE_ARTIFACT_TYPE,
  DEFAULT_IMAGE_NAME,
  DELTA_ARTIFACT_TYPE,
  DELTA_MEDIA_TYPE,
  type DeltaPlan,
  IMAGE_NAME_ANNOTATION,
  IMAGE_NAME_PATTERN,
  MAX_PLAN_BYTES,
  type PlannedBlob,
  parsePlan,
} from './plan.ts'
import { CREATED_ANNOTATION, heldDescriptor, madeBlobs } from './write-delta.ts'

/** Images in one bundle. */
const MAX_IMAGES = 10_000

/**
 * Opens a delta or a bundle wherever it lies, and reads all its plans and recipes: one of an unknown kind must not show
 * up in the middle of work.
 *
 * @param root - what the source's reference points at, where that was read and hashed before
 * @throws {TareError} `NOT_A_DELTA`, `UNSUPPORTED_FORMAT`, `LIMIT_EXCEEDED`; {@link InvalidDocumentError}
 */
export async function readDeltas(
  source: ImageSource,
  options: OperationOptions = {},
  root?: ManifestContent,
): Promise<DeltaSet> {
  const content = root ?? (await source.resolve(options))
  const { descriptor } = content
  const document = parseDocument(content)
  const createdAt = document.annotations?.[CREATED_ANNOTATION]
  const base = { format: 'tare', reference: source.reference, descriptor, createdAt } as const
  if (document.kind === 'manifest') {
    const delta = await readMember(source, content, document, DEFAULT_IMAGE_NAME, options)
    return { ...base, isBundle: false, deltas: [delta] }
  }
  const deltas: Delta[] = []
  for (const { member, name } of namedMembers(source, document, descriptor.digest)) {
    const bytes = await source.readManifest(member, options)
    const memberContent = { descriptor: member, bytes }
    const manifest = parseDocument(memberContent)
    if (manifest.kind === 'index') throw notADelta(source.reference)
    deltas.push(await readMember(source, memberContent, manifest, name, options))
  }
  return { ...base, isBundle: true, deltas }
}

/** Whether a document is that of a delta or a bundle. */
export function isDelta(document: Manifest | ImageIndex): boolean {
  // Old tools drop `artifactType`; the config's type, or the names of the members, say the same.
  if (document.artifactType === DELTA_ARTIFACT_TYPE || document.artifactType === BUNDLE_ARTIFACT_TYPE) return true
  if (document.kind === 'manifest') return document.config.mediaType === DELTA_MEDIA_TYPE.PLAN
  const isNamed = ({ annotations }: Descriptor): boolean => annotations?.[IMAGE_NAME_ANNOTATION] !== undefined
  return document.manifests.length > 0 && document.manifests.every(isNamed)
}

function parseDocument({ descriptor, bytes }: ManifestContent): Manifest | ImageIndex {
  const { digest, mediaType } = descriptor
  return parseManifestDocument(bytes, { subject: `delta manifest ${digest}`, mediaType })
}

function namedMembers(
  source: ImageSource,
  index: ImageIndex,
  digest: Digest,
): readonly { readonly member: Descriptor; readonly name: string }[] {
  if (!isDelta(index)) throw notADelta(source.reference)
  if (index.manifests.length > MAX_IMAGES) {
    throw new TareError('LIMIT_EXCEEDED', `${source.reference} holds more than ${MAX_IMAGES} images`)
  }
  const problems: { path: string; message: string }[] = []
  const seen = new Set<string>()
  if (index.manifests.length === 0) problems.push({ path: '$.manifests', message: 'is empty' })
  const members = index.manifests.map((member, position) => {
    const name = member.annotations?.[IMAGE_NAME_ANNOTATION] ?? ''
    const path = `$.manifests[${position}].annotations["${IMAGE_NAME_ANNOTATION}"]`
    if (!IMAGE_NAME_PATTERN.test(name)) problems.push({ path, message: 'must be the name of an image' })
    else if (seen.size === seen.add(name).size) problems.push({ path, message: `repeats the name ${name}` })
    return { member, name }
  })
  if (problems.length > 0) throw new InvalidDocumentError(`bundle ${digest}`, problems)
  return members
}

async function readMember(
  source: ImageSource,
  { descriptor }: ManifestContent,
  manifest: Manifest,
  name: string,
  options: OperationOptions,
): Promise<Delta> {
  if (!isManifestType(descriptor.mediaType) || !isDelta(manifest)) throw notADelta(source.reference)
  const planBytes = await readAllBytes(
    openVerifiedBlob(source, manifest.config, 'delta', options),
    MAX_PLAN_BYTES,
    'delta plan',
  )
  const plan = parsePlan(planBytes, 'delta plan')
  const taken = checkHolds(manifest, plan)
  return {
    name,
    reference: source.reference,
    descriptor,
    plan,
    recipes: await readRecipes(source, plan, options),
    unused: manifest.layers.filter((layer) => !taken.has(layer.digest)),
    openHeld: (blob, { signal }) => openVerifiedBlob(source, heldDescriptor(blob), 'delta', { signal }),
    openPatch: (blob, { signal }) => openVerifiedBlob(source, patchDescriptor(blob), 'delta', { signal }),
  }
}

function patchDescriptor({ digest, from }: PlannedBlob): Descriptor {
  if (from.kind === 'patch') return { mediaType: DELTA_MEDIA_TYPE.PATCH, ...from.patch }
  throw new TareError('INTERNAL', `${digest} is not made by a patch`)
}

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

/** The manifest lists everything the plan takes from the delta. @returns what that is */
function checkHolds(manifest: Manifest, plan: DeltaPlan): ReadonlySet<Digest> {
  const held = new Set(manifest.layers.map((layer) => layer.digest))
  const taken = new Set<Digest>()
  const problems = plan.blobs.flatMap(({ digest, from }, index) => {
    const wanted = from.kind === 'archive' ? [digest] : madeBlobs(from).map((made) => made.digest)
    for (const blob of wanted) taken.add(blob)
    return wanted
      .filter((blob) => !held.has(blob))
      .map((blob) => ({ path: `$.blobs[${index}].from`, message: `${blob} is not a layer of the delta manifest` }))
  })
  if (problems.length > 0) throw new InvalidDocumentError('delta plan', problems)
  return taken
}

function notADelta(reference: string): TareError {
  return new TareError('NOT_A_DELTA', `${reference} is not a delta`, {
    hint: 'It holds an image or another artifact; deltas are made by tare diff',
  })
}
