import { TareError } from '../../errors/index.ts'
import { type Digest, type DocumentNode, isDigest, parseJson, readDocument } from '../../oci/index.ts'
import type { OperationOptions } from '../../stream/index.ts'
import { IMAGE_NAME_PATTERN } from '../plan.ts'

/** The file in a diffah archive that tells what the others are. */
export const SIDECAR_NAME = 'diffah.json'

/** A sidecar larger than this is refused; an image takes some two kilobytes. */
export const MAX_SIDECAR_BYTES: number = 64 * 1024 * 1024

/** The only way that patches are coded. */
export const PATCH_CODEC = 'zstd-patch'

const FEATURE = 'bundle'
const VERSION = 'v1'
const MAX_IMAGES = 10_000

/** How the archive holds a blob. */
export type SidecarBlob = {
  /** Bytes of the blob itself. */
  readonly size: number
  readonly mediaType: string
  /** Bytes in the archive. */
  readonly archiveSize: number
} & (
  | { readonly encoding: 'full' }
  /** One Zstandard frame, made against a blob of the baseline. */
  | { readonly encoding: 'patch'; readonly patchFrom: Digest }
)

/** One image of an archive. */
export interface SidecarImage {
  readonly name: string
  readonly baseline: {
    readonly manifestDigest: Digest
    readonly mediaType: string
    /** What the producer called the baseline. */
    readonly sourceHint?: string | undefined
  }
  readonly target: { readonly manifestDigest: Digest; readonly manifestSize: number; readonly mediaType: string }
}

/** The contents of `diffah.json`, schema `v1`. A layer of a target that is no blob here comes from the baseline. */
export interface Sidecar {
  readonly tool: string
  readonly toolVersion: string
  /** RFC 3339, as it stands; empty where it is not stated. */
  readonly createdAt: string
  readonly platform: string
  readonly blobs: ReadonlyMap<Digest, SidecarBlob>
  readonly images: readonly SidecarImage[]
}

const FIELDS = ['version', 'feature', 'tool', 'tool_version', 'created_at', 'platform', 'blobs', 'images']
const BLOB_FIELDS = ['size', 'media_type', 'encoding', 'codec', 'patch_from_digest', 'archive_size']
const IMAGE_FIELDS = ['name', 'baseline', 'target']
const BASELINE_FIELDS = ['manifest_digest', 'media_type', 'source_hint']
const TARGET_FIELDS = ['manifest_digest', 'manifest_size', 'media_type']

/**
 * Parses and checks a sidecar: everything that diffah checks, and what it leaves open (digests, sizes, a manifest that
 * is stored as a patch). Fields that are not known are ignored and told of as debug messages; fields that are there
 * twice, or are spelled with other capitals, are refused, because readers disagree about what such a document says.
 * diffah writes neither.
 *
 * @param subject - which archive, for errors
 * @throws {InvalidDocumentError} with every problem
 * @throws {TareError} `OBSOLETE_FORMAT` for an archive of diffah before version 0.2, `UNSUPPORTED_FORMAT` for a later
 *   schema or an unknown codec, `LIMIT_EXCEEDED`
 */
export function parseSidecar(bytes: Uint8Array, subject: string, options: OperationOptions = {}): Sidecar {
  const document = `${SIDECAR_NAME} of ${subject}`
  const value = parseJson(bytes, document, MAX_SIDECAR_BYTES)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return readDocument(value, document, (root) => {
    root.object(FIELDS)
    if (isObject) checkFormat(root, subject)
    const unknown = root.keys().filter((key) => !FIELDS.includes(key))
    if (unknown.length > 0) options.logger?.debug(`${document} has fields unknown to Tare: ${unknown.join(', ')}`)
    return readSidecar(root, subject)
  })
}

/** An object without the marker is an archive of the first kind, whose sidecar has the same version. */
function checkFormat(root: DocumentNode, subject: string): void {
  const feature = root.at('feature').text()
  if (feature !== FEATURE) {
    throw new TareError('OBSOLETE_FORMAT', `${subject} is a diffah archive of the format before bundles`, {
      hint: 'diffah does not read it any more either: make the archive anew from both images',
    })
  }
  const version = root.at('version').text()
  if (version === VERSION) return
  throw new TareError(
    'UNSUPPORTED_FORMAT',
    `${subject} is a diffah archive of schema ${JSON.stringify(version ?? '')}`,
    {
      hint: `This Tare knows schema ${VERSION}; use a newer one`,
    },
  )
}

function readSidecar(root: DocumentNode, subject: string): Sidecar {
  const platform = root.at('platform')
  if (platform.text() === undefined) platform.report('is missing')
  const blobs = readBlobs(root.at('blobs'), subject)
  return {
    tool: root.at('tool').text() ?? '',
    toolVersion: root.at('tool_version').text() ?? '',
    createdAt: root.at('created_at').optional(readTime) ?? '',
    platform: platform.text() ?? '',
    blobs,
    images: readImages(root.at('images'), blobs),
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
const TIME_PATTERN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

function readTime(node: DocumentNode): string {
  const text = node.string()
  if (!TIME_PATTERN.test(text) || Number.isNaN(Date.parse(text))) node.report('must be a time as RFC 3339 writes it')
  return text
}

function readBlobs(node: DocumentNode, subject: string): ReadonlyMap<Digest, SidecarBlob> {
  const blobs = new Map<Digest, SidecarBlob>()
  // Only its absence, or that it is no object, can be noted by this: all its keys are digests.
  node.object([])
  for (const key of node.keys()) {
    const blob = readBlob(node.at(key), subject)
    if (isDigest(key)) blobs.set(key, blob)
    else node.at(key).report('must be filed under sha256: and 64, or sha512: and 128, lower-case hex digits')
  }
  return blobs
}

function readBlob(node: DocumentNode, subject: string): SidecarBlob {
  node.object(BLOB_FIELDS)
  const encoding = node.at('encoding').string()
  const size = node.at('size').size()
  const archiveSize = node.at('archive_size').size()
  const common = { size, mediaType: node.at('media_type').text() ?? '', archiveSize }
  if (encoding === 'patch') return { ...common, encoding, patchFrom: readPatchSource(node, common, subject) }
  if (encoding !== 'full') node.at('encoding').report('must be full or patch')
  else checkFull(node, common)
  return { ...common, encoding: 'full' }
}

function checkFull(node: DocumentNode, { size, archiveSize }: Pick<SidecarBlob, 'size' | 'archiveSize'>): void {
  for (const key of ['codec', 'patch_from_digest']) {
    if (node.at(key).text() !== undefined) node.at(key).report('has no place in a blob that is stored full')
  }
  if (archiveSize !== size) node.at('archive_size').report(`must be ${size}, as size is, in a blob that is stored full`)
}

function readPatchSource(
  node: DocumentNode,
  { size, archiveSize }: Pick<SidecarBlob, 'size' | 'archiveSize'>,
  subject: string,
): Digest {
  if (archiveSize === 0 || archiveSize >= size) {
    node.at('archive_size').report(`must be more than 0 and less than size, which is ${size}, in a patch`)
  }
  const codec = node.at('codec').text()
  if (codec === undefined) node.at('codec').report('is missing')
  else if (codec !== PATCH_CODEC) {
    throw new TareError('UNSUPPORTED_FORMAT', `${subject} has a patch of the codec ${JSON.stringify(codec)}`, {
      hint: `Patches of diffah archives are of ${PATCH_CODEC} as far as this Tare knows; use a newer one`,
    })
  }
  return node.at('patch_from_digest').digest()
}

function readImages(node: DocumentNode, blobs: ReadonlyMap<Digest, SidecarBlob>): readonly SidecarImage[] {
  const seen = new Set<string>()
  const images = node.list(MAX_IMAGES, (image) => readImage(image, blobs, seen))
  if (images.length === 0) node.report('must have at least one image')
  return images
}

function readImage(node: DocumentNode, blobs: ReadonlyMap<Digest, SidecarBlob>, seen: Set<string>): SidecarImage {
  node.object(IMAGE_FIELDS)
  const name = node.at('name').string()
  if (!IMAGE_NAME_PATTERN.test(name))
    node.at('name').report('must be letters, digits, _, . and -, the first a letter or a digit')
  else if (seen.has(name)) node.at('name').report(`is ${name}, as that of an image before it`)
  seen.add(name)
  const baseline = node.at('baseline').object(BASELINE_FIELDS)
  const target = node.at('target').object(TARGET_FIELDS)
  const manifestDigest = target.at('manifest_digest').digest()
  const manifestSize = target.at('manifest_size').size()
  const held = blobs.get(manifestDigest)
  if (isDigest(manifestDigest)) checkManifest(target, held, manifestSize)
  return {
    name,
    baseline: {
      manifestDigest: baseline.at('manifest_digest').digest(),
      mediaType: baseline.at('media_type').text() ?? '',
      sourceHint: baseline.at('source_hint').text(),
    },
    target: { manifestDigest, manifestSize, mediaType: target.at('media_type').mediaType() },
  }
}

function checkManifest(target: DocumentNode, held: SidecarBlob | undefined, manifestSize: number): void {
  const digest = target.at('manifest_digest')
  if (held === undefined) digest.report('is not among the blobs')
  else if (held.encoding !== 'full') digest.report('is stored as a patch')
  else if (held.size !== manifestSize) target.at('manifest_size').report(`must be ${held.size}, the size of the blob`)
}

/**
 * The exact bytes that diffah writes for the same contents: two spaces of indent, keys in its order, blobs by digest, no
 * closing newline, strings as Go's encoder escapes them.
 */
export function formatSidecar(sidecar: Sidecar): Uint8Array {
  const { tool, toolVersion, createdAt, platform, images } = sidecar
  const blobs = [...sidecar.blobs].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const document = {
    version: VERSION,
    feature: FEATURE,
    tool,
    tool_version: toolVersion,
    created_at: createdAt,
    platform,
    blobs: Object.fromEntries(blobs.map(([digest, blob]) => [digest, blobDocument(blob)])),
    images: images.map(({ name, baseline, target }) => ({
      name,
      baseline: {
        manifest_digest: baseline.manifestDigest,
        media_type: baseline.mediaType,
        source_hint: baseline.sourceHint || undefined,
      },
      target: {
        manifest_digest: target.manifestDigest,
        manifest_size: target.manifestSize,
        media_type: target.mediaType,
      },
    })),
  }
  return new TextEncoder().encode(escapedAsGo(JSON.stringify(document, undefined, 2)))
}

function blobDocument(blob: SidecarBlob): unknown {
  const { size, mediaType, encoding, archiveSize } = blob
  const patch = blob.encoding === 'full' ? {} : { codec: PATCH_CODEC, patch_from_digest: blob.patchFrom }
  return { size, media_type: mediaType, encoding, ...patch, archive_size: archiveSize }
}

/** Go escapes what could end a script element. Outside of strings JSON has none of these characters. */
function escapedAsGo(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
