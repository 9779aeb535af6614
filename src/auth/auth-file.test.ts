import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { AuthFile, type CredentialLocation } from './auth-file.ts'

function auth(username: string, password = 'secret'): { readonly auth: string } {
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') }
}

function find(document: unknown, registry: string, repository?: string): CredentialLocation | undefined {
  return AuthFile.parse(JSON.stringify(document), 'auth.json').find({ registry, repository })
}

function userOf(location: CredentialLocation | undefined): string | undefined {
  return location?.kind === 'found' && location.credentials.kind === 'basic' ? location.credentials.username : undefined
}

test('AuthFile.find() prefers the longest path that matches', () => {
  const document = {
    auths: { 'r.example:5000': auth('host'), 'r.example:5000/a': auth('a'), 'r.example:5000/a/b': auth('ab') },
  }
  assert.equal(userOf(find(document, 'r.example:5000', 'a/b')), 'ab')
  assert.equal(userOf(find(document, 'r.example:5000', 'a/bc')), 'a')
  assert.equal(userOf(find(document, 'r.example:5000', 'ab')), 'host')
  assert.equal(userOf(find(document, 'r.example:5000')), 'host')
  assert.equal(find(document, 'r.example', 'a/b'), undefined)
  assert.equal(find(document, 'evil-r.example:5000', 'a'), undefined)
})

test('AuthFile.find() knows all names of Docker Hub and old spellings of hosts', () => {
  assert.equal(userOf(find({ auths: { 'https://index.docker.io/v1/': auth('hub') } }, 'docker.io', 'library/x')), 'hub')
  assert.equal(userOf(find({ auths: { 'docker.io/library': auth('hub') } }, 'docker.io', 'library/x')), 'hub')
  assert.equal(userOf(find({ auths: { 'http://r.example/v2/': auth('old') } }, 'r.example')), 'old')
  assert.equal(userOf(find({ auths: { 'r.example/v1/': auth('old') } }, 'r.example')), 'old')
  assert.equal(userOf(find({ auths: { 'https://r': auth('old'), r: auth('exact') } }, 'r')), 'exact')
})

test('AuthFile.find() reads every kind of entry', () => {
  const kind = (entry: unknown): unknown => {
    const location = find({ auths: { r: entry } }, 'r')
    return location?.kind === 'found' ? location.credentials : location
  }
  assert.deepEqual(kind({ auth: Buffer.from('u:p:q\0\0').toString('base64') }), {
    kind: 'basic',
    username: 'u',
    password: 'p:q',
  })
  assert.deepEqual(kind({ username: 'u', password: 'p' }), { kind: 'basic', username: 'u', password: 'p' })
  assert.deepEqual(kind({ ...auth('u'), identitytoken: 't' }), { kind: 'identity-token', token: 't' })
  assert.deepEqual(kind({ registrytoken: 't' }), { kind: 'registry-token', token: 't' })
  assert.equal(kind({}), undefined)
})

test('AuthFile.find() names the helper of the host, else looks in the file, else names the store', () => {
  const document = {
    auths: { plain: auth('file'), both: auth('file'), 'https://index.docker.io/v1/': {} },
    credHelpers: { both: 'special', out: '' },
    credsStore: 'store',
  }
  assert.deepEqual(find(document, 'both', 'a'), { kind: 'helper', helper: 'special', server: 'both' })
  assert.equal(userOf(find(document, 'plain')), 'file')
  assert.deepEqual(find(document, 'docker.io'), {
    kind: 'helper',
    helper: 'store',
    server: 'https://index.docker.io/v1/',
  })
  assert.equal(find(document, 'out'), undefined)
})

test('AuthFile refuses what it cannot read and repeats nothing of it', () => {
  const isClean = (error: unknown): boolean => hasErrorCode(error, 'AUTH_FILE') && !error.message.includes('hunter2')
  assert.throws(() => AuthFile.parse('{"auths": hunter2', 'f'), isClean)
  for (const document of [[], 'hunter2', { auths: ['hunter2'] }, { credHelpers: { r: 7 } }, { credsStore: {} }]) {
    assert.throws(() => AuthFile.parse(JSON.stringify(document), 'f'), isClean)
  }
  assert.throws(() => find({ auths: { r: { auth: 'hunter2' } } }, 'r'), isClean)
  assert.throws(() => find({ auths: { r: { username: ['hunter2'] } } }, 'r'), isClean)
  assert.equal(find({ auths: { r: { auth: 'hunter2' } } }, 'other'), undefined)
})
