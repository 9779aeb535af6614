import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type FinalInput,
  IncrementalArchive,
  inspectIncremental,
  listImagesOf,
  MissingLayersError,
  pullIncremental,
  type PullOptions,
  type PullReport,
  pushIncremental,
  takeInventory,
  vetIncremental,
} from '../../src/incremental/index.ts'
import { readImageTree } from '../../src/image/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import { runInProcess } from '../support/command-line.ts'
import { startContainerd } from '../support/containerd.ts'
import { type DebianRegistry, startDebianRegistry } from '../support/debian-registry.ts'
import { NEEDS_ROOT, runContainerd, runDockerd, runPodman } from '../support/engine-daemons.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { copyTo, PLAIN_HTTP } from '../support/incremental-images.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { openPodmanStore } from '../support/podman.ts'
import { type Ended, errorIn, resultIn } from '../support/run-tare.ts'
import { SCRATCH_CACHE, SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const DOCKER_V2 = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const ALICE = { username: 'alice', password: 'secret-a' }
const BOB = { username: 'bob', password: 'secret-b' }

const layer = (name: string): Uint8Array => tarOf({ [name]: `${name} `.repeat(20_000) })
/** v2 is v1 with one more layer. */
const V1 = { layers: [layer('system'), layer('library')], compression: 'gzip' } as const
const V2 = { ...V1, layers: [...V1.layers, layer('fix')] }

interface Party {
  readonly username: string
  readonly password: string
}

function as(user: Party): typeof PLAIN_HTTP {
  return { registry: { tlsVerify: false, credentials: async () => ({ kind: 'basic', ...user }) } }
}

function creds({ username, password }: Party): string {
  return `${username}:${password}`
}

/** @param named - references, and what the images are called */
async function pull(
  bases: readonly string[],
  finals: Readonly<Record<string, string>>,
  path: string,
  options: PullOptions = {},
): Promise<PullReport> {
  await using stack = new AsyncDisposableStack()
  const sources = []
  for (const text of bases) sources.push(stack.use(await openSource(text, PLAIN_HTTP)))
  const inputs: FinalInput[] = []
  for (const [name, text] of Object.entries(finals)) {
    inputs.push({ source: stack.use(await openSource(text, PLAIN_HTTP)), name })
  }
  return await pullIncremental(sources, inputs, path, options)
}

function tare(...args: readonly string[]): Promise<Ended> {
  return runInProcess({ env: SCRATCH_ENVIRONMENT, homeDirectory: SCRATCH_CACHE }, ...args)
}

async function rawDigest(reference: string, ...args: readonly string[]): Promise<string> {
  return digestOf(Buffer.from((await runPeer('skopeo', ['inspect', '--raw', ...args, reference])).stdout))
}

const REGISTRIES = skipWithout('docker-registry', 'htpasswd', 'skopeo')

test('example:incremental finds everything as it should be', { skip: REGISTRIES }, async () => {
  const example = fileURLToPath(new URL('../../examples/incremental.ts', import.meta.url))
  const { stdout } = await runPeer(process.execPath, [example])
  assert.match(stdout, /app:v2 made again +sha256:[0-9a-f]{64} +yes\n$/)
})

suite('Debian’s registries', { skip: REGISTRIES }, () => {
  /** v1 at the one, v2 at the other. */
  async function published(one: DebianRegistry, two: DebianRegistry): Promise<string> {
    await writeImage(`docker://${one.address}/apps/app:v1`, V1, as(ALICE))
    const { descriptor } = await writeImage(`docker://${two.address}/build/app:v2`, V2, as(BOB))
    return descriptor.digest
  }

  test('each with a user of its own: pulled, vetted and pushed to a third repository', async () => {
    await using directory = await temporaryDirectory()
    await using one = await startDebianRegistry({ user: ALICE })
    await using two = await startDebianRegistry({ user: BOB })
    const digest = await published(one, two)
    const path = directory.join('app.tar')
    const pull = (baseUser: typeof ALICE): ReturnType<typeof tare> =>
      tare(
        'incremental',
        'pull',
        '--json',
        '--tls-verify=false',
        '--base-creds',
        creds(baseUser),
        '--final-creds',
        creds(BOB),
        '--base',
        `docker://${one.address}/apps/app:v1`,
        `docker://${two.address}/build/app:v2`,
        path,
      )
    const pulled = await pull(ALICE)
    assert.equal(pulled.code, 0, pulled.stdout)
    assert.ok(Number(resultIn(pulled)['omittedBytes']) > 0)
    const mirror = `docker://${one.address}/mirror/app:v2`
    const target = ['--json', '--tls-verify=false', '--creds', creds(ALICE), path, mirror]
    const vetted = await tare('incremental', 'vet', ...target)
    assert.equal(vetted.code, 0, vetted.stdout)
    await assert.rejects(rawDigest(mirror, '--tls-verify=false', '--creds', creds(ALICE)))
    const pushed = await tare('incremental', 'push', ...target)
    assert.equal(pushed.code, 0, pushed.stdout)
    assert.deepEqual(
      [resultIn(pushed)['savedBytes'], resultIn(pushed)['writtenBytes']],
      [resultIn(pulled)['omittedBytes'], resultIn(pulled)['carriedBytes']],
    )
    assert.equal(await rawDigest(mirror, '--tls-verify=false', '--creds', creds(ALICE)), digest)
    // Every blob can be read there.
    await runPeer('skopeo', [
      '--insecure-policy',
      'copy',
      '-q',
      '--src-tls-verify=false',
      '--src-creds',
      creds(ALICE),
      mirror,
      `dir:${directory.join('copy')}`,
    ])
    const swapped = await pull(BOB)
    assert.deepEqual([swapped.code, errorIn(swapped)['side']], [3, 'baseline'])
  })

  test('an index with all platforms keeps its bytes', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startDebianRegistry()
    const at = (name: string): string => `docker://${registry.address}/${name}`
    const { digest } = await copyTo(MULTI, at('source:v2'))
    const path = directory.join('multi.tar')
    await pull([], { app: at('source:v2') }, path)
    const pushed = await tare('incremental', 'push', '--tls-verify=false', path, at('target:v2'))
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.equal(await rawDigest(at('target:v2'), '--tls-verify=false'), digest)
    const copied = directory.join('copy')
    await runPeer('skopeo', [
      '--insecure-policy',
      'copy',
      '-q',
      '--all',
      '--src-tls-verify=false',
      at('target:v2'),
      `dir:${copied}`,
    ])
    assert.ok((await readFile(`${copied}/manifest.json`)).length > 0)
  })

  test('a layer that goes between vet and push is named, and no tag appears', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startDebianRegistry()
    const at = (name: string): string => `docker://${registry.address}/${name}`
    const v1 = await writeImage(at('app:v1'), V1, PLAIN_HTTP)
    await writeImage(at('build:v2'), V2, PLAIN_HTTP)
    const path = directory.join('app.tar')
    await pull([at('app:v1')], { app: at('build:v2') }, path)
    const { layers } = JSON.parse(Buffer.from(v1.bytes).toString()) as { layers: readonly { digest: string }[] }
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    const [image] = archive.images
    assert.ok(image)
    await using destination = await openDestination(at('app:v2'), PLAIN_HTTP)
    await vetIncremental(archive, [{ image, destination }])
    for (const name of ['app', 'build']) {
      const url = `http://${registry.address}/v2/${name}/blobs/${layers[0]?.digest}`
      assert.equal((await fetch(url, { method: 'DELETE' })).status, 202)
    }
    await assert.rejects(pushIncremental(archive, [{ image, destination }]), (error) => {
      assert.ok(error instanceof MissingLayersError)
      const [missing, ...others] = error.missing
      assert.deepEqual([missing?.digest, others], [layers[0]?.digest, []])
      assert.deepEqual(missing?.images, [{ image: 'app', platform: 'linux/amd64' }])
      return true
    })
    await assert.rejects(rawDigest(at('app:v2'), '--tls-verify=false'))
  })

  test('schema 1 of skopeo’s is read as base and as final', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startDebianRegistry({ schema1: true })
    const at = (name: string): string => `docker://${registry.address}/${name}`
    await runPeer('skopeo', [
      '--insecure-policy',
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--format',
      'v2s1',
      DOCKER_V1,
      at('old:v1'),
    ])
    const path = directory.join('app.tar')
    const asBase = await pull([at('old:v1')], { app: DOCKER_V1 }, path)
    assert.deepEqual(
      asBase.images[0]?.blobs.map((blob) => blob.outcome),
      ['carried', 'omitted', 'omitted', 'omitted'],
    )
    await using kernels = await createInlineRunner()
    for (const convert of [undefined, 'oci'] as const) {
      const asFinal = await pull([], { app: at('old:v1') }, path, { convert, kernels })
      assert.equal(asFinal.images[0]?.isConverted, true)
      // The layers, and what they unpack to, are those of the image that skopeo made schema 1 of.
      const [diffIds, wanted] = await Promise.all([diffIdsOf(`oci-archive:${path}`), diffIdsOf(DOCKER_V1)])
      assert.deepEqual(diffIds, wanted)
      await runPeer('skopeo', [
        '--insecure-policy',
        'copy',
        '-q',
        `oci-archive:${path}`,
        `dir:${directory.join(convert ?? 'kept')}`,
      ])
    }
  })
})

async function diffIdsOf(reference: string): Promise<readonly unknown[]> {
  await using source = await openSource(reference, PLAIN_HTTP)
  const { root } = await readImageTree(source)
  return root.kind === 'manifest' ? (root.config?.rootfs.diffIds ?? []) : []
}

/** Two OCI images of one archive, by full names. */
async function twoImages(directory: TemporaryDirectory, path: string): Promise<Readonly<Record<string, string>>> {
  const layout = `oci:${directory.join('layout')}`
  const digests: Record<string, string> = {}
  for (const [tag, recipe] of [
    ['v1', V1],
    ['v2', V2],
  ] as const) {
    digests[`example.com/app:${tag}`] = (await writeImage(`${layout}:${tag}`, recipe)).descriptor.digest
  }
  await pull([], { 'example.com/app:v1': `${layout}:v1`, 'example.com/app:v2': `${layout}:v2` }, path)
  return digests
}

/** v2 without the layers of v1. */
async function partial(directory: TemporaryDirectory, path: string): Promise<void> {
  const layout = `oci:${directory.join('layout')}`
  await pull([`${layout}:v1`], { 'example.com/app:v2': `${layout}:v2` }, path)
}

suite('skopeo', { skip: skipWithout('skopeo', 'docker-registry') }, () => {
  test('finds the images of an archive by name', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('two.tar')
    for (const [name, digest] of Object.entries(await twoImages(directory, path))) {
      assert.equal(await rawDigest(`oci-archive:${path}:${name}`), digest)
    }
  })

  test('copies an archive without the base’s layers to where these are, and nowhere else', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await startDebianRegistry()
    const [full, path] = [directory.join('two.tar'), directory.join('app.tar')]
    const digests = await twoImages(directory, full)
    await partial(directory, path)
    const copy = (from: string, name: string): ReturnType<typeof runPeer> =>
      runPeer('skopeo', [
        '--insecure-policy',
        'copy',
        '-q',
        '--dest-tls-verify=false',
        `oci-archive:${from}`,
        `docker://${registry.address}/${name}`,
      ])
    await copy(`${full}:example.com/app:v1`, 'app:v1')
    await copy(path, 'app:v2')
    assert.equal(
      await rawDigest(`docker://${registry.address}/app:v2`, '--tls-verify=false'),
      digests['example.com/app:v2'],
    )
    await assert.rejects(
      runPeer('skopeo', ['--insecure-policy', 'copy', '-q', `oci-archive:${path}`, `dir:${directory.join('x')}`]),
    )
  })

  test('converts to the same bytes as --convert oci, plain layers too', async () => {
    await using directory = await temporaryDirectory()
    await using kernels = await createInlineRunner()
    const plain = directory.join('plain.tar')
    await runPeer('sh', ['-c', 'gzip -dc "$0" > "$1"', fixture('images/app-docker-save-v1.tar.gz'), plain])
    for (const [at, from] of [DOCKER_V2, `docker-archive:${plain}`].entries()) {
      const to = directory.join(`skopeo-${at}`)
      await runPeer('skopeo', ['--insecure-policy', 'copy', '-q', '--format', 'oci', from, `oci:${to}:x`])
      const theirs = JSON.parse(await readFile(`${to}/index.json`, 'utf8')) as {
        readonly manifests: readonly { readonly digest: string }[]
      }
      // What Debian's skopeo compresses with.
      const options = { convert: 'oci', kernels, klauspostRelease: '1.15.12' } as const
      const ours = await pull([], { app: from }, directory.join('converted.tar'), options)
      assert.equal(ours.images[0]?.digest, theirs.manifests[0]?.digest)
    }
  })
})

suite('podman', { skip: skipWithout('podman') }, () => {
  test('loads an archive without the base’s layers where it has the base, and pulls by name of several', async () => {
    await using directory = await temporaryDirectory()
    const [full, path, old] = [directory.join('two.tar'), directory.join('app.tar'), directory.join('v1.tar')]
    await twoImages(directory, full)
    await partial(directory, path)
    await pull([], { 'example.com/app:v1': `oci:${directory.join('layout')}:v1` }, old)
    await using podman = await openPodmanStore()
    await assert.rejects(podman.podman('load', '-q', '-i', path))
    await podman.podman('load', '-q', '-i', old)
    await podman.podman('load', '-q', '-i', path)
    const ids = async (): Promise<string> =>
      (await podman.podman('images', '--no-trunc', '--format', '{{.ID}} {{.Names}}')).stdout
    const loaded = await ids()
    assert.match(loaded, /example\.com\/app:v1/)
    assert.match(loaded, /example\.com\/app:v2/)
    await podman.podman('rmi', '-a', '-f')
    await podman.podman('pull', '-q', `oci-archive:${full}:example.com/app:v2`)
    const [id] = (await ids()).split(' ')
    assert.ok(id !== undefined && loaded.includes(id))
  })

  test('loads a Docker image with its names, without layers it has', async () => {
    await using directory = await temporaryDirectory()
    const [full, path] = [directory.join('full.tar'), directory.join('app.tar')]
    await pull([], { 'example.com/app:v2': DOCKER_V2 }, full)
    await pull([DOCKER_V2], { 'example.com/app:again': DOCKER_V2 }, path)
    assert.ok((await stat(path)).size < 20_000)
    await using podman = await openPodmanStore()
    for (const file of [full, path]) await podman.podman('load', '-q', '-i', file)
    const { stdout } = await podman.podman('images', '--format', '{{.Names}}')
    assert.match(stdout, /example\.com\/app:v2/)
    assert.match(stdout, /example\.com\/app:again/)
  })

  test('tells an inventory of all its images through its service', async () => {
    await using directory = await temporaryDirectory()
    await using service = await runPodman()
    await service.podman('load', '-q', '-i', fixture('images/app-docker-v1.oci.tar'))
    const context = { docker: { host: service.host }, workdir: directory.path }
    const { images } = await takeInventory(await listImagesOf('docker-daemon', context), 'test')
    await using source = await openSource(DOCKER_V1)
    const { root } = await readImageTree(source)
    assert.ok(root.kind === 'manifest')
    assert.deepEqual(
      images.map(({ name, manifests }) => [name, manifests[0]?.layers.map((each) => each.diffId)]),
      [[root.document.config.digest, root.config?.rootfs.diffIds]],
    )
  })
})

suite('docker', { skip: NEEDS_ROOT || skipWithout('dockerd', 'docker') }, () => {
  test('tells an inventory by diffIDs, which leaves its layers out and vets what does', async () => {
    await using directory = await temporaryDirectory()
    await using engine = await runDockerd()
    const host = ['--docker-host', engine.host]
    const loaded = await tare('copy', DOCKER_V1, 'docker-daemon:example.com/app:v1', ...host)
    assert.equal(loaded.code, 0, loaded.stderr)
    const [file, path] = [directory.join('site.json'), directory.join('app.tar')]
    const taken = await tare('inventory', '--all-of', 'docker-daemon', ...host, '-o', file)
    assert.equal(taken.code, 0, taken.stderr)
    const pulled = await tare('incremental', 'pull', '--json', '--match', 'diffid', '--base', file, DOCKER_V1, path)
    assert.equal(pulled.code, 0, pulled.stdout)
    assert.ok(Number(resultIn(pulled)['fileBytes']) < 20_000)
    assert.equal((await tare('incremental', 'vet', path, '--against', file)).code, 0)
    const applied = ['apply', path, 'docker-daemon:example.com/app:v1', `dir:${directory.join('out')}`, ...host]
    assert.equal((await tare(...applied)).code, 0)
    assert.equal(await rawDigest(`dir:${directory.join('out')}`), await rawDigest(DOCKER_V1))
  })
})

suite('containerd', { skip: skipWithout('containerd', 'ctr') }, () => {
  test('imports several images by their names; one without its base’s layers is incomplete until it has the base', async () => {
    await using directory = await temporaryDirectory()
    const [full, path] = [directory.join('two.tar'), directory.join('app.tar')]
    const digests = await twoImages(directory, full)
    await partial(directory, path)
    await using containerd = await startContainerd()
    await containerd.ctr('images', 'import', '--no-unpack', path)
    assert.match(await containerd.ctr('images', 'check'), /example\.com\/app:v2 .* incomplete \(2\/4\)/)
    await containerd.ctr('images', 'import', '--no-unpack', full)
    const checked = await containerd.ctr('images', 'check')
    for (const [name, digest] of Object.entries(digests)) {
      const line = checked.split('\n').find((each) => each.startsWith(name))
      assert.match(line ?? '', /\scomplete\s/)
      assert.ok(line?.includes(digest))
    }
  })

  test('tells an inventory of all its images, without layers that it lacks', async () => {
    await using directory = await temporaryDirectory()
    const [full, path] = [directory.join('two.tar'), directory.join('app.tar')]
    await twoImages(directory, full)
    await partial(directory, path)
    await using containerd = await runContainerd()
    await containerd.ctr('images', 'import', '--no-unpack', path)
    const context = { containerd: { address: containerd.address } }
    const { images } = await takeInventory(await listImagesOf('containerd', context), 'test')
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    const {
      images: [inspected],
    } = await inspectIncremental(archive)
    const fix = inspected?.blobs.at(-1)?.digest
    assert.deepEqual(
      images.map(({ name, manifests }) => [name, manifests[0]?.layers.map((each) => each.digest)]),
      [['example.com/app:v2', [fix]]],
    )
  })
})
