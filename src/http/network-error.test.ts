import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkError } from './network-error.ts'

const URL_WITH_SECRETS = new URL('https://me:hunter2@r.example/v2/app?token=s3cret')

function failed(code: string, message = 'failed'): Error {
  return Object.assign(new Error(message), { code })
}

test('networkError() tells failed handshakes, broken HTTP and the rest apart', () => {
  const expected: readonly [string, string][] = [
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS'],
    ['CERT_HAS_EXPIRED', 'TLS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS'],
    ['EPROTO', 'TLS'],
    ['HPE_INVALID_CONSTANT', 'REGISTRY_PROTOCOL'],
    ['ECONNREFUSED', 'NETWORK'],
    ['UND_ERR_SOCKET', 'NETWORK'],
    ['SOMETHING_NEW', 'NETWORK'],
  ]
  for (const [code, wanted] of expected) assert.equal(networkError(URL_WITH_SECRETS, failed(code)).code, wanted, code)
})

test('networkError() finds the code in causes and in attempts at several addresses', () => {
  const nested = new Error('fetch failed', { cause: new AggregateError([failed('ECONNREFUSED')]) })
  const error = networkError(URL_WITH_SECRETS, nested)
  assert.match(error.message, /ECONNREFUSED/)
  assert.equal(error.cause, nested)
})

test('networkError() repeats neither the query, nor user info, nor foreign messages', () => {
  const error = networkError(URL_WITH_SECRETS, failed('ECONNRESET', 'leak s3cret hunter2'))
  assert.ok(!/s3cret|hunter2|me@/.test(error.message))
})

test('networkError() suggests what to do about a registry without TLS on this machine', () => {
  const error = networkError(new URL('https://localhost:5000/v2/'), failed('EPROTO'))
  assert.match(error.hint ?? '', /--tls-verify=false/)
})
