import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { DEFLATE_INPUTS, type DeflateInputKind } from '../../support/deflate-inputs.ts'
import { GoEncoder, type GoJob } from './go-encoder.ts'

/**
 * Writes `test/golden/deflate/go.json` with the installed Go, 1.26 or older:
 * `node test/peers/go-deflate/write-golden.ts`
 */
const LEVELS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const INPUTS: readonly (readonly [DeflateInputKind, number])[] = [
  ['mixed', 300_000],
  ['repeats', 140_000],
  ['words', 70_000],
  ['skewed', 20_000],
  ['runs', 263],
  ['noise', 17],
  ['zeros', 0],
]

await using go = await GoEncoder.build()
const rows: object[] = []
for (const [kind, sizeBytes] of INPUTS) {
  for (const level of LEVELS) {
    for (const flushes of [[], [sizeBytes >> 2, sizeBytes - 3]]) {
      if (flushes.length > 0 && kind !== 'mixed') continue
      const borders = [0, ...flushes, sizeBytes]
      const job: GoJob = {
        start: 0,
        level,
        writes: borders.slice(1).map((border, index) => border - (borders[index] ?? 0)),
        flushes: flushes.map((_, index) => index),
      }
      const [stream] = await go.encode(DEFLATE_INPUTS[kind](sizeBytes, 1), [job])
      if (stream === undefined) throw new Error('no stream')
      const sha256 = createHash('sha256').update(stream).digest('hex')
      rows.push({ input: kind, sizeBytes, level, flushes, streamBytes: stream.length, sha256 })
    }
  }
}
const target = new URL('../../golden/deflate/go.json', import.meta.url)
await writeFile(target, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`)
