import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { askCredentialHelper } from './credential-helper.ts'
import { credentialProvider } from './credential-provider.ts'
import { parseCredentials } from './credentials.ts'

async function put(dir: TemporaryDirectory, name: string, document: unknown): Promise<string> {
  const path = dir.join(name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, typeof document === 'string' ? document : JSON.stringify(document))
  return path
}

async function putHelper(dir: TemporaryDirectory, name: string, script: string): Promise<void> {
  await chmod(await put(dir, `bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755)
}

const login = (username: string): unknown => ({ username, password: 'p' })

test('credentialProvider() takes the first file of the chain that knows the registry', async () => {
  await using dir = await temporaryDirectory()
  await put(dir, 'run/containers/auth.json', { auths: { one: login('runtime') } })
  await put(dir, 'home/.config/containers/auth.json', { auths: { one: login('config'), two: login('config') } })
  await put(dir, 'home/.docker/config.json', { auths: { two: login('docker'), three: login('docker') } })
  const find = credentialProvider({
    environment: { XDG_RUNTIME_DIR: dir.join('run') },
    homeDirectory: dir.join('home'),
  })
  const users = await Promise.all(
    ['one', 'two', 'three', 'four'].map(async (registry) => {
      const credentials = await find({ registry })
      return credentials.kind === 'basic' ? credentials.username : credentials.kind
    }),
  )
  assert.deepEqual(users, ['runtime', 'config', 'docker', 'anonymous'])
})

test('credentialProvider() reads a named file alone, and misses it when it is not there', async () => {
  await using dir = await temporaryDirectory()
  await put(dir, 'home/.docker/config.json', { auths: { r: login('home') } })
  const named = await put(dir, 'named.json', { auths: { other: login('named') } })
  const sources = { homeDirectory: dir.join('home') }
  const byFlag = credentialProvider({ ...sources, authFile: named })
  const byVariable = credentialProvider({ ...sources, environment: { REGISTRY_AUTH_FILE: named } })
  assert.equal((await byFlag({ registry: 'r' })).kind, 'anonymous')
  assert.equal((await byVariable({ registry: 'other' })).kind, 'basic')
  const absent = credentialProvider({ authFile: dir.join('absent.json') })
  await assert.rejects(absent({ registry: 'r' }), { code: 'FILE_NOT_FOUND' })
})

test('credentialProvider() uses what was given outright and reads no file', async () => {
  const explicit = parseCredentials('me:pass:word')
  const find = credentialProvider({ explicit, authFile: '/nonexistent' })
  assert.deepEqual(await find({ registry: 'r' }), { kind: 'basic', username: 'me', password: 'pass:word' })
  assert.throws(() => parseCredentials('hunter2'), { code: 'INVALID_ARGUMENT' })
})

test('credentialProvider() asks helpers through their standard input', async () => {
  await using dir = await temporaryDirectory()
  await putHelper(dir, 'ok', `read server; printf '{"Username":"u","Secret":"for %s"}' "$server"`)
  await putHelper(dir, 'token', `printf '{"ServerURL":"x","Username":"<token>","Secret":"t"}'`)
  await putHelper(dir, 'none', `echo 'credentials not found in native keychain'; exit 1`)
  await putHelper(dir, 'broken', `echo 'hunter2'; exit 3`)
  await putHelper(dir, 'chatty', `echo 'hunter2'`)
  const helpers = ['ok', 'token', 'none', 'broken', 'chatty', 'absent', '../ok']
  const authFile = await put(dir, 'auth.json', {
    credHelpers: Object.fromEntries(helpers.map((helper, index) => [`r${index}`, helper])),
  })
  const find = credentialProvider({ authFile, environment: { PATH: `${dir.join('bin')}:/usr/bin:/bin` } })
  assert.deepEqual(await find({ registry: 'r0' }), { kind: 'basic', username: 'u', password: 'for r0' })
  assert.deepEqual(await find({ registry: 'r1' }), { kind: 'identity-token', token: 't' })
  assert.deepEqual(await find({ registry: 'r2' }), { kind: 'anonymous' })
  for (const registry of ['r3', 'r4', 'r5', 'r6']) {
    await assert.rejects(find({ registry }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CREDENTIAL_HELPER')
      assert.ok(!error.message.includes('hunter2'))
      return true
    })
  }
})

test('askCredentialHelper() ends a helper that takes too long, or whose caller aborts', async () => {
  await using dir = await temporaryDirectory()
  await putHelper(dir, 'slow', 'exec sleep 60')
  const environment = { PATH: `${dir.join('bin')}:/usr/bin:/bin` }
  await assert.rejects(askCredentialHelper('slow', 'r', { environment, timeoutMs: 1 }), { code: 'CREDENTIAL_HELPER' })
  const stop = new AbortController()
  const reason = new Error('stop')
  const asked = askCredentialHelper('slow', 'r', { environment, signal: stop.signal })
  stop.abort(reason)
  await assert.rejects(asked, reason)
})
