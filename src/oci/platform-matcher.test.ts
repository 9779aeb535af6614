import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import {
  ALL_PLATFORMS,
  anyPlatform,
  onlyPlatform,
  onlyPlatformStrict,
  orderedPlatforms,
  parsePlatformSpecifier,
  type PlatformMatcher,
  platformOfHost,
  sortByPlatform,
} from './platform-matcher.ts'
import { formatPlatform, parsePlatform } from './platform.ts'

function picked(matcher: PlatformMatcher, ...texts: readonly string[]): string {
  const members = texts.map((text) => ({ text, platform: text === '-' ? undefined : parsePlatform(text) }))
  const matching = members.filter(({ platform }) => platform === undefined || matcher.matches(platform))
  return sortByPlatform(matching, matcher)
    .map(({ text }) => text)
    .join(' ')
}

describe('matchers', () => {
  test('onlyPlatform() takes what runs there, the best first, what has no platform last', () => {
    const arm = onlyPlatform(parsePlatform('linux/arm/v7'))
    assert.equal(
      picked(arm, '-', 'linux/arm/v5', 'linux/amd64', 'linux/arm/v7', 'linux/arm/v8', 'linux/arm/v6'),
      'linux/arm/v7 linux/arm/v6 linux/arm/v5 -',
    )
    assert.equal(
      picked(onlyPlatform(parsePlatform('linux/amd64')), 'linux/386', 'linux/amd64'),
      'linux/amd64 linux/386',
    )
    assert.equal(arm.compare(parsePlatform('linux/arm'), parsePlatform('linux/arm/v7')), 0)
    assert.ok(arm.compare(parsePlatform('linux/amd64'), parsePlatform('linux/arm/v5')) > 0)
  })

  test('onlyPlatformStrict() takes just that', () => {
    const amd = onlyPlatformStrict(parsePlatform('linux/amd64'))
    assert.equal(picked(amd, 'linux/386', 'linux/x86_64', 'linux/arm64'), 'linux/x86_64')
  })

  test('orderedPlatforms() takes any, as they are ordered', () => {
    const ordered = orderedPlatforms(parsePlatform('linux/arm64'), parsePlatform('linux/amd64'))
    assert.equal(picked(ordered, 'linux/amd64', 'linux/s390x', 'linux/arm64'), 'linux/arm64 linux/amd64')
  })

  test('anyPlatform() takes any, in no order, and without any nothing', () => {
    const any = anyPlatform(parsePlatform('linux/arm64'), parsePlatform('linux/amd64'))
    assert.equal(picked(any, 'linux/amd64', 'linux/s390x', 'linux/arm64'), 'linux/amd64 linux/arm64')
    assert.equal(picked(anyPlatform(), 'linux/amd64'), '')
    assert.ok(any.compare(parsePlatform('linux/s390x'), parsePlatform('linux/amd64')) > 0)
  })

  test('ALL_PLATFORMS takes everything as it comes', () => {
    assert.equal(picked(ALL_PLATFORMS, 'linux/s390x', 'windows/amd64'), 'linux/s390x windows/amd64')
  })
})

describe('parsePlatformSpecifier()', () => {
  const host = parsePlatform('linux/arm64')
  const parsed = (text: string): string => formatPlatform(parsePlatformSpecifier(text, host))

  test('takes the half that is missing from the host', () => {
    assert.equal(parsed('windows'), 'windows/arm64')
    assert.equal(parsed('macOS'), 'darwin/arm64')
    assert.equal(parsed('x86_64'), 'linux/amd64')
    assert.equal(parsed('armhf'), 'linux/arm/v7')
    assert.equal(parsed('freebsd/amd64'), 'freebsd/amd64')
  })

  test('refuses words that are neither, and wildcards', () => {
    for (const text of ['', '*', 'linux/*', 'something', 'a/b/c/d', '/']) {
      assert.throws(
        () => parsePlatformSpecifier(text, host),
        (error) => hasErrorCode(error, 'INVALID_ARGUMENT'),
        text,
      )
    }
  })
})

test('platformOfHost() knows what Node.js calls systems and processors', () => {
  assert.equal(formatPlatform(platformOfHost('win32', 'x64')), 'windows/amd64')
  assert.equal(formatPlatform(platformOfHost('linux', 'arm')), 'linux/arm/v7')
  assert.equal(formatPlatform(platformOfHost('darwin', 'arm64')), 'darwin/arm64')
  assert.equal(formatPlatform(platformOfHost('linux', 'ia32')), 'linux/386')
})
