import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Descriptor, type Digest, MEDIA_TYPE, parsePlatform, type Platform } from '../oci/index.ts'
import { ZSTD_ANNOTATION } from './compression-variants.ts'
import { platformClashes, warnOfClashes } from './platform-clashes.ts'

function member(at: number, platform: string | Platform | undefined, more: Partial<Descriptor> = {}): Descriptor {
  const digest: Digest = `sha256:${String(at).padStart(64, '0')}`
  return {
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    digest,
    size: 1,
    platform: typeof platform === 'string' ? parsePlatform(platform) : platform,
    ...more,
  }
}

test('platformClashes() finds members that claim one platform, however it is spelled', () => {
  const [first, second] = [member(1, 'linux/arm64'), member(2, 'linux/arm64/v8')]
  const clashes = platformClashes([first, member(3, 'linux/amd64'), second, member(4, 'linux/arm/v7')])
  assert.deepEqual(clashes, [{ platform: 'linux/arm64', members: [first, second] }])
})

test('platformClashes() has nothing against what is no second image for one platform', () => {
  const zstd = { annotations: { [ZSTD_ANNOTATION]: 'true' } }
  const amd64 = parsePlatform('linux/amd64')
  assert.deepEqual(
    platformClashes([
      member(1, amd64),
      member(2, amd64, zstd),
      member(3, amd64, { artifactType: 'application/x' }),
      member(4, { ...amd64, features: ['sse4'] }),
      member(5, 'unknown/unknown'),
      member(6, 'unknown/unknown'),
      member(7, undefined),
      member(8, undefined),
    ]),
    [],
  )
})

test('warnOfClashes() names platform and members, where one of them was added', () => {
  const warnings: string[] = []
  const logger = { warn: (message: string) => warnings.push(message), debug() {} }
  const members = [member(1, 'linux/amd64'), member(2, 'linux/amd64'), member(3, 'linux/s390x')]
  warnOfClashes(members, members.slice(2), logger)
  warnOfClashes(members, members.slice(1), logger)
  const [first, second] = members.map(({ digest }) => digest)
  assert.deepEqual(warnings, [
    `linux/amd64 is claimed by several members; most clients take the first: ${first}, ${second}`,
  ])
})
