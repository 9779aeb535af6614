import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { applyDelta, diffImages, openLocalBaselines, pickDelta, readDeltas } from '../../src/delta/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { copyImage, type CopyReport, inspectImage } from '../../src/image/index.ts'
import { type Digest, parsePlatform } from '../../src/oci/index.ts'
import { openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { createThreadRunner } from '../../src/workers/index.ts'
import {
  NEEDS_ROOT,
  runContainerd,
  runDockerd,
  type RunningContainerd,
  type RunningDockerd,
  type RunningPodman,
  runPodman,
} from '../support/engine-daemons.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { skipWithout } from '../support/peers.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

interface Image {
  readonly name: string
  readonly reference: string
  readonly isIndex: boolean
  readonly skip?: string | false | undefined
}

const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const DOCKER_V2 = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
const SAVE_V2 = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`
const MULTI_V2 = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`

const IMAGES: readonly Image[] = [
  { name: 'docker', reference: DOCKER_V1, isIndex: false },
  { name: 'save', reference: SAVE_V2, isIndex: false },
  { name: 'multi', reference: MULTI_V2, isIndex: true },
  { name: 'zstd', reference: `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`, isIndex: false },
  ...['buildah', 'buildkit', 'estargz', 'umoci', 'docker29-save'].map((name) => {
    const { path, skip } = sharedFixture(`images/app-${name}-v2.${name === 'docker29-save' ? 'tar' : 'oci.tar'}`)
    return { name, reference: `oci-archive:${path}`, isIndex: name === 'buildkit' || name === 'estargz', skip }
  }),
]
const AMD64 = parsePlatform('linux/amd64')

async function copy(
  from: string,
  to: string,
  context: OpenContext,
  { isIndex = false }: { readonly isIndex?: boolean } = {},
): Promise<CopyReport> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  return await copyImage(source, destination, { ...context, platforms: isIndex ? [AMD64] : [] })
}

async function digestAt(reference: string, context: OpenContext = {}): Promise<Digest> {
  await using source = await openSource(reference, context)
  return (await source.resolve()).descriptor.digest
}

/** Config digest and diffIDs of the image for this platform. */
async function identity(reference: string, context: OpenContext = {}): Promise<readonly unknown[]> {
  await using source = await openSource(reference, context)
  const { manifests } = await inspectImage(source)
  const images = manifests.filter(({ platform }) => platform === undefined || platform === 'linux/amd64')
  return images.map(({ config, layers }) => [config.digest, ...layers.map((layer) => layer.diffId)])
}

/** Two releases of an image in gzip: the lower layer is the same, the upper differs a little. */
async function releases(dir: TemporaryDirectory): Promise<readonly [v1: string, v2: string]> {
  const words = 'Pack my box with five dozen liquor jugs. '.repeat(3000)
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  const base = tarOf({ base: words })
  await writeImage(v1, { layers: [base, tarOf({ app: `${words}1` })], compression: 'gzip' })
  await writeImage(v2, { layers: [base, tarOf({ app: `${words}2` })], compression: 'gzip' })
  return [v1, v2]
}

/** Makes a delta between two images, with a baseline that an engine has. */
async function diff(baseline: string, target: string, path: string, context: OpenContext): Promise<void> {
  await using kernels = createThreadRunner({ threads: 2 })
  await using from = await openSource(baseline, context)
  await using to = await openSource(target)
  await using file = await openDestination(`oci-archive:${path}`)
  await diffImages([from], to, file, { kernels, tool: 'tare/test' })
}

async function apply(path: string, baseline: string, target: string, context: OpenContext): Promise<CopyReport> {
  await using kernels = createThreadRunner({ threads: 2 })
  await using delta = await openSource(`oci-archive:${path}`)
  await using from = await openSource(baseline, context)
  await using to = await openDestination(target, context)
  return (await applyDelta(delta, [from], to, { kernels })).copy
}

suite('dockerd', { skip: skipWithout('dockerd', 'docker') || NEEDS_ROOT }, () => {
  let engine: RunningDockerd
  let context: OpenContext
  before(async () => {
    engine = await runDockerd()
    context = { docker: { host: engine.host } }
  })
  after(() => engine[Symbol.asyncDispose]())

  const imageId = (name: string): Promise<string> => engine.docker('image', 'inspect', '--format', '{{.Id}}', name)

  for (const { name, reference, isIndex, skip = false } of IMAGES) {
    test(`keeps the image ID of ${name}, and gives it back`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      const { digest } = await copy(reference, `docker-daemon:${name}:v2`, context, { isIndex })
      assert.equal(await imageId(`${name}:v2`), digest)
      await copy(`docker-daemon:${name}:v2`, `oci:${dir.join('back')}`, context)
      assert.deepEqual(await identity(`oci:${dir.join('back')}`), await identity(reference))
    })
  }

  test('gives what docker load brought, by ID too, and a docker archive that docker load takes', async () => {
    await using dir = await temporaryDirectory()
    const archive = dir.join('v2.tar')
    await copy(SAVE_V2, `docker-archive:${archive}:loaded:v2`, {})
    await engine.docker('load', '--input', archive)
    const id = await imageId('loaded:v2')
    for (const name of ['loaded:v2', id]) {
      assert.equal(await digestAt(`docker-daemon:${name}`, context), await digestAt(SAVE_V2))
    }
    await engine.docker('tag', 'loaded:v2', 'example.com:5000/team/loaded:v3')
    assert.equal(await digestAt('docker-daemon:example.com:5000/team/loaded:v3', context), await digestAt(SAVE_V2))
  })

  test('does without the layers that it has', async () => {
    await using dir = await temporaryDirectory()
    const layers = ['a', 'b', 'c'].map((name) => tarOf({ [name]: name.repeat(10_000) }))
    await writeImage(`oci:${dir.join('one')}`, { layers: layers.slice(0, 2), compression: 'gzip' })
    await writeImage(`oci:${dir.join('two')}`, { layers, compression: 'gzip' })
    await copy(`oci:${dir.join('one')}`, 'docker-daemon:chain:one', context)
    const { blobs, digest } = await copy(`oci:${dir.join('two')}`, 'docker-daemon:chain:two', context)
    assert.deepEqual(
      blobs.map(({ outcome }) => outcome),
      ['written', 'present', 'present', 'written'],
    )
    assert.equal(await imageId('chain:two'), digest)
    assert.deepEqual(await identity('docker-daemon:chain:two', context), await identity(`oci:${dir.join('two')}`))
  })

  test('moves a tag to the new image', async () => {
    await copy(DOCKER_V1, 'docker-daemon:moving', context)
    const { digest } = await copy(DOCKER_V2, 'docker-daemon:moving', context)
    assert.equal(await imageId('moving:latest'), digest)
  })

  test('takes an update through a delta whose baseline it has', async () => {
    await using dir = await temporaryDirectory()
    const [v1, v2] = await releases(dir)
    await copy(v1, 'docker-daemon:app:v1', context)
    // The producer has the registry's blobs, the consumer Docker's plain layers.
    await diff(v1, v2, dir.join('app.tare'), {})
    const { digest, blobs } = await apply(dir.join('app.tare'), 'docker-daemon:app:v1', 'docker-daemon:app:v2', context)
    assert.equal(blobs.filter(({ outcome }) => outcome === 'present').length, 1)
    assert.equal(await imageId('app:v2'), digest)
    assert.deepEqual(await identity('docker-daemon:app:v2', context), await identity(v2))
    // Out of Docker's layers come the registry's blobs, digest for digest.
    await diff('docker-daemon:app:v1', v2, dir.join('plain.tare'), context)
    await apply(dir.join('plain.tare'), 'docker-daemon:app:v1', `oci:${dir.join('out')}`, context)
    assert.equal(await digestAt(`oci:${dir.join('out')}`), await digestAt(v2))
  })

  test('says that an image is not there, and that it refuses a layer that is no tar', async () => {
    await using dir = await temporaryDirectory()
    await assert.rejects(openSource('docker-daemon:absent:v1', context), (error) => hasErrorCode(error, 'NOT_FOUND'))
    await writeImage(`oci:${dir.join('image')}`, { layers: [Buffer.alloc(5000, 'no tar at all ')] })
    await assert.rejects(copy(`oci:${dir.join('image')}`, 'docker-daemon:broken', context), (error) =>
      hasErrorCode(error, 'ENGINE_REFUSED'),
    )
    await assert.rejects(imageId('broken'))
  })
})

suite('dockerd over TLS', { skip: skipWithout('dockerd', 'docker', 'openssl') || NEEDS_ROOT }, () => {
  test('is reached with its certificates, and not without', async () => {
    await using engine = await runDockerd({ tls: true })
    const { host, certificateDirectory } = engine
    const context: OpenContext = { docker: { host, certificateDirectory } }
    const { digest } = await copy(DOCKER_V1, 'docker-daemon:app:v1', context)
    assert.equal(await engine.docker('image', 'inspect', '--format', '{{.Id}}', 'app:v1'), digest)
    assert.deepEqual(await identity('docker-daemon:app:v1', context), await identity(DOCKER_V1))
    await assert.rejects(openSource('docker-daemon:app:v1', { docker: { host } }), (error) =>
      hasErrorCode(error, 'ENGINE_PROTOCOL', 'ENGINE_REFUSED', 'NETWORK'),
    )
    await using dir = await temporaryDirectory()
    await mkdir(dir.join('empty'))
    const unknown = { docker: { host, certificateDirectory: dir.join('empty') } }
    await assert.rejects(openSource('docker-daemon:app:v1', unknown), (error) => hasErrorCode(error, 'TLS'))
  })
})

suite('podman', { skip: skipWithout('podman') || NEEDS_ROOT }, () => {
  let engine: RunningPodman
  let context: OpenContext
  before(async () => {
    engine = await runPodman()
    context = { docker: { host: engine.host } }
  })
  after(() => engine[Symbol.asyncDispose]())

  for (const { name, reference, isIndex, skip = false } of IMAGES) {
    test(`keeps the image ID of ${name}, and gives it back`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      const { digest } = await copy(reference, `docker-daemon:${name}:v2`, context, { isIndex })
      const id = await engine.podman('image', 'inspect', '--format', '{{.Id}}', `docker.io/library/${name}:v2`)
      assert.equal(`sha256:${id}`, digest)
      for (const image of [`${name}:v2`, digest]) {
        await copy(`docker-daemon:${image}`, `dir:${dir.join(image.replaceAll(':', '-'))}`, context)
      }
      assert.deepEqual(await identity(`docker-daemon:${name}:v2`, context), await identity(reference))
    })
  }

  test('takes an update through a delta whose baseline it has', async () => {
    await using dir = await temporaryDirectory()
    const [v1, v2] = await releases(dir)
    await copy(v1, 'docker-daemon:delta:v1', context)
    await diff('docker-daemon:delta:v1', v2, dir.join('app.tare'), context)
    await apply(dir.join('app.tare'), 'docker-daemon:delta:v1', 'docker-daemon:delta:v2', context)
    assert.deepEqual(await identity('docker-daemon:delta:v2', context), await identity(v2))
  })
})

// The image store of Docker's newer releases: over containerd, blobs as they came.
suite('dockerd29', { skip: skipWithout('dockerd29', 'containerd2', 'ctr2', 'docker') || NEEDS_ROOT }, () => {
  const resources = new AsyncDisposableStack()
  let engine: RunningDockerd
  let context: OpenContext
  before(async () => {
    const containerd = resources.use(await runContainerd({ daemon: 'containerd2', client: 'ctr2' }))
    engine = resources.use(await runDockerd({ program: 'dockerd29', containerd: containerd.address }))
    context = { docker: { host: engine.host } }
  })
  after(() => resources.disposeAsync())

  const imageId = (name: string): Promise<string> => engine.docker('image', 'inspect', '--format', '{{.Id}}', name)

  for (const { name, reference, skip = false } of IMAGES) {
    test(`keeps every digest of ${name}, and gives it back`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      const { digest } = await copy(reference, `docker-daemon:${name}:v2`, context)
      assert.equal(await imageId(`${name}:v2`), digest)
      assert.equal((await copy(`docker-daemon:${name}:v2`, `oci:${dir.join('back')}`, context)).digest, digest)
      assert.deepEqual(await identity(`oci:${dir.join('back')}`), await identity(reference))
    })
  }

  test('takes an update through a delta whose baseline it has, named or found', async () => {
    await using dir = await temporaryDirectory()
    const [v1, v2] = await releases(dir)
    await copy(v1, 'docker-daemon:app:v1', context)
    await diff(v1, v2, dir.join('app.tare'), {})
    const named = await apply(dir.join('app.tare'), 'docker-daemon:app:v1', 'docker-daemon:app:v2', context)
    assert.equal(named.digest, await digestAt(v2))
    assert.equal(await imageId('app:v2'), named.digest)

    await engine.docker('rmi', 'app:v2')
    await using kernels = createThreadRunner({ threads: 2 })
    await using file = await openSource(`oci-archive:${dir.join('app.tare')}`)
    const set = await readDeltas(file)
    const place: OpenContext = { ...context, containerd: { address: dir.join('none.sock') } }
    await using here = await openLocalBaselines(pickDelta(set), place)
    assert.deepEqual(
      here.picked.map((picked) => picked.reference),
      ['docker-daemon:app:v1'],
    )
    await using to = await openDestination('docker-daemon:app:v3', context)
    assert.equal((await applyDelta(set, here.sources, to, { kernels })).copy.digest, named.digest)
  })
})

/** Debian's, and a newer one where it is at hand. */
const CONTAINERDS = [
  ['containerd', 'ctr'],
  ['containerd2', 'ctr2'],
] as const

for (const [daemon, client] of CONTAINERDS) {
  suite(daemon, { skip: skipWithout(daemon, client) || NEEDS_ROOT }, () => {
    let engine: RunningContainerd
    let context: OpenContext
    before(async () => {
      engine = await runContainerd({ daemon, client })
      context = { containerd: { address: engine.address } }
    })
    after(() => engine[Symbol.asyncDispose]())

    /** Name, digest and completeness of an image, as `ctr` tells them. */
    async function checked(name: string): Promise<string> {
      const lines = (await engine.ctr('images', 'check')).split('\n')
      const fields = lines.map((line) => line.split(/\s+/)).find(([first]) => first === name) ?? []
      return `${fields[2]} ${fields[3]}`
    }

    for (const { name, reference, skip = false } of IMAGES) {
      test(`takes ${name} with every digest, complete for ctr, and gives it back`, { skip }, async () => {
        await using dir = await temporaryDirectory()
        const { digest } = await copy(reference, `containerd:${name}:v2`, context)
        assert.equal(digest, await digestAt(reference))
        assert.equal(await checked(`docker.io/library/${name}:v2`), `${digest} complete`)
        assert.equal((await copy(`containerd:${name}:v2`, `oci:${dir.join('back')}`, context)).digest, digest)
        assert.equal((await copy(reference, `containerd:${name}:v2`, context)).writtenBytes, 0)
      })
    }

    test('keeps what a collection may not take, and no lease', async () => {
      await copy(MULTI_V2, 'containerd:kept:v2', context)
      assert.equal((await engine.ctr('leases', 'ls', '--quiet')).trim(), '')
      // Deleting an image makes containerd collect before it answers.
      await copy(DOCKER_V2, 'containerd:gone:v2', context)
      const gone = await digestAt('containerd:gone:v2', context)
      await engine.ctr('images', 'rm', '--sync', 'docker.io/library/gone:v2')
      assert.match(await checked('docker.io/library/kept:v2'), / complete$/)
      assert.ok(!(await engine.ctr('content', 'ls')).includes(gone))
    })

    test('exchanges images with ctr import and export, in any namespace', async () => {
      await using dir = await temporaryDirectory()
      const digest = await digestAt(MULTI_V2)
      await copy(MULTI_V2, `oci-archive:${dir.join('in.tar')}:v2`, {})
      const base = ['--base-name', 'example.com/imported', '--all-platforms', '--no-unpack']
      await engine.ctr('--namespace', 'other', 'images', 'import', ...base, dir.join('in.tar'))
      assert.equal(await digestAt('containerd:other/example.com/imported:v2', context), digest)
      await copy(`containerd:other/example.com/imported:v2`, 'containerd:k8s.io/example.com/copied:v2', context)
      const exported = dir.join('out.tar')
      const name = 'example.com/copied:v2'
      await engine.ctr('--namespace', 'k8s.io', 'images', 'export', '--all-platforms', exported, name)
      assert.equal(await digestAt(`oci-archive:${exported}`), digest)
    })

    test('unpacks what was written', async () => {
      await copy(DOCKER_V1, 'containerd:unpacked:v1', context)
      const mountPoint = engine.join('mounted')
      await mkdir(mountPoint)
      const snapshotter = ['--snapshotter', 'native']
      await engine.ctr('images', 'mount', ...snapshotter, 'docker.io/library/unpacked:v1', mountPoint)
      await engine.ctr('images', 'unmount', mountPoint)
    })

    test('reads the one platform that it has of an index', async () => {
      await copy(MULTI_V2, 'containerd:sparse:v2', { containerd: { address: engine.address, namespace: 'sparse' } })
      await using source = await openSource(MULTI_V2)
      const { manifests } = await inspectImage(source)
      const [amd64, arm64] = ['linux/amd64', 'linux/arm64'].map((wanted) => {
        return manifests.find(({ platform }) => platform?.startsWith(wanted) === true)?.digest
      })
      await engine.ctr('--namespace', 'sparse', 'content', 'rm', arm64 ?? '')
      assert.equal(await digestAt('containerd:sparse/docker.io/library/sparse:v2', context), amd64)
    })

    test('is baseline and target of a delta, every digest kept', async () => {
      await using dir = await temporaryDirectory()
      const [v1, v2] = await releases(dir)
      await copy(v1, 'containerd:delta:v1', context)
      await diff('containerd:delta:v1', v2, dir.join('app.tare'), context)
      const { digest, savedBytes } = await apply(
        dir.join('app.tare'),
        'containerd:delta:v1',
        'containerd:delta:v2',
        context,
      )
      assert.equal(digest, await digestAt(v2))
      assert.ok(savedBytes > 0)
      assert.equal(await checked('docker.io/library/delta:v2'), `${digest} complete`)
    })
  })
}
