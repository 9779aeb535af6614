import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { copyImage, inspectImage } from '../../src/image/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE, parseManifestDocument } from '../../src/oci/index.ts'
import { Store } from '../../src/store/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { runInProcess } from '../support/command-line.ts'
import { startContainerd } from '../support/containerd.ts'
import { DEBIAN_REGISTRY_PROGRAMS, type DebianRegistry, startDebianRegistry } from '../support/debian-registry.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeIndex } from '../support/image-builder.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { openPodmanStore, type PodmanStore } from '../support/podman.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const DOCKER = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const ZSTD = `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`
const DOCKER_V1: Digest = 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5'
const ZSTD_V2: Digest = 'sha256:201f6273f7c2d5518dd1b93e59cbea20dfe747b789b4f6e1bac4328d4810208f'
const PLATFORMS = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
]
const NO_TLS = '--tls-verify=false'

let directory: TemporaryDirectory
let registry: DebianRegistry
/** An index of three small images, in the registry. */
let index: string
let members: readonly Descriptor[]

const skip = skipWithout('podman', 'buildah', 'skopeo', ...DEBIAN_REGISTRY_PROGRAMS)

before(async () => {
  if (skip !== false) return
  directory = await temporaryDirectory()
  registry = await startDebianRegistry()
  const layout = `oci:${directory.join('index')}:v1`
  await writeIndex(
    layout,
    PLATFORMS.map((platform) => ({
      layers: [tarOf({ shared: 'by all' }), tarOf({ own: platform.architecture })],
      compression: 'gzip',
      platform,
    })),
  )
  index = at('index:v1')
  await copyTo(layout, index)
  members = await membersAt(index)
})

after(async () => {
  await registry?.[Symbol.asyncDispose]()
  await directory?.[Symbol.asyncDispose]()
})

function at(name: string): string {
  return `docker://${registry.address}/${name}`
}

const CONTEXT = { registry: { tlsVerify: false } }

async function copyTo(from: string, to: string): Promise<void> {
  await using source = await openSource(from, CONTEXT)
  await using destination = await openDestination(to, CONTEXT)
  await copyImage(source, destination)
}

async function bytesAt(reference: string): Promise<Uint8Array> {
  await using source = await openSource(reference, CONTEXT)
  return (await source.resolve()).bytes
}

async function membersAt(reference: string): Promise<readonly Descriptor[]> {
  const document = parseManifestDocument(await bytesAt(reference), { subject: reference })
  return document.kind === 'index' ? document.manifests : []
}

/** Runs our tool with lists of its own. */
async function tare(home: TemporaryDirectory, ...args: readonly string[]): Promise<string> {
  const env = { ...SCRATCH_ENVIRONMENT, XDG_DATA_HOME: home.path }
  const { code, stdout, stderr } = await runInProcess({ env, homeDirectory: home.path }, 'manifest', ...args)
  if (code !== 0) throw new Error(`tare manifest ${args.join(' ')} exited with ${code}: ${stderr}`)
  return stdout
}

async function ourDocument(home: TemporaryDirectory, id: string, name: string): Promise<string> {
  await using store = await Store.open(home.join('tare', 'store'), { create: false })
  const items = await store.namespace().lists.readItems(id)
  return new TextDecoder().decode(items.get(name))
}

/**
 * Verbs and what they are given, after the list's name. podman 4.3 drops annotations that were there when others are
 * given, keeps a variant when an architecture is given without one, and takes no annotations along from an index; its
 * successors and Tare do otherwise. And what it lost once it has lost: features do not come back with Docker's format.
 * Nothing here asks for any of that.
 */
function steps(): readonly (readonly [verb: string, ...args: readonly string[]])[] {
  const [amd64, arm64, arm] = members.map(({ digest }) => digest)
  assert.ok(amd64 !== undefined && arm64 !== undefined && arm !== undefined)
  return [
    ['add', DOCKER],
    ['add', '--all', NO_TLS, index],
    ['add', '--os-version', '10.0.17763', '--variant', 'v2', '--features', 'sse,avx', DOCKER],
    ['annotate', '--arch', 'arm', '--variant', 'v6', arm],
    ['annotate', '--os', 'freebsd', '--os-version', '14', arm64],
    ['annotate', '--features', 'neon', arm64],
    ['annotate', '--arch', 's390x', '--variant', 'v5', arm],
    ['remove', amd64],
    ['annotate', '--annotation', 'k=<v>&é=', '--annotation', '10=ten', '--annotation', '2=two', arm64],
    ['add', ZSTD],
    ['add', NO_TLS, index],
    ['remove', DOCKER_V1],
    ['remove', arm64],
    ['remove', arm],
    ['remove', ZSTD_V2],
    ['remove', amd64],
  ]
}

for (const peer of ['podman', 'buildah'] as const) {
  suite(peer, { skip }, () => {
    test(`${peer} and tare manifest store the same bytes after every one of the same verbs`, async () => {
      await using theirs = await openPodmanStore()
      await using home = await temporaryDirectory()
      const run = (...args: readonly string[]): ReturnType<PodmanStore['podman']> => theirs[peer]('manifest', ...args)
      const theirId = (await run('create', 'app:v1')).stdout.trim()
      const ourId = (await tare(home, 'create', 'app:v1')).trim()
      assert.equal(await ourDocument(home, ourId, 'manifest'), await theirs.listDocument(theirId, 'manifest'))
      for (const [verb, ...args] of steps()) {
        const flags = args.slice(0, -1)
        const last = args.at(-1) ?? ''
        await run(verb, ...flags, 'app:v1', last)
        await tare(home, verb, ...flags, 'app:v1', last)
        const [ours, wanted] = await Promise.all([
          ourDocument(home, ourId, 'manifest'),
          theirs.listDocument(theirId, 'manifest'),
        ])
        assert.equal(ours, wanted, `after ${verb} ${args.join(' ')}`)
      }
      // They remember the same members, each at its first place.
      const [ours, wanted] = [
        JSON.parse(await ourDocument(home, ourId, 'instances.json')) as Readonly<Record<string, string>>,
        JSON.parse(await theirs.listDocument(theirId, 'instances.json')) as Readonly<Record<string, string>>,
      ]
      assert.deepEqual(Object.keys(ours), Object.keys(wanted))
      for (const [digest, location] of Object.entries(wanted)) {
        if (digest !== '') assert.equal(ours[digest], location.replace(/:$/, ''))
      }
    })

    test(`${peer} prints of a Docker list what tare manifest inspect prints`, async () => {
      await using theirs = await openPodmanStore()
      await using home = await temporaryDirectory()
      const inspected = async (): Promise<readonly [string, string]> => [
        (await tare(home, 'inspect', 'app:v1')).trimEnd(),
        (await theirs[peer]('manifest', 'inspect', 'app:v1')).stdout.trimEnd(),
      ]
      await theirs[peer]('manifest', 'create', 'app:v1')
      await tare(home, 'create', 'app:v1')
      assert.equal(...(await inspected()))
      const add = ['add', '--features', 'sse', '--os-version', '1']
      await theirs[peer]('manifest', ...add, 'app:v1', DOCKER)
      await tare(home, ...add, 'app:v1', DOCKER)
      assert.equal(...(await inspected()))
    })
  })
}

suite('podman', { skip }, () => {
  /** The same list in podman's store and in ours. */
  async function sameList(theirs: PodmanStore, home: TemporaryDirectory, ...images: readonly string[]): Promise<void> {
    await theirs.podman('manifest', 'create', 'app:v1')
    await tare(home, 'create', 'app:v1')
    for (const image of images) {
      await theirs.podman('manifest', 'add', '--all', NO_TLS, 'app:v1', image)
      await tare(home, 'add', '--all', NO_TLS, 'app:v1', image)
    }
  }

  /** Pushes both lists; gives the bytes at the two places, and the digests that were told. */
  async function pushBoth(theirs: PodmanStore, home: TemporaryDirectory, name: string, ...flags: readonly string[]) {
    const [theirFile, ourFile] = [home.join(`${name}-theirs`), home.join(`${name}-ours`)]
    const [theirPlace, ourPlace] = [at(`podman/${name}:v1`), at(`tare/${name}:v1`)]
    await theirs.podman('manifest', 'push', NO_TLS, ...flags, '--digestfile', theirFile, 'app:v1', theirPlace)
    await tare(home, 'push', NO_TLS, ...flags, '--digestfile', ourFile, 'app:v1', ourPlace)
    return {
      theirs: Buffer.from(await bytesAt(theirPlace)).toString(),
      ours: Buffer.from(await bytesAt(ourPlace)).toString(),
      theirDigest: await readFile(theirFile, 'utf8'),
      ourDigest: await readFile(ourFile, 'utf8'),
    }
  }

  test('podman pushes the same list to a registry as tare manifest push, and tells the same digest', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home, index, DOCKER, ZSTD)
    const pushed = await pushBoth(theirs, home, 'all', '--all')
    assert.equal(pushed.ours, pushed.theirs)
    assert.equal(pushed.ourDigest, pushed.theirDigest)
    assert.equal(pushed.ourDigest, digestOf(Buffer.from(pushed.ours)))
  })

  test('podman pushes an empty list as tare manifest push does', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home)
    const pushed = await pushBoth(theirs, home, 'empty')
    assert.equal(pushed.ours, pushed.theirs)
  })

  test('podman pushes in Docker’s format what tare manifest push does, members too', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home, index, DOCKER)
    const pushed = await pushBoth(theirs, home, 'docker', '--format', 'v2s2')
    assert.equal(pushed.ours, pushed.theirs)
    assert.match(pushed.ours, /manifest\.list/)
  })

  test('podman pushes in the OCI format what tare manifest push does, members too', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home, index, DOCKER)
    const pushed = await pushBoth(theirs, home, 'oci', '--format', 'oci')
    assert.equal(pushed.ours, pushed.theirs)
    assert.doesNotMatch(pushed.ours, /docker/)
  })

  test('podman is refused an index without its members as tare manifest push is', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home, index)
    await assert.rejects(pushBoth(theirs, home, 'sparse', '--all=false'))
    await assert.rejects(tare(home, 'push', NO_TLS, '--all=false', 'app:v1', at('tare/sparse:v1')), /with 2/)
  })

  test('podman writes into directories and layouts the list that tare manifest push writes', async () => {
    await using theirs = await openPodmanStore()
    await using home = await temporaryDirectory()
    await sameList(theirs, home, index)
    for (const [transport, suffix] of [
      ['dir', ''],
      ['oci', ':v1'],
      ['oci-archive', ':v1'],
    ]) {
      const [theirPlace, ourPlace] = ['theirs', 'ours'].map(
        (who) => `${transport}:${home.join(`${transport}-${who}`)}${suffix}`,
      )
      assert.ok(theirPlace !== undefined && ourPlace !== undefined)
      await theirs.podman('manifest', 'push', NO_TLS, '--all', 'app:v1', theirPlace)
      await tare(home, 'push', NO_TLS, 'app:v1', ourPlace)
      assert.deepEqual(Buffer.from(await bytesAt(ourPlace)), Buffer.from(await bytesAt(theirPlace)))
    }
  })

  test('podman pulls the platform that it asks for from what tare manifest push wrote', async () => {
    await using theirs = await openPodmanStore(registry.address)
    await using home = await temporaryDirectory()
    await tare(home, 'from', index, ZSTD, at('tare/pull:v1'), NO_TLS)
    const name = `${registry.address}/tare/pull:v1`
    for (const [architecture, variant] of [
      ['arm64', 'v8'],
      ['arm', 'v7'],
    ] as const) {
      await theirs.podman('pull', '-q', NO_TLS, '--arch', architecture, '--variant', variant, name)
      const { stdout } = await theirs.podman('image', 'inspect', '--format', '{{.Architecture}}', name)
      assert.equal(stdout.trim(), architecture)
    }
    const inspected = JSON.parse((await theirs.podman('manifest', 'inspect', name)).stdout) as {
      readonly manifests: readonly { readonly digest: string }[]
    }
    assert.equal(inspected.manifests.length, 4)
  })
})

suite('skopeo', { skip }, () => {
  test('skopeo copies every member of what tare manifest push wrote, and picks a platform', async () => {
    await using home = await temporaryDirectory()
    await tare(home, 'from', index, DOCKER, at('tare/skopeo:v1'), NO_TLS, '--annotation', 'a=b')
    const place = at('tare/skopeo:v1')
    const copied = home.join('copied')
    await runPeer('skopeo', ['copy', '-q', '--all', '--src-tls-verify=false', place, `dir:${copied}`])
    // It writes the list anew where it may; members keep their digests.
    assert.deepEqual(
      (await membersAt(`dir:${copied}`)).map(({ digest }) => digest),
      (await membersAt(place)).map(({ digest }) => digest),
    )
    const { stdout } = await runPeer('skopeo', ['inspect', NO_TLS, '--override-arch', 'arm64', place])
    assert.equal((JSON.parse(stdout) as { readonly Architecture: string }).Architecture, 'arm64')
  })

  test('skopeo takes the gzip member although zstd copies were added', async () => {
    await using home = await temporaryDirectory()
    const place = at('tare/variants:v1')
    await tare(home, 'from', index, place, NO_TLS, '--add-compression', 'zstd')
    const pushed = await membersAt(place)
    assert.equal(pushed.length, 6)
    const copied = `dir:${home.join('copied')}`
    const pick = ['--override-os', 'linux', '--override-arch', 'arm64']
    await runPeer('skopeo', [...pick, 'copy', '-q', '--src-tls-verify=false', place, copied])
    assert.equal(digestOf(await bytesAt(copied)), members[1]?.digest)
  })

  test('skopeo unpacks the layers of zstd copies to what the configs say', async () => {
    await using home = await temporaryDirectory()
    const place = at('tare/zstd:v1')
    await tare(home, 'from', index, place, NO_TLS, '--compression-format', 'zstd')
    const [member] = await membersAt(place)
    const one = at(`tare/zstd@${member?.digest}`)
    const unpacked = `dir:${home.join('unpacked')}`
    await runPeer('skopeo', ['copy', '-q', '--src-tls-verify=false', '--dest-decompress', one, unpacked])
    await using source = await openSource(unpacked)
    const { manifests } = await inspectImage(source)
    const layers = manifests.flatMap((manifest) => manifest.layers)
    assert.equal(layers.length, 2)
    for (const { digest, diffId } of layers) assert.equal(digest, diffId)
  })
})

suite('containerd', { skip: skipWithout('containerd', 'ctr', ...DEBIAN_REGISTRY_PROGRAMS) || skip }, () => {
  test('ctr fetches every platform of what tare manifest push wrote, and finds it complete', async () => {
    await using home = await temporaryDirectory()
    await using containerd = await startContainerd()
    await tare(home, 'from', index, DOCKER, at('tare/ctr:v1'), NO_TLS)
    const name = `${registry.address}/tare/ctr:v1`
    await containerd.ctr('content', 'fetch', '--plain-http', '--all-platforms', name)
    const listed = await containerd.ctr('images', 'ls')
    assert.ok(listed.includes(digestOf(await bytesAt(at('tare/ctr:v1')))))
    for (const text of ['linux/arm64/v8', 'linux/arm/v7', 'linux/amd64']) assert.ok(listed.includes(text), listed)
    const content = await containerd.ctr('content', 'ls', '-q')
    for (const { digest, mediaType } of await membersAt(at('tare/ctr:v1'))) {
      assert.ok(content.includes(digest))
      assert.ok(mediaType === MEDIA_TYPE.OCI_MANIFEST || mediaType === MEDIA_TYPE.DOCKER_MANIFEST)
    }
  })
})
