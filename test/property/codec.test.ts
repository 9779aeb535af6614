import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../../src/errors/index.ts'
import { CODEC_IDS, type CodecId, CodecKernel, codecMemoryBytes, compileCodecKernel } from '../../src/kernels/index.ts'
import { decodeSlowly } from './reference-decoder.ts'

const module = await compileCodecKernel()
const kernel = new CodecKernel(module)
const CODED = [CODEC_IDS.lz, CODEC_IDS.bsdiff] as const
const RUNS = { numRuns: 60 }

/** The first bytes of an x86-64 ELF file, which switch the filter on. */
const ELF_HEADER = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x3e, 0)

/** Bytes of one kind of texture: what codecs find easy, hard or awkward. */
const texture: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 600, size: 'max' }),
  fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 60 }))
    .map(([unit, times]) => joined(...Array.from({ length: times }, () => unit))),
  fc
    .array(fc.constantFrom('layer', 'blob', ' ', '\n', 'digest', '{"', '":'), { maxLength: 200 })
    .map((w) => text(w.join(''))),
  fc.array(fc.nat(255), { maxLength: 120 }).map((targets) => joined(ELF_HEADER, ...targets.map(callInstruction))),
)

/** A target made of a reference: pieces kept, moved, dropped, repeated, with single bytes changed and new bytes between. */
const related: fc.Arbitrary<readonly [Uint8Array, Uint8Array]> = fc
  .tuple(texture, texture, fc.array(fc.tuple(fc.nat(), fc.nat(2000), fc.nat(4), fc.nat(30)), { maxLength: 8 }))
  .map(([reference, fresh, edits]) => {
    const pieces = edits.map(([start, length, kind, step]) => {
      const from = reference.length === 0 ? 0 : start % reference.length
      const piece = reference.slice(from, from + length)
      if (kind === 0) return fresh.subarray(0, length)
      if (kind === 1) for (let i = step; i < piece.length; i += step + 7) piece[i] = ((piece[i] ?? 0) + step) & 0xff
      return piece
    })
    return [reference, joined(...pieces)] as const
  })

const pair = fc.oneof(related, fc.tuple(texture, texture))

describe('CodecKernel', () => {
  for (const codec of CODED) {
    it(`encode() and decode() of codec ${codec} give the target back, never longer than stored`, () => {
      fc.assert(
        fc.property(pair, ([reference, target]) => {
          const payload = kernel.encode(codec, reference, target)
          assert.ok(payload.length <= target.length)
          assert.deepEqual(kernel.decode(codec, reference, payload, target.length), target)
        }),
        RUNS,
      )
    })

    it(`decode() of codec ${codec} agrees with the slow decoder`, () => {
      fc.assert(
        fc.property(pair, ([reference, target]) => {
          const payload = kernel.encode(codec, reference, target)
          fc.pre(payload.length < target.length)
          assert.deepEqual(decodeSlowly(codec, reference, payload, target.length), target)
        }),
        RUNS,
      )
    })

    it(`encode() of codec ${codec} does not depend on what the kernel did before`, () => {
      fc.assert(
        fc.property(pair, ([reference, target]) => {
          const used = kernel.encode(codec, reference, target)
          const fresh = new CodecKernel(module).encode(codec, reference.slice(), target.slice())
          assert.deepEqual(used, fresh)
        }),
        { numRuns: 25 },
      )
    })

    it(`decode() of codec ${codec} ends on damaged payloads: an error, or bytes of the right size`, () => {
      const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })
      fc.assert(
        fc.property(pair, damage, ([reference, target], flips) => {
          const payload = kernel.encode(codec, reference, target)
          fc.pre(payload.length > 0 && payload.length < target.length)
          for (const [at, mask] of flips) payload[at % payload.length] = (payload[at % payload.length] ?? 0) ^ mask
          endsWell(codec, reference, payload, target.length)
        }),
        { numRuns: 200 },
      )
    })

    it(`decode() of codec ${codec} ends on arbitrary payloads, sizes and references`, () => {
      fc.assert(
        fc.property(texture, fc.uint8Array({ maxLength: 300 }), fc.nat(20_000), (reference, payload, size) => {
          endsWell(codec, reference, payload, size)
        }),
        { numRuns: 200 },
      )
    })

    it(`decode() of codec ${codec} refuses a payload with bytes left over`, () => {
      const target = text('a payload ends where its last bit ends '.repeat(40))
      const payload = kernel.encode(codec, new Uint8Array(0), target)
      const padded = joined(payload, new Uint8Array(6))
      assert.throws(
        () => kernel.decode(codec, new Uint8Array(0), padded, target.length),
        (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
      )
    })

    it(`decode() of codec ${codec} refuses a payload that is cut off`, () => {
      const target = text('0123456789abcdefghijklmnopqrstuvwxyz').map((byte, i) => (byte * (i + 7)) & 0x7f)
      const long = joined(...Array.from({ length: 50 }, (_, i) => target.map((byte) => (byte * (2 * i + 1)) & 0x7f)))
      const payload = kernel.encode(codec, new Uint8Array(0), long)
      assert.ok(payload.length > 100)
      assert.throws(
        () => kernel.decode(codec, new Uint8Array(0), payload.subarray(0, payload.length >> 1), long.length),
        (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
      )
    })

    it(`encode() of codec ${codec} codes a target equal to its reference in a few bytes`, () => {
      const reference = noise(300_000)
      assert.ok(kernel.encode(codec, reference, reference).length <= (codec === CODEC_IDS.lz ? 16 : 64))
    })

    it(`encode() of codec ${codec} keeps what can't be made smaller as it is`, () => {
      const target = noise(5000)
      assert.deepEqual(kernel.encode(codec, new Uint8Array(0), target), target)
    })
  }

  it('encode() of lz codes long runs in a few bytes', () => {
    const target = new Uint8Array(2 ** 24)
    const payload = kernel.encode(CODEC_IDS.lz, new Uint8Array(0), target)
    assert.ok(payload.length < 16)
    assert.deepEqual(kernel.decode(CODEC_IDS.lz, new Uint8Array(0), payload, target.length), target)
  })

  it('encode() gives every size of target its own bytes, from none on', () => {
    const reference = text(
      'the quick brown fox jumps over the lazy dog, twice: the quick brown fox jumps over the lazy dog',
    )
    for (const codec of [CODEC_IDS.stored, ...CODED]) {
      for (let size = 0; size <= reference.length; size++) {
        const target = reference.subarray(reference.length - size)
        assert.deepEqual(kernel.decode(codec, reference, kernel.encode(codec, reference, target), size), target.slice())
      }
    }
  })

  it('encode() leaves reference and target as they were', () => {
    const reference = joined(ELF_HEADER, ...[1, 2, 3, 4, 5, 6].map(callInstruction))
    const target = joined(ELF_HEADER, ...[2, 3, 4, 5, 6, 7].map(callInstruction))
    const [r, t] = [reference.slice(), target.slice()]
    for (const codec of CODED) kernel.encode(codec, r, t)
    assert.deepEqual([r, t], [reference, target])
  })

  it('decode() refuses stored bytes of another size', () => {
    assert.throws(
      () => kernel.decode(CODEC_IDS.stored, new Uint8Array(0), new Uint8Array(3), 4),
      (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
    )
  })

  it('reports MEMORY_LIMIT when a call needs more than it may take', () => {
    const small = new CodecKernel(module, { memoryLimitBytes: codecMemoryBytes(1000, 1000) })
    const bytes = new Uint8Array(1000)
    assert.equal(small.decode(CODEC_IDS.lz, bytes, small.encode(CODEC_IDS.lz, bytes, bytes), 1000).length, 1000)
    const large = new Uint8Array(100_000)
    assert.throws(
      () => small.encode(CODEC_IDS.lz, large, large),
      (error) => hasErrorCode(error, 'MEMORY_LIMIT'),
    )
    assert.throws(
      () => small.decode(CODEC_IDS.lz, large, bytes, 100_000),
      (error) => hasErrorCode(error, 'MEMORY_LIMIT'),
    )
  })

  it('codecMemoryBytes() is enough at every size', () => {
    // A kernel that ran short would trap, and report INTERNAL.
    const sizes = [
      [0, 2],
      [0, 1024],
      [1, 1025],
      [1023, 4097],
      [1025, 3],
      [70_000, 66_000],
      [0, 131_073],
      [2 ** 21 + 1, 2 ** 17],
    ] as const
    for (const codec of CODED) {
      for (const [referenceBytes, targetBytes] of sizes) {
        const fresh = new CodecKernel(module)
        const payload = fresh.encode(codec, new Uint8Array(referenceBytes), new Uint8Array(targetBytes))
        assert.equal(fresh.decode(codec, new Uint8Array(referenceBytes), payload, targetBytes).length, targetBytes)
      }
    }
  })

  it('decode() agrees with the slow decoder on something larger', () => {
    const words = Array.from({ length: 6000 }, (_, i) => `${(i * i) % 97} layer ${(i * 31) % 1013}\n`)
    const reference = text(words.join(''))
    const target = text(words.map((word, i) => (i % 13 === 0 ? `${word.trim()} changed ${i}\n` : word)).join(''))
    for (const codec of CODED) {
      const payload = kernel.encode(codec, reference, target)
      assert.deepEqual(decodeSlowly(codec, reference, payload, target.length), target)
    }
  })
})

/** Decodes what may be anything: the kernel has to come back, with an error of the right kind or with bytes. */
function endsWell(codec: CodecId, reference: Uint8Array, payload: Uint8Array, targetBytes: number): void {
  try {
    assert.equal(kernel.decode(codec, reference, payload, targetBytes).length, targetBytes)
  } catch (error) {
    assert.ok(hasErrorCode(error, 'CORRUPT_PATCH'), String(error))
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** Bytes without a pattern a codec could use, the same every time. */
function noise(length: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state ^ (state >>> 11)) >>> 24
  })
}

function callInstruction(target: number): Uint8Array {
  return Uint8Array.of(0x48, 0x8d, 0x05, target, 0, 0, 0, 0xe8, target, target & 1, 0, 0, 0x90)
}
