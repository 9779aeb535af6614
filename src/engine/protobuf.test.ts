import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../errors/index.ts'
import { MessageFields, MessageWriter } from './protobuf.ts'

function bytesOf(message: MessageWriter): Buffer {
  return Buffer.concat(message.parts)
}

function fieldsOf(...bytes: readonly number[]): MessageFields {
  return new MessageFields(Uint8Array.from(bytes), 'test')
}

suite('MessageWriter', () => {
  test('writes what protoc writes', () => {
    // The examples of https://protobuf.dev/programming-guides/encoding/
    assert.equal(bytesOf(new MessageWriter().number(1, 150)).toString('hex'), '089601')
    assert.equal(bytesOf(new MessageWriter().text(2, 'testing')).toString('hex'), '120774657374696e67')
    const nested = new MessageWriter().message(3, new MessageWriter().number(1, 150))
    assert.equal(bytesOf(nested).toString('hex'), '1a03089601')
  })

  test('leaves out default values, but not an empty message', () => {
    const message = new MessageWriter()
      .number(1, 0)
      .text(2, '')
      .text(3, undefined)
      .bytes(4, new Uint8Array(0))
      .map(5, {})
    assert.equal(message.byteLength, 0)
    assert.equal(bytesOf(message.message(6, new MessageWriter())).toString('hex'), '3200')
  })

  test('writes what MessageFields reads', () => {
    const keys = fc.string().filter((key) => key !== '__proto__')
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array({ maxLength: 300 }),
        fc.dictionary(keys, fc.string(), { noNullPrototype: true }),
        fc.integer({ min: 1, max: 100_000 }),
        (number, text, bytes, labels, field) => {
          const inner = new MessageWriter().number(1, number).text(2, text).map(3, labels)
          const message = new MessageWriter().message(field, inner).bytes(field + 1, bytes)
          assert.equal(bytesOf(message).length, message.byteLength)
          const read = new MessageFields(bytesOf(message), 'test')
          assert.equal(read.message(field).number(1), number)
          assert.equal(read.message(field).text(2), Buffer.from(text).toString())
          assert.deepEqual(read.message(field).map(3), labels)
          assert.deepEqual(Buffer.from(read.bytes(field + 1)), Buffer.from(bytes))
        },
      ),
    )
  })
})

suite('MessageFields', () => {
  test('gives defaults for what is absent, the last of several values, and passes over unknown fields', () => {
    const fields = fieldsOf(0x08, 1, 0x08, 2, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4)
    assert.equal(fields.number(1), 2)
    assert.equal(fields.number(7), 0)
    assert.equal(fields.text(7), '')
    assert.equal(fields.message(7).number(1), 0)
    assert.deepEqual(fields.messages(7), [])
  })

  test('reads negative numbers, as in the time of a record that has none', () => {
    const seconds = [0x08, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 0x01]
    assert.equal(fieldsOf(...seconds).number(1), -62_135_596_800)
  })

  for (const [what, bytes] of [
    ['a tag without its value', [0x08]],
    ['a number without an end', [0x08, ...Array.from({ length: 11 }, () => 0x80)]],
    ['bytes that are cut off', [0x12, 5, 1, 2]],
    ['a length beyond all bounds', [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ['a group', [0x0b, 0x0c]],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => fieldsOf(...bytes),
        (error) => hasErrorCode(error, 'ENGINE_PROTOCOL'),
      )
    })
  }

  test('refuses a number for a text, a text for a number, and numbers that lose digits', () => {
    const wrong = fieldsOf(0x08, 1, 0x12, 1, 65, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
    for (const read of [() => wrong.text(1), () => wrong.number(2), () => wrong.number(3)]) {
      assert.throws(read, (error) => hasErrorCode(error, 'ENGINE_PROTOCOL'))
    }
  })
})
