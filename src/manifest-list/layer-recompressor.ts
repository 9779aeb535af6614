import { CopyError, TareError } from '../errors/index.ts'
import { decompress, zstd } from '../compress/index.ts'
import { type TreeBlob, withCompression } from '../image/index.ts'
import {
  type Descriptor,
  type Digest,
  isDockerType,
  isForeignLayerType,
  MEDIA_TYPE,
  statedCompression,
} from '../oci/index.ts'
import {
  type ByteSource,
  counted,
  Digester,
  digesting,
  type OperationOptions,
  SpoolDirectory,
  type SpoolFile,
  verified,
} from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { LayerCompression, RecompressOptions } from './compression-variants.ts'

/** What a {@link LayerRecompressor} works with. */
export interface LayerRecompressorParts {
  /** Has the layers. */
  readonly source: ImageSource
  /** Runs the encoder of gzip. @default one in this thread */
  readonly kernels?: KernelRunner | undefined
  /** Where layers wait. @default the system's temporary directory */
  readonly workdir?: string | undefined
}

/** Makes layers anew in another compression. Each is made once, however many members share it, and waits on disk. */
export class LayerRecompressor implements AsyncDisposable {
  readonly #parts: LayerRecompressorParts
  readonly #made = new Map<string, Promise<Descriptor>>()
  readonly #files = new Map<Digest, SpoolFile>()
  #spool: Promise<SpoolDirectory> | undefined
  #inlineKernels: Promise<KernelRunner> | undefined

  constructor(parts: LayerRecompressorParts) {
    this.#parts = parts
  }

  /**
   * The layer in another compression, with a media type of its own family; the same one where it is that already.
   *
   * @throws {TareError} `CANNOT_CONVERT` for Docker's types and zstd, which do not go together, and for encrypted layers
   */
  recompress(layer: TreeBlob, to: RecompressOptions, options: OperationOptions): Promise<Descriptor> {
    const { descriptor } = layer
    if (statedCompression(descriptor.mediaType) === to.format || isForeignLayerType(descriptor.mediaType)) {
      return Promise.resolve(descriptor)
    }
    const mediaType = layerType(descriptor, to.format)
    const key = `${descriptor.digest} ${to.format} ${to.level}`
    const making = this.#made.get(key) ?? this.#make(layer, to, options)
    this.#made.set(key, making)
    return making.then((made) => ({ ...made, mediaType }))
  }

  /** Opens a layer that was made here; undefined for any other blob. */
  open(digest: Digest): ByteSource | undefined {
    return this.#files.get(digest)?.read()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#made.values())
    const spool = await this.#spool?.catch(() => undefined)
    await spool?.[Symbol.asyncDispose]()
    const kernels = await this.#inlineKernels?.catch(() => undefined)
    await kernels?.[Symbol.asyncDispose]()
  }

  async #make(layer: TreeBlob, to: RecompressOptions, options: OperationOptions): Promise<Descriptor> {
    const { descriptor, diffId } = layer
    const { digest, size, mediaType } = descriptor
    const { source, workdir } = this.#parts
    const progress = (doneBytes: number, state: 'started' | 'running' | 'done' | 'failed'): void =>
      options.onProgress?.({
        kind: 'step',
        id: digest,
        label: `${to.format} layer`,
        doneBytes,
        totalBytes: size,
        state,
      })
    let doneBytes = 0
    progress(0, 'started')
    try {
      this.#spool ??= SpoolDirectory.create(workdir)
      const spool = await this.#spool
      const packed = counted(openVerifiedBlob(source, descriptor, 'source', options), (byteLength) => {
        doneBytes += byteLength
        progress(doneBytes, 'running')
      })
      const { source: plain } = await decompress(packed, { subject: `layer ${digest}` })
      const tar = diffId === undefined ? plain : verified(plain, { digest: diffId }, `layer ${digest} uncompressed`)
      const digester = new Digester()
      const file = await spool.write('layer', digesting(await this.#packed(tar, to, options), digester))
      const made: Descriptor = { mediaType, digest: digester.digest(), size: file.sizeBytes }
      this.#files.set(made.digest, file)
      progress(size, 'done')
      return made
    } catch (error) {
      progress(doneBytes, 'failed')
      throw CopyError.at('source', digest, error)
    }
  }

  /** Packs a plain tar: in gzip as containers/image does, on every machine the same; in zstd as this Node.js does. */
  async #packed(
    plain: ByteSource,
    { format, level }: RecompressOptions,
    { signal }: OperationOptions,
  ): Promise<ByteSource> {
    if (format === 'zstd') return zstd(plain, { level })
    const kernels = this.#parts.kernels ?? (await (this.#inlineKernels ??= startInlineKernels()))
    const { containersImageEncoder, gzip } = await import('../recompress/index.ts')
    return gzip(plain, { kernels, encoder: containersImageEncoder({ level }), signal })
  }
}

async function startInlineKernels(): Promise<KernelRunner> {
  // Loaded when something is packed: most pushes pack nothing.
  const { createInlineRunner } = await import('../workers/index.ts')
  return createInlineRunner()
}

/** Docker's own type for zstd is read by few, so none is written. */
function layerType({ mediaType, digest }: Descriptor, to: LayerCompression): string {
  const type = withCompression(mediaType, to)
  if (type !== undefined && type !== MEDIA_TYPE.DOCKER_LAYER_ZSTD) return type
  throw new TareError('CANNOT_CONVERT', `layer ${digest} is ${mediaType}, which there is not in ${to}`, {
    hint: isDockerType(mediaType) ? 'Push it in the OCI format' : 'Push it as it is',
  })
}
