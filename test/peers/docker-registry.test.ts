import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { childDescriptors, parseManifestDocument, parseReference } from '../../src/oci/index.ts'
import { RegistryClient } from '../../src/registry/index.ts'
import { openVerifiedBlob } from '../../src/transport/open-verified.ts'
import { registryDestination, registrySource } from '../../src/transport/registry.ts'
import type { ManifestContent } from '../../src/transport/transport.ts'
import {
  DEBIAN_REGISTRY_PROGRAMS,
  type DebianRegistryOptions,
  startDebianRegistry,
} from '../support/debian-registry.ts'
import { fixture } from '../support/fixtures.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { registryClientSuite } from '../support/registry-client-suite.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

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

describe('RegistryClient and skopeo', () => {
  const skipWithoutSkopeo = skipWithout('skopeo', ...DEBIAN_REGISTRY_PROGRAMS)

  test('read what the other wrote, byte for byte', { skip: skipWithoutSkopeo }, async () => {
    await using registry = await startDebianRegistry()
    const { address } = registry
    const archive = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    await runPeer('skopeo', ['copy', '-q', '--all', '--dest-tls-verify=false', archive, `docker://${address}/theirs:1`])
    await using client = new RegistryClient(address, { tlsVerify: false })
    await using source = registrySource(parseReference(`${address}/theirs:1`), { client })
    await using destination = registryDestination(parseReference(`${address}/ours:1`), { client })
    const put = async (manifest: ManifestContent): Promise<void> => {
      const { mediaType, digest } = manifest.descriptor
      const document = parseManifestDocument(manifest.bytes, { subject: digest, mediaType })
      for (const descriptor of childDescriptors(document)) {
        if (document.kind === 'index') await put({ descriptor, bytes: await source.readManifest(descriptor) })
        else await destination.putBlob(descriptor, async () => openVerifiedBlob(source, descriptor, 'source'))
      }
      await destination.putManifest(manifest)
    }
    const root = await source.resolve()
    await put(root)
    await destination.commit(root)
    const raw = ['inspect', '--raw', '--tls-verify=false']
    const theirs = await runPeer('skopeo', [...raw, `docker://${address}/theirs:1`])
    const ours = await runPeer('skopeo', [...raw, `docker://${address}/ours:1`])
    assert.equal(ours.stdout, Buffer.from(root.bytes).toString())
    assert.equal(ours.stdout, theirs.stdout)
    await using copy = await temporaryDirectory()
    const all = ['copy', '-q', '--all', '--src-tls-verify=false']
    await runPeer('skopeo', [...all, `docker://${address}/ours:1`, `dir:${copy.path}`])
  })
})
