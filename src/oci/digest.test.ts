import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { digestAlgorithm, digestHex, isDigest, parseDigest, shortDigest } from './digest.ts'

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`
const SHA512 = `sha512:${'0123456789abcdef'.repeat(8)}`

test('parseDigest() takes sha256 and sha512, and its parts can be told', () => {
  assert.equal(parseDigest(SHA256), SHA256)
  assert.equal(digestAlgorithm(parseDigest(SHA256)), 'sha256')
  assert.equal(digestAlgorithm(parseDigest(SHA512)), 'sha512')
  assert.equal(digestHex(parseDigest(SHA512)), SHA512.slice(7))
  assert.equal(shortDigest(parseDigest(SHA256)), '0123456789ab')
})

test('parseDigest() refuses everything that is not safe as a path', () => {
  const malformed = [
    '',
    'sha256:',
    SHA256.slice(1),
    SHA256.slice(0, -1),
    `${SHA256}0`,
    `${SHA256}\n`,
    SHA256.toUpperCase(),
  ]
  for (const text of [
    ...malformed,
    `sha512:${SHA256.slice(7)}`,
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    'sha256:../x',
  ]) {
    assert.throws(
      () => parseDigest(text),
      (error) => hasErrorCode(error, 'INVALID_DIGEST'),
      text,
    )
  }
  for (const value of [undefined, null, 5, [SHA256]]) assert.ok(!isDigest(value))
})
