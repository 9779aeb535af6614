import { TareError } from '../errors/index.ts'
import type { TreeBlob } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { parseRecipe, regenerate } from '../recompress/index.ts'
import {
  type ByteSource,
  bytesSource,
  Digester,
  digesting,
  digestOf,
  type SpoolDirectory,
  type SpoolFile,
  verified,
} from '../stream/index.ts'
import { PlainLayerSpool } from './baseline-set.ts'
import { BaselineIndex } from './match/baseline-index.ts'
import { planPatch } from './match/plan-patch.ts'
import { applyPatch } from './patch/apply-patch.ts'
import type { PlainLayer } from './patch/plain-layer.ts'
import { writePatch } from './patch/write-patch.ts'
import { type BlobOrigin, MAX_INLINE_RECIPE_BYTES, type RecipePlace } from './plan.ts'
import { knownOrigin, type Survey } from './survey.ts'
import { TargetLayers, type TargetLayersOptions } from './target-layer.ts'

/** What a delta holds that the target does not. */
export type MadeBlob = { readonly digest: Digest; readonly size: number; readonly open: () => ByteSource }

type PatchOrigin = Extract<BlobOrigin, { kind: 'patch' }>

/** Looks into the layers that the baseline lacks, and makes patches and recipes for those it can. */
export class LayerPatcher implements AsyncDisposable {
  readonly #survey: Survey
  readonly #spool: SpoolDirectory
  readonly #options: TargetLayersOptions
  readonly #targetLayers: TargetLayers
  readonly #plainLayers: PlainLayerSpool
  readonly #made = new Map<Digest, MadeBlob>()
  readonly #diffIds = new Map<Digest, Digest>()
  #index: Promise<BaselineIndex> | undefined

  constructor(survey: Survey, spool: SpoolDirectory, options: TargetLayersOptions) {
    this.#survey = survey
    this.#spool = spool
    this.#options = options
    this.#targetLayers = new TargetLayers(survey.target, spool, options)
    this.#plainLayers = new PlainLayerSpool(survey.baseline, spool, options)
  }

  /** A patch or recipe made before. */
  openMade(digest: Digest): ByteSource {
    const made = this.#made.get(digest)
    if (made === undefined) throw new TareError('INTERNAL', `${digest} was never made`)
    return made.open()
  }

  /** What a layer unpacks to, also where no config says so; undefined for one that was not looked into. */
  diffIdOf(digest: Digest): Digest | undefined {
    return this.#diffIds.get(digest)
  }

  async originOf(blob: TreeBlob): Promise<BlobOrigin> {
    const known = knownOrigin(blob, this.#survey.baseline)
    if (known !== undefined) return known
    const { size } = blob.descriptor
    this.#progress(blob, 0, 'started')
    const target = await this.#targetLayers.open(blob)
    if (target.kind !== 'plain') {
      this.#progress(blob, size, 'done')
      return target.kind === 'foreign' ? { kind: 'foreign' } : { kind: 'archive' }
    }
    await using layer = target.layer
    this.#diffIds.set(blob.descriptor.digest, layer.diffId)
    const origin = await this.#originOfPlain(blob, layer, target.recipe)
    this.#progress(blob, size, 'done')
    return origin
  }

  async #originOfPlain(blob: TreeBlob, layer: PlainLayer, recipe: Uint8Array | undefined): Promise<BlobOrigin> {
    const { baseline } = this.#survey
    const { digest, size } = blob.descriptor
    const recipePlace = recipe === undefined ? undefined : this.#placeRecipe(recipe)
    if (baseline.byDiffId(layer.diffId) !== undefined) {
      const origin: BlobOrigin = { kind: 'baseline-tar', recipe: recipePlace }
      return (await this.#isProven(blob, () => layer.stream(), recipe)) ? origin : { kind: 'archive' }
    }
    const patched = await this.#patch(blob, layer)
    if (patched.origin.patch.size + (recipe?.length ?? 0) >= size) return { kind: 'archive' }
    if (!(await this.#isProven(blob, patched.apply, recipe))) return { kind: 'archive' }
    this.#made.set(patched.origin.patch.digest, { ...patched.origin.patch, open: () => patched.file.read() })
    this.#options.logger?.debug(
      `layer ${digest}: patch of ${patched.file.sizeBytes} bytes, recipe of ${recipe?.length ?? 0}`,
    )
    return { ...patched.origin, recipe: recipePlace }
  }

  async #patch(
    blob: TreeBlob,
    layer: PlainLayer,
  ): Promise<{ readonly origin: PatchOrigin; readonly file: SpoolFile; readonly apply: () => ByteSource }> {
    const { signal, kernels } = this.#options
    this.#index ??= this.#indexBaselines()
    const index = await this.#index
    const frames = await planPatch(layer, index, signal)
    const digester = new Digester()
    const patch = writePatch(layer, index.layers, frames, {
      kernels,
      signal,
      onTargetBytes: (doneBytes) =>
        this.#progress(blob, (doneBytes * blob.descriptor.size) / layer.sizeBytes, 'running'),
    })
    const file = await this.#spool.write('patch', digesting(patch, digester))
    const sources: Digest[] = []
    const openSource = async ({ diffId }: { readonly diffId: Digest }): Promise<PlainLayer> => {
      if (!sources.includes(diffId)) sources.push(diffId)
      const source = index.layers.find((candidate) => candidate.diffId === diffId)
      if (source === undefined) throw new TareError('INTERNAL', `patch source ${diffId} is not in the baseline`)
      return source
    }
    const expected = { digest: layer.diffId, sizeBytes: layer.sizeBytes }
    const apply = (): ByteSource => applyPatch(file.read(), { kernels, signal, openSource, expected })
    return {
      origin: { kind: 'patch', patch: { digest: digester.digest(), size: file.sizeBytes }, sources },
      file,
      apply,
    }
  }

  /** Makes the blob as a receiver would, to the last byte. */
  async #isProven(blob: TreeBlob, openPlain: () => ByteSource, recipe: Uint8Array | undefined): Promise<boolean> {
    const { descriptor } = blob
    const { signal, kernels, logger, recipes } = this.#options
    try {
      const plain = openPlain()
      const made = recipe === undefined ? plain : regenerate(parseRecipe(recipe), plain, { kernels, signal })
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
  #placeRecipe(recipe: Uint8Array): RecipePlace {
    if (recipe.length <= MAX_INLINE_RECIPE_BYTES) return { kind: 'inline', recipe }
    const made = { digest: digestOf(recipe), size: recipe.length, open: () => bytesSource(recipe) }
    this.#made.set(made.digest, made)
    return { kind: 'blob', digest: made.digest, size: made.size }
  }

  async #indexBaselines(): Promise<BaselineIndex> {
    const layers: PlainLayer[] = []
    for (const { diffId, descriptor } of this.#survey.baseline.plainLayers) {
      if (diffId === undefined) continue
      this.#step(descriptor.digest, 'started', 0, descriptor.size)
      layers.push(await this.#plainLayers.open(diffId))
      this.#step(descriptor.digest, 'done', descriptor.size, descriptor.size)
    }
    return BaselineIndex.build(layers, this.#options.signal)
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

  #step(id: Digest, state: 'started' | 'done', doneBytes: number, totalBytes: number): void {
    this.#options.onProgress?.({ kind: 'blob', id, label: 'read baseline', doneBytes, totalBytes, state })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plainLayers[Symbol.asyncDispose]()
  }
}
