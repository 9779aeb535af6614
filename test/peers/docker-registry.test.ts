import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RegistryClient } from '../../src/registry/index.ts'
import {
  DEBIAN_REGISTRY_PROGRAMS,
  type DebianRegistryOptions,
  startDebianRegistry,
} from '../support/debian-registry.ts'
import { skipWithout } from '../support/peers.ts'
import { registryClientSuite } from '../support/registry-client-suite.ts'

const skip = skipWithout(...DEBIAN_REGISTRY_PROGRAMS)
const user = { username: 'me', password: 'correct horse' }
const credentials = async () => ({ kind: 'basic', ...user }) as const

async function start(options: DebianRegistryOptions) {
  const registry = await startDebianRegistry(options)
  const { address, certDir } = registry
  const access = {
    ...(certDir === undefined ? { tlsVerify: false } : { certDir }),
    ...(options.user === undefined ? {} : { credentials }),
  }
  return { address, access, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() }
}

registryClientSuite("Debian's docker-registry, plain", () => start({}), { skip })
registryClientSuite("Debian's docker-registry, with passwords", () => start({ user }), { skip })
registryClientSuite("Debian's docker-registry, with TLS and passwords", () => start({ user, tls: 'server' }), { skip })

describe("RegistryClient at the door of Debian's docker-registry", () => {
  test('wrong or no credentials are AUTH_REQUIRED and do not appear in the error', { skip }, async () => {
    await using registry = await startDebianRegistry({ user })
    const wrong = async () => ({ kind: 'basic', username: 'me', password: 'hunter2' }) as const
    for (const refused of [wrong, undefined]) {
      await using client = new RegistryClient(registry.address, { tlsVerify: false, credentials: refused })
      await assert.rejects(client.ping(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'AUTH_REQUIRED')
        assert.ok(!error.message.includes('hunter2'))
        return true
      })
    }
  })

  test('an unknown authority is TLS, unless nobody asks', { skip }, async () => {
    await using registry = await startDebianRegistry({ tls: 'server' })
    await using strict = new RegistryClient(registry.address)
    await assert.rejects(strict.ping(), { code: 'TLS' })
    await using lax = new RegistryClient(registry.address, { tlsVerify: false })
    await lax.ping()
  })

  test('a client certificate of the certificate directory is shown to its host', { skip }, async () => {
    await using registry = await startDebianRegistry({ tls: 'mutual' })
    await using known = new RegistryClient(registry.address, { certDir: registry.certDir })
    await known.ping()
    const { certDir } = registry
    await using elsewhere = new RegistryClient(registry.address, {
      certDir,
      clientCertificateHost: 'other',
      retries: 0,
    })
    await assert.rejects(elsewhere.ping(), (error: Error & { code?: string }) => {
      assert.ok(error.code === 'TLS' || error.code === 'NETWORK')
      return true
    })
  })
})
