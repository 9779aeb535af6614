import { TareError } from '../errors/index.ts'
import { type Annotations, type Descriptor, readDescriptor } from './descriptor.ts'
import { type DocumentNode, readDocument, withoutAbsent } from './document-node.ts'
import { isJsonObject, parseJson } from './json.ts'
import { isIndexType, isManifestType, isSchema1Type, MEDIA_TYPE } from './media-type.ts'
import { isSchema1Document } from './schema1.ts'

/**
 * An OCI image manifest (also of an artifact) or a Docker schema 2 manifest. A view: the bytes it was parsed from stay
 * the truth.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export interface Manifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Annotations | undefined
}

/**
 * An OCI image index or a Docker manifest list.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export interface ImageIndex {
  readonly kind: 'index'
  readonly mediaType: string
  readonly artifactType?: string | undefined
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor | undefined
  readonly annotations?: Annotations | undefined
}

/** What {@link parseManifestDocument} gives. */
export type ManifestDocument = Manifest | ImageIndex

/** Options of {@link parseManifestDocument}. */
export interface ParseManifestOptions {
  /** Which document, for errors: `manifest sha256:…`, `index.json of FILE`. */
  readonly subject: string
  /** What the descriptor or the transport says it is, parameters allowed; `application/json` and the like say nothing. */
  readonly mediaType?: string | undefined
}

/** Layers of a manifest, members of an index. */
const MAX_DESCRIPTORS = 10_000
const MAX_BYTES = 8 * 1024 * 1024

const FIELDS = ['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'subject', 'annotations']

/** Types that servers give to any JSON. */
const GENERIC_TYPES = ['', 'application/json', 'application/octet-stream', 'text/plain']

/**
 * Parses a manifest or index, OCI or Docker. Its kind follows from the announced type, its own `mediaType` and its
 * fields; where these disagree it is refused, so that no two readers see different images in the same bytes. Unknown
 * fields are ignored.
 *
 * @param bytes - at most 8 MiB
 * @throws {InvalidDocumentError} with every problem
 * @throws {TareError} `SCHEMA1_UNSUPPORTED`; `LIMIT_EXCEEDED` for more than 10,000 layers or members, and see `parseJson`
 * @see https://github.com/opencontainers/image-spec/security/advisories/GHSA-77vh-xpmg-72qh
 */
export function parseManifestDocument(bytes: Uint8Array, options: ParseManifestOptions): ManifestDocument {
  const { subject } = options
  const announced = (options.mediaType ?? '').replace(/;.*$/s, '').trim()
  const value = parseJson(bytes, subject, MAX_BYTES)
  if (isSchema1Type(announced) || isSchema1Document(value)) {
    throw new TareError('SCHEMA1_UNSUPPORTED', `${subject} is a Docker schema 1 manifest`, {
      hint: 'Push the image again with a present-day tool, which writes schema 2 or OCI',
    })
  }
  return readDocument(value, subject, (root) => {
    root.object(FIELDS)
    const mediaType = readMediaType(root, GENERIC_TYPES.includes(announced) ? undefined : announced)
    root.at('schemaVersion').exactly(2)
    return isIndexType(mediaType) ? readIndex(root, mediaType) : readManifest(root, mediaType)
  })
}

/**
 * The media type of any manifest or index, Docker schema 1 included, by its own account.
 *
 * @throws {InvalidDocumentError} with every problem, of all but schema 1
 * @throws {TareError} as {@link parseManifestDocument}
 */
export function manifestMediaType(bytes: Uint8Array, subject: string): string {
  const value = parseJson(bytes, subject, MAX_BYTES)
  if (!isSchema1Document(value)) return parseManifestDocument(bytes, { subject }).mediaType
  return isJsonObject(value) && 'signatures' in value ? MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED : MEDIA_TYPE.DOCKER_SCHEMA1
}

function readMediaType(root: DocumentNode, announced: string | undefined): string {
  const node = root.at('mediaType')
  const own = node.text()
  if (own !== undefined && !isDocumentType(own)) node.report('is neither a manifest nor an index')
  if (announced !== undefined && !isDocumentType(announced)) {
    root.report(`was announced as ${announced}, which is neither a manifest nor an index`)
  } else if (announced !== undefined && own !== undefined && own !== announced) {
    node.report(`is ${own}, but the document was announced as ${announced}`)
  }
  return announced ?? own ?? (root.has('manifests') ? MEDIA_TYPE.OCI_INDEX : MEDIA_TYPE.OCI_MANIFEST)
}

function isDocumentType(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

function readManifest(root: DocumentNode, mediaType: string): Manifest {
  refuseFields(root, 'a manifest', ['manifests'])
  return withoutAbsent({
    kind: 'manifest',
    mediaType,
    artifactType: root.at('artifactType').text(),
    config: readDescriptor(root.at('config')),
    layers: readDescriptors(root, 'layers'),
    subject: root.at('subject').optional(readDescriptor),
    annotations: root.at('annotations').optional((annotations) => annotations.strings()),
  })
}

function readIndex(root: DocumentNode, mediaType: string): ImageIndex {
  refuseFields(root, 'an index', ['config', 'layers'])
  return withoutAbsent({
    kind: 'index',
    mediaType,
    artifactType: root.at('artifactType').text(),
    manifests: readDescriptors(root, 'manifests'),
    subject: root.at('subject').optional(readDescriptor),
    annotations: root.at('annotations').optional((annotations) => annotations.strings()),
  })
}

/** Present is enough: a reader may go by the field's name without looking at its value. */
function refuseFields(root: DocumentNode, kind: string, keys: readonly string[]): void {
  for (const key of keys) if (root.has(key)) root.at(key).report(`has no place in ${kind}`)
}

function readDescriptors(root: DocumentNode, key: string): readonly Descriptor[] {
  if (!root.has(key)) root.at(key).report('is missing')
  return root.at(key).list(MAX_DESCRIPTORS, readDescriptor)
}

/** What a document names, in order: config and layers, or the members. The subject is no child. */
export function childDescriptors(document: ManifestDocument): readonly Descriptor[] {
  return document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
}
