import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { DEFLATE_INPUTS, type DeflateInputKind } from '../../support/deflate-inputs.ts'
import { KLAUSPOST_RELEASES, klauspostLevels } from './compare.ts'
import { KlauspostEncoder, type KlauspostJob } from './klauspost-encoder.ts'

/**
 * Writes `test/golden/deflate/klauspost.json` with the real encoders, fetched through the Go module proxy:
 * `node test/peers/klauspost-deflate/write-golden.ts`
 */
interface Shape {
  readonly input: DeflateInputKind
  readonly sizeBytes: number
  readonly flushes: readonly number[]
  readonly dictionary: number
  readonly block: number
}

const SHAPES: readonly Shape[] = [
  { input: 'mixed', sizeBytes: 400_000, flushes: [], dictionary: 0, block: 0 },
  { input: 'mixed', sizeBytes: 150_000, flushes: [60_000, 149_980], dictionary: 0, block: 0 },
  { input: 'mixed', sizeBytes: 131_072, flushes: [], dictionary: 0, block: 65_536 },
  { input: 'repeats', sizeBytes: 70_000, flushes: [], dictionary: 20_000, block: 0 },
  { input: 'words', sizeBytes: 700, flushes: [], dictionary: 0, block: 0 },
  { input: 'zeros', sizeBytes: 0, flushes: [], dictionary: 0, block: 0 },
]

const rows: object[] = []
for (const [family, , release] of KLAUSPOST_RELEASES) {
  await using encoder = await KlauspostEncoder.build(release)
  for (const shape of SHAPES) {
    const { input, sizeBytes, flushes, dictionary, block } = shape
    const borders = [dictionary, ...flushes, sizeBytes]
    const jobs = klauspostLevels(family).map(
      (level): KlauspostJob => ({
        start: dictionary,
        level,
        dictionary,
        block,
        writes: borders.slice(1).map((border, index) => border - (borders[index] ?? 0)),
        flushes: flushes.map((_, index) => index),
      }),
    )
    const streams = await encoder.encode(DEFLATE_INPUTS[input](sizeBytes, 1), jobs)
    const sha256 = Object.fromEntries(
      jobs.map(({ level }, index) => [
        level,
        createHash('sha256')
          .update(streams[index] ?? '')
          .digest('hex'),
      ]),
    )
    rows.push({ family, release, ...shape, sha256 })
  }
}
const target = new URL('../../golden/deflate/klauspost.json', import.meta.url)
await writeFile(target, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`)
