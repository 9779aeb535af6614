import {
  decodeZstdPatch,
  encodeZstdPatch,
  MAX_DICTIONARY_BYTES,
  PatchDictionary,
  patchEncodingMemoryBytes,
  patchMemoryBytes,
  type ZstdPatchOptions,
} from '../../compress/index.ts'
import { hasErrorCode, isTareError, TareError } from '../../errors/index.ts'
import type { Digest } from '../../oci/index.ts'
import {
  type ByteSource,
  counted,
  type OperationOptions,
  type SpoolDirectory,
  type SpoolFile,
  sliceSource,
  verified,
} from '../../stream/index.ts'
import { MemoryGate } from '../memory-gate.ts'
import { type Fingerprint, fingerprintOf, rankSources } from './fingerprint.ts'
import type { BaselineBlob, ShippedLayer } from './survey-pairs.ts'

/** Options of {@link BlobPatcher}. */
export interface BlobPatcherOptions extends OperationOptions {
  /**
   * How hard to try, 1 to 22; those below 5 count as 5. Left out, every candidate is tried at 12, and the best of them
   * at 22 where that may pay: the layer and its source have up to 32 MiB, and the patch is more than a hundredth.
   */
  readonly level?: number | undefined
  /** log2 of the bytes a receiver has to keep, 10 to 31, or what covers the layer. @default 'auto' */
  readonly windowLog?: number | 'auto' | undefined
  /**
   * `auto`: patches where they pay; `off`: layers as they are; `required`: as `auto`, but a patch that can't be made is
   * an error instead of a warning. @default 'auto'
   */
  readonly intraLayer?: 'auto' | 'off' | 'required' | undefined
  /** Baseline layers tried for each layer, the most promising first. @default 3 */
  readonly candidates?: number | undefined
  /** Memory that coding may take. A layer that no source fits for is an error. @default 4 GiB are not exceeded together */
  readonly memoryBytes?: number | undefined
}

/** A layer as an archive holds it. */
export type StoredLayer =
  | { readonly kind: 'full'; readonly open: (signal: AbortSignal | undefined) => ByteSource }
  | { readonly kind: 'patch'; readonly source: Digest; readonly file: SpoolFile }

const DEFAULT_CANDIDATES = 3
const DEFAULT_MEMORY_BYTES = 2 ** 32
const QUICK_LEVEL = 12
const THOROUGH_LEVEL = 22
/** Up to here the best level takes half a minute or so. */
const SMALL_LAYER_BYTES = 32 * 1024 * 1024
/** Patches smaller than this part of their layer are not tried again. */
const WORTHWHILE_SHARE = 0.01

/** A patch that may become the one. */
interface Attempt {
  readonly source: Digest
  readonly dictionary: SpoolFile
  readonly file: SpoolFile
}

/** Makes patches between whole layers, as diffah does: each layer against the baseline layer that serves it best. */
export class BlobPatcher {
  readonly #spool: SpoolDirectory
  readonly #options: BlobPatcherOptions
  readonly #memory: MemoryGate
  readonly #sources = new Map<Digest, Promise<SpoolFile | undefined>>()
  readonly #fingerprints = new Map<Digest, Promise<Fingerprint | undefined>>()

  constructor(spool: SpoolDirectory, options: BlobPatcherOptions) {
    this.#spool = spool
    this.#options = options
    this.#memory = new MemoryGate(options.memoryBytes ?? DEFAULT_MEMORY_BYTES)
  }

  /**
   * Finds the smallest way to store a layer. Of patches that are equally small the one from the more promising source
   * is taken, so the outcome depends on nothing but the layers and the options.
   *
   * @throws {TareError} `MEMORY_LIMIT`; {@link CopyError} for a target that can't be read
   */
  async store(layer: ShippedLayer): Promise<StoredLayer> {
    const sources = this.#eligible(layer)
    if (sources.length === 0) return { kind: 'full', open: layer.open }
    this.#progress(layer, 'started', 0)
    const target = await this.#spool.write('target', layer.open(this.#options.signal))
    const patch = await this.#bestPatch(layer, target, sources).catch((error: unknown) => {
      if (this.#options.intraLayer === 'required' || !hasErrorCode(error, 'MEMORY_LIMIT')) throw error
      this.#options.logger?.warn(`layer ${layer.descriptor.digest} is stored as it is: ${error.message}`)
      return undefined
    })
    this.#progress(layer, 'done', layer.descriptor.size)
    if (patch === undefined) return { kind: 'full', open: () => target.read() }
    await target.remove()
    return patch
  }

  /** Sources that anyone could decode against, within the memory there is. */
  #eligible({ descriptor, sources }: ShippedLayer): readonly BaselineBlob[] {
    const { intraLayer, memoryBytes } = this.#options
    // A patch has to be smaller than its layer, and there is none of no bytes.
    if (intraLayer === 'off' || descriptor.size <= 1) return []
    const usable = sources.filter(
      (source) => source.descriptor.size > 0 && source.descriptor.size <= MAX_DICTIONARY_BYTES,
    )
    if (memoryBytes === undefined || usable.length === 0) return usable
    const level = this.#options.level ?? QUICK_LEVEL
    const needs = usable.map((source) => this.#memoryFor(descriptor.size, source.descriptor.size, level))
    const fitting = usable.filter((_source, position) => (needs[position] ?? 0) <= memoryBytes)
    if (fitting.length > 0) return fitting
    const leastMiB = Math.ceil(Math.min(...needs) / 2 ** 20)
    throw new TareError(
      'MEMORY_LIMIT',
      `patching layer ${descriptor.digest} takes about ${leastMiB} MiB, ${Math.floor(memoryBytes / 2 ** 20)} MiB are allowed`,
      { hint: `Give --memory ${leastMiB}MiB or more, or --intra-layer off` },
    )
  }

  async #bestPatch(
    layer: ShippedLayer,
    target: SpoolFile,
    sources: readonly BaselineBlob[],
  ): Promise<StoredLayer | undefined> {
    const best = await this.#smallest(layer, target, await this.#ranked(layer, target, sources))
    if (best === undefined) return undefined
    if (await this.#isProven(layer, best)) return { kind: 'patch', source: best.source, file: best.file }
    if (this.#options.intraLayer !== 'required') return undefined
    throw new TareError('INTERNAL', `the patch of layer ${layer.descriptor.digest} does not make the layer`)
  }

  async #smallest(
    layer: ShippedLayer,
    target: SpoolFile,
    ranked: readonly BaselineBlob[],
  ): Promise<Attempt | undefined> {
    const { size } = layer.descriptor
    const level = this.#options.level ?? QUICK_LEVEL
    let best: Attempt | undefined
    let first: Omit<Attempt, 'file'> | undefined
    for (const { descriptor, open } of ranked) {
      const dictionary = await this.#sourceFile({ descriptor, open })
      if (dictionary === undefined) continue
      const candidate = { source: descriptor.digest, dictionary }
      first ??= candidate
      best = await this.#improve(best, layer, target, candidate, level)
    }
    const source = best ?? first
    if (this.#options.level !== undefined || source === undefined) return best
    if (best !== undefined && best.file.sizeBytes < size * WORTHWHILE_SHARE) return best
    const isSmall = Math.max(size, source.dictionary.sizeBytes) <= SMALL_LAYER_BYTES
    const { memoryBytes = DEFAULT_MEMORY_BYTES } = this.#options
    const fits = this.#memoryFor(size, source.dictionary.sizeBytes, THOROUGH_LEVEL) <= memoryBytes
    return isSmall && fits ? this.#improve(best, layer, target, source, THOROUGH_LEVEL) : best
  }

  /** The smaller of a patch that there is and one that is made; the first where they are equal. */
  async #improve(
    best: Attempt | undefined,
    layer: ShippedLayer,
    target: SpoolFile,
    candidate: Omit<Attempt, 'file'>,
    level: number,
  ): Promise<Attempt | undefined> {
    const limitBytes = best?.file.sizeBytes ?? layer.descriptor.size
    const file = await this.#encode(layer, target, candidate.dictionary, level, limitBytes)
    if (file === undefined) return best
    await best?.file.remove()
    return { source: candidate.source, dictionary: candidate.dictionary, file }
  }

  async #ranked(
    { descriptor, sources: all }: ShippedLayer,
    target: SpoolFile,
    sources: readonly BaselineBlob[],
  ): Promise<readonly BaselineBlob[]> {
    const candidates = this.#options.candidates ?? DEFAULT_CANDIDATES
    // Where all are tried their order matters little, and nothing has to be read to find it.
    const isLookedInto = all.length > candidates
    const ranked = await Promise.all(
      sources.map(async (source) => ({
        ...source.descriptor,
        source,
        fingerprint: isLookedInto ? await this.#fingerprint(source) : undefined,
      })),
    )
    const fingerprint = isLookedInto ? await fingerprintOf(target.read()) : undefined
    const order = rankSources({ digest: descriptor.digest, size: descriptor.size, fingerprint }, ranked)
    return order.slice(0, candidates).map(({ source }) => source)
  }

  #fingerprint(source: BaselineBlob): Promise<Fingerprint | undefined> {
    const { digest } = source.descriptor
    const known = this.#fingerprints.get(digest)
    if (known !== undefined) return known
    const fingerprint = this.#sourceFile(source).then((file) => file && fingerprintOf(file.read()))
    this.#fingerprints.set(digest, fingerprint)
    return fingerprint
  }

  /** A baseline layer in the spool, read once; undefined for a damaged one, which only helps nobody. */
  #sourceFile(source: BaselineBlob): Promise<SpoolFile | undefined> {
    const { digest } = source.descriptor
    const known = this.#sources.get(digest)
    if (known !== undefined) return known
    const file = this.#spool.write('baseline', source.open(this.#options.signal)).catch((error: unknown) => {
      if (!isTareError(error) || error.category !== 'content') throw error
      this.#options.logger?.warn(`not used: ${error.message}`)
      return undefined
    })
    this.#sources.set(digest, file)
    return file
  }

  /** @returns undefined for a patch that is not smaller than `limitBytes` */
  async #encode(
    layer: ShippedLayer,
    target: SpoolFile,
    source: SpoolFile,
    level: number,
    limitBytes: number,
  ): Promise<SpoolFile | undefined> {
    const { digest, size } = layer.descriptor
    const { signal } = this.#options
    using _held = await this.#memory.enter(this.#memoryFor(size, source.sizeBytes, level), signal)
    const dictionary = await readDictionary(source)
    // The receiver's `zstd` program may be one that fails with those.
    if (dictionary.looksTrained) return undefined
    let doneBytes = 0
    const read = counted(target.read(), (length) => this.#progress(layer, 'running', (doneBytes += length)))
    const patch = encodeZstdPatch(read, dictionary, {
      ...this.#codec(size, level),
      subject: `patch of ${digest}`,
      signal,
    })
    const file = await this.#spool.write('patch', sliceSource(patch, 0, limitBytes))
    if (file.sizeBytes < limitBytes) return file
    await file.remove()
    return undefined
  }

  /** Makes the layer as a receiver would, to the last byte. */
  async #isProven({ descriptor }: ShippedLayer, { file, dictionary }: Attempt): Promise<boolean> {
    const { signal, logger } = this.#options
    using _held = await this.#memory.enter(patchMemoryBytes(dictionary.sizeBytes, descriptor.size), signal)
    try {
      const target = { sizeBytes: descriptor.size, subject: `patch of ${descriptor.digest}` }
      const made = decodeZstdPatch(file.read(), await readDictionary(dictionary), target)
      for await (const chunk of verified(made, descriptor, 'rebuilt layer')) void chunk
      return true
    } catch (error) {
      signal?.throwIfAborted()
      if (!hasErrorCode(error, 'CORRUPT_ZSTD', 'DIGEST_MISMATCH', 'SIZE_MISMATCH')) throw error
      logger?.warn(
        `layer ${descriptor.digest}: its patch does not make it, so it is stored as it is (${error.message})`,
      )
      return false
    }
  }

  #memoryFor(targetBytes: number, sourceBytes: number, level: number): number {
    return patchEncodingMemoryBytes(sourceBytes, this.#codec(targetBytes, level))
  }

  #codec(sizeBytes: number, level: number): Omit<ZstdPatchOptions, 'subject'> {
    const { windowLog = 'auto' } = this.#options
    return windowLog === 'auto' ? { sizeBytes, level } : { sizeBytes, level, windowLog }
  }

  #progress({ descriptor }: ShippedLayer, state: 'started' | 'running' | 'done', doneBytes: number): void {
    const { digest, size } = descriptor
    this.#options.onProgress?.({ kind: 'blob', id: digest, label: 'patch layer', doneBytes, totalBytes: size, state })
  }
}

function readDictionary(file: SpoolFile): Promise<PatchDictionary> {
  return PatchDictionary.read(file.read(), file.sizeBytes, file.path)
}
