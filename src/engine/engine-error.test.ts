import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, hasErrorCode, TareError } from '../errors/index.ts'
import { networkError } from '../http/index.ts'
import { engineConnectionError } from './engine-error.ts'

const HINTS = { absent: 'start it', forbidden: 'join the group' }

function failing(code: string): Error {
  return Object.assign(new Error('failed'), { code })
}

suite('engineConnectionError()', () => {
  for (const [code, expected, hint] of [
    ['ENOENT', 'ENGINE_UNREACHABLE', HINTS.absent],
    ['ECONNREFUSED', 'ENGINE_UNREACHABLE', HINTS.absent],
    ['EACCES', 'ENGINE_UNREACHABLE', HINTS.forbidden],
    ['EPERM', 'ENGINE_UNREACHABLE', HINTS.forbidden],
    ['ECONNRESET', 'NETWORK', undefined],
    ['EPIPE', 'NETWORK', undefined],
  ] as const satisfies readonly (readonly [string, ErrorCode, string | undefined])[]) {
    test(`makes ${expected} of ${code}, as it comes and as the HTTP client gives it`, () => {
      for (const cause of [failing(code), networkError(new URL('http://localhost/'), failing(code))]) {
        const error = engineConnectionError('engine', cause, HINTS)
        assert.ok(hasErrorCode(error, expected))
        assert.equal(error.hint, hint)
        assert.equal(error.cause, cause)
      }
    })
  }

  test('makes ENGINE_PROTOCOL of what is no HTTP, and keeps TLS', () => {
    const garbage = networkError(new URL('http://localhost/'), failing('HPE_INVALID_CONSTANT'))
    assert.ok(hasErrorCode(engineConnectionError('engine', garbage, HINTS), 'ENGINE_PROTOCOL'))
    const expired = networkError(new URL('https://localhost/'), failing('CERT_HAS_EXPIRED'))
    assert.ok(hasErrorCode(engineConnectionError('engine', expired, HINTS), 'TLS'))
  })

  test('passes on what has nothing to do with the connection', () => {
    for (const other of [new TareError('DISK_FULL', 'spool'), new TypeError('wrong'), new Error('stopped'), 'reason']) {
      assert.equal(engineConnectionError('engine', other, HINTS), other)
    }
  })
})
