import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { crc32, inflateRawSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { CRITICAL_SIZES, DEFLATE_INPUTS, type DeflateInputKind } from '../../test/support/deflate-inputs.ts'
import { type DeflateCheckpoint, DeflateKernel } from './deflate-kernel.ts'

/** A row of `test/golden/deflate/go.json`, which Go itself wrote: see `test/peers/go-deflate/write-golden.ts`. */
interface GoldenRow {
  readonly input: DeflateInputKind
  readonly sizeBytes: number
  readonly level: number
  readonly flushes: readonly number[]
  readonly streamBytes: number
  readonly sha256: string
}

const GOLDEN = new URL('../../test/golden/deflate/go.json', import.meta.url)
// The file is ours.
const rows = JSON.parse(await readFile(GOLDEN, 'utf8')) as readonly GoldenRow[]
const kernel = await DeflateKernel.load('go-deflate')
const ALL_LEVELS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const RESUMABLE_LEVELS = [-2, 0, 4, 5, 6, 7, 8, 9]

function begin(level: number): void {
  kernel.begin({ family: 0, level, parameter: 0 })
}

function encode(level: number, input: Uint8Array, pieceBytes = input.length): Buffer {
  begin(level)
  const parts: Uint8Array[] = []
  for (let at = 0; at < input.length; at += pieceBytes) parts.push(kernel.write(input.subarray(at, at + pieceBytes)))
  return Buffer.concat([...parts, kernel.end()])
}

/** The stream and every checkpoint on its way. */
function encodeWithCheckpoints(level: number, input: Uint8Array): readonly [Buffer, readonly DeflateCheckpoint[]] {
  begin(level)
  const parts: Uint8Array[] = []
  const checkpoints: DeflateCheckpoint[] = []
  for (let at = 0; at < input.length; at += 1000) {
    parts.push(kernel.write(input.subarray(at, at + 1000)))
    const checkpoint = kernel.checkpoint()
    if (checkpoint !== undefined && checkpoint.outputBits !== checkpoints.at(-1)?.outputBits) {
      checkpoints.push(checkpoint)
    }
  }
  return [Buffer.concat([...parts, kernel.end()]), checkpoints]
}

function resumed(level: number, checkpoint: DeflateCheckpoint, input: Uint8Array): Buffer {
  begin(level)
  const { inputBytes } = checkpoint
  kernel.resume(checkpoint, input.subarray(Math.max(0, inputBytes - 32_768), inputBytes))
  return Buffer.concat([kernel.write(input.subarray(inputBytes)), kernel.end()])
}

describe('kernel go-deflate', () => {
  for (const level of ALL_LEVELS) {
    test(`writes what Go writes at level ${level}, with and without flushes`, () => {
      const rowsOfLevel = rows.filter((row) => row.level === level)
      assert.equal(rowsOfLevel.length, 8)
      for (const { input, sizeBytes, flushes, streamBytes, sha256 } of rowsOfLevel) {
        const bytes = DEFLATE_INPUTS[input](sizeBytes, 1)
        begin(level)
        const parts: Uint8Array[] = []
        let done = 0
        for (const flush of flushes) {
          parts.push(kernel.write(bytes.subarray(done, flush)), kernel.flush())
          done = flush
        }
        const stream = Buffer.concat([...parts, kernel.write(bytes.subarray(done)), kernel.end()])
        assert.equal(stream.length, streamBytes, `${input} ${flushes.join()}`)
        assert.equal(createHash('sha256').update(stream).digest('hex'), sha256, `${input} ${flushes.join()}`)
      }
    })
  }

  test('writes the stream that BuildKit publishes for its compression', () => {
    // Digests of the gzip files, from BuildKit's own test: its way to see that Go's encoder changed.
    const input = Buffer.from('BuildKit gzip compatibility data\0with repetition\n'.repeat(4096))
    const trailer = Buffer.alloc(8)
    trailer.writeUInt32LE(crc32(input))
    trailer.writeUInt32LE(input.length, 4)
    for (const [level, start] of [
      [-1, 'b9738544'],
      [0, '0069b765'],
      [1, 'e356453b'],
      [9, '79f9d591'],
    ] as const) {
      const xfl = level === 1 ? '04' : level === 9 ? '02' : '00'
      const gzip = Buffer.concat([Buffer.from(`1f8b080000000000${xfl}ff`, 'hex'), encode(level, input), trailer])
      assert.equal(createHash('sha256').update(gzip).digest('hex').slice(0, 8), start)
    }
  })

  test('writes the same however the input is cut', () => {
    const input = DEFLATE_INPUTS.mixed(200_001, 7)
    for (const level of ALL_LEVELS) {
      const whole = encode(level, input)
      for (const pieceBytes of [97, 4096, 32_768, 65_535, 65_536, 65_537]) {
        assert.deepEqual(encode(level, input, pieceBytes), whole, `level ${level}, pieces of ${pieceBytes}`)
      }
    }
  })

  test('writes streams that inflate to the input, at critical sizes', () => {
    for (const sizeBytes of CRITICAL_SIZES) {
      const input = DEFLATE_INPUTS.repeats(sizeBytes, sizeBytes)
      for (const level of [-2, 0, 1, 2, 6]) {
        assert.deepEqual(inflateRawSync(encode(level, input)), Buffer.from(input), `level ${level}, ${sizeBytes} bytes`)
      }
    }
  })

  test('forgets the stream before', () => {
    const input = DEFLATE_INPUTS.words(5000, 3)
    for (const level of ALL_LEVELS) {
      const first = encode(level, input)
      begin(9)
      kernel.write(DEFLATE_INPUTS.words(150_000, 3))
      assert.deepEqual(encode(level, input), first)
    }
  })

  test('copies from the dictionary from level 2 on', () => {
    const dictionary = DEFLATE_INPUTS.noise(40_000, 5)
    const input = dictionary.subarray(20_000, 21_000)
    for (const level of ALL_LEVELS) {
      begin(level)
      kernel.setDictionary(dictionary)
      const stream = Buffer.concat([kernel.write(input), kernel.end()])
      const usesDictionary = level === -1 || level >= 2
      assert.equal(stream.length < 100, usesDictionary, `level ${level}`)
      assert.deepEqual(
        inflateRawSync(stream, usesDictionary ? { dictionary: dictionary.subarray(-32_768) } : {}),
        Buffer.from(input),
      )
      assert.equal(kernel.checkpoint() !== undefined && level > 1, false)
    }
  })

  test('refuses parameters it does not know', () => {
    for (const parameters of [
      { family: 1, level: 6, parameter: 0 },
      { family: 0, level: 10, parameter: 0 },
      { family: 0, level: -3, parameter: 0 },
      { family: 0, level: 6, parameter: 1 },
      { family: 0.5, level: 6, parameter: 0 },
      { family: 2 ** 32, level: 6, parameter: 0 },
    ]) {
      assert.throws(
        () => kernel.begin(parameters),
        (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
      )
    }
  })
})

describe('kernel go-deflate, checkpoints', () => {
  for (const level of RESUMABLE_LEVELS) {
    test(`goes on at each of them at level ${level}`, () => {
      let resumptions = 0
      let waits = 0
      for (const [kind, seed] of [
        ['mixed', 1],
        ['words', 2],
        ['repeats', 3],
        ['noise', 4],
      ] as const) {
        const input = DEFLATE_INPUTS[kind](400_000, seed)
        const [stream, checkpoints] = encodeWithCheckpoints(level, input)
        for (const checkpoint of checkpoints) {
          const rest = stream.subarray(Math.floor(checkpoint.outputBits / 8))
          assert.deepEqual(resumed(level, checkpoint, input), rest, `${kind} at ${checkpoint.inputBytes}`)
          resumptions++
          waits += (checkpoint.state >> 7) & 1
        }
      }
      assert.ok(resumptions >= 12, `${resumptions} resumptions`)
      assert.equal(waits > 0, level >= 4)
    })
  }

  test('counts on from where it resumed', () => {
    const input = DEFLATE_INPUTS.mixed(600_000, 9)
    const [, checkpoints] = encodeWithCheckpoints(6, input)
    const [first, ...later] = checkpoints
    assert.ok(first !== undefined && later.length > 2)
    begin(6)
    kernel.resume(first, input.subarray(Math.max(0, first.inputBytes - 32_768), first.inputBytes))
    const seen: DeflateCheckpoint[] = []
    for (let at = first.inputBytes; at < input.length; at += 1000) {
      kernel.write(input.subarray(at, at + 1000))
      const checkpoint = kernel.checkpoint()
      if (checkpoint !== undefined && checkpoint.inputBytes !== seen.at(-1)?.inputBytes) seen.push(checkpoint)
    }
    assert.deepEqual(seen, later)
  })

  test('are none where input does not tell the state', () => {
    const input = DEFLATE_INPUTS.words(300_000, 4)
    for (const level of [1, 2, 3]) assert.deepEqual(encodeWithCheckpoints(level, input)[1], [])
  })

  test('are none in the window behind a flush, and again after it', () => {
    const input = DEFLATE_INPUTS.noise(120_000, 6)
    begin(6)
    const before: Uint8Array[] = [kernel.write(input.subarray(0, 10_000)), kernel.flush()]
    assert.equal(kernel.checkpoint()?.inputBytes, 10_000)
    before.push(kernel.write(input.subarray(10_000, 42_000)), kernel.flush(1))
    assert.equal(kernel.checkpoint()?.inputBytes, 10_000)
    before.push(kernel.write(input.subarray(42_000)), kernel.end())
    const checkpoint = kernel.checkpoint()
    assert.ok(checkpoint !== undefined && checkpoint.inputBytes >= 42_768)
    const rest = Buffer.concat(before).subarray(Math.floor(checkpoint.outputBits / 8))
    assert.deepEqual(resumed(6, checkpoint, input), rest)
  })

  test('that are false do no harm', () => {
    const input = DEFLATE_INPUTS.noise(70_000, 8)
    for (let state = 1; state < 2 ** 31; state += 12_345_677) {
      for (const inputBytes of [0, 1, 65_273, 65_274, 65_275, 2 ** 40]) {
        const isWaiting = state | 0x80
        begin(6)
        kernel.resume({ inputBytes, outputBits: 7, state: isWaiting }, input.subarray(0, Math.min(inputBytes, 32_768)))
        const stream = Buffer.concat([kernel.write(input.subarray(0, state % 300)), kernel.end()])
        assert.ok(stream.length < 1000)
      }
    }
  })

  test('that can not be are refused', () => {
    const window = new Uint8Array(32_768)
    const sound: DeflateCheckpoint = { inputBytes: 40_000, outputBits: 90_001, state: 0 }
    for (const [level, checkpoint, bytes] of [
      [6, { ...sound, inputBytes: -1 }, window],
      [6, { ...sound, inputBytes: 2 ** 60 }, window],
      [6, { ...sound, outputBits: 0.5 }, window],
      [6, { ...sound, state: -1 }, window],
      [6, { ...sound, state: 2 ** 31 }, window],
      [6, sound, window.subarray(1)],
      [6, { ...sound, state: 0x7f }, window],
      [6, { ...sound, state: 7 << 8 }, window],
      [1, sound, window],
      [2, sound, window],
    ] as const) {
      begin(level)
      assert.throws(
        () => kernel.resume(checkpoint, bytes),
        (error) => hasErrorCode(error, 'CORRUPT_RECIPE'),
        JSON.stringify([level, checkpoint, bytes.length]),
      )
    }
  })
})
