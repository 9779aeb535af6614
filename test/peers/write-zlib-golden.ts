import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { PigzParameters } from '../../src/kernels/pigz-framing.ts'
import { DEFLATE_INPUTS, type DeflateInputKind } from '../support/deflate-inputs.ts'
import { encodeWithGzip, encodeWithPigz, encodeWithZlib, type ZlibStep } from '../support/zlib-encoders.ts'

/**
 * Writes `test/golden/deflate/zlib.json`: what zlib 1.2.13, gzip 1.12 and pigz 2.6 make of our inputs.
 * Run: `node test/peers/write-zlib-golden.ts`, then `biome format --write` it.
 */
const SEED = 1
const SIZE_BYTES = 300_000
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9]

const lines: string[] = []

function add(encoder: object, input: DeflateInputKind, stream: Uint8Array): void {
  const sha256 = createHash('sha256').update(stream).digest('hex')
  lines.push(JSON.stringify({ input, sizeBytes: SIZE_BYTES, ...encoder, streamBytes: stream.length, sha256 }))
}

function inputOf(kind: DeflateInputKind): Uint8Array {
  return DEFLATE_INPUTS[kind](SIZE_BYTES, SEED)
}

for (const kind of ['mixed', 'repeats'] as const) {
  const input = inputOf(kind)
  for (const level of LEVELS) {
    for (const memoryLevel of [8, 9]) {
      const plain: readonly ZlibStep[] = [['write', SIZE_BYTES]]
      const flushed: readonly ZlibStep[] = [
        ['write', 65_274],
        ['flush', 2],
        ['write', 100_000],
        ['flush', 5],
        ['write', 2],
        ['flush', 1],
        ['write', 50_000],
        ['flush', 3],
        ['write', SIZE_BYTES - 215_276],
      ]
      for (const steps of [plain, flushed]) {
        const [stream = Buffer.alloc(0)] = encodeWithZlib([
          { level, memoryLevel, dictionary: new Uint8Array(), input, steps },
        ])
        add({ family: 0, level, parameter: memoryLevel, ...(steps === plain ? {} : { steps }) }, kind, stream)
      }
    }
    add({ family: 1, level, parameter: 0 }, kind, encodeWithGzip(level, input))
    add({ family: 1, level, parameter: 1 }, kind, encodeWithGzip(level, input, '--rsyncable'))
  }
}
for (const level of LEVELS) {
  for (const [mode, isIndependent] of [
    ['parallel', false],
    ['serial', false],
    ['parallel', true],
  ] as const) {
    const pigz: PigzParameters = { level, blockBytes: 131_072, mode, isIndependent }
    add({ pigz }, 'mixed', encodeWithPigz(pigz, inputOf('mixed')))
  }
}
await writeFile(new URL('../golden/deflate/zlib.json', import.meta.url), `[\n${lines.join(',\n')}\n]\n`)
