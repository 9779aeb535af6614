import { basename, resolve } from 'node:path'
import { DigestMismatchError, SizeMismatchError, TareError } from '../errors/index.ts'
import {
  type Annotations,
  type Descriptor,
  type Digest,
  type Manifest,
  MEDIA_TYPE,
  parseManifestDocument,
  type Platform,
} from '../oci/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  Digester,
  digesting,
  digestOf,
  type OperationOptions,
  readFileRange,
  sliceSource,
  verified,
  verifyBytes,
} from '../stream/index.ts'
import type { ImageSource, ManifestContent, OpenBlobOptions } from '../transport/index.ts'
import { fileMediaType, MEDIA_TYPE_HEAD_BYTES } from './file-media-type.ts'
import { encodeManifest } from './manifest-json.ts'

/** Where the content of an artifact's config or layer is. */
export type ArtifactBlob =
  | { readonly kind: 'file'; readonly path: string }
  /** Small, and kept with the list. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** An artifact made of files. Its manifest is kept with the list; the files stay where they are until a push reads them. */
export interface Artifact {
  readonly manifest: ManifestContent
  /** The view of the manifest. */
  readonly document: Manifest
  /** Absolute paths, the config's included. */
  readonly files: readonly string[]
  /** Config and layers by digest. */
  readonly blobs: ReadonlyMap<Digest, ArtifactBlob>
}

/** What an artifact is to be. */
export interface ArtifactOptions extends OperationOptions {
  /** @default 'application/vnd.unknown.artifact.v1', as ORAS has it; empty leaves it out */
  readonly artifactType?: string | undefined
  /** The config's content, at most 1 MiB; it is embedded in the manifest. @default `{}` */
  readonly config?: Uint8Array | undefined
  /** @default the OCI image config's with a config, else that of the empty config */
  readonly configType?: string | undefined
  /** Of every file. @default what each file's name or beginning says */
  readonly layerType?: string | undefined
  /** Leaves out the annotation that names each file. @default false */
  readonly excludeTitles?: boolean | undefined
  /** Annotations of the manifest. */
  readonly annotations?: Annotations | undefined
  /** What the artifact refers to. */
  readonly subject?: Descriptor | undefined
  /** Of the member that the artifact becomes. @default none */
  readonly platform?: Platform | undefined
}

const UNKNOWN_ARTIFACT = 'application/vnd.unknown.artifact.v1'
const TITLE_ANNOTATION = 'org.opencontainers.image.title'
const MAX_CONFIG_BYTES = 1024 * 1024
const EMPTY_JSON: Uint8Array = new TextEncoder().encode('{}')

/** A member that is an artifact, not yet in a list. */
export interface ArtifactAddition {
  readonly kind: 'artifact'
  readonly members: readonly [Descriptor]
  readonly artifact: Artifact
}

/**
 * Makes an artifact of files, each a layer. They are read once, for their digests; with none the only layer is empty.
 *
 * @param files - paths; relative ones are resolved
 * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; `LIMIT_EXCEEDED` for a large config
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
 */
export async function readArtifact(files: readonly string[], options: ArtifactOptions = {}): Promise<ArtifactAddition> {
  const { annotations, subject } = options
  const blobs = new Map<Digest, ArtifactBlob>()
  const layers: Descriptor[] = []
  const paths = files.map((file) => resolve(file))
  for (const path of paths) {
    const layer = await describeFile(path, options)
    layers.push(layer)
    blobs.set(layer.digest, { kind: 'file', path })
  }
  if (layers.length === 0) layers.push(embedded(MEDIA_TYPE.OCI_EMPTY, EMPTY_JSON, blobs))
  const artifactType = (options.artifactType ?? UNKNOWN_ARTIFACT) || undefined
  const config = describeConfig(options, blobs)
  const mediaType = MEDIA_TYPE.OCI_MANIFEST
  const bytes = encodeManifest({ kind: 'manifest', mediaType, artifactType, config, layers, subject, annotations })
  const artifact = artifactOf(digestOf(bytes), bytes, [...new Set(paths)], (digest) => blobs.get(digest))
  const member = { ...artifact.manifest.descriptor, artifactType, platform: options.platform }
  return { kind: 'artifact', members: [member], artifact }
}

function describeConfig({ config, configType }: ArtifactOptions, blobs: Map<Digest, ArtifactBlob>): Descriptor {
  if (config !== undefined && config.length > MAX_CONFIG_BYTES) {
    throw new TareError('LIMIT_EXCEEDED', `the artifact's config has ${config.length} bytes`, {
      hint: `The limit is ${MAX_CONFIG_BYTES}; add large content as a file`,
    })
  }
  const usualType = config === undefined ? MEDIA_TYPE.OCI_EMPTY : MEDIA_TYPE.OCI_CONFIG
  return embedded(configType ?? usualType, config ?? EMPTY_JSON, blobs)
}

function embedded(mediaType: string, bytes: Uint8Array, blobs: Map<Digest, ArtifactBlob>): Descriptor {
  const digest = digestOf(bytes)
  blobs.set(digest, { kind: 'bytes', bytes })
  return { mediaType, digest, size: bytes.length, data: Buffer.from(bytes).toString('base64') }
}

async function describeFile(path: string, { layerType, excludeTitles, signal }: ArtifactOptions): Promise<Descriptor> {
  const digester = new Digester()
  let head: Uint8Array = new Uint8Array(0)
  for await (const chunk of digesting(abortable(readFileRange(path), signal), digester)) {
    const wanted = MEDIA_TYPE_HEAD_BYTES - head.length
    if (wanted > 0) head = Buffer.concat([head, chunk.subarray(0, wanted)])
  }
  const title = basename(path)
  return {
    mediaType: layerType ?? fileMediaType(title, head),
    digest: digester.digest(),
    size: digester.sizeBytes,
    annotations: excludeTitles === true ? undefined : { [TITLE_ANNOTATION]: title },
  }
}

/** Reads an artifact as an image: its manifest from the list, its layers from the files. */
export class ArtifactSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #artifact: Artifact

  constructor(artifact: Artifact) {
    this.#artifact = artifact
    this.reference = `artifact ${artifact.manifest.descriptor.digest}`
  }

  async resolve(): Promise<ManifestContent> {
    return this.#artifact.manifest
  }

  async readManifest({ digest }: Descriptor): Promise<Uint8Array> {
    const { descriptor, bytes } = this.#artifact.manifest
    if (digest === descriptor.digest) return bytes
    throw this.#absent(digest)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    options.signal?.throwIfAborted()
    const blob = this.#artifact.blobs.get(descriptor.digest)
    const offset = options.offset ?? 0
    switch (blob?.kind) {
      case undefined:
        throw this.#absent(descriptor.digest)
      case 'bytes':
        return bytesSource(blob.bytes.subarray(offset))
      case 'file':
        return sliceSource(unchanged(blob.path, descriptor, options.signal), offset)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #absent(digest: Digest): TareError {
    return new TareError('BLOB_NOT_FOUND', `${this.reference} has no blob ${digest}`)
  }
}

/** A file that must still hold what it held when it was added. */
async function* unchanged(path: string, descriptor: Descriptor, signal: AbortSignal | undefined): ByteSource {
  try {
    yield* verified(abortable(readFileRange(path), signal), descriptor, path)
  } catch (error) {
    if (!(error instanceof DigestMismatchError || error instanceof SizeMismatchError)) throw error
    throw new TareError(error.code, `${path} has changed since it was added to the list`, {
      cause: error,
      hint: 'Remove the artifact from the list and add the file anew',
    })
  }
}

/**
 * An artifact from its manifest and what is known of its blobs.
 *
 * @throws {InvalidDocumentError} with every problem; {@link DigestMismatchError}
 */
export function artifactOf(
  digest: Digest,
  bytes: Uint8Array,
  files: readonly string[],
  find: (blob: Digest) => ArtifactBlob | undefined,
): Artifact {
  const subject = `artifact ${digest}`
  verifyBytes(bytes, { digest }, subject)
  const document = parseManifestDocument(bytes, { subject, mediaType: MEDIA_TYPE.OCI_MANIFEST })
  if (document.kind === 'index') throw new TareError('INTERNAL', `${subject} is an index`)
  const blobs = new Map<Digest, ArtifactBlob>()
  for (const descriptor of [document.config, ...document.layers]) {
    const blob = find(descriptor.digest)
    if (blob !== undefined) blobs.set(descriptor.digest, blob)
  }
  const manifest = { descriptor: { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest, size: bytes.length }, bytes }
  return { manifest, document, files, blobs }
}
