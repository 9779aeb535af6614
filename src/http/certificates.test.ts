import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { CertificateDirectory } from './certificates.ts'

test('CertificateDirectory tells authorities and the client certificate by their names', async () => {
  await using dir = await temporaryDirectory()
  for (const name of ['ca.crt', 'b.cert', 'b.key', 'a.cert', 'a.key', 'readme.txt'])
    await writeFile(dir.join(name), name)
  const { ca, client } = await CertificateDirectory.read(dir.path)
  assert.equal(ca?.at(-1), 'ca.crt')
  assert.ok((ca?.length ?? 0) > 1)
  assert.deepEqual(client, { cert: 'a.cert', key: 'a.key' })
})

test('CertificateDirectory adds nothing when it is empty, and is missed when it is absent', async () => {
  await using dir = await temporaryDirectory()
  const empty = await CertificateDirectory.read(dir.path)
  assert.deepEqual([empty.ca, empty.client], [undefined, undefined])
  await assert.rejects(CertificateDirectory.read(dir.join('absent')), { code: 'FILE_NOT_FOUND' })
})

test('CertificateDirectory refuses half a pair, and files that are no certificates', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(dir.join('client.key'), 'key')
  await assert.rejects(CertificateDirectory.read(dir.path), { code: 'TLS' })
  await writeFile(dir.join('client.cert'), 'cert')
  const directory = await CertificateDirectory.read(dir.path)
  assert.throws(() => directory.secureContext(true), { code: 'TLS' })
  assert.ok(directory.secureContext(false))
})
