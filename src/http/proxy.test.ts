import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Environment, proxyFor } from './proxy.ts'

const PROXY = 'http://proxy.example:3128'

function hostFor(url: string, environment: Environment): string | undefined {
  return proxyFor(new URL(url), environment)?.host
}

test('proxyFor() picks the variable of the scheme, lower case first', () => {
  const environment = { HTTP_PROXY: 'plain.example', HTTPS_PROXY: PROXY, https_proxy: 'https://lower.example:1' }
  assert.equal(hostFor('http://r.example/', environment), 'plain.example')
  assert.equal(hostFor('https://r.example/', environment), 'lower.example:1')
  assert.equal(hostFor('https://r.example/', { ALL_PROXY: PROXY }), 'proxy.example:3128')
  assert.equal(hostFor('https://r.example/', {}), undefined)
})

test('proxyFor() goes around the proxy for loopback and for what NO_PROXY names', () => {
  const exempt = (url: string, noProxy: string): boolean =>
    hostFor(url, { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: noProxy }) === undefined
  for (const url of ['https://localhost:5000/', 'https://127.0.0.2/', 'http://[::1]:5000/']) assert.ok(exempt(url, ''))
  assert.ok(exempt('https://r.example/', '*'))
  assert.ok(exempt('https://r.example/', 'other, example'))
  assert.ok(exempt('https://r.example/', '.example'))
  assert.ok(exempt('https://r.example/', '*.example'))
  assert.ok(exempt('https://r.example:8443/', 'r.example:8443'))
  assert.ok(exempt('https://r.example/', 'R.EXAMPLE:443'))
  assert.ok(exempt('https://10.1.2.3/', '10.0.0.0/8'))
  assert.ok(exempt('https://[fd00::1]/', 'fd00::/8'))
  assert.ok(!exempt('https://r.example:8443/', 'r.example:443'))
  assert.ok(!exempt('https://bad-example/', 'example'))
  assert.ok(!exempt('https://11.1.2.3/', '10.0.0.0/8, 10.0.0.0/99, /8'))
  assert.ok(!exempt('https://127.evil.example/', ''))
})

test('proxyFor() refuses a value that is no URL and does not repeat it', () => {
  assert.throws(
    () => proxyFor(new URL('https://r.example/'), { HTTPS_PROXY: 'socks5://me:hunter2@proxy' }),
    (error: Error & { code?: string }) => error.code === 'INVALID_ARGUMENT' && !error.message.includes('hunter2'),
  )
})
