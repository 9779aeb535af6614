import { rm } from 'node:fs/promises'
import { decompress } from '../compress/index.ts'
import { CopyError, hasErrorCode } from '../errors/index.ts'
import type { TreeBlob } from '../image/index.ts'
import { type Descriptor, digestAlgorithm, statedCompression } from '../oci/index.ts'
import {
  detectRecipe,
  formatRecipe,
  type RandomBytes,
  type Recipe,
  type RecipeCache,
  regenerate,
} from '../recompress/index.ts'
import {
  Digester,
  digesting,
  digestOf,
  type OperationOptions,
  readFileRange,
  type SpoolDirectory,
  type SpoolFile,
  verified,
} from '../stream/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { type LayerRecipe, MAX_INLINE_RECIPE_BYTES } from './archive-format.ts'
import type { BaseLayer } from './base-layers.ts'
import type { FinalImage } from './final-image.ts'

/** What came of the search for a recipe. */
export type MatchedLayer =
  /** The layer is left out; `bytes` is its recipe where it has to be a blob of its own. */
  | { readonly kind: 'matched'; readonly recipe: LayerRecipe; readonly bytes?: Uint8Array | undefined }
  /** The layer is carried; `file` holds it where it was read already. */
  | { readonly kind: 'carried'; readonly file?: SpoolFile | undefined }

/** Options of {@link LayerMatcher}. */
export interface LayerMatcherOptions extends OperationOptions {
  readonly kernels: KernelRunner
  /** Keeps recipes between runs. */
  readonly recipes?: RecipeCache | undefined
}

/** A recipe that is not at least this many times smaller than its layer is not worth its trouble. */
const MIN_GAIN = 2

/**
 * Finds out how layers were compressed whose content base has in another compression, so that they can be left out and
 * made again at the receiver. Each recipe is proven by making the layer.
 */
export class LayerMatcher {
  readonly #spool: SpoolDirectory
  readonly #options: LayerMatcherOptions

  constructor(spool: SpoolDirectory, options: LayerMatcherOptions) {
    this.#spool = spool
    this.#options = options
  }

  /** @param sources - base layers with the layer's diffID, of which there is one at least */
  async match(
    image: FinalImage,
    { descriptor, diffId }: TreeBlob,
    sources: readonly BaseLayer[],
  ): Promise<MatchedLayer> {
    if (diffId === undefined) return { kind: 'carried' }
    const recipe: LayerRecipe = {
      digest: descriptor.digest,
      size: descriptor.size,
      diffId,
      sources: sources.map((layer) => layer.descriptor),
    }
    // A plain layer is its own content: any copy of base, unpacked, is the layer.
    if (diffId === descriptor.digest) return { kind: 'matched', recipe }
    if (statedCompression(descriptor.mediaType) !== 'gzip') return { kind: 'carried' }
    const id = `recipe ${descriptor.digest}`
    const { onProgress } = this.#options
    onProgress?.({ kind: 'step', id, label: 'find recipe', doneBytes: 0, state: 'started' })
    const found = await this.#find(image, descriptor, diffId)
    onProgress?.({ kind: 'step', id, label: 'find recipe', doneBytes: descriptor.size, state: 'done' })
    if (found.bytes === undefined) return { kind: 'carried', file: found.file }
    const { bytes } = found
    if (bytes.length <= MAX_INLINE_RECIPE_BYTES) {
      return { kind: 'matched', recipe: { ...recipe, recipe: { kind: 'inline', bytes } } }
    }
    const place = { kind: 'blob', digest: digestOf(bytes), size: bytes.length } as const
    return { kind: 'matched', recipe: { ...recipe, recipe: place }, bytes }
  }

  async #find(
    image: FinalImage,
    layer: Descriptor,
    diffId: Descriptor['digest'],
  ): Promise<{ readonly file: SpoolFile; readonly bytes?: Uint8Array | undefined }> {
    const { signal } = this.#options
    const opened = await image.openBlob(layer, { signal })
    const file = await this.#spool.write('blob', verified(opened, layer, 'blob')).catch((error: unknown) => {
      throw CopyError.at('source', layer.digest, error)
    })
    const plain = await this.#unpack(file, layer, diffId)
    if (plain === undefined) return { file }
    try {
      const recipe = await this.#recipeOf(layer, file, plain)
      const bytes = recipe === undefined ? undefined : formatRecipe(recipe)
      if (bytes === undefined || bytes.length * MIN_GAIN > layer.size) return { file }
      await rm(file.path)
      return { file, bytes }
    } finally {
      await rm(plain.path, { force: true })
    }
  }

  /** Undefined where the layer does not unpack to what its config says: it is carried as it is then. */
  async #unpack(file: SpoolFile, layer: Descriptor, diffId: Descriptor['digest']): Promise<SpoolFile | undefined> {
    const { logger } = this.#options
    try {
      const digester = new Digester(digestAlgorithm(diffId))
      const { source } = await decompress(file.read())
      const plain = await this.#spool.write('plain', digesting(source, digester))
      if (digester.digest() === diffId) return plain
      logger?.warn(`layer ${layer.digest} unpacks to ${digester.digest()}, its config says ${diffId}`)
      await rm(plain.path)
    } catch (error) {
      if (!hasErrorCode(error, 'CORRUPT_GZIP', 'CORRUPT_ZSTD', 'LIMIT_EXCEEDED')) throw error
      logger?.warn(`layer ${layer.digest} is carried as it is: ${error.message}`)
    }
    return undefined
  }

  async #recipeOf(layer: Descriptor, file: SpoolFile, plain: SpoolFile): Promise<Recipe | undefined> {
    const { kernels, recipes, signal, logger } = this.#options
    const kept = await recipes?.get(layer.digest)
    if (kept !== undefined && (await this.#makes(kept, plain, layer))) return kept
    const found = await detectRecipe(randomBytes(file), randomBytes(plain), { kernels, signal })
    if (found === undefined || !(await this.#makes(found, plain, layer))) return undefined
    await recipes?.put(layer.digest, found).catch((error: unknown) => {
      if (!hasErrorCode(error, 'FILE_ACCESS', 'DISK_FULL', 'FILE_NOT_FOUND')) throw error
      logger?.debug(`recipe of ${layer.digest} is not kept: ${error.message}`)
    })
    return found
  }

  async #makes(recipe: Recipe, plain: SpoolFile, layer: Descriptor): Promise<boolean> {
    const { kernels, signal } = this.#options
    const digester = new Digester(digestAlgorithm(layer.digest))
    try {
      for await (const chunk of regenerate(recipe, plain.read(), { kernels, signal })) digester.update(chunk)
    } catch (error) {
      if (!hasErrorCode(error, 'CORRUPT_RECIPE', 'UNSUPPORTED_FORMAT')) throw error
      return false
    }
    return digester.digest() === layer.digest
  }
}

function randomBytes({ path, sizeBytes }: SpoolFile): RandomBytes {
  return { sizeBytes, open: (range) => readFileRange(path, range) }
}
