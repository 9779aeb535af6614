import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import {
  formatPlatform,
  isAttestationPlatform,
  matchPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  rankPlatforms,
  selectPlatform,
} from './platform.ts'

const texts = (wanted: string, ...candidates: readonly string[]): readonly (string | undefined)[] =>
  rankPlatforms(parsePlatform(wanted), candidates.map(parsePlatform)).map((position) => candidates[position])

test('parsePlatform() gives the normal form of every usual spelling', () => {
  const spellings: Readonly<Record<string, string>> = {
    'linux/amd64': 'linux/amd64',
    'Linux/x86_64': 'linux/amd64',
    'linux/x86-64': 'linux/amd64',
    'linux/amd64/v1': 'linux/amd64',
    'linux/amd64/v3': 'linux/amd64/v3',
    'linux/i386': 'linux/386',
    'linux/aarch64': 'linux/arm64',
    'linux/arm64/v8': 'linux/arm64',
    'linux/arm64/8': 'linux/arm64',
    'linux/arm64/v9.2': 'linux/arm64/v9.2',
    'linux/arm': 'linux/arm/v7',
    'linux/armhf': 'linux/arm/v7',
    'linux/armel': 'linux/arm/v6',
    'linux/arm/6': 'linux/arm/v6',
    'macos/arm64': 'darwin/arm64',
    'linux/riscv64': 'linux/riscv64',
    'windows(10.0.17763.1234)/amd64': 'windows(10.0.17763.1234)/amd64',
    'windows(10.0+win32k+b)/amd64': 'windows(10.0+b+win32k)/amd64',
    'linux(+gpu)/arm/v7': 'linux(+gpu)/arm/v7',
  }
  for (const [text, expected] of Object.entries(spellings)) assert.equal(formatPlatform(parsePlatform(text)), expected)
})

test('parsePlatform() splits version, features and variant into fields', () => {
  assert.deepEqual(parsePlatform('windows(10.0.17763+win32k)/AMD64/v2'), {
    os: 'windows',
    architecture: 'amd64',
    variant: 'v2',
    'os.version': '10.0.17763',
    'os.features': ['win32k'],
  })
  assert.deepEqual(parsePlatform('linux/amd64'), { os: 'linux', architecture: 'amd64' })
})

test('parsePlatform() refuses everything that is not os/architecture[/variant]', () => {
  const malformed = [
    '',
    'linux',
    'amd64',
    '/',
    'linux/',
    '/amd64',
    'linux/amd64/',
    'linux/arm/v7/x',
    'linux/*',
    'a b/c',
  ]
  for (const text of [...malformed, 'windows(10/amd64', 'windows(%zz)/amd64', 'linux/am\nd64']) {
    assert.throws(
      () => parsePlatform(text),
      (error) => hasErrorCode(error, 'INVALID_ARGUMENT'),
      text,
    )
  }
})

test('formatPlatform() writes unknown for a platform without system and survives broken Unicode', () => {
  assert.equal(formatPlatform({ os: '', architecture: '' }), 'unknown')
  assert.equal(formatPlatform({ os: 'a', architecture: 'b', 'os.version': '\ud800(1)' }), 'a(%EF%BF%BD%281%29)/b')
})

test('normalizePlatform() drops empty fields and keeps those of Docker lists', () => {
  const platform: Platform = {
    os: 'Linux',
    architecture: 'AMD64',
    variant: '',
    'os.version': '',
    'os.features': [],
    features: ['sse4', 'avx', 'sse4'],
  }
  assert.deepEqual(normalizePlatform(platform), { os: 'linux', architecture: 'amd64', features: ['avx', 'sse4'] })
})

test('rankPlatforms() prefers the own variant, then the newest older one', () => {
  assert.deepEqual(texts('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v8', 'linux/arm/v6', 'linux/arm', 'linux/arm64'), [
    'linux/arm',
    'linux/arm/v6',
    'linux/arm/v5',
  ])
  assert.deepEqual(
    texts('linux/arm64', 'linux/arm/v6', 'linux/arm/v8', 'linux/amd64', 'linux/arm64/v8', 'linux/arm64/v8.1'),
    ['linux/arm64/v8', 'linux/arm/v8', 'linux/arm/v6'],
  )
  assert.deepEqual(texts('linux/amd64', 'linux/386', 'linux/amd64/v2', 'linux/amd64/v1'), [
    'linux/amd64/v1',
    'linux/386',
  ])
  assert.deepEqual(texts('linux/amd64/v3', 'linux/386', 'linux/amd64/v4', 'linux/amd64', 'linux/amd64/v2'), [
    'linux/amd64/v2',
    'linux/amd64',
    'linux/386',
  ])
  assert.deepEqual(texts('linux/386', 'linux/amd64'), [])
})

test('rankPlatforms() knows that arm64 v9.x runs v8.(x+5)', () => {
  assert.deepEqual(
    texts(
      'linux/arm64/v9.1',
      'linux/arm/v7',
      'linux/arm64',
      'linux/arm64/v8.7',
      'linux/arm64/v8.6',
      'linux/arm64/v9',
      'linux/arm64/v9.2',
    ),
    ['linux/arm64/v9', 'linux/arm64/v8.6', 'linux/arm64', 'linux/arm/v7'],
  )
})

test('rankPlatforms() keeps the order of equals and leaves out what has no platform', () => {
  const linux = parsePlatform('linux/amd64')
  assert.deepEqual(rankPlatforms(linux, [undefined, linux, { os: 'unknown', architecture: 'unknown' }, linux]), [1, 3])
})

test('rankPlatforms() puts the wanted Windows version first, then the newest that runs', () => {
  const [old, newer, ltsc22, later] = ['17763.1', '17763.6189', '20348.2', '25398.1'].map(
    (v) => `windows(10.0.${v})/amd64`,
  )
  assert.ok(old !== undefined && newer !== undefined && ltsc22 !== undefined && later !== undefined)
  assert.deepEqual(texts('windows/amd64', old, later, newer, ltsc22), [later, ltsc22, newer, old])
  assert.deepEqual(texts('windows(10.0.17763)/amd64', old, newer, ltsc22), [newer, old])
  assert.deepEqual(texts(old, newer, old, ltsc22), [old, newer])
  assert.deepEqual(texts('windows(10.0.26100)/amd64', old, ltsc22, later), [later, ltsc22])
  assert.deepEqual(texts('windows(10.0)/amd64', old, ltsc22, 'windows(6.3.9600)/amd64'), [ltsc22, old])
})

test('matchPlatform() ignores the version of other systems, and refuses features that are not there', () => {
  assert.ok(matchPlatform(parsePlatform('freebsd(14)/amd64'), parsePlatform('freebsd(13)/amd64')))
  assert.ok(matchPlatform(parsePlatform('linux(+gpu)/amd64'), parsePlatform('linux/amd64')))
  assert.ok(!matchPlatform(parsePlatform('linux/amd64'), parsePlatform('linux(+gpu)/amd64')))
  assert.ok(!matchPlatform(parsePlatform('linux/amd64'), parsePlatform('windows/amd64')))
})

test('selectPlatform() gives the best member, or nothing', () => {
  const members = [
    { id: 0 },
    { id: 1, platform: parsePlatform('linux/386') },
    { id: 2, platform: parsePlatform('linux/x86_64') },
  ]
  assert.equal(selectPlatform(parsePlatform('linux/amd64'), members)?.id, 2)
  assert.equal(selectPlatform(parsePlatform('linux/s390x'), members), undefined)
})

test('isAttestationPlatform() knows unknown/unknown only', () => {
  assert.ok(isAttestationPlatform({ os: 'unknown', architecture: 'unknown' }))
  assert.ok(!isAttestationPlatform({ os: 'unknown', architecture: 'amd64' }))
})
