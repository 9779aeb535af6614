import { decompress } from '../../compress/index.ts'
import { CopyError, TareError } from '../../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  encodeOciManifest,
  isSchema1Type,
  MEDIA_TYPE,
  parseSchema1Manifest,
  type Schema1Manifest,
} from '../../oci/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  digesting,
  digestOf,
  type OperationOptions,
  type SpoolDirectory,
  type SpoolFile,
  sliceSource,
  verified,
} from '../../stream/index.ts'
import type { ImageSource, ManifestContent, OpenBlobOptions } from '../../transport/index.ts'
import { ociConfigOfSchema1 } from './oci-config.ts'

/** What schema 1 does not say of a layer. */
export interface LayerFacts {
  /** Bytes of the blob. */
  readonly size: number
  readonly diffId: DiffId
}

/** Options of {@link schema1AsOci}. */
export interface Schema1Options extends OperationOptions {
  /** Where layers lie that had to be read. */
  readonly spool: SpoolDirectory
  /** What is known of a layer without reading it. */
  readonly knownLayer?: ((digest: Digest) => LayerFacts | undefined) | undefined
}

/** Whether what a reference points at is a Docker schema 1 manifest. */
export function isSchema1(content: ManifestContent): boolean {
  return isSchema1Type(content.descriptor.mediaType)
}

/**
 * Gives a schema 1 image as the OCI image that containers/image converts it to. Schema 1 names neither sizes nor diffIDs,
 * so layers of which nothing is known are read once, and kept in the spool. The history comes from what the layers say of
 * themselves; layers of steps that changed no file are left out.
 *
 * @param content - what the source points at
 * @param source - holds the layers; closed by the caller
 * @throws {InvalidDocumentError}; {@link CopyError}
 */
export async function schema1AsOci(
  content: ManifestContent,
  source: ImageSource,
  options: Schema1Options,
): Promise<ImageSource> {
  const subject = `manifest ${content.descriptor.digest}`
  const manifest = parseSchema1Manifest(content.bytes, subject)
  const files = new Map<Digest, SpoolFile>()
  const facts = new Map<Digest, LayerFacts>()
  const kept = manifest.layers.filter((layer) => !layer.isThrowAway)
  for (const { digest } of kept) {
    if (facts.has(digest)) continue
    const known = options.knownLayer?.(digest)
    facts.set(digest, known ?? (await readLayer(digest, source, files, options)))
  }
  return new ConvertedSchema1(source, files, makeDocuments(manifest, kept, facts, subject))
}

/** Reads a layer once: into the spool, for its size, and unpacked, for its diffID. */
async function readLayer(
  digest: Digest,
  source: ImageSource,
  files: Map<Digest, SpoolFile>,
  { spool, signal, onProgress }: Schema1Options,
): Promise<LayerFacts> {
  const progress = (state: 'started' | 'done', doneBytes: number): void =>
    onProgress?.({ kind: 'step', id: `read ${digest}`, label: 'read layer', doneBytes, state })
  progress('started', 0)
  try {
    const opened = await source.openBlob(layerOfUnknownSize(digest), { signal })
    const file = await spool.write('schema1', verified(opened, { digest }, `blob ${digest}`))
    const diffId = await diffIdOf(file.read())
    files.set(digest, file)
    progress('done', file.sizeBytes)
    return { size: file.sizeBytes, diffId }
  } catch (error) {
    throw CopyError.at('source', digest, error)
  }
}

async function diffIdOf(blob: ByteSource): Promise<DiffId> {
  const digester = new Digester()
  const { source } = await decompress(blob)
  for await (const chunk of digesting(source, digester)) void chunk
  return digester.digest()
}

/** A registry is asked for what is missing until as much is there, so the size has to be one that is never reached. */
function layerOfUnknownSize(digest: Digest): Descriptor {
  return { mediaType: MEDIA_TYPE.DOCKER_LAYER_GZIP, digest, size: Number.MAX_SAFE_INTEGER }
}

interface Documents {
  readonly manifest: ManifestContent
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }
}

function makeDocuments(
  manifest: Schema1Manifest,
  kept: Schema1Manifest['layers'],
  facts: ReadonlyMap<Digest, LayerFacts>,
  subject: string,
): Documents {
  const known = kept.map(({ digest }) => ({ digest, ...(facts.get(digest) ?? { size: 0, diffId: digest }) }))
  const diffIds = known.map(({ diffId }) => diffId)
  const configBytes = ociConfigOfSchema1(manifest, diffIds, subject)
  const config = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: digestOf(configBytes), size: configBytes.length }
  const layers = known.map(({ digest, size }) => ({ mediaType: MEDIA_TYPE.OCI_LAYER_GZIP, digest, size }))
  const bytes = encodeOciManifest({ mediaType: MEDIA_TYPE.OCI_MANIFEST, config, layers })
  const descriptor = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length }
  return { manifest: { descriptor, bytes }, config: { descriptor: config, bytes: configBytes } }
}

class ConvertedSchema1 implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly repository: ImageSource['repository']
  readonly #source: ImageSource
  readonly #files: ReadonlyMap<Digest, SpoolFile>
  readonly #documents: Documents

  constructor(source: ImageSource, files: ReadonlyMap<Digest, SpoolFile>, documents: Documents) {
    this.reference = source.reference
    this.repository = source.repository
    this.#source = source
    this.#files = files
    this.#documents = documents
  }

  async resolve(): Promise<ManifestContent> {
    return this.#documents.manifest
  }

  async readManifest(descriptor: Descriptor): Promise<Uint8Array> {
    const { manifest } = this.#documents
    if (descriptor.digest === manifest.descriptor.digest) return manifest.bytes
    throw new TareError('BLOB_NOT_FOUND', `${this.reference} has no manifest ${descriptor.digest}`)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const { config } = this.#documents
    const own =
      descriptor.digest === config.descriptor.digest
        ? bytesSource(config.bytes)
        : this.#files.get(descriptor.digest)?.read()
    if (own === undefined) return this.#source.openBlob(descriptor, options)
    return options.offset === undefined ? own : sliceSource(own, options.offset)
  }

  /** The layers' source is the caller's. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
