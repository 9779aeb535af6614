/** Inputs for encoders, the same on every machine. */

/** A small generator of 32-bit numbers (xorshift): the same seed gives the same numbers. */
export function numbers(seed: number): (below: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const WORDS = 'layer digest manifest index config platform reference blob tar gzip level window match'.split(' ')
/** Where encoders change their mind about a match. */
const DISTANCES = [1, 2, 3, 4, 8191, 4095, 4096, 4097, 32_505, 32_506, 32_507, 32_766, 32_767, 32_768, 32_769]

/** Fills what is left of `bytes` from `start` on with pieces that `piece` writes; each returns how many bytes it wrote. */
function fill(bytes: Uint8Array, piece: (start: number) => number): Uint8Array {
  for (let start = 0; start < bytes.length; ) start += Math.max(1, piece(start))
  return bytes
}

/** Kinds of input: each fills `sizeBytes` bytes from a seed. */
export const DEFLATE_INPUTS = {
  /** One byte over and over. */
  zeros: (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes),

  /** Nothing to gain. */
  noise: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    return new Uint8Array(sizeBytes).map(() => next(256))
  },

  /** Words in random order: short matches, near and far. */
  words: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    const bytes = Buffer.alloc(sizeBytes)
    return fill(bytes, (start) => bytes.write(`${WORDS[next(WORDS.length)] ?? ''}${next(9) === 0 ? '\n' : ' '}`, start))
  },

  /** Bytes whose counts fall by half each: the longest codes there can be. */
  skewed: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    return new Uint8Array(sizeBytes).map(() => Math.clz32(next(0xffffffff)) * 7 + (next(40) === 0 ? next(7) : 0))
  },

  /** Few different bytes: long chains. */
  letters: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    return new Uint8Array(sizeBytes).map(() => 97 + next(3))
  },

  /** Runs of one byte, of every length around the longest match. */
  runs: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    const bytes = new Uint8Array(sizeBytes)
    return fill(bytes, (start) => {
      const size = next(4) === 0 ? 250 + next(20) : next(12)
      bytes.fill(next(5), start, start + size)
      return size
    })
  },

  /** Noise and copies of it from the distances that matter. */
  repeats: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    const bytes = new Uint8Array(sizeBytes)
    return fill(bytes, (start) => {
      const size = Math.min(1 + next(next(8) === 0 ? 700 : 40), sizeBytes - start)
      const distance = DISTANCES[next(DISTANCES.length)] ?? 1
      for (let at = start; at < start + size; at++) {
        bytes[at] = distance <= start && size > 3 ? (bytes[at - distance] ?? 0) : next(256)
      }
      return size
    })
  },

  /** Of everything a piece, as in a layer. */
  mixed: (sizeBytes: number, seed: number): Uint8Array => {
    const next = numbers(seed)
    const bytes = new Uint8Array(sizeBytes)
    return fill(bytes, (start) => {
      const size = Math.min(1 + next(9000), sizeBytes - start)
      const kind = PARTS[next(PARTS.length)] ?? 'noise'
      bytes.set(DEFLATE_INPUTS[kind](size, next(1e6)), start)
      return size
    })
  },
} as const

/** One of `DEFLATE_INPUTS`. */
export type DeflateInputKind = keyof typeof DEFLATE_INPUTS

const PARTS = ['zeros', 'noise', 'words', 'words', 'words', 'skewed', 'letters', 'runs'] as const

/** Sizes at which some encoder does something else than a byte earlier. */
export const CRITICAL_SIZES: readonly number[] = [
  0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 31, 32, 33, 127, 128, 129, 257, 258, 259, 260, 261, 262, 263, 264, 32_506, 32_768,
  65_273, 65_274, 65_275, 65_276, 65_534, 65_535, 65_536, 65_537, 98_042, 131_069, 131_070, 131_071, 131_072,
]
