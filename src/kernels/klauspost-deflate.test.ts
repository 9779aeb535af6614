import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { DEFLATE_INPUTS, type DeflateInputKind } from '../../test/support/deflate-inputs.ts'
import { hasErrorCode } from '../errors/index.ts'
import { DeflateKernel } from './deflate-kernel.ts'
import { encodePgzipBlock, pgzipDictionary, PgzipEncoder, type PgzipParameters } from './pgzip-framing.ts'

/** One input and what the real encoder of a family made of it at each level; see `write-golden.ts` in `test/peers`. */
interface GoldenRow {
  readonly family: number
  readonly release: string
  readonly input: DeflateInputKind
  readonly sizeBytes: number
  readonly flushes: readonly number[]
  readonly dictionary: number
  readonly block: number
  readonly sha256: Readonly<Record<string, string>>
}

const GOLDEN: readonly GoldenRow[] = JSON.parse(
  readFileSync(new URL('../../test/golden/deflate/klauspost.json', import.meta.url), 'utf8'),
)
const NEWEST = 17
const LEVELS = [-2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const kernel = await DeflateKernel.load('klauspost-deflate')

function encodeRow(row: GoldenRow, level: number): Buffer {
  const input = DEFLATE_INPUTS[row.input](row.sizeBytes, 1)
  const parameters = { family: row.family, level, parameter: 0 }
  if (row.block > 0) {
    const encoder = new PgzipEncoder(kernel, { ...parameters, blockBytes: row.block })
    return Buffer.concat([encoder.write(input), encoder.end()])
  }
  kernel.begin(parameters)
  if (row.dictionary > 0) kernel.setDictionary(input.subarray(0, row.dictionary))
  const parts: Uint8Array[] = []
  let at = row.dictionary
  for (const border of row.flushes) {
    parts.push(kernel.write(input.subarray(at, border)), kernel.flush())
    at = border
  }
  return Buffer.concat([...parts, kernel.write(input.subarray(at)), kernel.end()])
}

function encode(level: number, chunks: readonly Uint8Array[], family = NEWEST): Buffer {
  kernel.begin({ family, level, parameter: 0 })
  return Buffer.concat([...chunks.map((chunk) => kernel.write(chunk)), kernel.end()])
}

describe('DeflateKernel of klauspost/compress', () => {
  for (const family of new Set(GOLDEN.map((row) => row.family))) {
    test(`writes the golden streams of family ${family}`, () => {
      const rows = GOLDEN.filter((row) => row.family === family)
      assert.ok(rows.length > 0)
      for (const row of rows) {
        for (const [level, expected] of Object.entries(row.sha256)) {
          const { release, input, sizeBytes, block } = row
          const actual = createHash('sha256')
            .update(encodeRow(row, Number(level)))
            .digest('hex')
          assert.equal(actual, expected, JSON.stringify({ release, level, input, sizeBytes, block }))
        }
      }
    })
  }

  test('writes streams that inflate to the input, at every level', () => {
    const input = DEFLATE_INPUTS.mixed(400_000, 3)
    for (const level of LEVELS) {
      assert.equal(Buffer.compare(inflateRawSync(encode(level, [input])), input), 0, `level ${level}`)
    }
  })

  test('does not let it show where the input was cut', () => {
    const input = DEFLATE_INPUTS.mixed(200_000, 4)
    for (const level of LEVELS) {
      const whole = encode(level, [input])
      for (const size of [1_000, 65_535, 65_536, 131_071]) {
        const chunks: Uint8Array[] = []
        for (let start = 0; start < input.length; start += size) chunks.push(input.subarray(start, start + size))
        assert.equal(Buffer.compare(encode(level, chunks), whole), 0, `level ${level}, chunks of ${size}`)
      }
    }
  })

  test('stands at a byte border behind a sync marker after a flush', () => {
    kernel.begin({ family: NEWEST, level: 5, parameter: 0 })
    const written = Buffer.concat([kernel.write(DEFLATE_INPUTS.words(5_000, 1)), kernel.flush()])
    assert.equal(written.subarray(-4).toString('hex'), '0000ffff')
  })

  test('refuses what no encoder is known for', () => {
    const unknown = [
      { family: -1, level: 5, parameter: 0 },
      { family: 18, level: 5, parameter: 0 },
      { family: NEWEST, level: -1, parameter: 0 },
      { family: NEWEST, level: 10, parameter: 0 },
      { family: NEWEST, level: 5, parameter: 1 },
    ]
    for (const parameters of unknown) {
      const isRefusal = (error: unknown): boolean => hasErrorCode(error, 'UNSUPPORTED_FORMAT')
      assert.throws(() => kernel.begin(parameters), isRefusal, JSON.stringify(parameters))
    }
  })
})

describe('encodePgzipBlock()', () => {
  const parameters: PgzipParameters = { family: NEWEST, level: 5, blockBytes: 65_536 }

  test('makes the blocks of a stream in any order', () => {
    for (const sizeBytes of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      const input = DEFLATE_INPUTS.mixed(sizeBytes, 6)
      const encoder = new PgzipEncoder(kernel, parameters)
      const expected = Buffer.concat([encoder.write(input), encoder.end()])
      const blocks = Math.floor(sizeBytes / parameters.blockBytes) + 1
      const parts: Uint8Array[] = []
      for (let index = blocks - 1; index >= 0; index--) {
        const start = index * parameters.blockBytes
        const before = input.subarray(Math.max(0, start - parameters.blockBytes), start)
        const block = input.subarray(start, start + parameters.blockBytes)
        parts.unshift(encodePgzipBlock(kernel, parameters, pgzipDictionary(before), block, index === blocks - 1))
      }
      assert.equal(Buffer.compare(Buffer.concat(parts), expected), 0, `${sizeBytes} bytes`)
    }
  })

  test('gives no dictionary behind a block of 16,384 bytes', () => {
    const block = DEFLATE_INPUTS.noise(16_385, 1)
    assert.equal(pgzipDictionary(block.subarray(1)).length, 0)
    assert.equal(Buffer.compare(pgzipDictionary(block), block.subarray(1)), 0)
  })
})

describe('PgzipEncoder', () => {
  test('does not let it show where the input was cut', () => {
    const input = DEFLATE_INPUTS.mixed(150_000, 7)
    const parameters: PgzipParameters = { family: NEWEST, level: 6, blockBytes: 20_000 }
    const whole = new PgzipEncoder(kernel, parameters)
    const expected = Buffer.concat([whole.write(input), whole.end()])
    for (const size of [999, 16_384, 16_385, 40_000]) {
      const encoder = new PgzipEncoder(kernel, parameters)
      const parts: Uint8Array[] = []
      for (let start = 0; start < input.length; start += size)
        parts.push(encoder.write(input.subarray(start, start + size)))
      assert.equal(Buffer.compare(Buffer.concat([...parts, encoder.end()]), expected), 0, `chunks of ${size}`)
    }
  })

  test('refuses blocks that could not hold a dictionary', () => {
    assert.throws(() => new PgzipEncoder(kernel, { family: NEWEST, level: 5, blockBytes: 16_384 }), RangeError)
  })
})
