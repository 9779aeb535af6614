import { TareError } from '../errors/index.ts'
import type { TreeBlob } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import {
  formatRecipe,
  mayUseBaseline,
  parseRecipe,
  type Recipe,
  type RegenerateOptions,
  recipeFromBaseline,
  regenerate,
} from '../recompress/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  digesting,
  digestOf,
  type FileRange,
  type SpoolFile,
  verified,
} from '../stream/index.ts'
import { type BaselineRanges, equalRanges } from './match/equal-ranges.ts'
import { planPatch } from './match/plan-patch.ts'
import { applyPatch } from './patch/apply-patch.ts'
import type { PlainLayer } from './patch/plain-layer.ts'
import { usedSources, writePatch } from './patch/write-patch.ts'
import { type BlobOrigin, MAX_INLINE_RECIPE_BYTES, type RecipePlace } from './plan.ts'
import { knownOrigin, type Survey } from './survey.ts'
import { type CompressedLayer, TargetLayers, type TargetLayersOptions } from './target-layer.ts'
import type { Workshop } from './workshop.ts'

/** More pieces than this are not worth telling of. */
const MAX_RANGES = 10_000

type PatchOrigin = Extract<BlobOrigin, { kind: 'patch' }>

/** Looks into the layers that the baseline lacks, and makes patches and recipes for those it can. */
export class LayerPatcher {
  readonly #survey: Survey
  readonly #workshop: Workshop
  readonly #options: TargetLayersOptions
  readonly #targetLayers: TargetLayers

  constructor(survey: Survey, workshop: Workshop, options: TargetLayersOptions) {
    this.#survey = survey
    this.#workshop = workshop
    this.#options = options
    this.#targetLayers = new TargetLayers(survey.target, workshop.spool, options)
  }

  async originOf(blob: TreeBlob): Promise<BlobOrigin> {
    const { digest } = blob.descriptor
    const { baseline } = this.#survey
    const known = knownOrigin(blob, baseline) ?? this.#workshop.originFor({ digest, diffId: blob.diffId }, baseline)
    if (known !== undefined) return known
    const origin = await this.#findOrigin(blob)
    this.#workshop.keepOrigin(digest, origin)
    return origin
  }

  async #findOrigin(blob: TreeBlob): Promise<BlobOrigin> {
    const { digest, size } = blob.descriptor
    this.#progress(blob, 0, 'started')
    const target = await this.#targetLayers.open(blob)
    if (target.kind !== 'plain') {
      this.#progress(blob, size, 'done')
      return target.kind === 'foreign' ? { kind: 'foreign' } : { kind: 'archive' }
    }
    const { layer, compressed, files } = target
    try {
      this.#workshop.keepDiffId(digest, layer.diffId)
      const origin = await this.#originOfPlain(blob, layer, compressed)
      this.#progress(blob, size, 'done')
      return origin
    } finally {
      await layer[Symbol.asyncDispose]()
      for (const file of files) await file.remove()
    }
  }

  async #originOfPlain(
    blob: TreeBlob,
    layer: PlainLayer,
    compressed: CompressedLayer | undefined,
  ): Promise<BlobOrigin> {
    const { size } = blob.descriptor
    if (this.#survey.baseline.byDiffId(layer.diffId) !== undefined) {
      const isProven = await this.#isProven(blob, () => layer.stream(), compressed?.recipe)
      return isProven ? { kind: 'baseline-tar', recipe: this.#placeRecipe(compressed?.recipe) } : { kind: 'archive' }
    }
    const patched = await this.#patch(blob, layer)
    const recipe = compressed === undefined ? undefined : await this.#bestRecipe(compressed, layer, patched.equal)
    const recipeBytes = recipe === undefined ? 0 : formatRecipe(recipe).length
    if (patched.origin.patch.size + recipeBytes >= size) return { kind: 'archive' }
    if (!(await this.#isProven(blob, patched.apply, recipe))) return { kind: 'archive' }
    this.#workshop.keepMade({ ...patched.origin.patch, open: () => patched.file.read() })
    return { ...patched.origin, recipe: this.#placeRecipe(recipe) }
  }

  /** A layer of an unknown encoder may be told from the baseline's blob, where that is compressed too. */
  async #bestRecipe(
    { blob, recipe }: CompressedLayer,
    layer: PlainLayer,
    equal: readonly BaselineRanges[],
  ): Promise<Recipe> {
    if (!mayUseBaseline(recipe)) return recipe
    const plain = {
      sizeBytes: layer.sizeBytes,
      open: ({ offset = 0, length }: FileRange) => layer.stream(offset, length),
    }
    let best = recipe
    for (const { diffId, ranges } of equal) {
      const like = this.#survey.baseline.byDiffId(diffId)
      if (like === undefined || like.descriptor.digest === diffId || ranges.length > MAX_RANGES) continue
      const found = await recipeFromBaseline(
        best,
        blob,
        plain,
        { digest: like.descriptor.digest, ranges },
        this.#regenerating,
      )
      best = found ?? best
    }
    return best
  }

  async #patch(
    blob: TreeBlob,
    layer: PlainLayer,
  ): Promise<{
    readonly origin: PatchOrigin
    readonly file: SpoolFile
    readonly apply: () => ByteSource
    readonly equal: readonly BaselineRanges[]
  }> {
    const { signal, kernels } = this.#options
    const index = await this.#workshop.indexOf(this.#survey.baseline)
    const frames = await planPatch(layer, index, signal)
    const digester = new Digester()
    const patch = writePatch(layer, index.layers, frames, {
      kernels,
      signal,
      onTargetBytes: (doneBytes) =>
        this.#progress(blob, (doneBytes * blob.descriptor.size) / layer.sizeBytes, 'running'),
    })
    const file = await this.#workshop.spool.write('patch', digesting(patch, digester))
    const sources = usedSources(frames).flatMap((position) => index.layers[position]?.diffId ?? [])
    const openSource = async ({ diffId }: { readonly diffId: Digest }): Promise<PlainLayer> => {
      const source = index.layers.find((candidate) => candidate.diffId === diffId)
      if (source === undefined) throw new TareError('INTERNAL', `patch source ${diffId} is not in the baseline`)
      return source
    }
    const expected = { digest: layer.diffId, sizeBytes: layer.sizeBytes }
    const apply = (): ByteSource => applyPatch(file.read(), { kernels, signal, openSource, expected })
    const origin: PatchOrigin = { kind: 'patch', patch: { digest: digester.digest(), size: file.sizeBytes }, sources }
    return { origin, file, apply, equal: equalRanges(frames, index.layers) }
  }

  /** Makes the blob as a receiver would, to the last byte. */
  async #isProven(blob: TreeBlob, openPlain: () => ByteSource, recipe: Recipe | undefined): Promise<boolean> {
    const { descriptor } = blob
    const { signal, logger, recipes } = this.#options
    try {
      const plain = openPlain()
      const made =
        recipe === undefined ? plain : regenerate(parseRecipe(formatRecipe(recipe)), plain, this.#regenerating)
      for await (const chunk of verified(made, descriptor, 'rebuilt layer')) void chunk
      return true
    } catch (error) {
      signal?.throwIfAborted()
      if (recipe !== undefined) await recipes?.remove(descriptor.digest)
      logger?.warn(`layer ${descriptor.digest}: could not be rebuilt, so it is shipped whole (${String(error)})`)
      return false
    }
  }

  /** Recipes are mostly so small that they stand in the plan. */
  #placeRecipe(recipe: Recipe | undefined): RecipePlace | undefined {
    if (recipe === undefined) return undefined
    const bytes = formatRecipe(recipe)
    const read = recipe.members.flatMap(({ encoder }) => (encoder.kind === 'baseline' ? [encoder.blob] : []))
    const reads = read.length === 0 ? undefined : read
    if (bytes.length <= MAX_INLINE_RECIPE_BYTES) return { kind: 'inline', recipe: bytes, reads }
    const made = { digest: digestOf(bytes), size: bytes.length, open: () => bytesSource(bytes) }
    this.#workshop.keepMade(made)
    return { kind: 'blob', digest: made.digest, size: made.size, reads }
  }

  get #regenerating(): RegenerateOptions {
    const { kernels, signal } = this.#options
    return { kernels, signal, openBlob: (digest) => this.#survey.baseline.openBlob(digest, { signal }) }
  }

  #progress(blob: TreeBlob, doneBytes: number, state: 'started' | 'running' | 'done'): void {
    const { digest, size } = blob.descriptor
    const label = 'patch layer'
    this.#options.onProgress?.({
      kind: 'blob',
      id: digest,
      label,
      doneBytes: Math.floor(doneBytes),
      totalBytes: size,
      state,
    })
  }
}
