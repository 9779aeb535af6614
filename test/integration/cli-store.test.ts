import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { bytesSource } from '../../src/stream/index.ts'
import { gzipSync } from 'node:zlib'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Host, HostStream } from '../../src/cli/host.ts'
import { findBaselines, type WantedLayer } from '../../src/image/index.ts'
import { isDigest, parsePlatform } from '../../src/oci/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import { Store } from '../../src/store/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

interface Ended {
  readonly code: number
  readonly bytes: Buffer
  readonly stdout: string
  readonly stderr: string
}

function capture(): { readonly stream: HostStream; readonly chunks: Buffer[] } {
  const chunks: Buffer[] = []
  const stream: HostStream = {
    write(bytes, done) {
      chunks.push(Buffer.from(bytes))
      queueMicrotask(() => done?.())
      return true
    },
  }
  return { stream, chunks }
}

/** Runs a command line in this process, over the store of a directory. */
async function tare(directory: TemporaryDirectory, ...args: readonly string[]): Promise<Ended> {
  const [out, err] = [capture(), capture()]
  const host: Host = {
    stdin: Object.assign(bytesSource(), { isTTY: false }),
    platform: { os: 'linux', architecture: 'amd64' },
    stdout: out.stream,
    stderr: err.stream,
    env: { ...SCRATCH_ENVIRONMENT, TARE_STORE: directory.join('store') },
    clock: { now: () => 0, schedule: () => () => {} },
    cpus: 1,
    memoryBytes: 2 ** 31,
    homeDirectory: directory.join('home'),
    temporaryDirectory: directory.join('.'),
    onSignal: () => () => {},
    onExit: () => () => {},
    exit: () => {},
  }
  const code = await runCommandLine(args, host)
  const bytes = Buffer.concat(out.chunks)
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err.chunks).toString() }
}

async function done(directory: TemporaryDirectory, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tare(directory, ...args)
  assert.equal(code, 0, stdout + stderr)
  return stdout
}

async function resultOf(
  directory: TemporaryDirectory,
  ...args: readonly string[]
): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await done(directory, ...args, '--json')).result
}

async function errorCodeOf(directory: TemporaryDirectory, ...args: readonly string[]): Promise<string> {
  return JSON.parse((await tare(directory, ...args, '--json')).stdout).error.code
}

const BASE = tarOf({ base: 'b'.repeat(5000) })
const V1 = [BASE, tarOf({ app: 'one' })]
const V2 = [BASE, tarOf({ app: 'two' })]

/** A store with app:v1, made through an archive. */
async function withImage(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory()
  await writeImage(`oci-archive:${directory.join('v1.tar')}:docker.io/library/app:v1`, { layers: V1 })
  await done(directory, 'image', 'import', directory.join('v1.tar'))
  return directory
}

test('tare image import, ls, tag, rm and gc tell what there is, and free what nobody needs', async () => {
  await using directory = await withImage()
  assert.equal(await done(directory, 'image', 'ls', '-q'), 'docker.io/library/app:v1\n')
  assert.equal(await done(directory, 'image', 'tag', 'app:v1', 'other'), 'docker.io/library/other:latest\n')
  const [app, other] = await resultOf(directory, 'image', 'ls')
  assert.equal(app.digest, other.digest)
  assert.deepEqual([app.platforms, app.isComplete], [['linux/amd64'], true])
  assert.match(
    await done(directory, 'image', 'ls', 'name~=other'),
    /^name .*\n\S+other:latest\s+sha256:\S+\s+[\d.]+ kB/,
  )
  assert.equal(await errorCodeOf(directory, 'image', 'tag', 'app:v1', 'other'), 'ALREADY_EXISTS')
  await done(directory, 'image', 'tag', '--force', 'app:v1', 'other')
  await done(directory, 'image', 'rm', 'app:v1')
  // The archive's own index, which nothing needs; app:v1 lives on as other.
  assert.equal((await resultOf(directory, 'gc')).blobs.length, 1)
  const partial = await tare(directory, 'image', 'rm', 'other', 'absent')
  assert.deepEqual([partial.code, partial.stdout], [6, 'docker.io/library/other:latest\n'])
  const digests = await done(directory, 'gc', '--dry-run', '-q')
  assert.equal(digests, await done(directory, 'content', 'ls', '-q'))
  assert.equal((await resultOf(directory, 'gc')).isDryRun, false)
  assert.equal(await done(directory, 'content', 'ls', '-q'), '')
})

test('tare pull and push move images between registry and store, and fetch no layer that the store has', async () => {
  await using registry = await startRegistry()
  await using directory = await temporaryDirectory()
  const [v1, v2] = [`${registry.address}/app:v1`, `${registry.address}/app:v2`]
  for (const [reference, layers] of [
    [v1, V1],
    [v2, V2],
  ] as const) {
    await writeImage(`oci:${directory.join('layout')}:x`, { layers, compression: 'gzip' })
    await done(directory, 'copy', `oci:${directory.join('layout')}:x`, `docker://${reference}`, '--tls-verify=false')
  }
  const first = await resultOf(directory, 'pull', v1, '--tls-verify=false', '--label', 'team=web')
  assert.deepEqual([first.reusedBytes, first.destination], [0, `store:${v1}`])
  const second = await resultOf(directory, 'pull', `docker://${v2}`, 'local:v2', '--tls-verify=false')
  const shared = buildImage({ layers: V2, compression: 'gzip' }).blobs[1]?.descriptor.size
  assert.equal(second.reusedBytes, shared)
  assert.equal(await done(directory, 'image', 'ls', '-q', 'labels.team==web'), `${v1}\n`)
  const pushed = await resultOf(directory, 'push', 'local:v2', `${registry.address}/copy:v2`, '--tls-verify=false')
  assert.equal(pushed.digest, second.digest)
  const nearby = await resultOf(
    directory,
    'image',
    'pull',
    v2,
    '--into',
    `dir:${directory.join('out')}`,
    '--tls-verify=false',
  )
  assert.equal(nearby.fetchedBytes, 0)
  const other = { layers: V2, compression: (tar: Uint8Array) => gzipSync(tar, { level: 1 }) }
  await writeImage(`oci:${directory.join('layout')}:other`, other)
  const sizes = buildImage(other).blobs.map(({ descriptor }) => descriptor.size)
  assert.notDeepEqual(buildImage(other).blobs[1], buildImage({ layers: V2, compression: 'gzip' }).blobs[1])
  const archive = `docker-archive:${directory.join('out.tar')}:app:v2`
  const plain = await resultOf(directory, 'pull', `oci:${directory.join('layout')}:other`, '--into', archive)
  // Other layers that unpack to the same tars, and the same config.
  assert.deepEqual([plain.fetchedBytes, plain.reusedBytes], [0, sizes.reduce((sum, size) => sum + size, 0)])
  assert.equal(await errorCodeOf(directory, 'push', 'absent'), 'NOT_FOUND')
  assert.equal(await errorCodeOf(directory, 'pull', v2, 'x', '--into', 'dir:y'), 'INVALID_ARGUMENT')
})

test('tare image export writes what import reads, and inspect and usage tell of it', async () => {
  await using directory = await withImage()
  await done(directory, 'image', 'export', directory.join('out.tar'), 'app:v1')
  const again = await resultOf(directory, 'image', 'import', directory.join('out.tar'))
  const inspected = await resultOf(directory, 'image', 'inspect', 'app:v1')
  assert.equal(again.images[0].digest, inspected.image.digest)
  assert.equal(inspected.image.manifests[0].layers.length, 2)
  await done(directory, 'image', 'tag', 'app:v1', 'twin')
  const { images, totalBytes } = await resultOf(directory, 'image', 'usage', 'name~=app')
  assert.equal(images.length, 1)
  assert.deepEqual([images[0].uniqueBytes, images[0].sharedBytes], [0, totalBytes])
  assert.match(await done(directory, 'image', 'usage'), /^all images: /m)
  assert.equal(
    await errorCodeOf(directory, 'image', 'export', directory.join('not.tar'), 'app:v1', 'absent'),
    'NOT_FOUND',
  )
  assert.ok(!existsSync(directory.join('not.tar')))
})

test('tare image check ends with 4 when blobs are missing, and prune --incomplete removes such images', async () => {
  await using directory = await withImage()
  assert.equal(await done(directory, 'image', 'check', '--all-platforms', '-q'), 'docker.io/library/app:v1\n')
  const layer = digestOf(BASE)
  assert.equal(await done(directory, 'content', 'rm', layer), `${layer}\n`)
  const checked = await tare(directory, 'image', 'check', '--all-platforms', '--json')
  assert.equal(checked.code, 4)
  const [image] = JSON.parse(checked.stdout).result
  assert.deepEqual([image.status, image.missing], ['incomplete', [layer]])
  assert.match((await tare(directory, 'image', 'check', '--all-platforms')).stdout, /incomplete\s+2\/3/)
  assert.match(await done(directory, 'image', 'ls'), /kB\s+\*/)
  assert.equal(await errorCodeOf(directory, 'image', 'prune'), 'INVALID_COMMAND_LINE')
  assert.equal(await done(directory, 'image', 'prune', '--incomplete', '--dry-run'), 'docker.io/library/app:v1\n')
  assert.deepEqual((await resultOf(directory, 'image', 'prune', '--incomplete')).removed, ['docker.io/library/app:v1'])
  assert.equal(await done(directory, 'content', 'ls', '-q'), '')
})

test('tare image convert makes another image, and refuses flags that exclude each other', async () => {
  await using directory = await withImage()
  const packed = await resultOf(directory, 'image', 'convert', 'app:v1', 'app:zstd', '--zstd', '--oci')
  assert.notEqual(packed.digest, packed.from)
  const { image } = await resultOf(directory, 'image', 'inspect', 'app:zstd')
  assert.deepEqual(
    image.manifests[0].layers.map((layer: { compression: string }) => layer.compression),
    ['zstd', 'zstd'],
  )
  await done(directory, 'image', 'convert', 'app:zstd', 'app:plain', '--uncompress', '--docker')
  const plain = await resultOf(directory, 'image', 'inspect', 'app:plain')
  assert.match(plain.image.mediaType, /docker/)
  assert.deepEqual(
    plain.image.manifests[0].layers.map((layer: { digest: string }) => layer.digest),
    V1.map((tar) => digestOf(tar)),
  )
  assert.equal(await errorCodeOf(directory, 'image', 'convert', 'app:v1', 'x', '--gzip', '--zstd'), 'INVALID_ARGUMENT')
})

test('tare image label and content label set labels and take them away', async () => {
  await using directory = await withImage()
  assert.equal(await done(directory, 'image', 'label', 'app:v1', 'a=1', 'b'), 'a=1,b=true\n')
  assert.equal(await done(directory, 'image', 'label', 'app:v1', 'a='), 'b=true\n')
  assert.equal(await done(directory, 'image', 'label', 'app:v1', '-r', 'c=3'), 'c=3\n')
  assert.equal(await done(directory, 'image', 'label', 'app:v1'), 'c=3\n')
  const layer = digestOf(BASE)
  assert.match(await done(directory, 'content', 'label', layer, 'kept=yes'), /kept=yes/)
  assert.doesNotMatch(await done(directory, 'content', 'label', layer, 'kept='), /kept/)
  assert.equal(await errorCodeOf(directory, 'image', 'label', 'app:v1', '=x'), 'INVALID_ARGUMENT')
})

test('tare content get gives exact bytes, and fails where they are damaged', async () => {
  await using directory = await withImage()
  const layer = digestOf(BASE)
  assert.deepEqual((await tare(directory, 'content', 'get', layer)).bytes, Buffer.from(BASE))
  await done(directory, 'content', 'get', layer, '--output', directory.join('layer.tar'))
  assert.deepEqual(await readFile(directory.join('layer.tar')), Buffer.from(BASE))
  await writeFile(directory.join('store', 'blobs', 'sha256', layer.slice(7)), Buffer.alloc(BASE.length))
  assert.equal((await tare(directory, 'content', 'get', layer, '--output', directory.join('bad.tar'))).code, 4)
  assert.ok(!existsSync(directory.join('bad.tar')))
  assert.equal(await errorCodeOf(directory, 'content', 'get', layer), 'INVALID_ARGUMENT')
  assert.equal((await tare(directory, 'content', 'get', `sha256:${'0'.repeat(64)}`)).code, 4)
  assert.equal(await errorCodeOf(directory, 'content', 'rm', 'nonsense'), 'INVALID_DIGEST')
})

test('tare content ingest makes a blob that a lease does not hold, and active lists none that ended', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('file'), 'hello')
  const digest = digestOf(Buffer.from('hello'))
  const wrong = ['content', 'ingest', 'ref', directory.join('file'), '--expected-size', '4'] as const
  assert.equal((await tare(directory, ...wrong)).code, 4)
  assert.equal(await done(directory, 'content', 'ingest', 'other', directory.join('file')), `${digest}\n`)
  assert.doesNotMatch(await done(directory, 'content', 'active', '-q'), /other/)
  assert.ok(isDigest((await resultOf(directory, 'content', 'ls'))[0].digest))
})

test('tare lease create, ls and rm', async () => {
  await using directory = await temporaryDirectory()
  assert.equal(await done(directory, 'lease', 'create', 'a=b', '--id', 'job', '--expires', '1h'), 'job\n')
  assert.equal(await done(directory, 'lease', 'ls', '-q'), 'job\n')
  assert.match(await done(directory, 'lease', 'ls'), /^job .*a=b/m)
  assert.equal(await done(directory, 'lease', 'rm', 'job', '--sync'), 'job\n')
  assert.equal(await errorCodeOf(directory, 'lease', 'rm', 'job'), 'NOT_FOUND')
})

test('verbs over a store that is not there say so, and make none', async () => {
  await using directory = await temporaryDirectory()
  for (const words of [['image', 'ls'], ['content', 'ls'], ['lease', 'ls'], ['gc'], ['push', 'app']]) {
    assert.equal(await errorCodeOf(directory, ...words), 'FILE_NOT_FOUND')
  }
  assert.ok(!existsSync(directory.join('store')))
  await done(directory, 'lease', 'create', '--namespace', 'other')
  assert.equal(await done(directory, 'lease', 'ls', '-q'), '')
  assert.equal(await errorCodeOf(directory, 'lease', 'ls', '-n', '../x'), 'INVALID_ARGUMENT')
})

test('findBaselines() picks few images that hold what is needed, by digest before diffID', async () => {
  await using directory = await temporaryDirectory()
  const recipe = { layers: V1, compression: 'gzip' } as const
  const index = [recipe, { layers: V2, platform: parsePlatform('linux/arm64') }].map((member) => ({
    platform: parsePlatform('linux/amd64'),
    ...member,
  }))
  await writeImage(`oci-archive:${directory.join('a.tar')}:reg.example/plain:v1`, { layers: V1 })
  await writeIndex(`oci-archive:${directory.join('b.tar')}:reg.example/multi:v1`, index)
  for (const file of ['a.tar', 'b.tar']) await done(directory, 'image', 'import', directory.join(file))
  await using store = await Store.open(directory.join('store'))
  const [, first, second] = buildImage(recipe).blobs.map(({ descriptor }) => descriptor.digest)
  const [base, top] = V1.map((tar) => digestOf(tar))
  assert.ok(first !== undefined && second !== undefined && base !== undefined && top !== undefined)
  const absent = { digest: digestOf(Buffer.from('absent')) }
  const containerd = { address: directory.join('none.sock') }
  const docker = { host: `unix://${directory.join('none.sock')}` }
  const find = (...needs: readonly WantedLayer[]): ReturnType<typeof findBaselines> =>
    findBaselines(() => needs, { storeDirectory: directory.join('store'), containerd, docker })

  const byDigest = await find({ digest: first, diffId: base }, { digest: second }, absent)
  const reference = byDigest.baselines[0]?.reference ?? ''
  assert.match(reference, /^store:reg\.example\/multi:v1@sha256:/)
  assert.deepEqual(
    byDigest.baselines.map(({ layers }) => layers),
    [[first, second]],
  )
  assert.deepEqual(byDigest.missing, [absent])
  assert.deepEqual(
    byDigest.searched.map(({ kind, images, error }) => [kind, images, error?.code]),
    [
      ['store', 3, undefined],
      ['containerd', 0, 'ENGINE_UNREACHABLE'],
      ['docker-daemon', 0, 'ENGINE_UNREACHABLE'],
    ],
  )
  assert.equal((await resultOf(directory, 'inspect', reference)).manifests[0].layers[0].digest, first)

  const byDiffId = await find({ ...absent, diffId: top })
  assert.deepEqual([byDiffId.missing.length, byDiffId.searched.length], [0, 1])
  await store.namespace().content.delete(first)
  const without = await find({ digest: first, diffId: base })
  assert.deepEqual([without.baselines.length, without.baselines[0]?.layers], [1, [first]])
  assert.deepEqual(await find(), { baselines: [], missing: [], searched: [] })
})
