import { TareError } from '../errors/index.ts'
import { type Descriptor, type DiffId, type Digest, digestHex } from '../oci/index.ts'
import { abortable, bytesSource, type OperationOptions, verified, verifyBytes } from '../stream/index.ts'
import { STANDARD_STREAM } from './archive-input.ts'
import { archiveOutput, type ArchiveOutputOptions } from './archive-output.ts'
import { openDockerArchiveSource } from './docker-archive-source.ts'
import { dockerManifestBytes, synthesiseManifest } from './docker-manifest.ts'
import { LayerQueue, layerName } from './layer-queue.ts'
import { checkPlainType, type PlainConfig, plainManifest, readPlainConfig } from './plain-image.ts'
import { type DockerArchiveReference, formatTransportReference } from './reference-text.ts'
import { TarWriter } from './tar-writer.ts'
import type {
  BlobOpener,
  CommitResult,
  DestinationContents,
  ImageDestination,
  ImageSource,
  ManifestContent,
  PutOutcome,
} from './transport.ts'

/**
 * Opens `docker-archive:FILE` for writing. It holds one image; the file is made anew and replaces an old one at the
 * commit. Layers lie in it plain and in their order; one that comes before its turn waits in the working directory.
 * What `docker load` before 1.10 wanted (a directory for each layer, `repositories`) is left out.
 *
 * @throws {TareError} `INVALID_REFERENCE`, `DESTINATION_EXISTS` for a directory or a device, `FILE_ACCESS`
 */
export async function openDockerArchiveDestination(
  reference: DockerArchiveReference,
  options: ArchiveOutputOptions = {},
): Promise<ImageDestination> {
  const { pick } = reference
  if (pick?.kind === 'position') {
    const text = formatTransportReference(reference)
    throw new TareError('INVALID_REFERENCE', `destination ${text} picks by position`, {
      hint: 'A docker archive is written with a name, or none',
    })
  }
  const writer = new TarWriter(reference.path, await archiveOutput(reference.path, options))
  const repoTags = pick === undefined ? [] : [pick.name]
  return new DockerArchiveDestination(reference, repoTags, writer, options.workdir)
}

class DockerArchiveDestination implements ImageDestination {
  readonly reference: string
  readonly layerForm = 'plain'
  readonly #path: string
  readonly #repoTags: readonly string[]
  readonly #writer: TarWriter
  readonly #layers: LayerQueue
  readonly #manifests = new Set<Digest>()
  #config: PlainConfig | undefined

  constructor(
    reference: DockerArchiveReference,
    repoTags: readonly string[],
    writer: TarWriter,
    workdir: string | undefined,
  ) {
    this.reference = formatTransportReference(reference)
    this.#path = reference.path
    this.#repoTags = repoTags
    this.#writer = writer
    this.#layers = new LayerQueue(writer, workdir)
  }

  checkManifestType(mediaType: string): void {
    checkPlainType(this.reference, mediaType)
  }

  async prepare(contents: DestinationContents): Promise<void> {
    for (const manifest of contents.manifests) plainManifest(this.reference, manifest)
    if (contents.diffIds !== undefined) this.#layers.setOrder(contents.diffIds)
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#config?.digest === descriptor.digest
  }

  /** Takes the config. **Buffers** it. */
  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    if (await this.hasBlob(descriptor)) return 'present'
    this.#config = await readPlainConfig(descriptor, open, options)
    this.#layers.setOrder(this.#config.diffIds)
    await this.#layers.drain()
    return 'written'
  }

  async putPlainLayer(diffId: DiffId, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    options.signal?.throwIfAborted()
    return this.#layers.put(diffId, async () =>
      verified(abortable(await open(), options.signal), { digest: diffId }, 'layer uncompressed'),
    )
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#manifests.has(descriptor.digest)
  }

  /** The manifest is only checked: the archive keeps none, its reader makes one up. */
  async putManifest(manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    verifyBytes(manifest.bytes, manifest.descriptor, `manifest ${manifest.descriptor.digest}`)
    plainManifest(this.reference, manifest)
    this.#manifests.add(manifest.descriptor.digest)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    options.signal?.throwIfAborted()
    const config = this.#config
    const manifest = plainManifest(this.reference, root)
    if (config === undefined || config.digest !== manifest.config.digest) {
      throw new TareError('INTERNAL', `${this.reference}: config ${manifest.config.digest} was never put`)
    }
    await this.#layers.drain()
    const layers = config.diffIds.map((diffId) => ({ diffId, sizeBytes: this.#layers.sizeOf(diffId) }))
    const configName = `${digestHex(config.digest)}.json`
    await this.#writer.append(configName, bytesSource(config.bytes))
    const image = { config: configName, repoTags: this.#repoTags, layers: config.diffIds.map(layerName) }
    await this.#writer.append('manifest.json', bytesSource(dockerManifestBytes(image)))
    options.signal?.throwIfAborted()
    await this.#writer.commit(options)
    return { digest: synthesiseManifest(config.bytes, layers).descriptor.digest }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#layers[Symbol.asyncDispose]()
    await this.#writer[Symbol.asyncDispose]()
  }

  async reopen(): Promise<ImageSource | undefined> {
    return this.#path === STANDARD_STREAM
      ? undefined
      : openDockerArchiveSource({ transport: 'docker-archive', path: this.#path })
  }
}
