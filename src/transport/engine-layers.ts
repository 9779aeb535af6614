import type { DockerEngine } from '../engine/index.ts'
import type { DiffId, Digest } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'

/** Images of an engine that are looked at, the newest; each costs a question. */
export const MAX_ENGINE_IMAGES = 1000
/** Questions at a time. */
const CONCURRENCY = 4

/** What layers the images of an engine have. An engine can be asked for images only. */
export class EngineLayers {
  readonly #engine: DockerEngine
  readonly #layersOf = new Map<Digest, readonly Digest[]>()

  constructor(engine: DockerEngine) {
    this.#engine = engine
  }

  /** How many of these layers, from the lowest up, some image of the engine is built on now. */
  async heldCount(diffIds: readonly DiffId[], options: OperationOptions): Promise<number> {
    const { signal } = options
    const ids = (await this.#engine.imageIds(options)).slice(0, MAX_ENGINE_IMAGES)
    const counts = await mapLimited(
      ids,
      CONCURRENCY,
      async (id, _position, limited) => commonCount(diffIds, await this.#layers(id, { ...options, signal: limited })),
      { signal },
    )
    return Math.max(0, ...counts)
  }

  /** An image never changes its layers. One that went meanwhile has none. */
  async #layers(id: Digest, options: OperationOptions): Promise<readonly Digest[]> {
    const known = this.#layersOf.get(id)
    if (known !== undefined) return known
    const layers = (await this.#engine.findImage(id, options))?.diffIds ?? []
    this.#layersOf.set(id, layers)
    return layers
  }
}

function commonCount(left: readonly Digest[], right: readonly Digest[]): number {
  const differing = left.findIndex((digest, position) => digest !== right[position])
  return differing === -1 ? left.length : differing
}
