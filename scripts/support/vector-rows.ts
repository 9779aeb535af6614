import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { EncoderSpec } from '../../src/kernels/index.ts'
import { klauspostFamily } from '../../src/recompress/index.ts'
import { sharedFixture } from '../../test/support/fixtures.ts'

/** What a real encoder made of one input; see the fixtures' own README. */
export interface VectorRow {
  readonly input: string
  readonly tool: string
  readonly version: string
  readonly options: {
    readonly level?: number | string
    readonly memLevel?: number
    readonly blockBytes?: number
    readonly iterations?: number
    readonly args?: string
    /** No model makes it exactly. */
    readonly fallback?: boolean
  }
  readonly sizeBytes: number
  readonly sha256: string
  /** In hexadecimal; the whole header of a gzip file. */
  readonly first10: string
}

/** Rows and the inputs they are about. */
export interface Vectors {
  readonly rows: readonly VectorRow[]
  readonly inputs: ReadonlyMap<string, Uint8Array>
}

/** Reads the vectors beside the checkout; a reason in words where they are absent. */
export function readVectors(): Vectors | string {
  const { path, skip } = sharedFixture('gzip/vectors.json')
  if (skip !== false) return skip
  const rows: readonly VectorRow[] = JSON.parse(readFileSync(path, 'utf8'))
  const inputs = new Map<string, Uint8Array>([
    ['text', readFileSync(sharedFixture('gzip/text.bin').path)],
    ['elf', readFileSync(sharedFixture('gzip/elf.bin').path)],
    ['mixed', mixedInput()],
  ])
  return { rows, inputs }
}

/** The encoder that makes a row's bytes, where there is a model. */
export function modelOf({ tool, version, options }: VectorRow): EncoderSpec | undefined {
  const { level, memLevel = 8, blockBytes, args = '' } = options
  if (typeof level !== 'number' || options.fallback === true) return undefined
  const zlibLevel = level === -1 ? 6 : level
  const klauspostLevel = level === -1 ? 5 : level
  switch (tool) {
    case 'go compress/gzip':
      return Number(version.split('.')[1]) < 27
        ? { kind: 'go', level: zlibLevel }
        : { kind: 'klauspost', family: GO_127_FAMILY, level: zlibLevel }
    case 'klauspost gzip':
      return { kind: 'klauspost', family: familyOf(version), level: klauspostLevel }
    case 'klauspost pgzip':
      return { kind: 'pgzip', family: familyOf(version), level: klauspostLevel, blockBytes: blockBytes ?? PGZIP_BLOCK }
    case 'zlib (python gzip framing)':
    case 'java GZIPOutputStream':
      return { kind: 'zlib', level: zlibLevel, memLevel }
    case 'GNU gzip':
      return { kind: 'gzip', level, isRsyncable: args.includes('--rsyncable') }
    case 'pigz': {
      const mode = args.includes('-p 1') ? 'serial' : 'parallel'
      return { kind: 'pigz', level, blockBytes: PIGZ_BLOCK, mode, isIndependent: false }
    }
    default:
      return undefined
  }
}

const GO_127_FAMILY = 17
const PGZIP_BLOCK = 1_048_576
const PIGZ_BLOCK = 131_072

function familyOf(release: string): number {
  const family = klauspostFamily(release)
  if (family === undefined) throw new Error(`no family has klauspost/compress ${release}`)
  return family
}

const MIXED_BYTES = 1_400_001
const MIXED_SHA256 = 'a61f8218063fcb4ddb3498e49be236f830f8e3c1f12b8cce5cf06072334af890'
const WORDS = 'layer digest manifest index config platform reference blob tar gzip level window match'.split(' ')
const DISTANCES = [32_505, 32_506, 32_507, 32_767, 32_768, 4096, 4097, 1]

/** What the fixtures' `make-mixed.py` writes: zeros, noise, repeats at chosen distances, text. */
function mixedInput(): Uint8Array {
  // The last piece is written whole, then cut.
  const bytes = Buffer.alloc(MIXED_BYTES + 30_000)
  let end = 0
  let seed = 1
  while (end < MIXED_BYTES) {
    seed = advance(seed)
    const kind = (seed >>> 20) % 6
    const size = 1 + ((seed >>> 8) % 9000)
    if (kind === 0) end += size * 3
    else if (kind === 1) end += fillNoise(bytes.subarray(end, end + size), seed)
    else if (kind === 2 && end > 33_000) {
      const distance = DISTANCES[(seed >>> 4) % 8] ?? 1
      for (const stop = end + Math.min(size, 700); end < stop; end++) bytes[end] = bytes[end - distance] ?? 0
    } else if (kind === 3) {
      let state = seed
      for (let left = Math.floor(size / 5); left > 0; left--) {
        state = (Math.imul(state, 69_069) + 1) >>> 0
        end += bytes.write(`${WORDS[(state >>> 16) % WORDS.length] ?? ''} `, end, 'latin1')
      }
    } else if (kind === 4) {
      const pattern = Buffer.alloc(7)
      fillNoise(pattern, seed)
      const repeated = 7 * (Math.floor(size / 7) + 1)
      bytes.fill(pattern, end, end + repeated)
      end += repeated
    } else {
      bytes.fill((seed >>> 12) & 0xff, end, end + (size % 600))
      end += size % 600
    }
  }
  const mixed = bytes.subarray(0, MIXED_BYTES)
  const sha256 = createHash('sha256').update(mixed).digest('hex')
  if (sha256 !== MIXED_SHA256) throw new Error(`the mixed input has the digest ${sha256}, not ${MIXED_SHA256}`)
  return mixed
}

function advance(state: number): number {
  return (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
}

function fillNoise(bytes: Uint8Array, seed: number): number {
  let state = seed
  for (let at = 0; at < bytes.length; at++) {
    state = advance(state)
    bytes[at] = (state >>> 16) & 0xff
  }
  return bytes.length
}
