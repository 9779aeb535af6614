import type { Digest } from '../../oci/index.ts'
import type { SourceRange } from '../patch/format.ts'
import type { PlainLayer } from '../patch/plain-layer.ts'
import { indexLayer, type LayerEntry, type LayerPiece } from './layer-index.ts'
import { SKETCH_MIN_BYTES, Sketcher, SketchIndex } from './sketch.ts'

/** Files larger than this are not sketched: they are found by path or not at all. */
const SKETCH_MAX_BYTES = 256 * 1024 * 1024

/** An entry of a baseline layer. */
export interface BaselineEntry extends LayerEntry {
  /** Position of the layer in the index. */
  readonly source: number
}

/** Knows all content of the baseline layers: by hash, by path, by similarity. */
export class BaselineIndex {
  readonly layers: readonly PlainLayer[]
  readonly #byHash: ReadonlyMap<string, SourceRange>
  readonly #byPath: ReadonlyMap<string, readonly BaselineEntry[]>
  readonly #byVersionlessPath: ReadonlyMap<string, readonly BaselineEntry[]>
  readonly #entries: readonly BaselineEntry[]
  #sketches: Promise<SketchIndex<BaselineEntry>> | undefined

  private constructor(layers: readonly PlainLayer[], entries: readonly BaselineEntry[]) {
    this.layers = layers
    this.#entries = entries
    const byHash = new Map<string, SourceRange>()
    for (const { source, content } of entries) {
      if (content === undefined || byHash.has(content.hash)) continue
      byHash.set(content.hash, { source, offset: content.offset, length: content.length })
    }
    this.#byHash = byHash
    this.#byPath = Map.groupBy(entries, (entry) => entry.path)
    this.#byVersionlessPath = Map.groupBy(entries, (entry) => versionless(entry.path))
  }

  /**
   * Reads and indexes all layers.
   *
   * @param layers - lowest first
   * @param known - entries of layers by diffID; those that are read here are added
   */
  static async build(
    layers: readonly PlainLayer[],
    known: Map<Digest, Promise<readonly LayerEntry[]>>,
    signal?: AbortSignal,
  ): Promise<BaselineIndex> {
    const entries: BaselineEntry[] = []
    for (const [source, layer] of layers.entries()) {
      const found = known.get(layer.diffId) ?? indexLayer(layer, signal)
      known.set(layer.diffId, found)
      for (const entry of await found) entries.push({ ...entry, source })
    }
    return new BaselineIndex(layers, entries)
  }

  /** The same layers with some of them left out of every answer. */
  without(sources: ReadonlySet<number>): BaselineIndex {
    return new BaselineIndex(
      this.layers,
      this.#entries.filter((entry) => !sources.has(entry.source)),
    )
  }

  /** Content equal to a piece, anywhere in the baseline. */
  findEqual(piece: LayerPiece): SourceRange | undefined {
    const found = this.#byHash.get(piece.hash)
    return found?.length === piece.length ? found : undefined
  }

  /** The entry of the same path; of several the one with the same content, else the nearest size, else the topmost. */
  findSamePath(entry: LayerEntry): BaselineEntry | undefined {
    return nearestSize(entry, this.#byPath.get(entry.path))
  }

  /** What an entry's content is best coded against: same path, same path but for versions, similar content. */
  async findRelative(entry: LayerEntry, layer: PlainLayer): Promise<BaselineEntry | undefined> {
    if (entry.content === undefined) return undefined
    const named = [this.#byPath.get(entry.path), this.#byVersionlessPath.get(versionless(entry.path))]
    for (const candidates of entry.path === '' ? [] : named) {
      const found = nearestSize(
        entry,
        candidates?.filter((candidate) => candidate.content !== undefined),
      )
      if (found !== undefined) return found
    }
    if (!isSketched(entry.content)) return undefined
    this.#sketches ??= this.#sketchAll()
    return (await this.#sketches).nearest(await featuresOf(layer, entry.content))
  }

  async #sketchAll(): Promise<SketchIndex<BaselineEntry>> {
    const index = new SketchIndex<BaselineEntry>()
    for (const entry of this.#entries) {
      const layer = this.layers[entry.source]
      if (layer === undefined || entry.content === undefined || !isSketched(entry.content)) continue
      index.add(entry, await featuresOf(layer, entry.content))
    }
    return index
  }
}

function isSketched(content: LayerPiece): boolean {
  return content.length >= SKETCH_MIN_BYTES && content.length <= SKETCH_MAX_BYTES
}

async function featuresOf(layer: PlainLayer, content: LayerPiece): Promise<readonly number[]> {
  const sketcher = new Sketcher()
  for await (const chunk of layer.stream(content.offset, content.length)) sketcher.update(chunk)
  return sketcher.features()
}

function nearestSize(entry: LayerEntry, candidates: readonly BaselineEntry[] | undefined): BaselineEntry | undefined {
  let best: BaselineEntry | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of candidates ?? []) {
    if (candidate.content?.hash === entry.content?.hash) return candidate
    const distance = Math.abs((candidate.content?.length ?? 0) - (entry.content?.length ?? 0))
    // Of equals the later one: upper layers overwrite lower ones.
    if (distance <= bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** `lib/libssl.so.3.0.11` and `lib/libssl.so.3.0.12` are the same file of two versions. */
function versionless(path: string): string {
  return path.replace(/[0-9a-f]{7,}(?=[^0-9a-z]|$)|\d+/gi, '#')
}
