import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import {
  applyBundle,
  diffDiffah,
  type DiffahOptions,
  type DiffahReport,
  type ImagePair,
  openDiffahArchive,
  planDiffah,
} from '../../src/delta/index.ts'
import { writeDiffahArchive } from '../../src/delta/diffah/write-diffah.ts'
import { type ErrorCode, hasErrorCode } from '../../src/errors/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../../src/oci/index.ts'
import { bytesSource, digestOf } from '../../src/stream/index.ts'
import { type ManifestContent, openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner, type KernelRunner } from '../../src/workers/index.ts'
import { sidecarIn, unpackArchive } from '../support/diffah-archive.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const ZSTD = `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`

let kernels: KernelRunner
let dir: TemporaryDirectory

before(async () => {
  kernels = await createInlineRunner()
  dir = await temporaryDirectory()
  await writeImage(at('app1'), { layers: [BASE, tarOf({ app: text('one'), 'app.conf': 'a=1' })] })
  await writeImage(at('app2'), { layers: [BASE, tarOf({ app: text('one', 'more'), 'app.conf': 'a=2' })] })
  await writeImage(at('gzip1'), { layers: [tarOf({ app: text('one') })], compression: 'gzip' })
  await writeImage(at('gzip2'), { layers: [tarOf({ app: text('one', 'more') })], compression: 'gzip' })
})
after(() => dir[Symbol.asyncDispose]())

/** Words that compress, and that no two seeds have in common. */
function text(...seeds: readonly string[]): string {
  return seeds.map((seed) => Array.from({ length: 2000 }, (_, line) => `${seed} ${line * line}\n`).join('')).join('')
}

const BASE = tarOf({ 'lib/base': text('base') })
const at = (name: string): string => `oci:${dir.join(name)}`

/** Makes an archive of pairs `name=BASELINE,TARGET`, or says what it would be. */
async function make(
  output: string | undefined,
  pairs: readonly string[],
  options: Partial<DiffahOptions> & { readonly baselines?: readonly string[] } = {},
): Promise<DiffahReport> {
  await using resources = new AsyncDisposableStack()
  const opened: ImagePair[] = []
  for (const pair of pairs) {
    const [name = '', baseline = '', target = ''] = pair.split(/[=,]/)
    const baselines = []
    for (const reference of options.baselines ?? [baseline]) baselines.push(resources.use(await openSource(reference)))
    opened.push({ name, baselines, target: resources.use(await openSource(target)) })
  }
  const all = { tool: 'tare test', level: 9, ...options }
  return output === undefined ? await planDiffah(opened, all) : await diffDiffah(opened, dir.join(output), all)
}

/** Applies an archive. @returns for each image the digest it was written with, and the one the archive promises */
async function apply(
  archive: string,
  baselines: Readonly<Record<string, string>>,
): Promise<readonly (readonly [written: Digest | undefined, promised: Digest])[]> {
  await using resources = new AsyncDisposableStack()
  await using scratch = await temporaryDirectory()
  const set = await resources.use(await openDiffahArchive(dir.join(archive))).read()
  const tasks = Object.entries(baselines).map(([name, baseline]) => ({
    name,
    baselines: async () => [resources.use(await openSource(baseline))],
    destination: async () => resources.use(await openDestination(`dir:${scratch.join(name)}`)),
  }))
  const report = await applyBundle(set, tasks, { kernels })
  return set.deltas.map((delta, position) => [report.images[position]?.copy?.digest, delta.plan.target.digest])
}

async function digestAt(reference: string): Promise<Digest> {
  await using source = await openSource(reference)
  return (await source.resolve()).descriptor.digest
}

interface Content {
  readonly descriptor: Descriptor
  /** Left out of a blob that is not put. */
  readonly bytes?: Uint8Array | undefined
}

function content(mediaType: string, text: string): ManifestContent {
  const bytes = Buffer.from(text)
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/** Writes a manifest of any config and layer. */
async function writeManifest(reference: string, config: Content, layer: Content): Promise<void> {
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    config: config.descriptor,
    layers: [layer.descriptor],
  }
  const manifest = content(MEDIA_TYPE.OCI_MANIFEST, JSON.stringify(document))
  await using destination = await openDestination(reference)
  await destination.prepare?.({ blobs: [config.descriptor], manifests: [manifest] })
  for (const { descriptor, bytes } of [config, layer]) {
    if (bytes !== undefined) await destination.putBlob(descriptor, async () => bytesSource(bytes))
  }
  await destination.putManifest(manifest)
  await destination.commit(manifest)
}

const origins = (report: DiffahReport, image = 0): readonly string[] =>
  report.images[image]?.blobs.filter((blob) => blob.role === 'layer').map((blob) => blob.origin) ?? []

const code =
  (...codes: readonly ErrorCode[]) =>
  (error: unknown): boolean =>
    hasErrorCode(error, ...codes)

describe('writeDiffahArchive()', () => {
  test('writes, of the same contents, what diffah wrote, byte for byte', async () => {
    const path = fixture('diffah/save.tar')
    const files = await unpackArchive(path)
    const sidecar = sidecarIn(files)
    const blobs = new Map(
      [...sidecar.blobs.keys()].map((digest) => {
        const bytes = files.get(`blobs/sha256/${digest.slice(7)}`) ?? new Uint8Array(0)
        return [digest, () => bytesSource(bytes)]
      }),
    )
    const digest = await writeDiffahArchive(dir.join('again.tar'), sidecar, blobs, {})
    assert.equal(digest, digestOf(files.get('diffah.json') ?? new Uint8Array(0)))
    assert.deepEqual(await readFile(dir.join('again.tar')), await readFile(path))
  })
})

describe('diffDiffah()', () => {
  test('makes a patch of what changed, leaves out what the baseline has, and it applies', async () => {
    const report = await make('one.tar', [`default=${at('app1')},${at('app2')}`])
    assert.deepEqual(origins(report), ['baseline', 'blob-patch'])
    const layer = report.images[0]?.blobs.at(-1)
    assert.ok((layer?.shippedBytes ?? 0) < (layer?.sizeBytes ?? 0) / 2)
    const sidecar = sidecarIn(await unpackArchive(dir.join('one.tar')))
    assert.equal(sidecar.tool, 'tare')
    assert.equal(sidecar.toolVersion, 'test')
    assert.equal(sidecar.createdAt, '0001-01-01T00:00:00Z')
    assert.equal(sidecar.platform, 'linux/amd64')
    assert.equal(sidecar.images[0]?.baseline.sourceHint, 'app1')
    assert.deepEqual(await apply('one.tar', { default: at('app1') }), [
      [await digestAt(at('app2')), await digestAt(at('app2'))],
    ])
  })

  test('equal images and options give equal bytes, whatever was done when', async () => {
    const pairs = [`a=${at('app1')},${at('app2')}`, `b=${at('gzip1')},${at('gzip2')}`]
    const stated = { createdSeconds: 1_700_000_000 }
    await make('first.tar', pairs, stated)
    await make('second.tar', pairs, { ...stated, concurrency: 1 })
    assert.deepEqual(await readFile(dir.join('first.tar')), await readFile(dir.join('second.tar')))
    assert.equal(sidecarIn(await unpackArchive(dir.join('first.tar'))).createdAt, '2023-11-14T22:13:20Z')
  })

  test('lays out the sidecar first and blobs by digest', async () => {
    await make('order.tar', [`a=${at('app1')},${at('app2')}`, `b=${at('gzip1')},${at('gzip2')}`])
    const [first, ...blobs] = [...(await unpackArchive(dir.join('order.tar'))).keys()]
    assert.equal(first, 'diffah.json')
    assert.deepEqual(
      blobs,
      blobs.toSorted((a, b) => (a < b ? -1 : 1)),
    )
    assert.equal(blobs.length, 6)
  })

  test('compressed layers are patched as they are, and it says what that costs beside a delta of Tare', async () => {
    const report = await make('gzip.tar', [`default=${at('gzip1')},${at('gzip2')}`], { comparison: { kernels } })
    const { comparison } = report
    const [layer] = comparison?.layers ?? []
    assert.equal(comparison?.layers.length, 1)
    assert.equal(layer?.shippedBytes, report.images[0]?.blobs.at(-1)?.shippedBytes)
    assert.ok((layer?.tareBytes ?? 0) > 0)
    assert.equal(comparison?.largerThanTareBytes, (layer?.shippedBytes ?? 0) - (layer?.tareBytes ?? 0))
    assert.ok((comparison?.largerThanTareBytes ?? 0) > 1000)
    assert.deepEqual(await apply('gzip.tar', { default: at('gzip1') }), [
      [await digestAt(at('gzip2')), await digestAt(at('gzip2'))],
    ])
    const plain = await make('plain.tar', [`default=${at('app1')},${at('app2')}`], { comparison: { kernels } })
    assert.deepEqual(plain.comparison, { layers: [], largerThanTareBytes: 0 })
  })

  test('without patches every layer is whole', async () => {
    const off = await make('off.tar', [`default=${at('app1')},${at('app2')}`], { intraLayer: 'off' })
    assert.deepEqual(origins(off), ['baseline', 'archive'])
    assert.deepEqual((await apply('off.tar', { default: at('app1') })).length, 1)
  })

  test('a layer that nothing helps with is whole, and so is an empty one', async () => {
    const noise = Buffer.concat(
      Array.from({ length: 200 }, (_, index) => createHash('sha512').update(`${index}`).digest()),
    )
    await writeImage(at('noise'), { layers: [noise, Buffer.alloc(0)] })
    const report = await make('noise.tar', [`default=${at('gzip1')},${at('noise')}`])
    assert.deepEqual(origins(report), ['archive', 'archive'])
    const [[written, promised] = []] = await apply('noise.tar', { default: at('gzip1') })
    assert.equal(written, promised)
  })

  test('of many baseline layers the one that shares most is tried', async () => {
    const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon']
    const file = (name: string): Readonly<Record<string, string>> => ({ [name]: text(name), common: 'small' })
    await writeImage(at('many'), { layers: names.map((name) => tarOf(file(name))) })
    await writeImage(at('next'), { layers: [tarOf({ ...file('gamma'), extra: text('extra') })] })
    const report = await make('many.tar', [`default=${at('many')},${at('next')}`], { candidates: 1 })
    assert.deepEqual(report.images[0]?.blobs.at(-1)?.sources, [digestOf(tarOf(file('gamma')))])
  })

  test('a layer of two images is patched from what both baselines have, else it is whole', async () => {
    const shared = tarOf({ shared: text('shared', 'fresh') })
    const source = tarOf({ shared: text('shared') })
    await writeImage(at('s1'), { layers: [source, tarOf({ x: 'x' })] })
    await writeImage(at('s2'), { layers: [tarOf({ y: 'y' }), source] })
    await writeImage(at('s3'), { layers: [tarOf({ z: text('z') })] })
    await writeImage(at('t1'), { layers: [shared, tarOf({ own: 'one' })] })
    await writeImage(at('t2'), { layers: [shared] })

    const both = await make('both.tar', [`a=${at('s1')},${at('t1')}`, `b=${at('s2')},${at('t2')}`])
    assert.equal(origins(both)[0], 'blob-patch')
    assert.deepEqual(both.images[1]?.blobs.at(-1)?.sources, [digestOf(source)])
    for (const [written, promised] of await apply('both.tar', { a: at('s1'), b: at('s2') })) {
      assert.equal(written, promised)
    }
    // What two images hold counts once.
    const layer = both.images[1]?.blobs.at(-1)?.shippedBytes ?? 0
    const sum = both.images.reduce((total, image) => total + image.shippedBytes, 0)
    assert.equal(both.shippedBytes, sum - layer)

    const apart = await make('apart.tar', [`a=${at('s1')},${at('t1')}`, `b=${at('s3')},${at('t2')}`])
    assert.equal(origins(apart)[0], 'archive')
    // An image that has the layer in its baseline takes it from the archive too: it has to be able to.
    const ahead = await make('ahead.tar', [`a=${at('s1')},${at('t1')}`, `b=${at('t2')},${at('t1')}`])
    assert.equal(origins(ahead)[0], 'archive')
    for (const [written, promised] of await apply('ahead.tar', { a: at('s1'), b: at('t2') })) {
      assert.equal(written, promised)
    }
  })

  test('an index needs a platform, on either side', async () => {
    await assert.rejects(make('x.tar', [`default=${at('app1')},${MULTI}`]), code('PLATFORM_REQUIRED'))
    await assert.rejects(make('x.tar', [`default=${MULTI},${at('app1')}`]), code('PLATFORM_REQUIRED'))
    const files = (release: string): Uint8Array => tarOf({ release: text(release) })
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))
    const index = (release: string) =>
      platforms.map((platform) => ({ layers: [files(`${release} ${platform.architecture}`)], platform }))
    await writeIndex(at('index1'), index('one'))
    await writeIndex(at('index2'), index('two'))
    const warnings: string[] = []
    const report = await make('arm.tar', [`default=${at('index1')},${at('index2')}`], {
      platforms: [{ os: 'linux', architecture: 'arm64' }],
      logger: { warn: (message) => void warnings.push(message), debug() {} },
    })
    assert.equal(report.images[0]?.index.kind, 'dropped')
    // diffah itself would not find the baseline under its tag.
    assert.equal(warnings.length, 1)
    const sidecar = sidecarIn(await unpackArchive(dir.join('arm.tar')))
    assert.equal(sidecar.platform, 'linux/arm64')
    const [[written, promised] = []] = await apply('arm.tar', { default: at('index1') })
    assert.equal(written, promised)
    const both = make('x.tar', [`default=${at('index1')},${at('index2')}`], { platforms })
    await assert.rejects(both, code('INVALID_ARGUMENT'))
  })

  test('what the format can not say is refused before any work', async () => {
    const refused = (target: string, options: Parameters<typeof make>[2] = {}): Promise<void> =>
      assert.rejects(make('x.tar', [`default=${at('app1')},${target}`], options), code('UNSUPPORTED_BY_DESTINATION'))
    await writeImage(at('empty'), { layers: [] })
    await refused(at('empty'))
    await refused(at('app2'), { baselines: [at('app1'), at('gzip1')] })
    await refused(at('app2'), { baselines: [] })
    // Hashes of another kind, artifacts, layers that are left to their URLs.
    const config = content(MEDIA_TYPE.OCI_CONFIG, '{"os":"linux","architecture":"amd64"}')
    const layer = content(MEDIA_TYPE.OCI_LAYER, 'a layer of some kind')
    const sha512 = { ...layer, descriptor: { ...layer.descriptor, digest: digestOf(layer.bytes, 'sha512') } }
    await writeManifest(at('sha512'), config, sha512)
    await refused(at('sha512'))
    await writeManifest(at('artifact'), content('application/vnd.example.config', '{}'), layer)
    await refused(at('artifact'))
    const mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
    const foreign = { ...layer.descriptor, mediaType, urls: ['https://registry.example/layer'] }
    await writeManifest(at('foreign'), config, { descriptor: foreign })
    await refused(at('foreign'))
    assert.ok(!(await readdir(dir.path)).includes('x.tar'))
  })

  test('names are as diffah wants them', async () => {
    const pair = `${at('app1')},${at('app2')}`
    await assert.rejects(make('x.tar', [`-a=${pair}`]), code('INVALID_ARGUMENT'))
    await assert.rejects(make('x.tar', [`a=${pair}`, `a=${pair}`]), code('DUPLICATE_IMAGE_NAME'))
    await assert.rejects(make('x.tar', []), code('INVALID_ARGUMENT'))
  })

  test('levels, windows and candidates are taken to their limits, and refused beyond', async () => {
    const pairs = [`default=${at('app1')},${at('app2')}`]
    for (const options of [{ level: 0 }, { level: 23 }, { windowLog: 9 }, { windowLog: 32 }, { candidates: 0 }]) {
      await assert.rejects(make('x.tar', pairs, options), code('INVALID_ARGUMENT'), JSON.stringify(options))
    }
    for (const windowLog of [10, 27, 31]) {
      const report = await make('window.tar', pairs, { windowLog, level: 1, intraLayer: 'required' })
      assert.deepEqual(origins(report), ['baseline', 'blob-patch'])
      const [[written, promised] = []] = await apply('window.tar', { default: at('app1') })
      assert.equal(written, promised)
    }
  })

  test('memory that no source fits in is an error that names the layer', async () => {
    const pairs = [`default=${at('app1')},${at('app2')}`]
    const layer = digestOf(tarOf({ app: text('one', 'more'), 'app.conf': 'a=2' }))
    await assert.rejects(make('x.tar', pairs, { memoryBytes: 1_000_000 }), (error) => {
      assert.ok(hasErrorCode(error, 'MEMORY_LIMIT'))
      return error.message.includes(layer)
    })
    await make('off.tar', pairs, { memoryBytes: 1_000_000, intraLayer: 'off' })
    await make('enough.tar', pairs, { memoryBytes: 100_000_000 })
  })

  test('a damaged baseline layer only helps less; a damaged target is an error, and nothing appears', async () => {
    await using own = await temporaryDirectory()
    const broken = `oci:${own.join('broken')}`
    await writeImage(broken, { layers: [BASE, tarOf({ app: text('one'), 'app.conf': 'a=1' })] })
    const layer = own.join('broken', 'blobs', 'sha256', digestOf(BASE).slice(7))
    await writeFile(layer, Buffer.alloc(BASE.length))
    const warnings: string[] = []
    const logger = { warn: (message: string): void => void warnings.push(message), debug() {} }
    const report = await make('helped.tar', [`default=${broken},${at('app2')}`], { logger })
    assert.deepEqual(origins(report), ['baseline', 'blob-patch'])
    assert.equal(warnings.length, 1)
    await assert.rejects(make('x.tar', [`default=${at('gzip1')},${broken}`]), code('DIGEST_MISMATCH'))
    assert.ok(!(await readdir(dir.path)).includes('x.tar'))
  })

  test('a directory is not overwritten', async () => {
    await mkdir(dir.join('directory'))
    await assert.rejects(make('directory', [`default=${at('app1')},${at('app2')}`]), code('DESTINATION_EXISTS'))
  })

  test('an abort leaves nothing', async () => {
    await using own = await temporaryDirectory()
    const reason = new Error('enough')
    const controller = new AbortController()
    const options = {
      workdir: own.path,
      signal: controller.signal,
      onProgress: ({ state }: { readonly state: string }): void => {
        if (state === 'running') controller.abort(reason)
      },
    }
    await assert.rejects(make('aborted.tar', [`default=${at('app1')},${at('app2')}`], options), reason)
    assert.deepEqual(await readdir(own.path), [])
    assert.ok(!(await readdir(dir.path)).some((name) => name.includes('aborted')))
  })
})

describe('planDiffah()', () => {
  test('tells what would be shipped and writes nothing', async () => {
    const before = await readdir(dir.path)
    const report = await make(undefined, [`default=${at('app1')},${at('app2')}`, `z=${at('gzip1')},${ZSTD}`])
    assert.equal(report.digest, undefined)
    assert.deepEqual(origins(report), ['baseline', 'blob-patch'])
    assert.deepEqual(origins(report, 1), ['blob-patch'])
    assert.ok(report.spoolBytes > 0)
    assert.ok((report.images[0]?.reads.baselineBytes ?? 0) > 0)
    assert.deepEqual(await readdir(dir.path), before)
    const off = await make(undefined, [`default=${at('app1')},${at('app2')}`], { intraLayer: 'off' })
    assert.deepEqual(origins(off), ['baseline', 'archive'])
    assert.equal(off.spoolBytes, 0)
  })
})
