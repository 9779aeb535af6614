import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { copyImage } from '../../src/image/index.ts'
import {
  IncrementalArchive,
  inspectIncremental,
  type PullOptions,
  pullIncremental,
  type PullReport,
} from '../../src/incremental/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { indexTarFile } from '../../src/tar/index.ts'
import { LayoutImages, openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import { fixture } from '../support/fixtures.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { copyTo, putBlob, putIndex, putManifest } from '../support/incremental-images.ts'
import { recordingRegistry } from '../support/recording-registry.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const layer = (name: string, bytes = 2000): Uint8Array => tarOf({ [name]: name.repeat(bytes / name.length) })
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')
const S390X = parsePlatform('linux/s390x')
const gzip = { compression: 'gzip' } as const

/** Pulls between references, with what they take to get in. */
async function pull(
  bases: readonly string[],
  finals: readonly string[],
  path: string,
  context: OpenContext,
  options: PullOptions = {},
): Promise<PullReport> {
  await using stack = new AsyncDisposableStack()
  const opened = async (text: string): Promise<Awaited<ReturnType<typeof openSource>>> =>
    stack.use(await openSource(text, context))
  const sources = []
  for (const text of bases) sources.push(await opened(text))
  const inputs = []
  for (const text of finals) inputs.push({ source: await opened(text) })
  return await pullIncremental(sources, inputs, path, options)
}

/** Digests of all blobs in an archive. */
async function blobsOf(path: string): Promise<readonly string[]> {
  const { entries } = await indexTarFile(path)
  return entries.flatMap(({ name }) => /^blobs\/(sha256)\/(.+)$/.exec(name)?.slice(1, 3).join(':') ?? [])
}

function outcomes(report: PullReport, image = 0): readonly string[] {
  return report.images[image]?.blobs.map((blob) => blob.outcome) ?? []
}

suite('pullIncremental()', () => {
  test('leaves out the layers of base and keeps manifest, config and new layers, every digest the same', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    await writeImage(registry.at('app:v1'), { layers: [layer('a'), layer('b')], ...gzip }, context)
    const v2 = await writeImage(
      registry.at('app:v2'),
      { layers: [layer('a'), layer('b'), layer('c')], ...gzip },
      context,
    )
    const path = directory.join('out.tar')
    const report = await pull([registry.at('app:v1')], [registry.at('app:v2')], path, context)
    assert.deepEqual(outcomes(report), ['carried', 'omitted', 'omitted', 'carried'])
    const [config, , , c] = report.images[0]?.blobs ?? []
    assert.deepEqual(await blobsOf(path), [v2.descriptor.digest, config?.digest, c?.digest])
    await using layout = await LayoutImages.open({ transport: 'oci-archive', path })
    const name = `${registry.address}/app:v2`
    assert.deepEqual(layout.index.manifests, [
      {
        ...v2.descriptor,
        annotations: {
          'io.containerd.image.name': name,
          'org.opencontainers.image.ref.name': name,
          'vnd.tare.incremental.base': `${registry.address}/app:v1@${report.bases[0]?.digest}`,
        },
      },
    ])
    assert.equal(report.omittedBytes + report.carriedBytes, report.imageBytes)
    assert.equal(report.fileBytes, (await readFile(path)).length)
  })

  test('asks for no layer when all ten are in base: one request for the config, none for base', async () => {
    await using directory = await temporaryDirectory()
    await using base = await recordingRegistry()
    await using final = await recordingRegistry()
    const layers = Array.from({ length: 10 }, (_, at) => layer(`layer${at}`, 5000))
    await writeImage(base.at('app:v1'), { layers, ...gzip }, base.context)
    const v2 = await writeImage(final.at('app:v2'), { layers, platform: ARM64, ...gzip }, final.context)
    base.forget()
    final.forget()
    const report = await pull([base.at('app:v1')], [final.at('app:v2')], directory.join('out.tar'), base.context)
    const config = report.images[0]?.blobs[0]
    assert.deepEqual(
      base.requests.map((request) => request.line),
      ['GET /v2/', 'GET /v2/app/manifests/v1'],
    )
    assert.deepEqual(
      final.requests.map((request) => request.line),
      ['GET /v2/', 'GET /v2/app/manifests/v2', `GET /v2/app/blobs/${config?.digest}`],
    )
    assert.deepEqual(await blobsOf(directory.join('out.tar')), [v2.descriptor.digest, config?.digest])
  })

  test('shows each registry its own credentials alone', async () => {
    await using directory = await temporaryDirectory()
    const [alice, bob] = [
      { username: 'alice', password: 'secret-a' },
      { username: 'bob', password: 'secret-b' },
    ]
    await using base = await recordingRegistry(alice)
    await using final = await recordingRegistry(bob)
    await writeImage(base.at('app:v1'), { layers: [layer('a')], ...gzip }, base.context)
    await writeImage(final.at('app:v2'), { layers: [layer('a'), layer('b')], ...gzip }, final.context)
    base.forget()
    final.forget()
    await using from = await openSource(base.at('app:v1'), base.context)
    await using to = await openSource(final.at('app:v2'), final.context)
    const report = await pullIncremental([from], [{ source: to }], directory.join('out.tar'))
    assert.deepEqual(outcomes(report), ['carried', 'omitted', 'carried'])
    const header = ({ username, password }: typeof alice): string =>
      `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    for (const [registry, user] of [
      [base, alice],
      [final, bob],
    ] as const) {
      const shown = new Set(registry.requests.map((request) => request.authorization))
      assert.deepEqual(shown, new Set([undefined, header(user)]))
    }
  })

  test('of an image that is its own base holds no layer, but its config', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
    const path = directory.join('out.tar')
    const report = await pull([image], [image], path, {})
    assert.deepEqual(outcomes(report), ['carried', 'omitted', 'omitted', 'omitted'])
    const manifest = report.images[0]
    assert.deepEqual(await blobsOf(path), [manifest?.digest, manifest?.blobs[0]?.digest])
  })

  test('of images that share nothing is complete', async () => {
    await using directory = await temporaryDirectory()
    const [v1, v2] = [1, 2].map((version) => `oci-archive:${fixture(`images/app-docker-v${version}.oci.tar`)}`)
    assert.ok(v1 && v2)
    const path = directory.join('out.tar')
    await pull([v1], [v2], path, {})
    const copied = await copyTo(`oci-archive:${path}`, `oci:${directory.join('layout')}`)
    await using source = await openSource(v2)
    assert.equal(copied.digest, (await source.resolve()).descriptor.digest)
  })

  test('takes the layers of every platform of base, also for one platform of the final image', async () => {
    await using directory = await temporaryDirectory()
    const [base, final] = [`oci:${directory.join('base')}`, `oci:${directory.join('final')}`]
    await writeIndex(base, [
      { layers: [layer('amd')], platform: AMD64, ...gzip },
      { layers: [layer('arm')], platform: ARM64, ...gzip },
    ])
    await writeImage(final, { layers: [layer('arm'), layer('new')], platform: AMD64, ...gzip })
    const report = await pull([base], [final], directory.join('out.tar'), {})
    assert.deepEqual(outcomes(report), ['carried', 'omitted', 'carried'])
  })

  test('takes an index whole: one entry, all members, its bytes untouched', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    const path = directory.join('out.tar')
    const report = await pull([], [image], path, {})
    await using layout = await LayoutImages.open({ transport: 'oci-archive', path })
    await using source = await openSource(image)
    const root = await source.resolve()
    assert.deepEqual(
      layout.index.manifests.map((entry) => entry.digest),
      [root.descriptor.digest],
    )
    assert.deepEqual(Buffer.from((await layout.read(root.descriptor.digest)) ?? []), Buffer.from(root.bytes))
    assert.deepEqual(report.images[0]?.platforms, ['linux/amd64', 'linux/arm64/v8'])
  })

  test('takes a member alone, or an index of some, when platforms pick', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci:${directory.join('image')}`
    await writeIndex(
      image,
      [AMD64, ARM64, S390X].map((platform) => ({ layers: [layer(platform.architecture)], platform, ...gzip })),
    )
    const one = await pull(
      [],
      [image],
      directory.join('one.tar'),
      {},
      {
        selection: { kind: 'platforms', platforms: [ARM64] },
      },
    )
    assert.equal(one.images[0]?.index.kind, 'dropped')
    assert.deepEqual(one.images[0]?.platforms, ['linux/arm64'])
    const two = await pull(
      [],
      [image],
      directory.join('two.tar'),
      {},
      {
        selection: { kind: 'platforms', platforms: [ARM64, AMD64] },
      },
    )
    assert.equal(two.images[0]?.index.kind, 'rewritten')
    await assert.rejects(
      pull(
        [],
        [image],
        directory.join('none.tar'),
        {},
        {
          selection: { kind: 'platforms', platforms: [parsePlatform('windows/amd64')] },
        },
      ),
      { code: 'NO_MATCHING_PLATFORM' },
    )
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['image', 'one.tar', 'two.tar'])
  })

  test('for a system takes the instance that containers/image would, one without a platform at last', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const members = ['old', 'new', 'bare', 'zstd'].map((name) => `oci:${directory.join(name)}`)
    const digests: Digest[] = []
    for (const [at, reference] of members.entries()) {
      digests.push((await writeImage(reference, { layers: [layer(`l${at}`)], ...gzip })).descriptor.digest)
    }
    const arm = (variant: string): object => ({ os: 'linux', architecture: 'arm', variant })
    const manifests: unknown[] = []
    for (const [at, platform] of [arm('v6'), arm('v7'), undefined, arm('v7')].entries()) {
      const { mediaType, size, digest } = await copyTo(members[at] ?? '', registry.at(`app:m${at}`), context)
      const annotations = at === 3 ? { 'io.github.containers.compression.zstd': 'true' } : undefined
      manifests.push({ mediaType, size, digest, platform, annotations })
    }
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests }))
    await putManifest(registry, 'app', 'v1', MEDIA_TYPE.OCI_INDEX, bytes)
    const picked = async (platform: { os: string; architecture: string; variant?: string }): Promise<unknown> => {
      const report = await pull([], [registry.at('app:v1')], directory.join('out.tar'), context, {
        selection: { kind: 'system', platform },
      })
      return report.images[0]?.digest
    }
    assert.equal(await picked({ os: 'linux', architecture: 'arm', variant: 'v7' }), digests[3])
    assert.equal(await picked({ os: 'linux', architecture: 'arm', variant: 'v6' }), digests[0])
    assert.equal(await picked({ os: 'linux', architecture: 'riscv64' }), digests[2])
  })

  test('for a system that an index has nothing for fails before anything is written', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    await assert.rejects(
      pull(
        [],
        [image],
        directory.join('out.tar'),
        {},
        {
          selection: { kind: 'system', platform: { os: 'plan9', architecture: 'mips' } },
        },
      ),
      { code: 'NO_MATCHING_PLATFORM' },
    )
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('keeps Zstandard layers as they are and compares them by digest', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`
    const whole = await pull([], [image], directory.join('whole.tar'), {})
    assert.deepEqual(outcomes(whole), ['carried', 'carried'])
    assert.equal(whole.images[0]?.blobs[1]?.mediaType, MEDIA_TYPE.OCI_LAYER_ZSTD)
    assert.deepEqual(outcomes(await pull([image], [image], directory.join('none.tar'), {})), ['carried', 'omitted'])
  })

  test('does not fetch a foreign layer, and keeps its descriptor', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { manifest, blobs } = buildImage({ layers: [layer('a')], ...gzip })
    const foreign = {
      mediaType: MEDIA_TYPE.DOCKER_FOREIGN_LAYER_GZIP,
      digest: digestOf(Buffer.from('elsewhere')),
      size: 9,
      urls: ['https://example.com/layer'],
    }
    for (const blob of blobs) await putBlob(registry, 'app', blob.bytes)
    const document = JSON.parse(Buffer.from(manifest.bytes).toString()) as { layers: unknown[] }
    const bytes = Buffer.from(JSON.stringify({ ...document, layers: [foreign, ...document.layers] }))
    await putManifest(registry, 'app', 'v1', MEDIA_TYPE.OCI_MANIFEST, bytes)
    registry.forget()
    const path = directory.join('out.tar')
    const report = await pull([], [registry.at('app:v1')], path, registry.context)
    assert.deepEqual(outcomes(report), ['carried', 'foreign', 'carried'])
    assert.equal(report.images[0]?.digest, digestOf(bytes))
    assert.ok(!registry.requests.some((request) => request.line.includes(foreign.digest)))
    assert.ok(!(await blobsOf(path)).includes(foreign.digest))
  })

  test('carries attestations with their image, unless base has them, and never alone for a system', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const image = (await writeImage(registry.at('app:image'), { layers: [layer('a')], ...gzip }, context)).descriptor
    const statement = Buffer.from('{"predicateType":"https://slsa.dev/provenance/v0.2"}')
    const types = { layer: 'application/vnd.in-toto+json', config: MEDIA_TYPE.OCI_CONFIG }
    const unknown = { os: 'unknown', architecture: 'unknown' }
    const rootfs = { type: 'layers', diff_ids: [digestOf(statement)] }
    const config = Buffer.from(JSON.stringify({ ...unknown, config: {}, rootfs }))
    for (const blob of [statement, config]) await putBlob(registry, 'app', blob)
    const listed = (mediaType: string, bytes: Uint8Array): Descriptor => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
    })
    const mediaType = MEDIA_TYPE.OCI_MANIFEST
    const attestation = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: listed(types.config, config),
        layers: [listed(types.layer, statement)],
      }),
    )
    await putManifest(registry, 'app', 'attestation', mediaType, attestation)
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.digest,
    }
    const manifests = [
      { ...image, platform: AMD64 },
      { ...listed(mediaType, attestation), platform: unknown, annotations },
    ]
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests }))
    await putManifest(registry, 'app', 'v1', MEDIA_TYPE.OCI_INDEX, index)
    const path = directory.join('out.tar')
    const whole = await pull([], [registry.at('app:v1')], path, context)
    assert.deepEqual(
      whole.images[0]?.blobs.map((blob) => blob.mediaType),
      [MEDIA_TYPE.OCI_CONFIG, MEDIA_TYPE.OCI_LAYER_GZIP, MEDIA_TYPE.OCI_CONFIG, types.layer],
    )
    assert.deepEqual([whole.images[0]?.digest, whole.images[0]?.platforms], [digestOf(index), ['linux/amd64']])
    const again = await pull([registry.at('app:v1')], [registry.at('app:v1')], path, context)
    assert.deepEqual(outcomes(again), ['carried', 'omitted', 'carried', 'omitted'])
    const system = { kind: 'system', platform: AMD64 } as const
    const alone = await pull([], [registry.at('app:v1')], path, context, { selection: system })
    assert.deepEqual(outcomes(alone), ['carried', 'carried'])
  })

  test('takes nested indexes whole', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const inner = `oci:${directory.join('inner')}`
    await writeIndex(inner, [{ layers: [layer('a')], platform: AMD64, ...gzip }])
    const nested = await putIndex(registry, 'app', 'nested', [{ from: inner, platform: AMD64 }])
    const path = directory.join('out.tar')
    const report = await pull([], [registry.at('app:nested')], path, context)
    assert.deepEqual(outcomes(report), ['carried', 'carried'])
    assert.equal(report.images[0]?.digest, nested.descriptor.digest)
    const base = await pull([registry.at('app:nested')], [registry.at('app:nested')], directory.join('b.tar'), context)
    assert.deepEqual(outcomes(base), ['carried', 'omitted'])
  })

  test('puts several images into one archive, each with its names, shared blobs once', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    await writeImage(registry.at('one:v1'), { layers: [layer('shared'), layer('one')], ...gzip }, context)
    await writeImage(registry.at('two/three:v2'), { layers: [layer('shared'), layer('two')], ...gzip }, context)
    registry.forget()
    const path = directory.join('out.tar')
    const report = await pull([], [registry.at('one:v1'), registry.at('two/three:v2')], path, context)
    const shared = report.images[0]?.blobs[1]?.digest ?? ''
    assert.equal(registry.requests.filter((request) => request.line.includes(shared)).length, 1)
    assert.equal((await blobsOf(path)).filter((digest) => digest === shared).length, 1)
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    assert.deepEqual(
      archive.images.map((image) => image.name),
      [`${registry.address}/one:v1`, `${registry.address}/two/three:v2`],
    )
    // Each can be picked by its name, as skopeo does it.
    for (const { name, entry } of archive.images) {
      await using source = await openSource(`oci-archive:${path}:${name}`)
      assert.equal((await source.resolve()).descriptor.digest, entry.digest)
    }
  })

  test('puts a hundred images into one archive, and fetches every blob once', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const { context } = registry
    const names = Array.from({ length: 100 }, (_, at) => `team/app-${at}:v1`)
    await Promise.all(
      names.map((name) =>
        writeImage(
          registry.at(name),
          { layers: [layer('shared'), layer('and this'), layer(name, 64)], ...gzip },
          context,
        ),
      ),
    )
    registry.forget()
    const path = directory.join('out.tar')
    const finals = names.map((name) => registry.at(name))
    const report = await pull([], finals, path, context)
    const fetched = registry.requests.flatMap(({ line }) => /^GET .*\/blobs\/(sha256:[0-9a-f]+)/.exec(line)?.[1] ?? [])
    const listed = new Set(report.images.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)))
    assert.deepEqual([listed.size, fetched.length, new Set(fetched).size], [202, 202, 202])
    assert.deepEqual(fetched.toSorted(), [...listed].toSorted())
    assert.equal((await blobsOf(path)).length, 202 + 100)
  })

  test('refuses two different images of one name', async () => {
    await using directory = await temporaryDirectory()
    const one = `oci:${directory.join('one')}:v1`
    const two = `oci:${directory.join('two')}:v1`
    await writeImage(one, { layers: [layer('one')] })
    await writeImage(two, { layers: [layer('two')] })
    await assert.rejects(pull([], [one, two], directory.join('out.tar'), {}), { code: 'INVALID_ARGUMENT' })
  })

  test('gives the same bytes for the same images', async () => {
    await using directory = await temporaryDirectory()
    const [v1, v2] = [1, 2].map((version) => `oci-archive:${fixture(`images/app-docker-v${version}.oci.tar`)}`)
    assert.ok(v1 && v2)
    const files = ['a.tar', 'b.tar'].map((name) => directory.join(name))
    for (const path of files) await pull([v1], [v2], path, {}, { concurrency: path.endsWith('a.tar') ? 1 : 8 })
    const [a, b] = await Promise.all(files.map((path) => readFile(path)))
    assert.ok(a && b && a.equals(b))
  })

  test('with --match diffid leaves out layers that base has in another compression, for a recipe each', async () => {
    await using directory = await temporaryDirectory()
    await using kernels = await createInlineRunner()
    const [base, final] = [`oci:${directory.join('base')}`, `oci:${directory.join('final')}`]
    const text = tarOf({ 'doc.txt': 'Some words that compress well. '.repeat(2000) })
    await writeImage(base, { layers: [text, layer('plain')] })
    await writeImage(final, {
      layers: [text, layer('new')],
      compression: (tar) => gzipSync(tar, { level: 9 }),
    })
    const path = directory.join('out.tar')
    const digestOnly = await pull([base], [final], path, {})
    assert.deepEqual(outcomes(digestOnly), ['carried', 'carried', 'carried'])
    const report = await pull([base], [final], path, {}, { match: 'diffid', kernels })
    assert.deepEqual(outcomes(report), ['carried', 'matched', 'carried'])
    assert.ok(report.recipeBytes > 0 && report.recipeBytes < 1000)
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path })
    const [matched] = archive.recipes.values()
    assert.equal(matched?.digest, report.images[0]?.blobs[1]?.digest)
    assert.equal(matched?.diffId, digestOf(text))
    assert.deepEqual(
      matched?.sources.map((source) => source.digest),
      [digestOf(text)],
    )
    assert.equal((await inspectIncremental(archive)).images[0]?.blobs[1]?.outcome, 'matched')
  })

  test('with --match diffid needs no recipe for a plain layer that base has compressed', async () => {
    await using directory = await temporaryDirectory()
    const [base, final] = [`oci:${directory.join('base')}`, `oci:${directory.join('final')}`]
    await writeImage(base, { layers: [layer('a')], ...gzip })
    await writeImage(final, { layers: [layer('a')] })
    await using kernels = await createInlineRunner()
    const report = await pull([base], [final], directory.join('out.tar'), {}, { match: 'diffid', kernels })
    assert.deepEqual(outcomes(report), ['carried', 'matched'])
    await using archive = await IncrementalArchive.open({ transport: 'oci-archive', path: directory.join('out.tar') })
    assert.equal([...archive.recipes.values()][0]?.recipe, undefined)
  })

  test('interrupted with --resume goes on from the blobs it has, and fetches none of them again', async () => {
    await using directory = await temporaryDirectory()
    let isCut = true
    const layers = Array.from({ length: 6 }, (_, at) => layer(`layer${at}`, 20_000))
    const last = digestOf(gzipSync(layers[5] ?? Buffer.alloc(0)))
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path }, { outgoing }) {
        if (isCut && method === 'GET' && path.endsWith(last)) outgoing.writeHead(500).end()
      },
    })
    const { context } = registry
    await writeImage(registry.at('app:v1'), { layers, ...gzip }, context)
    const path = directory.join('out.tar')
    const once = (): Promise<PullReport> =>
      pull([], [registry.at('app:v1')], path, context, { resume: true, concurrency: 1 })
    await assert.rejects(once(), { code: 'REGISTRY_REFUSED', side: 'source', digest: last })
    assert.deepEqual(await readdir(directory.path), ['.out.tar.part'])
    isCut = false
    registry.forget()
    const report = await once()
    const fetched = registry.requests.filter((request) => request.kind === 'blob').map((request) => request.line)
    assert.equal(fetched.filter((line) => !line.endsWith(report.images[0]?.blobs[0]?.digest ?? '')).length, 1)
    assert.ok(report.resumedBytes > 0)
    assert.deepEqual(await readdir(directory.path), ['out.tar'])
    const fresh = directory.join('fresh.tar')
    await pull([], [registry.at('app:v1')], fresh, context)
    assert.ok((await readFile(path)).equals(await readFile(fresh)))
  })

  test('does not believe what an interrupted pull left', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
    const [path, fresh] = [directory.join('out.tar'), directory.join('fresh.tar')]
    await pull([], [image], fresh, {})
    const spoilt = await readFile(fresh)
    spoilt.fill(0, 1_000_000, 1_000_100)
    await writeFile(directory.join('.out.tar.part'), spoilt)
    const report = await pull([], [image], path, {}, { resume: true })
    assert.ok(report.resumedBytes > 0)
    assert.ok((await readFile(path)).equals(await readFile(fresh)))
  })

  test('that fails leaves no file, and keeps the one that was there', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path }, { outgoing }) {
        if (method === 'GET' && path.includes('/blobs/')) outgoing.writeHead(404).end()
      },
    })
    const { context } = registry
    await writeImage(registry.at('app:v1'), { layers: [layer('a')], ...gzip }, context)
    const path = directory.join('out.tar')
    await writeFile(path, 'old')
    await assert.rejects(pull([], [registry.at('app:v1')], path, context), { code: 'BLOB_NOT_FOUND', side: 'source' })
    assert.equal(await readFile(path, 'utf8'), 'old')
    assert.deepEqual(await readdir(directory.path), ['out.tar'])
  })

  test('tells which side could not be reached, or would not let it in', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry({ username: 'me', password: 'secret' })
    const image = `oci:${directory.join('image')}`
    await writeImage(image, { layers: [layer('a')] })
    await writeImage(registry.at('app:v1'), { layers: [layer('a')] }, registry.context)
    const anonymous: OpenContext = { registry: { tlsVerify: false, retries: 0 } }
    const path = directory.join('out.tar')
    await assert.rejects(pull([registry.at('app:v1')], [image], path, anonymous), {
      code: 'AUTH_REQUIRED',
      side: 'baseline',
    })
    await assert.rejects(pull([image], [registry.at('app:v1')], path, anonymous), {
      code: 'AUTH_REQUIRED',
      side: 'source',
    })
    await assert.rejects(pull(['docker://127.0.0.1:1/app:v1'], [image], path, anonymous), {
      code: 'NETWORK',
      side: 'baseline',
    })
    assert.deepEqual(await readdir(directory.path), ['image'])
  })

  test('aborted ends with the reason of the signal and leaves nothing', async () => {
    await using directory = await temporaryDirectory()
    const ending = new AbortController()
    const reason = new Error('enough')
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path }) {
        if (method === 'GET' && path.includes('/blobs/')) ending.abort(reason)
      },
    })
    const { context } = registry
    await writeImage(registry.at('app:v1'), { layers: [layer('a')], ...gzip }, context)
    const path = directory.join('out.tar')
    const { signal } = ending
    await assert.rejects(pull([], [registry.at('app:v1')], path, context, { signal }), reason)
    assert.deepEqual(await readdir(directory.path), [])
  })
})

test('an incremental archive is complete to whoever copies it with its base beside it', async () => {
  await using directory = await temporaryDirectory()
  const layout = `oci:${directory.join('layout')}`
  await writeImage(`${layout}:v1`, { layers: [layer('a'), layer('b')], ...gzip })
  const v2 = await writeImage(`oci:${directory.join('other')}:v2`, { layers: [layer('a'), layer('c')], ...gzip })
  const path = directory.join('out.tar')
  await pull([`${layout}:v1`], [`oci:${directory.join('other')}:v2`], path, {})
  await using source = await openSource(`oci-archive:${path}`)
  {
    await using destination = await openDestination(`${layout}:v2`)
    assert.equal((await copyImage(source, destination)).digest, v2.descriptor.digest)
  }
  await using elsewhere = await openDestination(`oci:${directory.join('empty')}:v2`)
  await assert.rejects(copyImage(source, elsewhere), { code: 'BLOB_NOT_FOUND' })
})
