import { TareError } from '../errors/index.ts'
import { CorruptStreamError, decompress, detectCompression, DETECTION_BYTES } from '../compress/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  formatReference,
  parseImageConfig,
  parseReference,
  withDefaultTag,
} from '../oci/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  digestOf,
  mapLimited,
  type OperationOptions,
  readAllBytes,
  sliceSource,
  verifyBytes,
} from '../stream/index.ts'
import { type DockerArchiveImage, parseDockerManifest, type PlainLayer, synthesiseManifest } from './docker-manifest.ts'
import { checkSuspect } from './incomplete-archive.ts'
import { MAX_INDEX_BYTES } from './layout-index.ts'
import { readNamedFile } from './named-files.ts'
import { type DockerArchiveReference, formatTransportReference } from './reference-text.ts'
import { TarArchive, type TarArchiveOptions } from './tar-archive.ts'
import type { ImageSource, ManifestContent, OpenBlobOptions } from './transport.ts'

/** A config larger than this is not read. */
export const MAX_CONFIG_BYTES: number = 16 * 1024 * 1024
/** Compressed layers sized at a time; each takes a core. */
const SIZING_CONCURRENCY = 2

/**
 * Opens `docker-archive:FILE` for reading: what `docker save`, podman and skopeo write, wrapped in gzip or zstd or not.
 * Such an archive has no manifest; the one that skopeo makes up for it is made up here. Layers that lie in it
 * compressed, as Docker from 25 on writes them, are given plain.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, …
 */
export async function openDockerArchiveSource(
  reference: DockerArchiveReference,
  options: TarArchiveOptions = {},
): Promise<ImageSource> {
  const files = await TarArchive.open(reference.path, { ...options, otherwise: `oci:${reference.path}` })
  return new DockerArchiveSource(formatTransportReference(reference), reference.pick, files, {
    otherwise: `oci-archive:${reference.path}`,
  })
}

/** Which image of a docker archive is meant. */
type DockerArchivePick = DockerArchiveReference['pick']

interface LayerFile extends PlainLayer {
  readonly name: string
  readonly isCompressed: boolean
}

interface LoadedImage {
  readonly manifest: ManifestContent
  readonly config: Uint8Array
  readonly layers: ReadonlyMap<Digest, LayerFile>
}

/** Reads one image of a docker archive, wherever the archive came from. */
export class DockerArchiveSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'plain'
  readonly #pick: DockerArchivePick
  readonly #files: TarArchive
  readonly #otherwise: string | undefined
  #loaded: Promise<LoadedImage> | undefined

  /**
   * @param reference - as text, for messages
   * @param options - `otherwise`: the transport to suggest where there is an `index.json` instead of a `manifest.json`
   */
  constructor(
    reference: string,
    pick: DockerArchivePick,
    files: TarArchive,
    { otherwise }: { readonly otherwise?: string | undefined } = {},
  ) {
    this.reference = reference
    this.#pick = pick
    this.#files = files
    this.#otherwise = otherwise
  }

  async resolve(options: OperationOptions = {}): Promise<ManifestContent> {
    return (await this.#load(options)).manifest
  }

  async readManifest(descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> {
    const { manifest } = await this.#load(options)
    if (descriptor.digest !== manifest.descriptor.digest) throw this.#absent(descriptor.digest)
    verifyBytes(manifest.bytes, descriptor, `manifest of ${this.reference}`)
    return manifest.bytes
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions = {}): Promise<ByteSource> {
    const { config, layers } = await this.#load(options)
    const offset = options.offset ?? 0
    const layer = layers.get(descriptor.digest)
    if (layer === undefined) {
      if (digestOf(config) === descriptor.digest) return bytesSource(config.subarray(offset))
      throw this.#absent(descriptor.digest)
    }
    const open = (offset: number): ByteSource =>
      layer.isCompressed
        ? this.#decompressed(layer, offset, options.signal)
        : abortable(this.#files.open(layer.name, offset), options.signal)
    const reason = await this.#files.whyIncomplete(layer.name)
    if (reason !== undefined) await checkSuspect(open(0), { digest: layer.diffId }, reason)
    return open(offset)
  }

  async hasBlob(descriptor: Descriptor, options: OperationOptions = {}): Promise<boolean> {
    const { config, layers } = await this.#load(options)
    return layers.has(descriptor.digest) || digestOf(config) === descriptor.digest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  /** Opens the file with the first read, so that a source nobody reads leaves nothing open. */
  async *#decompressed(layer: LayerFile, offset: number, signal: AbortSignal | undefined): ByteSource {
    if (offset >= layer.sizeBytes) return
    const { source } = await decompress(abortable(this.#files.open(layer.name), signal))
    yield* offset === 0 ? source : sliceSource(source, offset, layer.sizeBytes - offset)
  }

  #load(options: OperationOptions): Promise<LoadedImage> {
    options.signal?.throwIfAborted()
    this.#loaded ??= this.#read(options).catch((error: unknown) => {
      this.#loaded = undefined
      throw error
    })
    return this.#loaded
  }

  async #read(options: OperationOptions): Promise<LoadedImage> {
    const image = pickImage(await this.#images(), this.#pick, this.reference)
    const config = await this.#config(image)
    const { diffIds } = parseImageConfig(config, `config ${image.config} of ${this.reference}`).rootfs
    const layers = new Map<Digest, LayerFile>()
    for (const layer of await this.#layerFiles(image, diffIds, options)) layers.set(layer.diffId, layer)
    const inOrder = diffIds.map((diffId) => layers.get(diffId)).filter((layer) => layer !== undefined)
    return { manifest: synthesiseManifest(config, inOrder), config, layers }
  }

  async #images(): Promise<readonly DockerArchiveImage[]> {
    const bytes = await readNamedFile(this.#files, 'manifest.json', MAX_INDEX_BYTES, this.reference)
    if (bytes !== undefined) return parseDockerManifest(bytes, this.reference)
    const isLayout = (await this.#files.sizeOf('index.json')) !== undefined
    const reason = isLayout ? undefined : await this.#files.whyIncomplete('manifest.json')
    if (reason !== undefined) throw reason
    throw new TareError('INVALID_ARCHIVE', `${this.reference} is not a docker archive: it has no manifest.json`, {
      hint: isLayout && this.#otherwise !== undefined ? `It has an index.json: try ${this.#otherwise}` : undefined,
    })
  }

  async #config(image: DockerArchiveImage): Promise<Uint8Array> {
    const config = await readNamedFile(this.#files, image.config, MAX_CONFIG_BYTES, this.reference)
    if (config === undefined) throw await this.#lacks(`config ${image.config}`, image.config)
    // Everything else hangs on the config, and nothing but its name says what it should be.
    const named = /(?:^|\/)(?:sha256:)?([0-9a-f]{64})(?:\.json)?$/.exec(image.config)?.[1]
    if (named !== undefined) verifyBytes(config, { digest: `sha256:${named}` }, `config of ${this.reference}`)
    return config
  }

  async #layerFiles(
    image: DockerArchiveImage,
    diffIds: readonly DiffId[],
    options: OperationOptions,
  ): Promise<readonly LayerFile[]> {
    if (image.layers.length !== diffIds.length) {
      throw new TareError(
        'INVALID_ARCHIVE',
        `${this.reference} has ${image.layers.length} layers in manifest.json, ${diffIds.length} in its config`,
      )
    }
    // The same diff may occur twice; its first file stands for both.
    const first = new Map<DiffId, string>()
    for (const [position, diffId] of diffIds.entries()) {
      if (!first.has(diffId)) first.set(diffId, image.layers[position] ?? '')
    }
    return mapLimited(
      [...first],
      SIZING_CONCURRENCY,
      ([diffId, name], _position, signal) => this.#layerFile(diffId, name, signal),
      options,
    )
  }

  async #layerFile(diffId: DiffId, name: string, signal: AbortSignal): Promise<LayerFile> {
    const storedBytes = await this.#files.sizeOf(name)
    if (storedBytes === undefined) throw await this.#lacks(`layer ${name}`, name)
    const head = await readAllBytes(sliceSource(this.#files.open(name), 0, DETECTION_BYTES), DETECTION_BYTES, name)
    if (detectCompression(head) === 'none') return { diffId, name, sizeBytes: storedBytes, isCompressed: false }
    let sizeBytes = 0
    const { source } = await decompress(abortable(this.#files.open(name), signal))
    try {
      for await (const chunk of source) sizeBytes += chunk.length
    } catch (error) {
      throw (error instanceof CorruptStreamError ? await this.#files.whyIncomplete(name) : undefined) ?? error
    }
    return { diffId, name, sizeBytes, isCompressed: true }
  }

  async #lacks(what: string, name: string): Promise<TareError> {
    const reason = await this.#files.whyIncomplete(name)
    return reason ?? new TareError('BLOB_NOT_FOUND', `${this.reference} has no ${what}`)
  }

  #absent(digest: Digest): TareError {
    return new TareError('BLOB_NOT_FOUND', `${this.reference} has no blob ${digest}`)
  }
}

function pickImage(images: readonly DockerArchiveImage[], pick: DockerArchivePick, where: string): DockerArchiveImage {
  const found = findImage(images, pick)
  if (found !== undefined) return found
  const shown = images
    .slice(0, 20)
    .map((image, position) => `@${position} ${image.repoTags.join(', ') || 'without a tag'}`)
  const hint = images.length === 0 ? 'It holds none' : `It holds ${shown.join('; ')}${images.length > 20 ? '; …' : ''}`
  if (pick === undefined && images.length > 1) {
    throw new TareError('AMBIGUOUS_IMAGE', `${where} has ${images.length} images`, {
      hint: `Add :NAME:TAG or :@POSITION to the reference. ${hint}`,
    })
  }
  throw new TareError('NOT_FOUND', `${where} does not exist`, { hint })
}

function findImage(images: readonly DockerArchiveImage[], pick: DockerArchivePick): DockerArchiveImage | undefined {
  switch (pick?.kind) {
    case undefined:
      return images.length === 1 ? images[0] : undefined
    case 'position':
      return images[pick.position]
    case 'name':
      return images.find((image) => image.repoTags.some((tag) => tag === pick.name || normalised(tag) === pick.name))
  }
}

/** A repository tag in full; as it is where it is no reference. */
function normalised(tag: string): string {
  try {
    return formatReference(withDefaultTag(parseReference(tag)))
  } catch {
    return tag
  }
}
