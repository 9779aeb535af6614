import { type Compression, DETECTION_BYTES, decompress, detectCompression } from '../compress/index.ts'
import { hasErrorCode, isTareError } from '../errors/index.ts'
import { isFetchedElsewhere, type TreeBlob } from '../image/index.ts'
import type { EncoderSpec } from '../kernels/index.ts'
import { type Digest, digestAlgorithm } from '../oci/index.ts'
import { detectRecipe, type RandomBytes, type Recipe, type RecipeCache } from '../recompress/index.ts'
import {
  type ByteSource,
  Digester,
  digesting,
  type OperationOptions,
  readAllBytes,
  readFileRange,
  type SpoolDirectory,
  type SpoolFile,
  sliceSource,
} from '../stream/index.ts'
import { type ImageSource, openVerifiedBlob } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { PlainLayer } from './patch/plain-layer.ts'

/** Options of {@link TargetLayers}. */
export interface TargetLayersOptions extends OperationOptions {
  readonly kernels: KernelRunner
  /** Keeps recipes between runs. */
  readonly recipes?: RecipeCache | undefined
  /** `none` takes no layer apart. @default 'all' */
  readonly patches?: 'all' | 'none' | undefined
}

/** A layer of the target, taken apart. */
export type TargetLayer =
  /** The target does not hold it; its descriptor has URLs. */
  | { readonly kind: 'foreign' }
  /** Its bytes can't be made from plain ones. */
  | { readonly kind: 'opaque' }
  /** Plain bytes, and where they are compressed in the target, the recipe to make its blob of them. */
  | {
      readonly kind: 'plain'
      readonly layer: PlainLayer
      readonly compressed?: CompressedLayer | undefined
      /** What can go with the layer. */
      readonly files: readonly SpoolFile[]
    }

/** The compressed form of a layer. */
export interface CompressedLayer {
  readonly blob: RandomBytes
  readonly recipe: Recipe
}

/** Opens the layers of a target as plain bytes, and finds out how the compressed ones were made. */
export class TargetLayers {
  readonly #target: ImageSource
  readonly #spool: SpoolDirectory
  readonly #options: TargetLayersOptions
  /** What made the layers so far: neighbours mostly share their encoder. */
  readonly #hints: EncoderSpec[] = []

  constructor(target: ImageSource, spool: SpoolDirectory, options: TargetLayersOptions) {
    this.#target = target
    this.#spool = spool
    this.#options = options
  }

  /** @returns a layer whose plain bytes the caller disposes */
  async open(blob: TreeBlob): Promise<TargetLayer> {
    const compression = await this.#compressionOf(blob)
    switch (compression) {
      case undefined:
        return { kind: 'foreign' }
      case 'none': {
        if (this.#options.patches === 'none') return { kind: 'opaque' }
        const file = await this.#spool.write('target', this.#openBlob(blob))
        return { kind: 'plain', layer: await PlainLayer.open(file, blob.descriptor.digest), files: [file] }
      }
      case 'gzip':
        if (this.#options.patches === 'none') return { kind: 'opaque' }
        return this.#openSound(blob)
      case 'zstd':
        return { kind: 'opaque' }
    }
  }

  /** A layer that does not unpack is the target's own affair: it is carried as it is. */
  async #openSound(blob: TreeBlob): Promise<TargetLayer> {
    try {
      return await this.#openGzip(blob)
    } catch (error) {
      if (!hasErrorCode(error, 'CORRUPT_GZIP', 'LIMIT_EXCEEDED')) throw error
      this.#options.logger?.warn(`layer ${blob.descriptor.digest} is carried as it is: ${error.message}`)
      return { kind: 'opaque' }
    }
  }

  async #openGzip(blob: TreeBlob): Promise<TargetLayer> {
    const compressed = await this.#spool.write('blob', this.#openBlob(blob))
    const digester = new Digester(blob.diffId === undefined ? 'sha256' : digestAlgorithm(blob.diffId))
    const { source } = await decompress(compressed.read())
    const plain = await this.#spool.write('target', digesting(source, digester))
    const plainDigest = digester.digest()
    if (blob.diffId !== undefined && blob.diffId !== plainDigest) {
      const { logger } = this.#options
      logger?.warn(`layer ${blob.descriptor.digest} unpacks to ${plainDigest}, its config says ${blob.diffId}`)
      return { kind: 'opaque' }
    }
    const recipe = await this.#recipeOf(blob, compressed, plain)
    if (recipe === undefined) return { kind: 'opaque' }
    const layer = await PlainLayer.open(plain, plainDigest)
    return { kind: 'plain', layer, compressed: { blob: randomBytes(compressed), recipe }, files: [compressed, plain] }
  }

  async #recipeOf(blob: TreeBlob, compressed: SpoolFile, plain: SpoolFile): Promise<Recipe | undefined> {
    const { kernels, recipes, signal } = this.#options
    const { digest } = blob.descriptor
    const cached = await recipes?.get(digest)
    if (cached !== undefined) return cached
    const options = { kernels, signal, hints: this.#hints }
    const recipe = await detectRecipe(randomBytes(compressed), randomBytes(plain), options)
    if (recipe !== undefined) await this.#keep(digest, recipe)
    return recipe
  }

  /** A recipe that can't be kept is only found anew next time. */
  async #keep(digest: Digest, recipe: Recipe): Promise<void> {
    const { recipes, logger } = this.#options
    try {
      await recipes?.put(digest, recipe)
    } catch (error) {
      if (!isTareError(error) || error.category !== 'environment') throw error
      logger?.debug(`recipe of ${digest} is not kept: ${error.message}`)
    }
  }

  /**
   * What the layer's bytes say; media types of Docker's archives are not to be believed. Undefined for a foreign layer
   * that the target leaves to its URLs.
   */
  async #compressionOf(blob: TreeBlob): Promise<Compression | undefined> {
    try {
      const start = sliceSource(this.#openBlob(blob), 0, DETECTION_BYTES)
      return detectCompression(await readAllBytes(start, DETECTION_BYTES, 'start of layer'))
    } catch (error) {
      if (isFetchedElsewhere(blob.descriptor) && hasErrorCode(error, 'BLOB_NOT_FOUND')) return undefined
      throw error
    }
  }

  #openBlob({ descriptor }: TreeBlob): ByteSource {
    return openVerifiedBlob(this.#target, descriptor, 'target', { signal: this.#options.signal })
  }
}

function randomBytes({ path, sizeBytes }: SpoolFile): RandomBytes {
  return { sizeBytes, open: (range) => readFileRange(path, range) }
}
