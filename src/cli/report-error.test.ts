import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CopyError, DigestMismatchError, TareError } from '../errors/index.ts'
import { PLAIN } from './format/colour.ts'
import { Interruption } from './interruption.ts'
import { errorEnvelope, errorText, resultEnvelope } from './report-error.ts'

test('errorEnvelope() carries the facts of the error and of what it wraps', () => {
  const error = CopyError.at('source', 'sha256:ab', new DigestMismatchError('blob', 'sha256:ab', 'sha256:cd'))
  const envelope: unknown = JSON.parse(errorEnvelope(error))
  assert.ok(error instanceof TareError)
  assert.deepEqual(envelope, {
    schemaVersion: 1,
    error: {
      code: 'DIGEST_MISMATCH',
      category: 'content',
      message: error.message,
      hint: error.hint,
      side: 'source',
      digest: 'sha256:ab',
      expected: 'sha256:ab',
      actual: 'sha256:cd',
    },
  })
})

test('errorEnvelope() gives foreign errors a code, and interruptions their signal', () => {
  const foreign = JSON.parse(errorEnvelope(new RangeError('nope'))) as { readonly error: Record<string, unknown> }
  assert.equal(foreign.error['code'], 'INTERNAL')
  assert.equal(foreign.error['category'], 'internal')
  const interrupted = JSON.parse(errorEnvelope(new Interruption('SIGTERM'))) as { readonly error: object }
  assert.deepEqual(interrupted.error, {
    code: 'INTERRUPTED',
    category: 'interrupted',
    message: 'interrupted by SIGTERM',
    signal: 'SIGTERM',
  })
})

test('resultEnvelope() writes a bigint as digits and ends the line', () => {
  assert.equal(resultEnvelope({ bytes: 2n ** 60n }), '{"schemaVersion":1,"result":{"bytes":"1152921504606846976"}}\n')
})

test('errorText() is category, message and hint; the stack and the causes only when asked for', () => {
  const error = new TareError('NETWORK', 'host.example: cut\u001b[2J off', {
    hint: 'Try again',
    cause: new Error('socket closed'),
  })
  assert.equal(errorText(error, PLAIN, false), 'tare: environment: host.example: cut\ufffd[2J off\nhint: Try again\n')
  const verbose = errorText(error, PLAIN, true)
  assert.match(verbose, /report-error\.test\.ts/)
  assert.match(verbose, /caused by: Error: socket closed/)
})
