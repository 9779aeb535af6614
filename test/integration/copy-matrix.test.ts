import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { copyImage, inspectImage, narrowTree, offeredPlatforms, readImageTree } from '../../src/image/index.ts'
import { type Digest, parsePlatform, type Platform } from '../../src/oci/index.ts'
import { type RunningRegistry, startRegistry } from '../../src/registry/index.ts'
import { openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { startContainerd } from '../support/containerd-server.ts'
import { startDockerEngine } from '../support/docker-engine-server.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

let registry: RunningRegistry
const resources = new AsyncDisposableStack()
let CONTEXT: OpenContext
/** The same with an engine that keeps layers unpacked. */
let PLAIN_ENGINE: OpenContext
before(async () => {
  registry = resources.use(await startRegistry({ port: 0 }))
  const storeDirectory = resources.use(await temporaryDirectory())
  CONTEXT = {
    registry: { tlsVerify: false },
    storeDirectory: storeDirectory.join('store'),
    docker: { host: resources.use(await startDockerEngine({ storage: 'blobs' })).host },
    containerd: { address: resources.use(await startContainerd()).address },
  }
  PLAIN_ENGINE = { ...CONTEXT, docker: { host: resources.use(await startDockerEngine()).host } }
})
after(() => resources.disposeAsync())

interface Fixture {
  readonly name: string
  readonly reference: string
  readonly skip: string | false
}

function shared(transport: string, name: string): Fixture {
  const { path, skip } = sharedFixture(`images/${name}`)
  return { name, reference: `${transport}:${path}`, skip }
}

const FIXTURES: readonly Fixture[] = [
  { name: 'docker-v1', reference: `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, skip: false },
  { name: 'docker-v2', reference: `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`, skip: false },
  { name: 'multi-v2', reference: `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`, skip: false },
  { name: 'zstd-v2', reference: `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`, skip: false },
  { name: 'save-v1', reference: `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`, skip: false },
  { name: 'save-v2', reference: `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`, skip: false },
  ...['buildah', 'buildkit', 'estargz', 'umoci', 'zstd', 'multi'].map((name) =>
    shared('oci-archive', `app-${name}-v1.oci.tar`),
  ),
  ...['buildah', 'buildkit', 'estargz', 'umoci'].map((name) => shared('oci-archive', `app-${name}-v2.oci.tar`)),
  ...['v1', 'v2'].flatMap((version) => [
    shared('docker-archive', `app-docker-save-${version}.tar`),
    shared('docker-archive', `app-docker29-save-${version}.tar`),
    shared('oci-archive', `app-docker29-save-${version}.tar`),
  ]),
]

/** Transports that keep every digest. */
const EXACT: Readonly<Record<string, (dir: TemporaryDirectory) => string>> = {
  oci: (dir) => `oci:${dir.join('layout')}:image`,
  'oci-archive': (dir) => `oci-archive:${dir.join('image.tar')}:image`,
  dir: (dir) => `dir:${dir.join('directory')}`,
  store: (dir) => `store:copies/${nameOf(dir)}:image`,
  docker: (dir) => `docker://${registry.host}:${registry.port}/copies/${nameOf(dir)}:image`,
  'docker-daemon with blobs': (dir) => `docker-daemon:copies/${nameOf(dir)}:image`,
  containerd: (dir) => `containerd:matrix/example.com/copies/${nameOf(dir)}:image`,
}

/** Transports that keep plain layers and the config. */
const PLAIN: Readonly<Record<string, (dir: TemporaryDirectory) => string>> = {
  'docker-archive': (dir) => `docker-archive:${dir.join('image.tar')}:app:image`,
  'docker-daemon with layers': (dir) => `docker-daemon:copies/${nameOf(dir)}:image`,
}

/** A name that no other test has. */
function nameOf(dir: TemporaryDirectory): string {
  return dir.path.split('-').at(-1)?.toLowerCase() ?? ''
}

async function copy(
  from: string,
  to: string,
  platforms: readonly Platform[] = [],
  context: OpenContext = CONTEXT,
): Promise<Digest> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  return (await copyImage(source, destination, { platforms })).digest
}

/** Config digests and diffIDs: what survives a change of compression. */
async function imageIds(reference: string): Promise<readonly unknown[]> {
  await using source = await openSource(reference, CONTEXT)
  const { manifests } = await inspectImage(source)
  return manifests.map(({ config, layers }) => [config.digest, ...layers.map((layer) => layer.diffId)])
}

for (const { name, reference, skip } of FIXTURES) {
  for (const [transport, place] of Object.entries(EXACT)) {
    test(`${name} copies to ${transport} and back with its digest`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      const there = place(dir)
      const wanted = await copy(reference, there)
      {
        await using source = await openSource(reference)
        assert.equal(wanted, (await source.resolve()).descriptor.digest)
      }
      assert.equal(await copy(there, `oci:${dir.join('back')}`), wanted)
      assert.deepEqual(await imageIds(there), await imageIds(reference))
    })
  }

  for (const [transport, place] of Object.entries(PLAIN)) {
    test(`${name} copies to ${transport} and back with its config and diffIDs`, { skip }, async () => {
      for (const platform of await platformsOf(reference)) {
        await using dir = await temporaryDirectory()
        const back = `oci:${dir.join('back')}`
        await copy(reference, place(dir), [platform], PLAIN_ENGINE)
        await copy(place(dir), back, [], PLAIN_ENGINE)
        assert.deepEqual(await imageIds(back), await narrowedIds(reference, platform))
      }
    })
  }
}

async function platformsOf(reference: string): Promise<readonly Platform[]> {
  await using source = await openSource(reference)
  const platforms = offeredPlatforms((await readImageTree(source)).root)
  assert.ok(platforms.length > 0)
  return platforms.map((text) => parsePlatform(text))
}

async function narrowedIds(reference: string, platform: Platform): Promise<readonly unknown[]> {
  await using source = await openSource(reference)
  const { tree } = narrowTree(await readImageTree(source), [platform])
  return tree.documents.map((node) =>
    node.kind === 'manifest' ? [node.document.config.digest, ...(node.config?.rootfs.diffIds ?? [])] : [],
  )
}
