import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidDocumentError } from '../errors/index.ts'
import { attestedDigest, isAttestation } from './attestation.ts'
import { bareDescriptor, type Descriptor, parseDescriptor } from './descriptor.ts'
import { parseDigest } from './digest.ts'

const DIGEST = parseDigest(`sha256:${'ab'.repeat(32)}`)
const DESCRIPTOR: Descriptor = { mediaType: 'a/b', digest: DIGEST, size: 3, annotations: { a: 'b' } }

test('parseDescriptor() takes plain JSON, and leaves out unknown fields', () => {
  assert.deepEqual(parseDescriptor({ ...DESCRIPTOR, unknown: 1, urls: undefined }, 'test'), DESCRIPTOR)
})

test('parseDescriptor() refuses what is no descriptor', () => {
  for (const value of [undefined, null, 'x', [], {}, { ...DESCRIPTOR, digest: 'sha256:../../etc' }]) {
    assert.throws(() => parseDescriptor(value, 'test'), InvalidDocumentError)
  }
})

test('parseDescriptor() keeps an annotation called __proto__ harmless', () => {
  const { annotations } = parseDescriptor({ ...DESCRIPTOR, annotations: JSON.parse('{"__proto__": "x"}') }, 'test')
  assert.deepEqual(Object.entries(annotations ?? {}), [['__proto__', 'x']])
  assert.equal(Object.getPrototypeOf(annotations), Object.prototype)
})

test('bareDescriptor() keeps what identifies content', () => {
  assert.deepEqual(bareDescriptor(DESCRIPTOR), { mediaType: 'a/b', digest: DIGEST, size: 3 })
})

test('attestedDigest() gives the member that an attestation speaks of', () => {
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': DIGEST }
  const attestation = { ...DESCRIPTOR, annotations }
  assert.ok(isAttestation(attestation))
  assert.equal(attestedDigest(attestation), DIGEST)
  assert.ok(!isAttestation(DESCRIPTOR))
  assert.equal(attestedDigest({ ...DESCRIPTOR, annotations: { 'vnd.docker.reference.digest': DIGEST } }), undefined)
  const malformed = { ...annotations, 'vnd.docker.reference.digest': 'sha256:x' }
  assert.equal(attestedDigest({ ...DESCRIPTOR, annotations: malformed }), undefined)
})
