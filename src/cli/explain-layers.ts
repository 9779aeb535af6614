import { stat } from 'node:fs/promises'
import { detectCompression, DETECTION_BYTES, gunzip } from '../compress/index.ts'
import { hasErrorCode } from '../errors/index.ts'
import { type InspectOptions, isFetchedElsewhere, readNarrowed } from '../image/index.ts'
import type { EncoderSpec } from '../kernels/index.ts'
import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import { explainGzip, type GzipExplanation, type RandomBytes } from '../recompress/index.ts'
import {
  type ByteSource,
  Digester,
  type FileRange,
  readAllBytes,
  readFileRange,
  type SpoolDirectory,
  type SpoolFile,
} from '../stream/index.ts'
import { hasTransportPrefix, type OpenContext, openSource, openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { checkIsFile } from './bare-path.ts'

/** What is known of any layer, whatever its form. */
interface LayerFacts {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Left out for a file that no manifest describes. */
  readonly mediaType?: string | undefined
  readonly diffId?: DiffId | undefined
}

/** How a layer was made. */
export type LayerExplanation =
  | (LayerFacts & { readonly compression: 'gzip' } & GzipExplanation)
  /** Its recompression is not modelled yet. */
  | (LayerFacts & { readonly compression: 'zstd' })
  | (LayerFacts & { readonly compression: 'none'; readonly isTar: boolean })
  /** The image does not hold it; its descriptor has URLs. */
  | (LayerFacts & { readonly compression: 'foreign' })

/** What `tare layer explain` tells. */
export interface LayersReport {
  /** The image, or the path of a file. */
  readonly subject: string
  /** That of the image's manifest or index; left out for a file. */
  readonly digest?: Digest | undefined
  /** Each digest once, in the order of the manifests. */
  readonly layers: readonly LayerExplanation[]
}

/** What {@link explainLayers} works with. */
export interface ExplainTools extends InspectOptions {
  readonly kernels: KernelRunner
  readonly spool: SpoolDirectory
  /** Milliseconds. */
  readonly now: () => number
}

/**
 * Explains a file, or all layers of an image.
 *
 * @param subject - an image, or the bare path of a file
 * @throws {TareError} `FILE_NOT_FOUND`, `CORRUPT_GZIP`; as `openSource` does
 */
export async function explainLayers(subject: string, context: OpenContext, tools: ExplainTools): Promise<LayersReport> {
  const explainer = new Explainer(tools)
  if (!hasTransportPrefix(subject)) {
    await checkIsFile(subject, 'a compressed file or a tar', context)
    return { subject, layers: [await explainer.explainFile(subject)] }
  }
  await using source = await openSource(subject, context)
  const { tree } = await readNarrowed(source, tools)
  const layers: LayerExplanation[] = []
  for (const { descriptor, role, diffId } of tree.blobs) {
    if (role !== 'layer') continue
    const open = (): ByteSource => openVerifiedBlob(source, descriptor, 'source', tools)
    layers.push(await explainer.explainLayer(descriptor, diffId, open))
  }
  return { subject: source.reference, digest: tree.root.descriptor.digest, layers }
}

/** A blob on disk, spooled or where the user has it. */
type BlobFile = Pick<SpoolFile, 'path' | 'sizeBytes' | 'read'>

/** Explains one layer after the other: each takes all processors, and neighbours help each other. */
class Explainer {
  readonly #tools: ExplainTools
  readonly #hints: EncoderSpec[] = []

  constructor(tools: ExplainTools) {
    this.#tools = tools
  }

  async explainFile(path: string): Promise<LayerExplanation> {
    const digester = new Digester()
    for await (const chunk of readFileRange(path)) digester.update(chunk)
    const { size: sizeBytes } = await stat(path)
    const file = { path, sizeBytes, read: () => readFileRange(path) }
    return this.#explain({ digest: digester.digest(), sizeBytes }, file)
  }

  async explainLayer(
    descriptor: Descriptor,
    diffId: DiffId | undefined,
    open: () => ByteSource,
  ): Promise<LayerExplanation> {
    const { digest, size: sizeBytes, mediaType } = descriptor
    const { onProgress, spool } = this.#tools
    const facts = { digest, sizeBytes, mediaType, diffId }
    const tell = (state: 'started' | 'done', doneBytes: number): void =>
      onProgress?.({ kind: 'step', id: digest, label: 'explain layer', state, doneBytes, totalBytes: sizeBytes })
    tell('started', 0)
    try {
      const blob = await spool.write('blob', open())
      return await this.#explain(facts, blob)
    } catch (error) {
      if (isFetchedElsewhere(descriptor) && hasErrorCode(error, 'BLOB_NOT_FOUND')) {
        return { ...facts, compression: 'foreign' }
      }
      throw error
    } finally {
      tell('done', sizeBytes)
    }
  }

  async #explain(facts: LayerFacts, blob: BlobFile): Promise<LayerExplanation> {
    const start = await readStart(blob)
    const compression = detectCompression(start.subarray(0, DETECTION_BYTES))
    switch (compression) {
      case 'none':
        return { ...facts, compression, isTar: isTar(start) }
      case 'zstd':
        return { ...facts, compression }
      case 'gzip': {
        const { spool, kernels, now, signal } = this.#tools
        const plain = await spool.write('plain', gunzip(blob.read()))
        const options = { kernels, now, signal, hints: this.#hints, digest: facts.digest }
        return { ...facts, compression, ...(await explainGzip(randomBytes(blob), randomBytes(plain), options)) }
      }
    }
  }
}

const TAR_HEADER_BYTES = 512
const TAR_MAGIC_OFFSET = 257

function readStart(blob: BlobFile): Promise<Uint8Array> {
  const length = Math.min(TAR_HEADER_BYTES, blob.sizeBytes)
  return readAllBytes(readFileRange(blob.path, { length }), length, 'start of a layer')
}

/** @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
function isTar(start: Uint8Array): boolean {
  return Buffer.from(start).toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5) === 'ustar'
}

function randomBytes({ path, sizeBytes }: BlobFile): RandomBytes {
  return { sizeBytes, open: (range: FileRange) => readFileRange(path, range) }
}
