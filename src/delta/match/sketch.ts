const SLOTS = 16
/** Files this small are not worth finding a relative for. */
export const SKETCH_MIN_BYTES = 512
/** Features two files must share to count as relatives. */
const MIN_SHARED = 3

/** Random 32-bit numbers, one for each byte value; fixed, because they decide what a delta looks like. */
const GEAR: Int32Array = makeGear()

function makeGear(): Int32Array {
  const gear = new Int32Array(256)
  let state = 0x9e3779b9
  for (let index = 0; index < 256; index++) {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    gear[index] = state
  }
  return gear
}

/**
 * Collects the min-hash sketch of a file: for each of 16 classes of 32-byte windows, the smallest hash. Files that
 * share much content share most of their features.
 */
export class Sketcher {
  readonly #minima: Int32Array = new Int32Array(SLOTS).fill(0x7fffffff)
  #hash = 0

  update(chunk: Uint8Array): void {
    const minima = this.#minima
    let hash = this.#hash
    for (let index = 0; index < chunk.length; index++) {
      hash = ((hash << 1) + (GEAR[chunk[index] as number] as number)) | 0
      // The top bits have seen the last 32 bytes; the low ones only the last few.
      const slot = hash >>> 28
      const value = Math.imul(hash, 0x2c1b3c6d) >>> 1
      if (value < (minima[slot] as number)) minima[slot] = value
    }
    this.#hash = hash
  }

  /** One number for each class that occurred. */
  features(): readonly number[] {
    const features: number[] = []
    this.#minima.forEach((minimum, slot) => {
      if (minimum !== 0x7fffffff) features.push(minimum * SLOTS + slot)
    })
    return features
  }
}

/** Finds the file that shares most with another. */
export class SketchIndex<File> {
  readonly #files: File[] = []
  readonly #byFeature = new Map<number, number[]>()

  add(file: File, features: readonly number[]): void {
    const position = this.#files.push(file) - 1
    for (const feature of features) {
      const positions = this.#byFeature.get(feature)
      if (positions === undefined) this.#byFeature.set(feature, [position])
      // A feature that very many files share says nothing, and would make this quadratic.
      else if (positions.length < 64) positions.push(position)
    }
  }

  /** The file with the most features in common, the earliest of equals; undefined when none is near. */
  nearest(features: readonly number[]): File | undefined {
    const shared = new Map<number, number>()
    for (const feature of features) {
      for (const position of this.#byFeature.get(feature) ?? []) {
        shared.set(position, (shared.get(position) ?? 0) + 1)
      }
    }
    let best: number | undefined
    let bestShared = MIN_SHARED - 1
    for (const [position, count] of shared) {
      if (count > bestShared || (count === bestShared && best !== undefined && position < best)) {
        best = position
        bestShared = count
      }
    }
    return best === undefined ? undefined : this.#files[best]
  }
}
