import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { familiarReference, formatReference, isTag, parseReference, withDefaultTag } from './reference.ts'

const SHA256 = `sha256:${'0f'.repeat(32)}`
const SHA512 = `sha512:${'0f'.repeat(64)}`

test('parseReference() follows the rules of familiar names', () => {
  const full: Readonly<Record<string, string>> = {
    debian: 'docker.io/library/debian',
    'debian:12': 'docker.io/library/debian:12',
    'team/app': 'docker.io/team/app',
    'team/app/part': 'docker.io/team/app/part',
    'docker.io/debian': 'docker.io/library/debian',
    'index.docker.io/debian': 'docker.io/library/debian',
    'index.docker.io/team/app:1': 'docker.io/team/app:1',
    'localhost/app': 'localhost/app',
    'localhost:5000/app': 'localhost:5000/app',
    'localhost:5000': 'docker.io/library/localhost:5000',
    'example.com/app': 'example.com/app',
    'example.com:443/a/b:v1.0_x-y': 'example.com:443/a/b:v1.0_x-y',
    'example.com': 'docker.io/library/example.com',
    'Host/app': 'Host/app',
    '127.0.0.1:5001/app:multi': '127.0.0.1:5001/app:multi',
    '[::1]:5000/app': '[::1]:5000/app',
    '[2001:db8::1]/app': '[2001:db8::1]/app',
    'a__b/c-d/e---f.g_h': 'docker.io/a__b/c-d/e---f.g_h',
    [`debian@${SHA256}`]: `docker.io/library/debian@${SHA256}`,
    [`debian:12@${SHA256}`]: `docker.io/library/debian:12@${SHA256}`,
    [`example.com:1/x:t@${SHA512}`]: `example.com:1/x:t@${SHA512}`,
  }
  for (const [text, expected] of Object.entries(full)) assert.equal(formatReference(parseReference(text)), expected)
})

test('parseReference() gives the parts, and no tag that is not there', () => {
  assert.deepEqual(parseReference('debian'), { registry: 'docker.io', repository: 'library/debian' })
  assert.deepEqual(parseReference(`[::1]:5000/a:b@${SHA256}`), {
    registry: '[::1]:5000',
    repository: 'a',
    tag: 'b',
    digest: SHA256,
  })
})

test('parseReference() uses another default registry without library/', () => {
  const options = { defaultRegistry: 'registry.example:5000' }
  assert.equal(formatReference(parseReference('app:1', options)), 'registry.example:5000/app:1')
  assert.equal(formatReference(parseReference('docker.io/app', options)), 'docker.io/library/app')
  assert.throws(() => parseReference('app', { defaultRegistry: 'no host' }), isInvalid)
})

const isInvalid = (error: unknown): boolean => hasErrorCode(error, 'INVALID_REFERENCE') && error.hint !== undefined

test('parseReference() refuses malformed text, with a hint', () => {
  const malformed = [
    '',
    ' debian',
    'debian\n',
    'Debian',
    'team/App',
    'example.com/Team/app',
    'https://example.com/app',
    'docker://debian',
    '/app',
    'example.com/',
    'example.com//app',
    'a//b',
    'app/',
    'app:',
    'app:.x',
    'app:-x',
    'app:a/b',
    `app:${'t'.repeat(129)}`,
    'app@',
    'app@sha256:abc',
    `app@sha256:${'0F'.repeat(32)}`,
    `app@md5:${'0f'.repeat(16)}`,
    `app@${SHA256}:tag`,
    `@${SHA256}`,
    SHA256.slice(7),
    'a..b',
    'a___b',
    '-a',
    'a-',
    '_/a',
    '../etc',
    'example.com/../etc',
    'host:port/app',
    'host:0/app',
    'host:65536/app',
    '::1/app',
    '[::1/app',
    '[fe80::1%eth0]/app',
    '-host.com/app',
    'user:secret@example.com/app',
    `${'a/'.repeat(128)}a`,
    'a'.repeat(5000),
    `${'a'.repeat(256)}.com/app`,
  ]
  for (const text of malformed) assert.throws(() => parseReference(text), isInvalid, JSON.stringify(text))
})

test('parseReference() takes names up to the limit', () => {
  assert.equal(parseReference(`example.com/${'a'.repeat(255)}:${'t'.repeat(128)}`).repository.length, 255)
})

test('parseReference() answers at once on hostile names', () => {
  for (const part of ['a-', 'a.', 'A-', 'a_', '[:'])
    assert.throws(() => parseReference(`${part.repeat(400)}/!`), isInvalid)
})

test('familiarReference() is short but never ambiguous', () => {
  const familiar: Readonly<Record<string, string>> = {
    'docker.io/library/debian:12': 'debian:12',
    'docker.io/team/app': 'team/app',
    'docker.io/library/team/app': 'library/team/app',
    'docker.io/localhost/app': 'docker.io/localhost/app',
    'docker.io/a.b/app': 'docker.io/a.b/app',
    'example.com/library/app': 'example.com/library/app',
    [`docker.io/library/${SHA256.slice(7)}`]: `library/${SHA256.slice(7)}`,
    [`debian@${SHA256}`]: `debian@${SHA256}`,
  }
  for (const [text, expected] of Object.entries(familiar))
    assert.equal(familiarReference(parseReference(text)), expected)
})

test('withDefaultTag() tags only what has neither tag nor digest', () => {
  assert.equal(withDefaultTag(parseReference('debian')).tag, 'latest')
  assert.equal(withDefaultTag(parseReference('debian:12')).tag, '12')
  assert.equal(withDefaultTag(parseReference(`debian@${SHA256}`)).tag, undefined)
})

test('isTag() follows the distribution specification', () => {
  for (const tag of ['latest', '_', 'v1.0', 'A-b_c', '0'.repeat(128)]) assert.ok(isTag(tag), tag)
  for (const tag of ['', '.a', '-a', 'a b', 'a:b', 'a/b', 'ä', 'a\n', '0'.repeat(129)]) assert.ok(!isTag(tag), tag)
})
