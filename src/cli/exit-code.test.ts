import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CopyError, TareError } from '../errors/index.ts'
import { exitCodeOf } from './exit-code.ts'
import { Interruption } from './interruption.ts'

const failed = (error: unknown): number => exitCodeOf({ kind: 'failed', error })

test('exitCodeOf() follows the category of an error', () => {
  assert.equal(failed(new TareError('INTERNAL', 'x')), 1)
  assert.equal(failed(new TareError('INVALID_REFERENCE', 'x')), 2)
  assert.equal(failed(new TareError('NETWORK', 'x')), 3)
  assert.equal(failed(new TareError('DIGEST_MISMATCH', 'x')), 4)
  assert.equal(failed(CopyError.at('source', 'sha256:ab', new TareError('CORRUPT_GZIP', 'x'))), 4)
})

test('exitCodeOf() takes errors that nobody wrapped as ours, unless the file system raised them', () => {
  assert.equal(failed(new TypeError('x is not a function')), 1)
  assert.equal(failed('a string'), 1)
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' })
  assert.equal(failed(full), 3)
})

test('exitCodeOf() tells signals, partial runs and bad news apart from failures', () => {
  assert.equal(exitCodeOf({ kind: 'done' }), 0)
  assert.equal(exitCodeOf({ kind: 'partial' }), 6)
  assert.equal(exitCodeOf({ kind: 'unwell', category: 'environment' }), 3)
  assert.equal(failed(new Interruption('SIGINT')), 130)
  assert.equal(failed(new Interruption('SIGTERM')), 143)
  assert.equal(failed(new Interruption('SIGHUP')), 129)
})
