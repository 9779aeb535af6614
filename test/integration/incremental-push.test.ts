import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  chooseDestinations,
  diffArchives,
  formatInventory,
  IncrementalArchive,
  inspectIncremental,
  inventorySources,
  MissingLayersError,
  parseInventory,
  pullIncremental,
  type PullOptions,
  pushIncremental,
  type PushOptions,
  type PushReport,
  takeInventory,
  vetAgainstInventory,
  vetIncremental,
  type VetReport,
} from '../../src/incremental/index.ts'
import { type Digest, MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import { fixture } from '../support/fixtures.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { copyTo, putBlob, putManifest } from '../support/incremental-images.ts'
import { type RecordingRegistry, recordingRegistry } from '../support/recording-registry.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const layer = (name: string, bytes = 2000): Uint8Array => tarOf({ [name]: name.repeat(bytes / name.length) })
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')
const gzip = { compression: 'gzip' } as const

async function pull(
  bases: readonly string[],
  finals: readonly string[],
  path: string,
  context: OpenContext = {},
  options: PullOptions = {},
): ReturnType<typeof pullIncremental> {
  await using stack = new AsyncDisposableStack()
  const sources = []
  for (const text of bases) sources.push(stack.use(await openSource(text, context)))
  const inputs = []
  for (const text of finals) inputs.push({ source: stack.use(await openSource(text, context)) })
  return await pullIncremental(sources, inputs, path, options)
}

interface Targets {
  readonly destination?: string
  readonly map?: ReadonlyMap<string, string>
  readonly overlays?: readonly string[]
}

async function withTargets<Output>(
  path: string,
  { overlays = [], ...choice }: Targets,
  context: OpenContext,
  work: (archive: IncrementalArchive, mappings: Parameters<typeof vetIncremental>[1]) => Promise<Output>,
): Promise<Output> {
  await using stack = new AsyncDisposableStack()
  const archive = stack.use(
    await IncrementalArchive.open(
      { transport: 'oci-archive', path },
      { overlays: overlays.map((overlay) => ({ transport: 'oci-archive', path: overlay })) },
    ),
  )
  const mappings = []
  for (const { image, reference } of chooseDestinations(archive.images, choice)) {
    mappings.push({ image, destination: stack.use(await openDestination(reference, context)) })
  }
  return await work(archive, mappings)
}

function push(
  path: string,
  to: string | Targets,
  context: OpenContext,
  options: PushOptions = {},
): Promise<PushReport> {
  const targets = typeof to === 'string' ? { destination: to } : to
  return withTargets(path, targets, context, (archive, mappings) => pushIncremental(archive, mappings, options))
}

function vet(path: string, to: string | Targets, context: OpenContext, options: PushOptions = {}): Promise<VetReport> {
  const targets = typeof to === 'string' ? { destination: to } : to
  return withTargets(path, targets, context, (archive, mappings) => vetIncremental(archive, mappings, options))
}

async function digestAt(reference: string, context: OpenContext): Promise<Digest | undefined> {
  await using source = await openSource(reference, context)
  return await source.resolve().then(
    ({ descriptor }) => descriptor.digest,
    () => undefined,
  )
}

function outcomes(report: PushReport, image = 0): readonly string[] {
  return report.images[image]?.blobs.map((blob) => blob.outcome) ?? []
}

/** v1 in the registry, and the archive that takes it to v2. */
async function prepared(
  directory: TemporaryDirectory,
  registry: RecordingRegistry,
  repository = 'app',
): Promise<{ readonly path: string; readonly wanted: Digest; readonly shared: Digest }> {
  const { context } = registry
  await writeImage(registry.at(`${repository}:v1`), { layers: [layer('a', 50_000), layer('b')], ...gzip }, context)
  const final = `oci:${directory.join('v2')}:v2`
  const v2 = await writeImage(final, { layers: [layer('a', 50_000), layer('b'), layer('c')], ...gzip })
  const path = directory.join('inc.tar')
  const report = await pull([registry.at(`${repository}:v1`)], [final], path, context)
  registry.forget()
  return { path, wanted: v2.descriptor.digest, shared: report.images[0]?.blobs[1]?.digest ?? v2.descriptor.digest }
}

suite('pushIncremental()', () => {
  test('where base is uploads the new blobs alone, and tags last', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path, wanted } = await prepared(directory, registry)
    const report = await push(path, registry.at('app:v2'), registry.context)
    assert.deepEqual(outcomes(report), ['written', 'present', 'present', 'written'])
    assert.equal(await digestAt(registry.at('app:v2'), registry.context), wanted)
    assert.equal(registry.requests.filter((request) => request.method === 'PUT' && request.kind === 'upload').length, 2)
    const puts = registry.requests.filter((request) => request.method === 'PUT').map((request) => request.line)
    assert.deepEqual(puts.slice(-2), [`PUT /v2/app/manifests/${wanted}`, 'PUT /v2/app/manifests/v2'])
  })

  test('mounts from the repository of base, and uploads no layer byte of it', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path, wanted } = await prepared(directory, registry)
    const report = await push(path, registry.at('other/place:v2'), registry.context)
    assert.deepEqual(outcomes(report), ['written', 'mounted', 'mounted', 'written'])
    assert.equal(report.images[0]?.blobs[1]?.from, 'app')
    assert.equal(await digestAt(registry.at('other/place:v2'), registry.context), wanted)
  })

  test('of layers that all exist in another repository uploads 0 layer bytes', async () => {
    await using directory = await temporaryDirectory()
    let uploadedBytes = 0
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, headers }) {
        if (method === 'PUT' || method === 'PATCH') uploadedBytes += Number(headers['content-length'] ?? 0)
      },
    })
    const { context } = registry
    const layers = Array.from({ length: 10 }, (_, at) => layer(`layer${at}`, 50_000))
    await writeImage(registry.at('one/app:v1'), { layers, ...gzip }, context)
    const final = `oci:${directory.join('final')}:v2`
    await writeImage(final, { layers, platform: ARM64, ...gzip })
    const path = directory.join('inc.tar')
    // The archive does not know of the repository: it is named when it is pushed.
    const base = `oci:${directory.join('base')}:v1`
    await writeImage(base, { layers, ...gzip })
    await pull([base], [final], path)
    uploadedBytes = 0
    const report = await push(path, registry.at('two/app:v2'), context, { mountFrom: ['none/such', 'one/app'] })
    assert.equal(report.images[0]?.blobs.filter((blob) => blob.outcome === 'mounted').length, 10)
    const config = report.images[0]?.blobs.find((blob) => blob.role === 'config')
    assert.equal(report.writtenBytes, config?.sizeBytes)
    // The manifest goes twice: by digest and under the tag.
    assert.equal(uploadedBytes, (config?.sizeBytes ?? 0) + 2 * (await manifestSize(final)))
  })

  test('reads and sends back what a registry would not mount', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry(undefined, {
      onRequest({ query }) {
        // A registry that does not know mounts ignores the parameters.
        query.delete('mount')
        query.delete('from')
      },
    })
    const { path, wanted } = await prepared(directory, registry)
    const report = await push(path, registry.at('other:v2'), registry.context)
    assert.ok(outcomes(report).every((outcome) => outcome === 'written' || outcome === 'mounted'))
    assert.equal(await digestAt(registry.at('other:v2'), registry.context), wanted)
  })

  test('names every layer that is nowhere with its image and platform, and makes no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using elsewhere = await recordingRegistry()
    const base = registry.at('app:v1')
    const { context } = registry
    const index = [AMD64, ARM64].map((platform) => ({
      layers: [layer('s'), layer(platform.architecture)],
      platform,
      ...gzip,
    }))
    await writeIndex(base, index, context)
    const final = `oci:${directory.join('final')}:app`
    await writeIndex(
      final,
      index.map((recipe) => ({ ...recipe, layers: [...recipe.layers, layer('new')] })),
    )
    const path = directory.join('inc.tar')
    const pulled = await pull([base], [final], path, context)
    const omitted = pulled.images[0]?.blobs.filter((blob) => blob.outcome === 'omitted').map((blob) => blob.digest)
    elsewhere.forget()
    await assert.rejects(push(path, elsewhere.at('app:v2'), elsewhere.context), (error) => {
      assert.ok(error instanceof MissingLayersError)
      assert.equal(error.code, 'TARGET_LACKS_BLOB')
      assert.deepEqual(error.missing.map((each) => each.digest).toSorted(), omitted?.toSorted())
      const shared = error.missing.find((each) => each.images.length === 2)
      assert.deepEqual(
        shared?.images.map(({ platform }) => platform),
        ['linux/amd64', 'linux/arm64'],
      )
      for (const { digest } of error.missing) assert.ok(error.message.includes(digest))
      assert.ok(error.hint?.includes(`${registry.address}/app:v1`))
      return true
    })
    assert.ok(elsewhere.requests.every((request) => request.method === 'HEAD' || request.line === 'GET /v2/'))
    assert.equal(await digestAt(elsewhere.at('app:v2'), elsewhere.context), undefined)
  })

  test('whose mounted layer is lost since it was vetted fails and makes no tag', async () => {
    await using directory = await temporaryDirectory()
    let isLost = false
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path, query }, { outgoing }) {
        if (!isLost) return
        // Gone between the question and the mount.
        if (method === 'POST') query.delete('mount')
        if (method === 'GET' && path.startsWith('/v2/app/blobs/sha256')) outgoing.writeHead(404).end()
      },
    })
    const { path } = await prepared(directory, registry)
    await vet(path, registry.at('other:v2'), registry.context)
    isLost = true
    await assert.rejects(push(path, registry.at('other:v2'), registry.context), {
      code: 'TARGET_LACKS_BLOB',
      category: 'content',
    })
    assert.equal(await digestAt(registry.at('other:v2'), registry.context), undefined)
  })

  test('whose base was removed since it was vetted names the layers and makes no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path, shared } = await prepared(directory, registry)
    await vet(path, registry.at('app:v2'), registry.context)
    await fetch(`http://${registry.address}/v2/app/blobs/${shared}`, { method: 'DELETE' })
    await assert.rejects(push(path, registry.at('app:v2'), registry.context), (error) => {
      assert.ok(error instanceof MissingLayersError)
      assert.deepEqual(
        error.missing.map((each) => each.digest),
        [shared],
      )
      return true
    })
    assert.equal(await digestAt(registry.at('app:v2'), registry.context), undefined)
  })

  test('of an index puts members by digest and the index under the tag; of one platform a manifest alone', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const final = `oci:${directory.join('final')}:app`
    const recipes = [AMD64, ARM64].map((platform) => ({ layers: [layer(platform.architecture)], platform, ...gzip }))
    const index = await writeIndex(final, recipes)
    const path = directory.join('inc.tar')
    await pull([], [final], path)
    const whole = await push(path, registry.at('app:all'), context)
    assert.equal(whole.images[0]?.manifestCount, 3)
    assert.equal(await digestAt(registry.at('app:all'), context), index.descriptor.digest)
    const one = await push(path, registry.at('app:one'), context, { selection: { kind: 'system', platform: ARM64 } })
    assert.equal(await digestAt(registry.at('app:one'), context), one.images[0]?.digest)
    assert.equal(one.images[0]?.manifestCount, 1)
    await assert.rejects(
      push(path, registry.at('app:none'), context, {
        selection: { kind: 'platforms', platforms: [parsePlatform('windows/amd64')] },
      }),
      { code: 'NO_MATCHING_PLATFORM' },
    )
  })

  test('to a reference with another digest is refused before anything is sent', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path } = await prepared(directory, registry)
    const other = `sha256:${'0'.repeat(64)}`
    await assert.rejects(push(path, registry.at(`app@${other}`), registry.context), { code: 'INVALID_ARGUMENT' })
    assert.ok(!registry.requests.some((request) => request.method === 'PUT'))
  })

  test('makes layers again from recipes, of what the target has in another compression', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using kernels = await createInlineRunner()
    const { context } = registry
    const text = tarOf({ 'doc.txt': 'Some words that compress well. '.repeat(2000) })
    await writeImage(
      registry.at('app:v1'),
      { layers: [text], compression: (tar) => gzipSync(tar, { level: 1 }) },
      context,
    )
    const final = `oci:${directory.join('final')}:v2`
    const v2 = await writeImage(final, { layers: [text], compression: (tar) => gzipSync(tar, { level: 9 }) })
    const path = directory.join('inc.tar')
    await pull([registry.at('app:v1')], [final], path, context, { match: 'diffid', kernels })
    for (const repository of ['app', 'elsewhere']) {
      const target = registry.at(`${repository}:v2`)
      const vetted = await vet(path, target, context)
      assert.deepEqual(
        vetted.images[0]?.blobs.map((blob) => blob.origin),
        ['carried', repository === 'app' ? 'rebuilt' : 'mountable'],
      )
      const report = await push(path, target, context, { kernels })
      assert.equal(outcomes(report)[1], repository === 'app' ? 'rebuilt' : 'mounted')
      assert.equal(await digestAt(target, context), v2.descriptor.digest)
    }
    await using empty = await recordingRegistry()
    await assert.rejects(push(path, empty.at('app:v2'), empty.context, { kernels }), { code: 'TARGET_LACKS_BLOB' })
  })

  test('reads what the target lacks from a baseline that is at hand', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using target = await recordingRegistry()
    const { path, wanted } = await prepared(directory, registry)
    await using baseline = await openSource(registry.at('app:v1'), registry.context)
    const report = await push(path, target.at('app:v2'), target.context, { baselines: [baseline] })
    assert.deepEqual(outcomes(report), ['written', 'written', 'written', 'written'])
    assert.equal(await digestAt(target.at('app:v2'), target.context), wanted)
  })

  test('into a layout that holds base completes the image there', async () => {
    await using directory = await temporaryDirectory()
    const layout = `oci:${directory.join('layout')}`
    await writeImage(`${layout}:v1`, { layers: [layer('a')], ...gzip })
    const final = `oci:${directory.join('final')}:v2`
    const v2 = await writeImage(final, { layers: [layer('a'), layer('b')], ...gzip })
    const path = directory.join('inc.tar')
    await pull([`${layout}:v1`], [final], path)
    const report = await push(path, `${layout}:v2`, {})
    assert.deepEqual(outcomes(report), ['written', 'present', 'written'])
    assert.equal(await digestAt(`${layout}:v2`, {}), v2.descriptor.digest)
    await assert.rejects(push(path, `docker-archive:${directory.join('d.tar')}:app`, {}), {
      code: 'UNSUPPORTED_BY_DESTINATION',
    })
    await assert.rejects(push(path, `oci:${directory.join('empty')}:v2`, {}), { code: 'TARGET_LACKS_BLOB' })
  })

  test('of several images takes a prefix, or a place for each, and tags all at the end', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    await writeImage(registry.at('src/a:v1'), { layers: [layer('shared'), layer('a')], ...gzip }, context)
    await writeImage(registry.at('src/b:v2'), { layers: [layer('shared'), layer('b')], ...gzip }, context)
    const path = directory.join('inc.tar')
    await pull([], [registry.at('src/a:v1'), registry.at('src/b:v2')], path, context)
    await using target = await recordingRegistry()
    const report = await push(path, `docker://${target.address}/mirror`, target.context)
    assert.deepEqual(
      report.images.map((image) => image.destination),
      ['a:v1', 'b:v2'].map((name) => target.at(`mirror/src/${name}`)),
    )
    // The second repository gets the shared layer without its bytes.
    assert.deepEqual(outcomes(report, 1), ['written', 'mounted', 'written'])
    const puts = target.requests.filter((request) => request.method === 'PUT' && request.kind === 'manifest')
    assert.deepEqual(
      puts.map((request) => /manifests\/(v\d|sha256)/.exec(request.line)?.[1]),
      ['sha256', 'sha256', 'v1', 'v2'],
    )
    const map = new Map([[`${registry.address}/src/a:v1`, target.at('x:1')]])
    await push(path, { destination: target.at(''), map }, target.context)
    assert.notEqual(await digestAt(target.at('x:1'), target.context), undefined)
    assert.notEqual(await digestAt(target.at('src/b:v2'), target.context), undefined)
  })

  test('tells which tags failed where others were made', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path }, { outgoing }) {
        if (method === 'PUT' && path.endsWith('/manifests/v2')) outgoing.writeHead(403).end()
      },
    })
    const finals = ['a:v1', 'b:v2'].map((name) => `oci:${directory.join(name.slice(0, 1))}:${name}`)
    for (const [at, final] of finals.entries()) await writeImage(final, { layers: [layer(`l${at}`)], ...gzip })
    const path = directory.join('inc.tar')
    await pull([], finals, path)
    const report = await push(path, registry.at(''), registry.context)
    assert.deepEqual(
      report.images.map((image) => image.failure?.code !== undefined),
      [false, true],
    )
    await writeImage(finals[1] ?? '', { layers: [layer('l1')], ...gzip })
    await pull([], finals.slice(1), path)
    await assert.rejects(push(path, registry.at('b:v2'), registry.context), { side: 'destination' })
  })

  test('takes what refers to an image along from a layout that lists it beside the image', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const path = directory.join('signed.tar')
    const image = buildImage({ layers: [layer('a')], ...gzip })
    const signature = buildImage({ layers: [layer('s')] })
    const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
    const document = JSON.parse(Buffer.from(signature.manifest.bytes).toString()) as object
    const { mediaType, digest, size } = image.manifest.descriptor
    const bytes = Buffer.from(JSON.stringify({ ...document, artifactType, subject: { mediaType, digest, size } }))
    const entry = { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length, artifactType }
    const blobs = [
      ...image.blobs,
      ...signature.blobs,
      { descriptor: image.manifest.descriptor, bytes: image.manifest.bytes },
    ]
    await writeFile(
      path,
      tarOf({
        'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
        'index.json': JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }, entry] }),
        [`blobs/sha256/${entry.digest.slice(7)}`]: bytes,
        ...Object.fromEntries(blobs.map((blob) => [`blobs/sha256/${blob.descriptor.digest.slice(7)}`, blob.bytes])),
      }),
    )
    const report = await push(path, registry.at('app:v1'), registry.context)
    assert.deepEqual(
      report.images.map((pushed) => [pushed.digest, pushed.referrers]),
      [[digest, [entry.digest]]],
    )
    await using source = await openSource(registry.at('app:v1'), registry.context)
    assert.deepEqual(
      (await source.referrers?.(digest))?.map((referrer) => referrer.digest),
      [entry.digest],
    )
  })

  test('refuses an archive that is cut off, no archive at all, and one without images', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const whole = await readFile(fixture('images/app-docker-v2.oci.tar'))
    const path = directory.join('cut.tar')
    await writeFile(path, whole.subarray(0, 2_000_000))
    await assert.rejects(push(path, registry.at('app:v2'), registry.context), { code: 'FILE_INCOMPLETE' })
    // Cut between two files nothing is broken, and a layer that was lost looks like one that was left out.
    await writeFile(path, whole.subarray(0, whole.lastIndexOf('./blobs/sha256/')))
    for (const work of [push, vet]) {
      await assert.rejects(work(path, registry.at('app:v2'), registry.context), { code: 'FILE_INCOMPLETE' })
    }
    await writeFile(path, 'no archive'.repeat(100))
    await assert.rejects(push(path, registry.at('app:v2'), registry.context), { code: 'INVALID_ARCHIVE' })
    await writeFile(
      path,
      tarOf({ 'oci-layout': '{"imageLayoutVersion":"1.0.0"}', 'index.json': '{"schemaVersion":2,"manifests":[]}' }),
    )
    await assert.rejects(push(path, registry.at('app:v2'), registry.context), { code: 'NOT_FOUND' })
    assert.equal(await digestAt(registry.at('app:v2'), registry.context), undefined)
  })

  test('refuses blobs that are not what their names say, and makes no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const final = `oci:${directory.join('final')}:v2`
    await writeImage(final, { layers: [layer('a', 4000)], ...gzip })
    const path = directory.join('inc.tar')
    await pull([], [final], path)
    const bytes = await readFile(path)
    const at = bytes.lastIndexOf(Buffer.of(0x1f, 0x8b, 0x08)) + 20
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    await writeFile(path, bytes)
    await assert.rejects(push(path, registry.at('app:v2'), registry.context), { code: 'DIGEST_MISMATCH' })
    assert.equal(await digestAt(registry.at('app:v2'), registry.context), undefined)
  })

  test('pushes what tagbag and other tools write, which records no base', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const { manifest, blobs } = buildImage({ layers: [layer('a'), layer('b')], ...gzip })
    const [config, a, b] = blobs
    assert.ok(config && a && b)
    const name = (digest: Digest): string => `blobs/sha256/${digest.slice(7)}`
    const index = { schemaVersion: 2, manifests: [manifest.descriptor] }
    const path = directory.join('tagbag.tar')
    await writeFile(
      path,
      tarOf({
        [name(manifest.descriptor.digest)]: manifest.bytes,
        [name(config.descriptor.digest)]: config.bytes,
        [name(b.descriptor.digest)]: b.bytes,
        'index.json': JSON.stringify(index),
        'oci-layout': '{"imageLayoutVersion": "1.0.0"}',
      }),
    )
    await assert.rejects(push(path, registry.at('app:v2'), context), { code: 'TARGET_LACKS_BLOB' })
    await putBlob(registry, 'app', a.bytes)
    const report = await push(path, registry.at('app:v2'), context)
    assert.deepEqual(outcomes(report), ['written', 'present', 'written'])
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    assert.deepEqual((await inspectIncremental(archive)).images[0]?.bases, [])
  })
})

suite('vetIncremental()', () => {
  test('says complete by HEAD requests alone, without any tag at the target', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path } = await prepared(directory, registry)
    // The layers stay when the tag and its manifest go.
    const digest = await digestAt(registry.at('app:v1'), registry.context)
    await fetch(`http://${registry.address}/v2/app/manifests/${digest}`, { method: 'DELETE' })
    registry.forget()
    const report = await vet(path, registry.at('app:v2'), registry.context)
    assert.deepEqual(
      report.images[0]?.blobs.map((blob) => blob.origin),
      ['carried', 'present', 'present', 'carried'],
    )
    assert.deepEqual(
      registry.requests.map((request) => request.line.replace(/sha256:.*/, 'DIGEST')),
      ['GET /v2/', 'HEAD /v2/app/blobs/DIGEST', 'HEAD /v2/app/blobs/DIGEST'],
    )
  })

  test('finds layers that another tag of the repository, or another repository, has', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { path } = await prepared(directory, registry)
    const report = await vet(path, registry.at('new/place:v2'), registry.context)
    assert.deepEqual(
      report.images[0]?.blobs.map(({ origin, from }) => [origin, from]),
      [
        ['carried', undefined],
        ['mountable', 'app'],
        ['mountable', 'app'],
        ['carried', undefined],
      ],
    )
    assert.ok(registry.requests.every((request) => request.method === 'HEAD' || request.line === 'GET /v2/'))
  })

  test('looks into no repository that is closed to it, and goes on', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry(undefined, {
      onRequest({ path }, { outgoing }) {
        if (path.startsWith('/v2/secret/')) outgoing.writeHead(403).end()
      },
    })
    const { path } = await prepared(directory, registry)
    const report = await vet(path, registry.at('new:v2'), registry.context, { mountFrom: ['secret'] })
    assert.equal(report.images[0]?.blobs[1]?.from, 'app')
  })

  test('names every missing layer', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using elsewhere = await recordingRegistry()
    const { path } = await prepared(directory, registry)
    await assert.rejects(vet(path, elsewhere.at('app:v2'), elsewhere.context), (error) => {
      assert.ok(error instanceof MissingLayersError)
      assert.equal(error.missing.length, 2)
      return true
    })
  })
})

suite('diffArchives()', () => {
  test('keeps the blobs out that the old archive has; old and overlay push as the new one does', async () => {
    await using directory = await temporaryDirectory()
    const [one, two] = ['one', 'two'].map((name) => `oci:${directory.join(name)}:app`)
    assert.ok(one && two)
    await writeImage(one, { layers: [layer('a', 30_000), layer('b')], ...gzip })
    const v2 = await writeImage(two, { layers: [layer('a', 30_000), layer('c')], ...gzip })
    const [v1Path, v2Path, overlay] = ['v1.tar', 'v2.tar', 'overlay.tar'].map((name) => directory.join(name))
    assert.ok(v1Path && v2Path && overlay)
    await pull([], [one], v1Path)
    await pull([], [two], v2Path)
    const report = await diffArchives(
      { transport: 'oci-archive', path: v1Path },
      { transport: 'oci-archive', path: v2Path },
      overlay,
    )
    assert.deepEqual([report.carriedBlobs, report.omittedBlobs], [2, 1])
    const pushed: string[][] = []
    for (const targets of [
      { archive: v2Path, overlays: [] },
      { archive: v1Path, overlays: [overlay] },
    ]) {
      await using registry = await recordingRegistry()
      await push(targets.archive, { destination: registry.at('app:v2'), overlays: targets.overlays }, registry.context)
      assert.equal(await digestAt(registry.at('app:v2'), registry.context), v2.descriptor.digest)
      const puts = registry.requests.filter((request) => request.method === 'PUT')
      pushed.push(puts.map((request) => request.line.replace(/uploads\/.*digest=/, '')).toSorted())
    }
    assert.deepEqual(pushed[1], pushed[0])
    // On its own the overlay says what it builds on.
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path: overlay })
    assert.deepEqual(
      archive.images[0]?.bases.map((base) => base.name),
      ['app'],
    )
  })

  test('of incremental archives leaves out what both leave out', async () => {
    await using directory = await temporaryDirectory()
    const names = ['base', 'one', 'two'].map((name) => `oci:${directory.join(name)}:app`)
    const [base, one, two] = names
    assert.ok(base && one && two)
    await writeImage(base, { layers: [layer('base', 30_000)], ...gzip })
    await writeImage(one, { layers: [layer('base', 30_000), layer('a')], ...gzip })
    const v2 = await writeImage(two, { layers: [layer('base', 30_000), layer('a'), layer('b')], ...gzip })
    const [v1Path, v2Path, overlay] = ['v1.tar', 'v2.tar', 'overlay.tar'].map((name) => directory.join(name))
    assert.ok(v1Path && v2Path && overlay)
    await pull([base], [one], v1Path)
    await pull([base], [two], v2Path)
    await diffArchives({ transport: 'oci-archive', path: v1Path }, { transport: 'oci-archive', path: v2Path }, overlay)
    await using registry = await recordingRegistry()
    const { context } = registry
    await copyTo(base, registry.at('app:base'), context)
    const report = await push(v1Path, { destination: registry.at('app:v2'), overlays: [overlay] }, context)
    assert.deepEqual(outcomes(report), ['written', 'present', 'written', 'written'])
    assert.equal(await digestAt(registry.at('app:v2'), context), v2.descriptor.digest)
  })
})

suite('inventories', () => {
  test('stand for their images as base, by digest and by diffID, and vet archives offline', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using kernels = await createInlineRunner()
    const { context } = registry
    await writeIndex(
      registry.at('app:v1'),
      [AMD64, ARM64].map((platform) => ({ layers: [layer('s'), layer(platform.architecture)], platform, ...gzip })),
      context,
    )
    registry.forget()
    await using source = await openSource(registry.at('app:v1'), context)
    const taken = await takeInventory([{ source }], 'tare test')
    const layerDigests = taken.images.flatMap((image) => image.manifests).flatMap((each) => each.layers)
    for (const { digest } of layerDigests) {
      assert.ok(!registry.requests.some((request) => request.line.endsWith(digest)), 'no layer is read')
    }
    const inventory = parseInventory(formatInventory(taken), 'test')
    assert.deepEqual(inventory, taken)
    assert.deepEqual(
      inventory.images[0]?.manifests.map((manifest) => manifest.platform?.architecture),
      ['amd64', 'arm64'],
    )

    const final = `oci:${directory.join('final')}:v2`
    const v2 = await writeImage(final, { layers: [layer('s'), layer('arm64'), layer('new')], ...gzip })
    const path = directory.join('inc.tar')
    await using to = await openSource(final)
    const report = await pullIncremental(inventorySources(inventory), [{ source: to }], path)
    assert.deepEqual(
      report.images[0]?.blobs.map((blob) => blob.outcome),
      ['carried', 'omitted', 'omitted', 'carried'],
    )
    assert.deepEqual(report.images[0]?.bases, [
      { name: `${registry.address}/app:v1`, digest: inventory.images[0]?.digest },
    ])
    {
      await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
      await vetAgainstInventory(archive, inventory, 'site.json')
      await assert.rejects(vetAgainstInventory(archive, { tool: '', images: [] }, 'empty.json'), (error) => {
        assert.ok(error instanceof MissingLayersError)
        assert.equal(error.missing.length, 2)
        assert.equal(error.missing[0]?.destination, 'empty.json')
        return true
      })
    }
    // What it says is true where it was taken.
    await push(path, registry.at('app:v2'), context)
    assert.equal(await digestAt(registry.at('app:v2'), context), v2.descriptor.digest)

    const plain = `oci:${directory.join('plain')}:v2`
    await writeImage(plain, { layers: [layer('s')] })
    await using plainSource = await openSource(plain)
    const matched = await pullIncremental(inventorySources(inventory), [{ source: plainSource }], path, {
      match: 'diffid',
      kernels,
    })
    assert.deepEqual(
      matched.images[0]?.blobs.map((blob) => blob.outcome),
      ['carried', 'matched'],
    )
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    const vetted = await vetAgainstInventory(archive, inventory, 'site.json')
    assert.equal(vetted.images[0]?.blobs[1]?.origin, 'rebuilt')
  })
})

suite('referrers', () => {
  async function signed(registry: RecordingRegistry): Promise<{ readonly digest: Digest; readonly size: number }> {
    const { context } = registry
    const { descriptor } = await writeImage(registry.at('app:v1'), { layers: [layer('a')], ...gzip }, context)
    const empty = Buffer.from('{}')
    await putBlob(registry, 'app', empty)
    const artifact = async (artifactType: string, subject: unknown, content: string): Promise<Digest> => {
      const payload = Buffer.from(content)
      await putBlob(registry, 'app', payload)
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPE.OCI_MANIFEST,
          artifactType,
          config: { mediaType: MEDIA_TYPE.OCI_EMPTY, digest: digestOf(empty), size: empty.length },
          layers: [{ mediaType: 'text/plain', digest: digestOf(payload), size: payload.length }],
          ...(subject === undefined ? {} : { subject }),
        }),
      )
      const digest = digestOf(bytes)
      const tag = subject === undefined ? `${descriptor.digest.replace(':', '-')}.sig` : digest
      await putManifest(registry, 'app', tag, MEDIA_TYPE.OCI_MANIFEST, bytes)
      return digest
    }
    const bundle = await artifact('application/vnd.dev.sigstore.bundle.v0.3+json', descriptor, 'a bundle')
    await artifact('application/vnd.example.sbom', descriptor, 'a list of contents')
    await artifact('application/vnd.cncf.notary.signature', { ...descriptor, digest: bundle }, 'signs the bundle')
    await artifact('application/vnd.dev.cosign.artifact.sig.v1+json', undefined, 'by tag')
    return descriptor
  }

  for (const [choice, count] of [
    ['none', 0],
    ['signatures', 3],
    ['all', 4],
  ] as const) {
    test(`with --referrers ${choice} ${count} artifacts travel, are pushed, and lie where they are looked for`, async () => {
      await using directory = await temporaryDirectory()
      await using registry = await recordingRegistry()
      await using target = await recordingRegistry()
      const { digest } = await signed(registry)
      const path = directory.join('inc.tar')
      const pulled = await pull([], [registry.at('app:v1')], path, registry.context, { referrers: choice })
      assert.equal(pulled.images[0]?.referrers.length, count)
      await push(path, target.at('mirror:v1'), target.context)
      await using source = await openSource(target.at('mirror:v1'), target.context)
      const listed = (await source.referrers?.(digest)) ?? []
      assert.equal(listed.length, choice === 'all' ? 2 : choice === 'signatures' ? 1 : 0)
      const tagged = await source.resolveTag?.(`${digest.replace(':', '-')}.sig`)
      assert.equal(tagged !== undefined, choice !== 'none')
      // A tool that knows nothing of referrers sees one image.
      await using plain = await openSource(`oci-archive:${path}`)
      assert.equal((await plain.resolve()).descriptor.digest, digest)
      if (choice === 'none') return
      // The image's tag comes last: whoever finds it finds its signatures.
      const puts = target.requests.filter((request) => request.method === 'PUT' && request.kind === 'manifest')
      assert.equal(puts.at(-1)?.line, 'PUT /v2/mirror/manifests/v1')
    })
  }

  test('does not go with a conversion, which changes what is signed', async () => {
    await using directory = await temporaryDirectory()
    await using kernels = await createInlineRunner()
    const image = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
    await assert.rejects(
      pull([], [image], directory.join('o.tar'), {}, { convert: 'oci', referrers: 'all', kernels }),
      {
        code: 'INVALID_ARGUMENT',
      },
    )
  })

  test('can move no tag but their own', async () => {
    await using directory = await temporaryDirectory()
    const { manifest, blobs } = buildImage({ layers: [layer('a')] })
    const name = (digest: Digest): string => `blobs/sha256/${digest.slice(7)}`
    const hostile = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.OCI_INDEX,
      manifests: [{ ...manifest.descriptor, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }],
    }
    const list = Buffer.from(JSON.stringify(hostile))
    const annotations = { 'vnd.tare.incremental.referrers': digestOf(list) }
    const files: Record<string, string | Uint8Array> = {
      'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
      'index.json': JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest.descriptor, annotations }] }),
      [name(digestOf(list))]: list,
      [name(manifest.descriptor.digest)]: manifest.bytes,
    }
    for (const { descriptor, bytes } of blobs) files[name(descriptor.digest)] = bytes
    const path = directory.join('hostile.tar')
    await writeFile(path, tarOf(files))
    await assert.rejects(IncrementalArchive.open({ transport: 'oci-archive', path }), { code: 'INVALID_ARCHIVE' })
  })
})

async function manifestSize(reference: string): Promise<number> {
  await using source = await openSource(reference)
  return (await source.resolve()).bytes.length
}
