import { hasErrorCode, TareError } from '../errors/index.ts'
import { DockerEngine } from '../engine/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  digestHex,
  formatReference,
  IMAGE_NAME_ANNOTATION,
  isSchema1Type,
  MEDIA_TYPE,
  REF_NAME_ANNOTATION,
  type Reference,
} from '../oci/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  counted,
  type OperationOptions,
  verified,
  verifyBytes,
} from '../stream/index.ts'
import { dockerManifestBytes } from './docker-manifest.ts'
import { EngineLayers } from './engine-layers.ts'
import type { DockerDaemonOptions } from './engine-options.ts'
import { type DockerDaemonReference, formatDockerDaemon } from './engine-reference.ts'
import { layerName } from './layer-queue.ts'
import { LAYOUT_FILE_CONTENT } from './layout-index.ts'
import { layoutBlobPath } from './layout-source.ts'
import { checkPlainType, type PlainConfig, plainManifest, readPlainConfig } from './plain-image.ts'
import { SpooledBlobs } from './spooled-blobs.ts'
import { TarStream, type TarStreamFile } from './tar-stream.ts'
import type {
  BlobOpener,
  CommitResult,
  DestinationContents,
  ImageDestination,
  ManifestContent,
  PutOutcome,
} from './transport.ts'

/**
 * Opens a name of an engine with Docker's API for writing. Everything waits, verified, in the working directory; the
 * commit gives it to the engine, which tags it at last, and checks that the engine calls the image by its digest.
 * Layers that an image of the engine is built on are left out where the engine does without them.
 *
 * @throws {TareError} `ENGINE_UNREACHABLE`, `ENGINE_REFUSED`, `ENGINE_PROTOCOL`, `INVALID_REFERENCE`, `INVALID_ARGUMENT`
 */
export async function openDockerDaemonDestination(
  reference: DockerDaemonReference,
  options: DockerDaemonOptions = {},
): Promise<ImageDestination> {
  const { image } = reference
  if (typeof image === 'string' || image.tag === undefined || image.digest !== undefined) {
    const problem = typeof image === 'string' ? 'is an image ID' : 'names a digest'
    throw new TareError('INVALID_REFERENCE', `destination ${formatDockerDaemon(reference)} ${problem}`, {
      hint: 'Write docker-daemon:NAME[:TAG]; the digest follows from the image',
    })
  }
  const engine = await DockerEngine.connect(options.docker, options)
  const Destination = engine.storage === 'blobs' ? BlobDaemonDestination : PlainDaemonDestination
  return new Destination(image, engine, options.workdir)
}

/** What both kinds of engine have in common: a name, and a tar to load. */
abstract class DaemonDestination implements AsyncDisposable {
  readonly reference: string
  protected readonly image: Reference
  protected readonly engine: DockerEngine
  protected readonly spooled: SpooledBlobs

  constructor(image: Reference, engine: DockerEngine, workdir: string | undefined) {
    this.reference = formatDockerDaemon({ transport: 'docker-daemon', image })
    this.image = image
    this.engine = engine
    this.spooled = new SpooledBlobs(workdir)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.spooled[Symbol.asyncDispose]()
    await this.engine[Symbol.asyncDispose]()
  }

  /** Nothing is read back: the engine was asked in the commit, and would pack the whole image once more. */
  async reopen(): Promise<undefined> {
    return undefined
  }

  /** Gives the engine its tar. */
  protected async load(files: readonly TarStreamFile[], options: OperationOptions): Promise<void> {
    const { signal, onProgress, logger } = options
    signal?.throwIfAborted()
    const tar = new TarStream(files)
    const totalBytes = tar.sizeBytes
    const step = { kind: 'step', id: this.reference, label: 'load', totalBytes } as const
    let doneBytes = 0
    onProgress?.({ ...step, doneBytes, state: 'started' })
    const open = async (): Promise<ByteSource> =>
      counted(abortable(tar.read(), signal), (byteLength) => {
        doneBytes += byteLength
        onProgress?.({ ...step, doneBytes, state: 'running' })
      })
    try {
      await this.engine.loadImages(
        { sizeBytes: totalBytes, open },
        {
          ...options,
          onMessage: ({ text }) => {
            // Docker takes an image that it can't unpack; it only says so.
            if (/^error\b/i.test(text)) logger?.warn(`${this.reference}: ${text}`)
            else if (text !== '') logger?.debug(`${this.engine.subject}: ${text}`)
          },
        },
      )
    } catch (error) {
      onProgress?.({ ...step, doneBytes, state: 'failed' })
      throw error
    }
    onProgress?.({ ...step, doneBytes, state: 'done' })
  }

  /** Asks the engine what its name stands for now. */
  protected async checkLoaded(expected: Digest, options: OperationOptions): Promise<CommitResult> {
    const found = await this.engine.findImage(formatReference(this.image), options)
    if (found?.id === expected) return { digest: expected }
    const is = found === undefined ? 'there is no such image' : `it is ${found.id}`
    throw new TareError('VERIFY_FAILED', `${this.reference}: ${expected} was loaded, but at the engine ${is}`, {
      hint: 'Somebody else may have tagged an image so meanwhile; try again',
    })
  }
}

/** Into engines that unpack layers: a docker archive, whose image ID is the digest of the config. */
class PlainDaemonDestination extends DaemonDestination implements ImageDestination {
  readonly layerForm = 'plain'
  readonly #layers = new EngineLayers(this.engine)
  readonly #manifests = new Set<Digest>()
  /** Layers that the engine had when it was asked, and how to get at them if it turns out to need them. */
  readonly #leftOut = new Map<DiffId, BlobOpener>()
  #held: ReadonlySet<DiffId> = new Set()
  #config: PlainConfig | undefined

  checkManifestType(mediaType: string): void {
    checkPlainType(this.reference, mediaType)
  }

  async prepare({ manifests, diffIds = [] }: DestinationContents, options: OperationOptions = {}): Promise<void> {
    for (const manifest of manifests) plainManifest(this.reference, manifest)
    // podman wants every layer that the archive names.
    if (this.engine.isPodman) return
    this.#held = new Set(diffIds.slice(0, await this.#layers.heldCount(diffIds, options)))
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#config?.digest === descriptor.digest
  }

  /** Takes the config. **Buffers** it. */
  async putBlob(descriptor: Descriptor, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    if (await this.hasBlob(descriptor)) return 'present'
    this.#config = await readPlainConfig(descriptor, open, options)
    return 'written'
  }

  async putPlainLayer(diffId: DiffId, open: BlobOpener, options: OperationOptions = {}): Promise<PutOutcome> {
    options.signal?.throwIfAborted()
    if (!this.#held.has(diffId)) return this.#spool(diffId, open, options)
    this.#leftOut.set(diffId, open)
    return 'present'
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#manifests.has(descriptor.digest)
  }

  /** The manifest is only checked: the engine keeps none. */
  async putManifest(manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    verifyBytes(manifest.bytes, manifest.descriptor, `manifest ${manifest.descriptor.digest}`)
    plainManifest(this.reference, manifest)
    this.#manifests.add(manifest.descriptor.digest)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    const config = this.#config
    const manifest = plainManifest(this.reference, root)
    if (config === undefined || config.digest !== manifest.config.digest) {
      throw new TareError('INTERNAL', `${this.reference}: config ${manifest.config.digest} was never put`)
    }
    const heldCount = this.#leftOut.size === 0 ? 0 : await this.#layers.heldCount(config.diffIds, options)
    try {
      await this.load(await this.#archive(config, heldCount, options), options)
    } catch (error) {
      // An image may go, and its layers with it, between the question and the load.
      if (heldCount === 0 || !hasErrorCode(error, 'ENGINE_REFUSED')) throw error
      options.logger?.debug(`${error.message}; trying again with every layer`)
      await this.load(await this.#archive(config, 0, options), options)
    }
    return this.checkLoaded(config.digest, options)
  }

  /** The files of a docker archive without the lowest layers, which it names all the same. */
  async #archive(config: PlainConfig, heldCount: number, options: OperationOptions): Promise<readonly TarStreamFile[]> {
    const layers: TarStreamFile[] = []
    for (const diffId of new Set(config.diffIds.slice(heldCount))) {
      const open = this.#leftOut.get(diffId)
      if (open !== undefined && !this.spooled.has(diffId)) await this.#spool(diffId, open, options)
      const file = await this.spooled.get(diffId)
      if (file === undefined) throw new TareError('INTERNAL', `layer ${diffId} was never put`)
      layers.push({ name: layerName(diffId), sizeBytes: file.sizeBytes, open: () => file.read() })
    }
    const configName = `${digestHex(config.digest)}.json`
    const manifest = dockerManifestBytes({
      config: configName,
      repoTags: [formatReference(this.image)],
      layers: config.diffIds.map(layerName),
    })
    return [...layers, inMemory(configName, config.bytes), inMemory('manifest.json', manifest)]
  }

  #spool(diffId: DiffId, open: BlobOpener, { signal }: OperationOptions): Promise<PutOutcome> {
    return this.spooled.put(diffId, async () =>
      verified(abortable(await open(), signal), { digest: diffId }, 'layer uncompressed'),
    )
  }
}

/** Into engines that keep blobs: an OCI archive, whose image ID is the digest of its root. */
class BlobDaemonDestination extends DaemonDestination implements ImageDestination {
  readonly layerForm = 'stored'
  readonly #manifests = new Map<Digest, ManifestContent>()
  readonly #blobs = new Set<Digest>()

  checkManifestType(mediaType: string): void {
    if (!isSchema1Type(mediaType)) return
    throw new TareError('UNSUPPORTED_BY_DESTINATION', `${this.reference} does not take a Docker schema 1 manifest`)
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#blobs.has(descriptor.digest)
  }

  async putBlob(descriptor: Descriptor, open: BlobOpener, { signal }: OperationOptions = {}): Promise<PutOutcome> {
    signal?.throwIfAborted()
    const outcome = await this.spooled.put(descriptor.digest, async () =>
      verified(abortable(await open(), signal), descriptor, 'blob'),
    )
    this.#blobs.add(descriptor.digest)
    return outcome
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#manifests.has(descriptor.digest)
  }

  async putManifest(manifest: ManifestContent, options: OperationOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    verifyBytes(manifest.bytes, manifest.descriptor, `manifest ${manifest.descriptor.digest}`)
    this.#manifests.set(manifest.descriptor.digest, manifest)
  }

  async commit(root: ManifestContent, options: OperationOptions = {}): Promise<CommitResult> {
    const { digest } = root.descriptor
    if (!this.#manifests.has(digest)) throw new TareError('INTERNAL', `${this.reference}: root ${digest} was never put`)
    const blobs: TarStreamFile[] = []
    for (const blob of this.#blobs) {
      const file = await this.spooled.get(blob)
      if (file !== undefined) {
        blobs.push({ name: layoutBlobPath(blob), sizeBytes: file.sizeBytes, open: () => file.read() })
      }
    }
    const documents = [...this.#manifests].map(([own, { bytes }]) => inMemory(layoutBlobPath(own), bytes))
    const layout = inMemory('oci-layout', Buffer.from(LAYOUT_FILE_CONTENT))
    await this.load([layout, inMemory('index.json', this.#index(root)), ...documents, ...blobs], options)
    return this.checkLoaded(digest, options)
  }

  #index({ descriptor: { mediaType, digest, size } }: ManifestContent): Buffer {
    const { tag = '' } = this.image
    const annotations = { [IMAGE_NAME_ANNOTATION]: formatReference(this.image), [REF_NAME_ANNOTATION]: tag }
    const manifests = [{ mediaType, digest, size, annotations }]
    return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests }))
  }
}

function inMemory(name: string, bytes: Uint8Array): TarStreamFile {
  return { name, sizeBytes: bytes.length, open: () => bytesSource(bytes) }
}
