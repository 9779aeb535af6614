import { type DocumentProblem, InvalidDocumentError } from '../../errors/index.ts'
import {
  type Annotations,
  type Digest,
  isDigest,
  isForeignLayerType,
  isIndexType,
  isManifestType,
} from '../../oci/index.ts'

/** What a registry has to know of a manifest that it keeps. */
export interface ManifestDocument {
  readonly mediaType: string
  /** Blobs that must be in the repository. Layers that are fetched from elsewhere are left out. */
  readonly blobs: readonly Digest[]
  /** Manifests that must be in the repository. */
  readonly manifests: readonly Digest[]
  readonly subject?: Digest | undefined
  /** As the referrers API states it: of a manifest that has none, the config's media type. */
  readonly artifactType?: string | undefined
  readonly annotations?: Annotations | undefined
}

/** RFC 6838, 4.2. */
const MEDIA_TYPE_GRAMMAR = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i

/**
 * Reads a pushed manifest: an OCI or Docker manifest or index is held against the fields a registry resolves, any other
 * JSON object is taken as it is.
 *
 * @param contentType - of the request; without one the document's `mediaType` counts
 * @throws {InvalidDocumentError} with every problem, also when the document is both a manifest and an index
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export function readManifestDocument(bytes: Uint8Array, contentType: string | undefined): ManifestDocument {
  const reader = new Reader()
  const document = reader.object('$', parseJson(bytes))
  const stated = reader.text('$.mediaType', document['mediaType'])
  const mediaType = contentType ?? stated ?? ''
  // It goes into a header of every answer, so nothing but a media type will do.
  if (!MEDIA_TYPE_GRAMMAR.test(mediaType)) reader.fault('$.mediaType', 'is not a media type, nor is Content-Type')
  if (stated !== undefined && stated !== mediaType) {
    reader.fault('$.mediaType', `is ${stated}, but Content-Type is ${mediaType}`)
  }
  const isIndex = isIndexType(mediaType)
  if (!isIndex && !isManifestType(mediaType)) {
    reader.finish()
    return { mediaType, blobs: [], manifests: [] }
  }
  // A document that is both could mean different images to different clients (CVE-2021-41190).
  for (const foreign of isIndex ? ['config', 'layers'] : ['manifests']) {
    if (foreign in document) reader.fault(`$.${foreign}`, `does not belong in ${mediaType}`)
  }
  const subject = document['subject'] === undefined ? undefined : reader.descriptor('$.subject', document['subject'])
  const config = isIndex ? undefined : reader.descriptor('$.config', document['config'])
  const layers = isIndex ? [] : reader.descriptors('$.layers', document['layers'])
  const members = isIndex ? reader.descriptors('$.manifests', document['manifests']) : []
  const artifactType = reader.text('$.artifactType', document['artifactType'])
  const annotations = reader.annotations('$.annotations', document['annotations'])
  reader.finish()
  const held = layers.filter((layer) => !isForeignLayerType(layer.mediaType))
  return {
    mediaType,
    blobs: [...(config === undefined ? [] : [config]), ...held].map((descriptor) => descriptor.digest),
    manifests: members.map((descriptor) => descriptor.digest),
    subject: subject?.digest,
    artifactType: artifactType === undefined || artifactType === '' ? config?.mediaType : artifactType,
    annotations,
  }
}

interface Target {
  readonly mediaType: string
  readonly digest: Digest
}

type JsonObject = Readonly<Record<string, unknown>>

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    throw new InvalidDocumentError('manifest', [{ path: '$', message: 'is not JSON in UTF-8' }])
  }
}

/** Collects problems; what it gives for a faulty field is never used, because `finish` throws. */
class Reader {
  readonly #problems: DocumentProblem[] = []

  fault(path: string, message: string): void {
    this.#problems.push({ path, message })
  }

  finish(): void {
    if (this.#problems.length > 0) throw new InvalidDocumentError('manifest', this.#problems)
  }

  object(path: string, value: unknown): JsonObject {
    if (isObject(value)) return value
    this.fault(path, 'is not an object')
    return {}
  }

  text(path: string, value: unknown): string | undefined {
    if (value === undefined || typeof value === 'string') return value
    this.fault(path, 'is not a string')
    return undefined
  }

  annotations(path: string, value: unknown): Annotations | undefined {
    if (value === undefined || value === null) return undefined
    const texts: Record<string, string> = {}
    for (const [name, text] of Object.entries(this.object(path, value))) {
      if (typeof text === 'string') texts[name] = text
      else this.fault(`${path}[${JSON.stringify(name)}]`, 'is not a string')
    }
    return texts
  }

  descriptor(path: string, value: unknown): Target | undefined {
    if (!isObject(value)) {
      this.fault(path, 'is not a descriptor')
      return undefined
    }
    const { mediaType, digest, size } = value
    if (!Number.isSafeInteger(size) || Number(size) < 0) this.fault(`${path}.size`, 'is not a count of bytes')
    if (typeof mediaType !== 'string') this.fault(`${path}.mediaType`, 'is not a string')
    if (!isDigest(digest)) this.fault(`${path}.digest`, 'is not a sha256 or sha512 digest')
    return typeof mediaType === 'string' && isDigest(digest) ? { mediaType, digest } : undefined
  }

  descriptors(path: string, value: unknown): readonly Target[] {
    if (!Array.isArray(value)) {
      this.fault(path, 'is not an array')
      return []
    }
    return value
      .map((entry, index) => this.descriptor(`${path}[${index}]`, entry))
      .filter((target) => target !== undefined)
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
