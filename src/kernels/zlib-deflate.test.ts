import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { CRITICAL_SIZES, DEFLATE_INPUTS, type DeflateInputKind } from '../../test/support/deflate-inputs.ts'
import { hasErrorCode } from '../errors/index.ts'
import { DeflateKernel } from './deflate-kernel.ts'
import { encodePigzBlock, PigzEncoder, type PigzParameters } from './pigz-framing.ts'

interface ZlibRow {
  readonly family: number
  readonly level: number
  readonly parameter: number
  readonly steps?: readonly (readonly ['write' | 'flush', number])[]
  readonly pigz?: undefined
}

/** A row of `test/golden/deflate/zlib.json`, which the real encoders wrote: see `test/peers/write-zlib-golden.ts`. */
type GoldenRow = (ZlibRow | { readonly pigz: PigzParameters }) & {
  readonly input: DeflateInputKind
  readonly sizeBytes: number
  readonly streamBytes: number
  readonly sha256: string
}

const GOLDEN = new URL('../../test/golden/deflate/zlib.json', import.meta.url)
// The file is ours.
const rows = JSON.parse(await readFile(GOLDEN, 'utf8')) as readonly GoldenRow[]
const kernel = await DeflateKernel.load('zlib-deflate')
const LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const WRITE_BORDER = 6

function encode(family: number, level: number, parameter: number, input: Uint8Array, pieceBytes = 65_536): Buffer {
  kernel.begin({ family, level, parameter })
  return Buffer.concat([...pieces(input, pieceBytes).map((piece) => kernel.write(piece)), kernel.end()])
}

function pieces(input: Uint8Array, pieceBytes: number): readonly Uint8Array[] {
  const starts = Array.from({ length: Math.ceil(input.length / pieceBytes) }, (_, i) => i * pieceBytes)
  return starts.map((start) => input.subarray(start, start + pieceBytes))
}

function encodeSteps({ family, level, parameter, steps = [] }: ZlibRow, input: Uint8Array): Buffer {
  let at = 0
  kernel.begin({ family, level, parameter })
  const parts = steps.map(([kind, value]) => {
    if (kind === 'flush') return kernel.flush(value)
    at += value
    return kernel.write(input.subarray(at - value, at))
  })
  return Buffer.concat([...parts, kernel.end()])
}

function encodePigz(parameters: PigzParameters, input: Uint8Array, pieceBytes: number): Buffer {
  const encoder = new PigzEncoder(kernel, parameters)
  return Buffer.concat([...pieces(input, pieceBytes).map((piece) => encoder.write(piece)), encoder.end()])
}

function encodeRow(row: GoldenRow, input: Uint8Array): Buffer {
  if (row.pigz !== undefined) return encodePigz(row.pigz, input, 50_000)
  return row.steps === undefined ? encode(row.family, row.level, row.parameter, input) : encodeSteps(row, input)
}

describe('kernel zlib-deflate', () => {
  for (const [name, chosen] of [
    ['zlib', rows.filter((row) => row.pigz === undefined && row.family === 0)],
    ['GNU gzip', rows.filter((row) => row.pigz === undefined && row.family === 1)],
    ['pigz', rows.filter((row) => row.pigz !== undefined)],
  ] as const) {
    test(`writes what ${name} wrote, at every level`, () => {
      assert.ok(chosen.length >= 18)
      for (const row of chosen) {
        const stream = encodeRow(row, DEFLATE_INPUTS[row.input](row.sizeBytes, 1))
        const digest = createHash('sha256').update(stream).digest('hex')
        assert.deepEqual({ ...row, streamBytes: stream.length, sha256: digest }, row)
      }
    })
  }

  test('writes streams that inflate to the input, at sizes where windows and blocks end', () => {
    for (const sizeBytes of CRITICAL_SIZES) {
      const input = DEFLATE_INPUTS.mixed(sizeBytes, sizeBytes)
      for (const level of [0, 1, 4, 9]) {
        assert.deepEqual(inflateRawSync(encode(0, level, 8, input)), Buffer.from(input), `level ${level}`)
      }
      assert.deepEqual(inflateRawSync(encode(1, 6, 0, input)), Buffer.from(input))
    }
  })

  test('writes the same however the input is cut', () => {
    const input = DEFLATE_INPUTS.mixed(150_000, 5)
    for (const level of LEVELS) {
      const whole = encode(0, level, 8, input)
      for (const pieceBytes of [1009, 32_769, 150_000]) {
        assert.deepEqual(encode(0, level, 8, input, pieceBytes), whole, `level ${level}, pieces of ${pieceBytes}`)
      }
    }
    assert.deepEqual(encode(1, 6, 0, input, 1), encode(1, 6, 0, input))
  })

  test('gives back all bytes written so far at a sync flush, and none twice', () => {
    const input = DEFLATE_INPUTS.words(70_000, 6)
    for (const level of LEVELS) {
      kernel.begin({ family: 0, level, parameter: 8 })
      const first = Buffer.concat([kernel.write(input), kernel.flush()])
      assert.equal(first.subarray(-5).toString('hex').slice(2), '0000ffff')
      const rest = kernel.end()
      assert.deepEqual(inflateRawSync(Buffer.concat([first, rest])), Buffer.from(input), `level ${level}`)
    }
  })

  test('a write border changes nothing where a window has enough ahead', () => {
    const input = DEFLATE_INPUTS.words(200_000, 7)
    kernel.begin({ family: 0, level: 6, parameter: 8 })
    const parts = pieces(input, 8192).flatMap((piece) => [kernel.write(piece), kernel.flush(WRITE_BORDER)])
    assert.deepEqual(Buffer.concat([...parts, kernel.end()]), encode(0, 6, 8, input))
  })

  test('a stream does not show what was encoded before it', () => {
    const input = DEFLATE_INPUTS.repeats(40_000, 8)
    const alone = encode(1, 9, 0, input)
    kernel.begin({ family: 0, level: 9, parameter: 9 })
    kernel.write(DEFLATE_INPUTS.noise(100_000, 9))
    assert.deepEqual(encode(1, 9, 0, input), alone)
  })

  test('refuses encoders it does not know', () => {
    const unknown = [
      [0, 10, 8],
      [0, -1, 8],
      [0, 6, 0],
      [0, 6, 10],
      [1, 0, 0],
      [1, 6, 2],
      [1, 6, 8],
      [2, 6, 8],
      [-1, 6, 8],
    ] as const
    for (const [family, level, parameter] of unknown) {
      assert.throws(
        () => kernel.begin({ family, level, parameter }),
        (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
      )
    }
  })
})

describe('PigzEncoder', () => {
  const parallel: PigzParameters = { level: 6, blockBytes: 32_768, mode: 'parallel', isIndependent: false }

  test('writes the same however the input is cut', () => {
    const input = DEFLATE_INPUTS.mixed(150_000, 10)
    for (const parameters of [
      parallel,
      { ...parallel, mode: 'serial' as const },
      { ...parallel, isIndependent: true },
    ]) {
      const whole = encodePigz(parameters, input, 150_000)
      assert.deepEqual(inflateRawSync(whole), Buffer.from(input))
      assert.deepEqual(encodePigz(parameters, input, 777), whole)
    }
  })

  test('writes what encodePigzBlock() writes block by block', () => {
    for (const sizeBytes of [0, 1, 32_767, 32_768, 32_769, 131_072, 150_000]) {
      const input = DEFLATE_INPUTS.words(sizeBytes, 11)
      for (const parameters of [parallel, { ...parallel, isIndependent: true }, { ...parallel, blockBytes: 20_000 }]) {
        const blocks = sizeBytes === 0 ? [input] : pieces(input, parameters.blockBytes)
        const written = blocks.map((block, i) => {
          const history = input.subarray(0, i * parameters.blockBytes)
          return encodePigzBlock(kernel, parameters, history, block, i === blocks.length - 1)
        })
        assert.deepEqual(Buffer.concat(written), encodePigz(parameters, input, 1 << 20))
      }
    }
  })

  test('refuses blocks of no bytes', () => {
    assert.throws(() => new PigzEncoder(kernel, { ...parallel, blockBytes: 0 }), RangeError)
  })
})
