import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteParser, ByteWriter } from './byte-format.ts'

const corrupt = (problem: string): Error => new RangeError(problem)

test('ByteParser reads what ByteWriter wrote, for all numbers', () => {
  const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
  fc.assert(
    fc.property(fc.array(fc.tuple(number, fc.boolean())), (numbers) => {
      const writer = new ByteWriter()
      for (const [value, isNegative] of numbers)
        writer.varint(value).zigzag((isNegative ? -1 : 1) * Math.floor(value / 4))
      const parser = new ByteParser(writer.finish(), corrupt)
      for (const [value, isNegative] of numbers) {
        assert.equal(parser.varint(), value)
        // -0 and 0 are one number here.
        assert.equal(parser.zigzag() + 0, (isNegative ? -1 : 1) * Math.floor(value / 4) + 0)
      }
      assert.ok(parser.isAtEnd)
    }),
  )
})

test('ByteParser refuses a number that is cut off, and one that is too long', () => {
  for (const bytes of [[], [0x80], [0xff, 0xff], Array<number>(9).fill(0xff)]) {
    assert.throws(() => new ByteParser(Uint8Array.from(bytes), corrupt).varint(), RangeError)
  }
})

test('ByteParser gives bytes and texts as they were written, and none beyond the end', () => {
  const parser = new ByteParser(new ByteWriter().ascii('tare').bytes(Uint8Array.of(7, 8)).finish(), corrupt)
  assert.equal(new TextDecoder().decode(parser.bytes(parser.varint())), 'tare')
  assert.deepEqual(parser.bytes(2), Uint8Array.of(7, 8))
  assert.throws(() => parser.bytes(1), RangeError)
})
