import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawHeader } from '../../test/support/tar-blocks.ts'
import { decodeText, hasValidChecksum, parseNumber } from './header-field.ts'

const number = (field: string | readonly number[]): number | undefined => {
  const bytes = Buffer.from(field as string) // `from` takes both
  return parseNumber(bytes, 0, bytes.length)
}

test('parseNumber() reads octal with the blanks and NULs that writers put around it', () => {
  assert.equal(number('0000644\0'), 0o644)
  assert.equal(number('   644 \0'), 0o644)
  assert.equal(number('77777777777\0'), 2 ** 33 - 1)
  assert.equal(number('777777777777'), 2 ** 36 - 1)
  assert.equal(number('\0\0\0\0'), 0)
  assert.equal(number('        '), 0)
  assert.equal(number('17\x00777\0'), 0o17)
})

test('parseNumber() refuses what is not octal', () => {
  assert.equal(number('0000a44\0'), undefined)
  assert.equal(number('0000008\0'), undefined)
  assert.equal(number('-1\0'), undefined)
})

test('parseNumber() reads base 256, positive and negative', () => {
  assert.equal(number([0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), 2 ** 33)
  assert.equal(number([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), -1)
  assert.equal(number([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]), -256)
  assert.equal(number([0xbf, 0xff]), 0x3fff)
  assert.equal(number([0xc0, 0x00]), -0x4000)
})

test('decodeText() keeps names that are not UTF-8 apart from each other and from those that are', () => {
  assert.equal(decodeText(Buffer.from('grün')), 'grün')
  assert.equal(decodeText(Buffer.from([0x67, 0xfc])), 'g\udcfc')
  const names = [[0xfc], [0xc3, 0xbc], [0xc3], [0xef, 0xbf, 0xbd]].map((bytes) => decodeText(Buffer.from(bytes)))
  assert.equal(new Set(names).size, names.length)
})

test('hasValidChecksum() accepts sums of unsigned and of signed bytes, and nothing else', () => {
  const block = Buffer.from(rawHeader({ name: Buffer.from([0xe4, 0xf6, 0xfc]) }))
  assert.equal(hasValidChecksum(block), true)
  const unsigned = Number.parseInt(block.toString('latin1', 148, 154), 8)
  block.write(`${(unsigned - 3 * 256).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  assert.equal(hasValidChecksum(block), true)
  block.write(`${(unsigned - 2 * 256).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  assert.equal(hasValidChecksum(block), false)
})
