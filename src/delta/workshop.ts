import { isTareError, TareError } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, SpoolDirectory } from '../stream/index.ts'
import { type BaselineSet, PlainLayerSpool } from './baseline-set.ts'
import { BaselineIndex } from './match/baseline-index.ts'
import type { LayerEntry } from './match/layer-index.ts'
import type { PlainLayer } from './patch/plain-layer.ts'
import type { BlobOrigin, PlannedBlob } from './plan.ts'

/** What a delta holds that the target does not. */
export interface MadeBlob {
  readonly digest: Digest
  readonly size: number
  readonly open: () => ByteSource
}

/**
 * What all images of a delta have in common while it is made: each baseline layer is unpacked and indexed once, and a
 * blob that several targets have is looked into once.
 */
export class Workshop implements AsyncDisposable {
  readonly spool: SpoolDirectory
  readonly #options: OperationOptions
  readonly #plainLayers: PlainLayerSpool
  readonly #made = new Map<Digest, MadeBlob>()
  readonly #diffIds = new Map<Digest, Digest>()
  readonly #origins = new Map<Digest, BlobOrigin[]>()
  readonly #indexes = new Map<string, Promise<BaselineIndex>>()
  readonly #entries = new Map<Digest, Promise<readonly LayerEntry[]>>()

  private constructor(spool: SpoolDirectory, options: OperationOptions) {
    this.spool = spool
    this.#options = options
    this.#plainLayers = new PlainLayerSpool(spool, options)
  }

  /** @param workdir - the system's temporary directory when left out */
  static async open(workdir: string | undefined, options: OperationOptions): Promise<Workshop> {
    return new Workshop(await SpoolDirectory.create(workdir), options)
  }

  /** Keeps a patch or recipe for {@link Workshop.openMade}. */
  keepMade(made: MadeBlob): void {
    this.#made.set(made.digest, made)
  }

  /** A patch or recipe made before. */
  openMade(digest: Digest): ByteSource {
    const made = this.#made.get(digest)
    if (made === undefined) throw new TareError('INTERNAL', `${digest} was never made`)
    return made.open()
  }

  /** Remembers what a layer unpacks to. */
  keepDiffId(digest: Digest, diffId: Digest): void {
    this.#diffIds.set(digest, diffId)
  }

  /** What a layer unpacks to, also where no config says so; undefined for one that was not looked into. */
  diffIdOf(digest: Digest): Digest | undefined {
    return this.#diffIds.get(digest)
  }

  keepOrigin(digest: Digest, origin: BlobOrigin): void {
    this.#origins.set(digest, [...(this.#origins.get(digest) ?? []), origin])
  }

  /** How an earlier image of this delta gets the same blob, if that does with another baseline too. */
  originFor({ digest, diffId }: Pick<PlannedBlob, 'digest' | 'diffId'>, baseline: BaselineSet): BlobOrigin | undefined {
    const layer = diffId ?? this.diffIdOf(digest) ?? digest
    return this.#origins.get(digest)?.find((origin) => isServedBy(origin, layer, baseline))
  }

  /** All layers of a baseline, unpacked and indexed. */
  indexOf(baseline: BaselineSet): Promise<BaselineIndex> {
    const key = baseline.plainLayers.map((layer) => layer.diffId).join()
    const known = this.#indexes.get(key)
    if (known !== undefined) return known
    const index = this.#buildIndex(baseline)
    this.#indexes.set(key, index)
    return index
  }

  async #buildIndex(baseline: BaselineSet): Promise<BaselineIndex> {
    const layers: PlainLayer[] = []
    for (const { diffId, descriptor } of baseline.plainLayers) {
      if (diffId === undefined) continue
      this.#step(descriptor.digest, 'started', 0, descriptor.size)
      const layer = await this.#openBaseline(diffId, baseline)
      if (layer !== undefined) layers.push(layer)
      this.#step(descriptor.digest, 'done', descriptor.size, descriptor.size)
    }
    return BaselineIndex.build(layers, this.#entries, this.#options.signal)
  }

  /** A baseline layer that is damaged, or not what its config says, only helps less. */
  async #openBaseline(diffId: Digest, baseline: BaselineSet): Promise<PlainLayer | undefined> {
    try {
      return await this.#plainLayers.open(diffId, baseline)
    } catch (error) {
      if (!isTareError(error) || error.category !== 'content') throw error
      this.#options.logger?.warn(`not used: ${error.message}`)
      return undefined
    }
  }

  #step(id: Digest, state: 'started' | 'done', doneBytes: number, totalBytes: number): void {
    this.#options.onProgress?.({ kind: 'blob', id, label: 'read baseline', doneBytes, totalBytes, state })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plainLayers[Symbol.asyncDispose]()
    await this.spool[Symbol.asyncDispose]()
  }
}

function isServedBy(origin: BlobOrigin, diffId: Digest, baseline: BaselineSet): boolean {
  switch (origin.kind) {
    case 'archive':
    case 'foreign':
      return true
    case 'baseline':
      return baseline.hasBlob(diffId)
    case 'baseline-tar':
      return baseline.byDiffId(diffId) !== undefined && readsServed(origin.recipe?.reads, baseline)
    case 'patch':
      return (
        origin.sources.every((source) => baseline.byDiffId(source) !== undefined) &&
        readsServed(origin.recipe?.reads, baseline)
      )
    case 'blob-patch':
      return baseline.hasBlob(origin.source)
  }
}

function readsServed(reads: readonly Digest[] | undefined, baseline: BaselineSet): boolean {
  return (reads ?? []).every((digest) => baseline.byDigest(digest) !== undefined)
}
