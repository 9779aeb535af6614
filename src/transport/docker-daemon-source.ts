import { open } from 'node:fs/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import { DockerEngine, type EngineImage, errorText } from '../engine/index.ts'
import { printableText } from '../http/index.ts'
import { type Descriptor, type Digest, formatReference, isJsonObject } from '../oci/index.ts'
import { abortable, type ByteSource, type OperationOptions, SpoolDirectory } from '../stream/index.ts'
import { DockerArchiveSource } from './docker-archive-source.ts'
import type { DockerDaemonOptions } from './engine-options.ts'
import { type DockerDaemonReference, formatDockerDaemon } from './engine-reference.ts'
import { heldImage } from './held-members.ts'
import { LayoutSource, layoutBlobPath } from './layout-source.ts'
import { TarArchive } from './tar-archive.ts'
import type { ImageSource, LayerForm, ManifestContent, OpenBlobOptions } from './transport.ts'

/** A saved image may be this many times, and … */
const MAX_SAVED_RATIO = 8
/** … this many bytes, larger than what the engine says: headers of small files weigh more than the files. */
const SAVED_FREE_BYTES = 8 * 1024 ** 3
/** An error that breaks off a saved image is looked for in its last bytes. */
const ERROR_TAIL_BYTES = 16 * 1024

/**
 * Opens an image of an engine with Docker's API for reading. The engine can only give an image as a whole: it is saved
 * to the working directory with the first read, and read there. An engine that keeps layers unpacked gives them plain,
 * like a docker archive; one that keeps blobs gives those, with the manifest they came with.
 *
 * @throws {TareError} `ENGINE_UNREACHABLE`, `ENGINE_REFUSED`, `ENGINE_PROTOCOL`, `NOT_FOUND`, `INVALID_ARGUMENT`
 */
export async function openDockerDaemonSource(
  reference: DockerDaemonReference,
  options: DockerDaemonOptions = {},
): Promise<ImageSource> {
  await using resources = new AsyncDisposableStack()
  const engine = resources.use(await DockerEngine.connect(options.docker, options))
  const image = await findImage(engine, reference, options)
  resources.move()
  return new DockerDaemonSource(reference, engine, image, options.workdir)
}

/** An image, and the member of it that the reference picks. */
interface FoundImage extends EngineImage {
  readonly pick?: Digest | undefined
}

async function findImage(
  engine: DockerEngine,
  reference: DockerDaemonReference,
  options: OperationOptions,
): Promise<FoundImage> {
  const { image } = reference
  const found = await engine.findImage(typeof image === 'string' ? image : formatReference(image), options)
  if (found !== undefined) return found
  // A member of an index has no name of its own; it is found through the tag of the index.
  if (engine.storage === 'blobs' && typeof image !== 'string' && image.digest !== undefined) {
    const { digest, ...named } = image
    const whole = await engine.findImage(formatReference({ tag: 'latest', ...named }), options)
    if (whole !== undefined) return { ...whole, pick: digest }
  }
  throw new TareError('NOT_FOUND', `${formatDockerDaemon(reference)} does not exist at the ${engine.subject}`, {
    hint: 'docker images, or podman images, lists what there is',
  })
}

/** What an image was saved as. */
interface SavedImage {
  readonly source: ImageSource
  readonly root: ManifestContent
}

class DockerDaemonSource implements ImageSource {
  readonly reference: string
  readonly layerForm: LayerForm
  readonly #engine: DockerEngine
  readonly #image: FoundImage
  readonly #workdir: string | undefined
  readonly #resources = new AsyncDisposableStack()
  #saved: Promise<SavedImage> | undefined

  constructor(reference: DockerDaemonReference, engine: DockerEngine, image: FoundImage, workdir: string | undefined) {
    this.reference = formatDockerDaemon(reference)
    this.layerForm = engine.storage === 'blobs' ? 'stored' : 'plain'
    this.#engine = this.#resources.use(engine)
    this.#image = image
    this.#workdir = workdir
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    return (await this.#save(options)).root
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    return (await this.#save(options)).source.readManifest(descriptor, options)
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    return (await this.#save(options)).source.openBlob(descriptor, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saved?.catch(() => undefined)
    await this.#resources.disposeAsync()
  }

  #save(options: OperationOptions): Promise<SavedImage> {
    options.signal?.throwIfAborted()
    this.#saved ??= this.#spool(options).catch((error: unknown) => {
      this.#saved = undefined
      throw error
    })
    return this.#saved
  }

  async #spool(options: OperationOptions): Promise<SavedImage> {
    await using resources = new AsyncDisposableStack()
    const spool = resources.use(await SpoolDirectory.create(this.#workdir))
    const tar = await spool.write('image', this.#download(options))
    const archive = resources.use(await this.#openArchive(tar.path, tar.sizeBytes, options))
    const saved = await this.#read(archive, options)
    this.#resources.use(resources.move())
    return saved
  }

  /** What the engine saves, with progress, and no more than it can be. */
  async *#download(options: OperationOptions): ByteSource {
    const { signal, onProgress } = options
    const { id, sizeBytes } = this.#image
    const limit = sizeBytes * MAX_SAVED_RATIO + SAVED_FREE_BYTES
    const step = { kind: 'step', id: this.reference, label: 'save' } as const
    let doneBytes = 0
    onProgress?.({ ...step, doneBytes, state: 'started' })
    for await (const chunk of abortable(await this.#engine.saveImage(id, options), signal)) {
      doneBytes += chunk.length
      if (doneBytes > limit) throw new TareError('LIMIT_EXCEEDED', `${this.reference} is larger than its engine says`)
      onProgress?.({ ...step, doneBytes, state: 'running' })
      yield chunk
    }
    onProgress?.({ ...step, doneBytes, state: 'done' })
  }

  async #openArchive(path: string, sizeBytes: number, options: OperationOptions): Promise<TarArchive> {
    try {
      return await TarArchive.open(path, {
        ...options,
        workdir: this.#workdir,
        shownAs: this.reference,
        otherwise: 'docker-archive:',
      })
    } catch (error) {
      if (!hasErrorCode(error, 'CORRUPT_TAR', 'FILE_INCOMPLETE', 'INVALID_ARCHIVE')) throw error
      throw (await this.#engineError(path, sizeBytes)) ?? error
    }
  }

  /** The engine's own words where it broke off. */
  async #engineError(path: string, sizeBytes: number): Promise<TareError | undefined> {
    const tail = await readTail(path, sizeBytes)
    const start = tail.lastIndexOf('{"errorDetail"')
    if (start === -1) return undefined
    const said = parseObject(tail.slice(start))
    const problem = said === undefined ? undefined : errorText(said)
    if (problem === undefined) return undefined
    return new TareError(
      'ENGINE_REFUSED',
      `${this.#engine.subject}, saving ${this.reference}: ${printableText(problem)}`,
    )
  }

  async #read(archive: TarArchive, options: OperationOptions): Promise<SavedImage> {
    if (this.layerForm === 'plain') {
      const source = new DockerArchiveSource(this.reference, undefined, archive)
      return { source, root: await source.resolve(options) }
    }
    const { id, pick } = this.#image
    const source = new LayoutSource(this.reference, { kind: 'digest', digest: pick ?? id }, archive)
    const root = await source.resolve(options)
    const blobs = {
      has: async ({ digest }: Descriptor) => (await archive.sizeOf(layoutBlobPath(digest))) !== undefined,
      readManifest: (descriptor: Descriptor) => source.readManifest(descriptor, options),
    }
    return { source, root: await heldImage(this.reference, root, blobs, options) }
  }
}

async function readTail(path: string, sizeBytes: number): Promise<string> {
  const length = Math.min(sizeBytes, ERROR_TAIL_BYTES)
  try {
    await using file = await open(path, 'r')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, sizeBytes - length)
    return buffer.subarray(0, bytesRead).toString('utf8')
  } catch (error) {
    throw fileError(path, 'read', error)
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim())
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
