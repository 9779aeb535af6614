import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_CATALOGUE } from './catalogue.ts'
import { classOfStatus, errorClass, statusOfClass } from './error-class.ts'
import { TareError } from './tare-error.ts'

test('errorClass() looks through wrapping for the nearest error that has a class', () => {
  const notFound = new TareError('BLOB_NOT_FOUND', 'blob is gone')
  assert.equal(errorClass(notFound), 'not-found')
  assert.equal(
    errorClass(new Error('outer', { cause: new TareError('INTERNAL', 'inner', { cause: notFound }) })),
    'not-found',
  )
  assert.equal(errorClass(new TareError('ALREADY_EXISTS', 'it is there', { cause: notFound })), 'already-exists')
  assert.equal(errorClass(AbortSignal.abort().reason), 'cancelled')
  assert.equal(errorClass(new DOMException('late', 'TimeoutError')), 'deadline-exceeded')
  for (const other of [undefined, 'text', new Error('plain'), new TareError('CORRUPT_TAR', 'cut')]) {
    assert.equal(errorClass(other), 'unknown')
  }
  const circle = new Error('circle')
  circle.cause = circle
  assert.equal(errorClass(circle), 'unknown')
})

test('classes and gRPC statuses map one to one', () => {
  const codes = Object.keys(ERROR_CATALOGUE) as (keyof typeof ERROR_CATALOGUE)[]
  for (const code of codes) {
    const kind = errorClass(new TareError(code, 'subject'))
    assert.equal(classOfStatus(statusOfClass(kind)), kind)
  }
  assert.equal(statusOfClass('failed-precondition'), 9)
  assert.equal(classOfStatus(13), 'unknown')
})
