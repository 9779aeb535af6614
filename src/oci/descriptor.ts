import type { Digest } from './digest.ts'
import { type DocumentNode, readDocument, withoutAbsent } from './document-node.ts'
import type { Platform } from './platform.ts'

/** String to string, as OCI documents carry them. */
export type Annotations = Readonly<Record<string, string>>

/**
 * Names content by media type, digest and size.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[] | undefined
  readonly annotations?: Annotations | undefined
  /** The content itself, base64. */
  readonly data?: string | undefined
  readonly artifactType?: string | undefined
  readonly platform?: Platform | undefined
}

/** Places that a layer may be fetched from, in one descriptor. */
const MAX_URLS = 100
/** Features of a platform. */
const MAX_FEATURES = 100
/** Content that a descriptor carries itself. */
const MAX_DATA_BYTES = 1024 * 1024

/** The three fields that identify content, without decoration. */
export function bareDescriptor(descriptor: Descriptor): Descriptor {
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size }
}

/**
 * Checks a JSON value that should be a descriptor. Unknown fields are left out; `data` has the stated size, but is not
 * hashed here.
 *
 * @param subject - which descriptor, for errors
 * @throws {InvalidDocumentError} with every problem
 */
export function parseDescriptor(value: unknown, subject: string): Descriptor {
  return readDocument(value, subject, readDescriptor)
}

/** Reads a descriptor inside a document. */
export function readDescriptor(node: DocumentNode): Descriptor {
  node.object(['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform'])
  const size = node.at('size').size()
  return withoutAbsent({
    mediaType: node.at('mediaType').mediaType(),
    digest: node.at('digest').digest(),
    size,
    urls: node.at('urls').optional((urls) => urls.list(MAX_URLS, (url) => url.string())),
    annotations: node.at('annotations').optional((annotations) => annotations.strings()),
    data: node.at('data').optional((data) => readEmbedded(data, size)),
    artifactType: node.at('artifactType').text(),
    platform: node.at('platform').optional(readPlatform),
  })
}

function readEmbedded(node: DocumentNode, size: number): string {
  const base64 = node.string()
  const padding = /={0,2}$/.exec(base64)?.[0].length ?? 0
  const sizeBytes = (base64.length / 4) * 3 - padding
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) node.report('must be base64')
  else if (sizeBytes !== size) node.report(`holds ${sizeBytes} bytes, but size says ${size}`)
  else if (sizeBytes > MAX_DATA_BYTES) node.report(`holds ${sizeBytes} bytes; the limit is ${MAX_DATA_BYTES}`)
  return base64
}

function readPlatform(node: DocumentNode): Platform {
  node.object([...PLATFORM_FIELDS, 'features'])
  return withoutAbsent({ ...readPlatformFields(node), features: node.at('features').optional(readFeatures) })
}

/** The fields of {@link readPlatformFields}. */
export const PLATFORM_FIELDS: readonly string[] = ['os', 'architecture', 'variant', 'os.version', 'os.features']

/** Reads what platforms and configs have in common. Some writers leave all of it empty, so nothing is required. */
export function readPlatformFields(node: DocumentNode): Omit<Platform, 'features'> {
  return withoutAbsent({
    os: node.at('os').text() ?? '',
    architecture: node.at('architecture').text() ?? '',
    variant: node.at('variant').text(),
    'os.version': node.at('os.version').text(),
    'os.features': node.at('os.features').optional(readFeatures),
  })
}

function readFeatures(node: DocumentNode): readonly string[] {
  return node.list(MAX_FEATURES, (feature) => feature.string())
}
