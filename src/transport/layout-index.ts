import { TareError } from '../errors/index.ts'
import {
  type Descriptor,
  IMAGE_NAME_ANNOTATION,
  type ImageIndex,
  isIndexType,
  MEDIA_TYPE,
  parseManifestDocument,
  REF_NAME_ANNOTATION,
} from '../oci/index.ts'
import type { ImagePick } from './reference-text.ts'
import type { ManifestContent } from './transport.ts'

/** What the artifact types of sigstore bundles begin with. */
const SIGNATURE_TYPE_PREFIX = 'application/vnd.dev.sigstore.bundle'

/** An `index.json` or `manifest.json` larger than this is refused. */
export const MAX_INDEX_BYTES: number = 8 * 1024 * 1024

/** Content of a layout's `oci-layout` file. */
export const LAYOUT_FILE_CONTENT = '{"imageLayoutVersion":"1.0.0"}'

/** What a reference name may look like in a layout; other tools refuse more. */
const REF_NAME_PATTERN =
  /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/

/**
 * Parses the `index.json` of a layout.
 *
 * @param where - the reference, for errors
 * @throws {TareError} `INVALID_DOCUMENT`
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#indexjson-file
 */
export function parseLayoutIndex(bytes: Uint8Array, where: string): ImageIndex {
  const subject = `index.json of ${where}`
  const document = parseManifestDocument(bytes, { subject, mediaType: MEDIA_TYPE.OCI_INDEX })
  if (document.kind === 'index') return document
  throw new TareError('INVALID_ARCHIVE', `${subject} is not an index`)
}

/**
 * Checks the `oci-layout` file.
 *
 * @throws {TareError} `INVALID_ARCHIVE`, `UNSUPPORTED_FORMAT`
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#oci-layout-file
 */
export function checkLayoutFile(bytes: Uint8Array, where: string): void {
  const version = layoutVersion(bytes)
  if (version === undefined) {
    throw new TareError('INVALID_ARCHIVE', `oci-layout of ${where} is not JSON with an imageLayoutVersion`)
  }
  if (!version.startsWith('1.')) {
    throw new TareError('UNSUPPORTED_FORMAT', `${where} is an OCI layout of version ${version}; Tare reads 1.x`)
  }
}

function layoutVersion(bytes: Uint8Array): string | undefined {
  const value = parseJson(bytes)
  if (!isRecord(value)) return undefined
  const version = value['imageLayoutVersion']
  return typeof version === 'string' && version.length <= 32 ? version : undefined
}

/**
 * Picks the entry of an index that is meant. Without a pick the only entry is taken; entries of equal digest are one,
 * and signatures of others do not count.
 *
 * @returns undefined when a digest is no entry; it may still be a member of one
 * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE` with the entries there are
 */
export function pickEntry(index: ImageIndex, pick: ImagePick | undefined, where: string): Descriptor | undefined {
  const entries = index.manifests
  switch (pick?.kind) {
    case 'digest':
      return entries.find((entry) => entry.digest === pick.digest)
    case 'position': {
      const entry = entries[pick.position]
      if (entry !== undefined) return entry
      throw new TareError('NOT_FOUND', `${where} has ${entries.length} images, none at position ${pick.position}`)
    }
    case 'name':
      return only(namedEntries(entries, pick.name), `${where} has several images named ${pick.name}`, () => {
        throw new TareError('NOT_FOUND', `${where} has no image named ${pick.name}`, { hint: listing(entries) })
      })
    case undefined:
      return only(withoutSignatures(entries), `${where} has several images`, () => {
        throw new TareError('NOT_FOUND', `${where} has no image`)
      })
  }
}

/** Whether an entry of a layout's index is a signature, not an image. */
export function isSignatureEntry({ artifactType }: Descriptor): boolean {
  return artifactType?.startsWith(SIGNATURE_TYPE_PREFIX) === true
}

/** A signature lies in a layout as a further entry, beside what it signs; alone it may be meant itself. */
function withoutSignatures(entries: readonly Descriptor[]): readonly Descriptor[] {
  const others = entries.filter((entry) => !isSignatureEntry(entry))
  return others.length === 0 ? entries : others
}

/** Entries of a name: tags first, so that a full name never hides one. */
function namedEntries(entries: readonly Descriptor[], name: string): readonly Descriptor[] {
  const tagged = entries.filter((entry) => entry.annotations?.[REF_NAME_ANNOTATION] === name)
  if (tagged.length > 0) return tagged
  const names = new Set([name, `docker.io/${name}`, `docker.io/library/${name}`])
  return entries.filter((entry) => names.has(entry.annotations?.[IMAGE_NAME_ANNOTATION] ?? ''))
}

function only(entries: readonly Descriptor[], subject: string, none: () => never): Descriptor {
  const first = entries[0] ?? none()
  if (entries.every((entry) => entry.digest === first.digest)) return first
  throw new TareError('AMBIGUOUS_IMAGE', subject, {
    hint: `Add :NAME, @DIGEST or :@POSITION to the reference; ${listing(entries)}`,
  })
}

/** Says what entries there are: name, digest, platform. */
function listing(entries: readonly Descriptor[]): string {
  if (entries.length === 0) return 'it holds none'
  const shown = entries.slice(0, 20).map((entry) => {
    const name = entry.annotations?.[REF_NAME_ANNOTATION] ?? entry.annotations?.[IMAGE_NAME_ANNOTATION]
    const platform = entry.platform === undefined ? '' : ` (${entry.platform.os}/${entry.platform.architecture})`
    const kind = isIndexType(entry.mediaType) ? ' (index)' : ''
    return `${name ?? 'without a name'} ${entry.digest}${platform}${kind}`
  })
  const more = entries.length > shown.length ? `, and ${entries.length - shown.length} more` : ''
  return `it holds ${shown.join(', ')}${more}`
}

/**
 * The descriptor of a root document as `index.json` lists it: with its artifact type, wherever it came from. A registry
 * gives none, and a delta that came from one is to be the file that went there.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export function rootDescriptor({ descriptor, bytes }: ManifestContent): Descriptor {
  if (descriptor.artifactType !== undefined) return descriptor
  const document = parseJson(bytes)
  const artifactType = isRecord(document) ? document['artifactType'] : undefined
  return typeof artifactType === 'string' && artifactType !== '' ? { ...descriptor, artifactType } : descriptor
}

/**
 * The bytes of an `index.json` in which `name` points at `root`. Everything else in it is kept as it is, also what
 * Tare does not know.
 *
 * @param existing - the present file; a new one is made when left out
 * @param name - without it the entry gets none, and replaces only an entry of the same digest
 */
export function updatedLayoutIndex(
  existing: Uint8Array | undefined,
  root: Descriptor,
  name: string | undefined,
): Buffer {
  const document = existing === undefined ? undefined : parseJson(existing)
  const index = isRecord(document) ? document : { schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX }
  const before = Array.isArray(index['manifests']) ? index['manifests'] : []
  return Buffer.from(JSON.stringify({ ...index, manifests: withEntry(before, layoutEntry(root, name), name) }))
}

function withEntry(before: readonly unknown[], added: Descriptor, name: string | undefined): readonly unknown[] {
  const isReplaced = (entry: unknown): boolean => {
    const known = entryName(entry)
    return known === undefined ? isRecord(entry) && entry['digest'] === added.digest : known === name
  }
  const position = before.findIndex(isReplaced)
  const kept = before.filter((entry) => !isReplaced(entry))
  // Without a name of its own the image is there already under the name it has.
  if (name === undefined && kept.some((entry) => isRecord(entry) && entry['digest'] === added.digest)) return kept
  return position === -1 ? [...kept, added] : kept.toSpliced(position, 0, added)
}

function layoutEntry(root: Descriptor, name: string | undefined): Descriptor {
  return {
    mediaType: root.mediaType,
    digest: root.digest,
    size: root.size,
    ...(root.artifactType === undefined ? {} : { artifactType: root.artifactType }),
    ...(root.platform === undefined ? {} : { platform: root.platform }),
    ...(name === undefined ? {} : { annotations: { [REF_NAME_ANNOTATION]: name } }),
  }
}

function entryName(entry: unknown): string | undefined {
  const annotations = isRecord(entry) ? entry['annotations'] : undefined
  const name = isRecord(annotations) ? annotations[REF_NAME_ANNOTATION] : undefined
  return typeof name === 'string' && name !== '' ? name : undefined
}

/**
 * The name a destination writes into `index.json`.
 *
 * @throws {TareError} `INVALID_REFERENCE` for a name that other tools would refuse, and for picks that are no names
 */
export function destinationName(pick: ImagePick | undefined, where: string): string | undefined {
  if (pick === undefined) return undefined
  if (pick.kind !== 'name') {
    throw new TareError('INVALID_REFERENCE', `destination ${where} picks by ${pick.kind}`, {
      hint: 'A destination takes a name, or none',
    })
  }
  if (REF_NAME_PATTERN.test(pick.name)) return pick.name
  throw new TareError('INVALID_REFERENCE', `destination ${where}: ${JSON.stringify(pick.name)} is no reference name`, {
    hint: 'Names have letters and digits, with single . _ : @ + - / between them',
  })
}

/** Parses JSON; undefined where it is none. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** Whether a parsed JSON value is an object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
