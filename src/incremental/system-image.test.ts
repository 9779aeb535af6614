import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { readImageTree } from '../image/index.ts'
import { MEDIA_TYPE, type Platform } from '../oci/index.ts'
import { KnownLayersSource } from './known-layers-source.ts'
import { systemImage } from './system-image.ts'

const PLATFORMS: readonly (Platform | undefined)[] = [
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'arm', variant: 'v5' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
  { os: 'linux', architecture: 'amd64', 'os.version': '10' },
  undefined,
]

async function picked(platform: Platform, mediaType: string = MEDIA_TYPE.OCI_INDEX): Promise<number> {
  const manifests = PLATFORMS.map((each, at) => ({
    descriptor: { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: `sha256:${String(at).repeat(64)}` as const, size: 1 },
    ...(each === undefined ? {} : { platform: each }),
    layers: [],
  }))
  const root = { mediaType, digest: `sha256:${'f'.repeat(64)}` as const, size: 1 }
  const source = new KnownLayersSource({ reference: 'test', root, manifests })
  const { tree } = systemImage(await readImageTree(source), platform)
  return Number(tree.root.descriptor.digest.at(-1))
}

test('systemImage() takes the best variant, older ones where it must, and ignores versions', async () => {
  assert.equal(await picked({ os: 'linux', architecture: 'arm', variant: 'v8' }), 2)
  assert.equal(await picked({ os: 'linux', architecture: 'arm', variant: 'v6' }), 1)
  assert.equal(await picked({ os: 'linux', architecture: 'arm64' }), 0)
  assert.equal(await picked({ os: 'linux', architecture: 'amd64' }), 3)
})

test('systemImage() takes a member without a platform at last, of an OCI index alone', async () => {
  assert.equal(await picked({ os: 'linux', architecture: 's390x' }), 4)
  await assert.rejects(
    picked({ os: 'linux', architecture: 's390x' }, MEDIA_TYPE.DOCKER_LIST),
    (error) => hasErrorCode(error, 'NO_MATCHING_PLATFORM') && error.hint !== undefined,
  )
})
