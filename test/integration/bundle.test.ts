import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import {
  applyBundle,
  applyDelta,
  type ApplyBundleReport,
  type BundleReport,
  diffBundle,
  type ImagePair,
  type ImageTask,
  inspectDelta,
  planBundle,
  planUnbundle,
  preflight,
  readDeltas,
} from '../../src/delta/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { copyImage, readImageTree } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { bytesSource, digestOf, readAllBytes, readFileRange } from '../../src/stream/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import { type ImageSource, openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner, type KernelRunner } from '../../src/workers/index.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

/** Text that patches well: lines that differ, of which a release changes some. */
function pages(release: string, seed: number): string {
  return Array.from({ length: 500 }, (_, line) =>
    line % 100 === 7 ? `${release} ${line}` : String(Math.imul(line + seed, 2654435761) >>> 7),
  ).join('\n')
}

const BASE = tarOf({ 'etc/os': pages('base', 1) })
const SHARED_V1 = tarOf({ 'usr/lib/shared': pages('one', 2) })
const SHARED_V2 = tarOf({ 'usr/lib/shared': pages('two', 2) })

let kernels: KernelRunner
let dir: TemporaryDirectory
/** v1 and v2 of three images: all share a layer that changes, and one that stays. The third is an index. */
let wanted: Readonly<Record<'a' | 'b' | 'm', Digest>>

before(async () => {
  kernels = await createInlineRunner()
  dir = await temporaryDirectory()
  const own = (name: string, release: string): Uint8Array => tarOf({ [`app/${name}`]: pages(release, name.length + 9) })
  const image = async (name: string, release: 'one' | 'two'): Promise<Digest> => {
    const layers = [BASE, release === 'one' ? SHARED_V1 : SHARED_V2, own(name, release)]
    const written = await writeImage(`oci:${dir.join(`${name}-${release}`)}`, { layers, compression: 'gzip' })
    return written.descriptor.digest
  }
  const index = async (release: 'one' | 'two'): Promise<Digest> => {
    const shared = release === 'one' ? SHARED_V1 : SHARED_V2
    const written = await writeIndex(
      `oci:${dir.join(`m-${release}`)}`,
      ['amd64', 'arm64'].map((architecture) => ({
        layers: [BASE, shared, own(architecture, release)],
        compression: 'gzip',
        platform: { os: 'linux', architecture },
      })),
    )
    return written.descriptor.digest
  }
  for (const name of ['a', 'b']) await image(name, 'one')
  await index('one')
  wanted = { a: await image('a', 'two'), b: await image('b', 'two'), m: await index('two') }
  await bundle(['a', 'b', 'm'], dir.join('all.tare'))
  await bundle(['a', 'b'], dir.join('ab.tare'))
})

after(() => dir[Symbol.asyncDispose]())

/** Counts how often each blob is opened. */
function counting(source: ImageSource, counts: Map<Digest, number>): ImageSource {
  return {
    reference: source.reference,
    layerForm: source.layerForm,
    resolve: (options) => source.resolve(options),
    readManifest: (descriptor, options) => source.readManifest(descriptor, options),
    hasBlob: async (descriptor, options) => (await source.hasBlob?.(descriptor, options)) !== false,
    openBlob(descriptor, options) {
      counts.set(descriptor.digest, (counts.get(descriptor.digest) ?? 0) + 1)
      return source.openBlob(descriptor, options)
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}

async function bundle(
  names: readonly string[],
  path: string,
  counts = new Map<Digest, number>(),
): Promise<BundleReport> {
  await using resources = new AsyncDisposableStack()
  const pairs: ImagePair[] = []
  for (const name of names) {
    const baseline = counting(resources.use(await openSource(`oci:${dir.join(`${name}-one`)}`)), counts)
    const target = counting(resources.use(await openSource(`oci:${dir.join(`${name}-two`)}`)), counts)
    pairs.push({ name, baselines: [baseline], target })
  }
  const file = resources.use(await openDestination(`oci-archive:${path}`))
  return await diffBundle(pairs, file, { kernels, tool: 'tare/test' })
}

interface Task {
  readonly name: string
  readonly baseline: string
  readonly output: string
}

function tasksOf(
  tasks: readonly Task[],
  resources: AsyncDisposableStack,
  counts = new Map<Digest, number>(),
): ImageTask[] {
  return tasks.map(({ name, baseline, output }) => ({
    name,
    baselines: async () => [counting(resources.use(await openSource(baseline)), counts)],
    destination: async () => resources.use(await openDestination(output)),
  }))
}

async function unbundle(
  path: string,
  tasks: readonly Task[],
  mode: 'strict' | 'partial' = 'strict',
  counts = new Map<Digest, number>(),
): Promise<ApplyBundleReport> {
  await using resources = new AsyncDisposableStack()
  const delta = resources.use(await openSource(`oci-archive:${path}`))
  return await applyBundle(delta, tasksOf(tasks, resources, counts), { kernels, mode })
}

function task(name: string, output: string, baseline = `oci:${dir.join(`${name}-one`)}`): Task {
  return { name, baseline, output }
}

async function rootDigest(reference: string): Promise<Digest> {
  await using source = await openSource(reference)
  await using destination = await openDestination(
    `dir:${dir.join(`read-${digestOf(Buffer.from(reference)).slice(7)}`)}`,
  )
  return (await copyImage(source, destination)).digest
}

test('diffBundle() and applyBundle() carry several images, an index among them, every digest kept', async () => {
  await using work = await temporaryDirectory()
  const report = await bundle(['a', 'b', 'm'], work.join('new.tare'))
  assert.deepEqual(
    report.images.map((image) => [image.name, image.target.digest]),
    [
      ['a', wanted.a],
      ['b', wanted.b],
      ['m', wanted.m],
    ],
  )
  assert.ok(report.shippedBytes < report.targetBytes / 2, `${report.shippedBytes} of ${report.targetBytes}`)
  const outputs = ['a', 'b', 'm'].map((name) => task(name, `oci:${work.join('out')}:${name}`))
  const applied = await unbundle(work.join('new.tare'), outputs)
  assert.deepEqual(
    applied.images.map((image) => [image.name, image.status]),
    [
      ['a', 'ok'],
      ['b', 'ok'],
      ['m', 'ok'],
    ],
  )
  assert.equal(applied.successful, 3)
  for (const name of ['a', 'b', 'm'] as const) {
    assert.equal(await rootDigest(`oci:${work.join('out')}:${name}`), wanted[name])
  }
})

test('diffBundle() stores and makes what images share once, and the same inputs give the same bytes', async () => {
  await using work = await temporaryDirectory()
  const counts = new Map<Digest, number>()
  await bundle(['a', 'b', 'm'], work.join('one.tare'), counts)
  const bytes = (path: string): Promise<Uint8Array> => readAllBytes(readFileRange(path), 10_000_000, path)
  assert.equal(digestOf(await bytes(work.join('one.tare'))), digestOf(await bytes(dir.join('all.tare'))))

  await using delta = await openSource(`oci-archive:${work.join('one.tare')}`)
  const { images } = await inspectDelta(delta)
  const shared = images.map((image) => image.blobs.filter((blob) => blob.role === 'layer')[1])
  assert.equal(new Set(shared.map((blob) => blob?.digest)).size, 1)
  assert.ok(shared.every((blob) => blob?.origin === 'patch'))
  // The start of a layer is read to see what it is, then the whole of it: for the first image alone.
  assert.equal(counts.get(shared[0]?.digest as Digest), 2)
  for (const { needs } of images) for (const { digest } of needs) assert.ok((counts.get(digest) ?? 0) <= 1, digest)
})

test('applyBundle() reads each baseline layer that it needs once, no others, and makes each shared layer once', async () => {
  await using work = await temporaryDirectory()
  const counts = new Map<Digest, number>()
  // A place of their own for each image: every destination wants every layer.
  const outputs = ['a', 'b', 'm'].map((name) => task(name, `dir:${work.join(name)}`))
  const report = await unbundle(dir.join('all.tare'), outputs, 'strict', counts)
  assert.equal(report.successful, 3)
  await using delta = await openSource(`oci-archive:${dir.join('all.tare')}`)
  const { images } = await inspectDelta(delta)
  const layers = new Set(images.flatMap((image) => image.needs.map((need) => need.digest)))
  assert.ok(layers.size > 0)
  for (const digest of layers) assert.equal(counts.get(digest), 1, digest)
  // What else is read of the baselines are their configs.
  const others = [...counts.keys()].filter((digest) => !layers.has(digest))
  for (const name of ['a', 'b', 'm']) {
    await using source = await openSource(`oci:${dir.join(`${name}-one`)}`)
    const { blobs } = await readImageTree(source)
    const unneeded = blobs.filter(({ role, descriptor }) => role === 'layer' && others.includes(descriptor.digest))
    assert.deepEqual(unneeded, [])
  }
})

test('planBundle() and planUnbundle() tell what would happen and write nothing', async () => {
  await using work = await temporaryDirectory()
  await using resources = new AsyncDisposableStack()
  const source = async (name: string): Promise<ImageSource> => resources.use(await openSource(`oci:${dir.join(name)}`))
  const pairs = [{ name: 'a', baselines: [await source('a-one')], target: await source('a-two') }]
  const planned = await planBundle(pairs, { tool: 'tare/test' })
  assert.equal(planned.digest, undefined)
  assert.ok((planned.images[0]?.reads.baselineBytes ?? 0) > 0)

  const delta = resources.use(await openSource(`oci-archive:${dir.join('ab.tare')}`))
  const tasks = tasksOf([task('a', `oci:${work.join('out')}:a`), task('b', `oci:${work.join('out')}:b`)], resources)
  const images = await planUnbundle(delta, tasks)
  assert.deepEqual(
    images.map((image) => [image.name, image.preflight.status, (image.plan?.writtenBytes ?? 0) > 0]),
    [
      ['a', 'ok', true],
      ['b', 'ok', true],
    ],
  )
  assert.ok(images.every((image) => (image.plan?.memoryBytes ?? 0) > 0 && (image.plan?.spoolBytes ?? 0) > 0))
  assert.deepEqual(await readdir(work.path), [])
})

test('planBundle() reads no layer, and diffBundle() without patches none of a baseline', async () => {
  await using work = await temporaryDirectory()
  await using resources = new AsyncDisposableStack()
  const [ofBaseline, ofTarget] = [new Map<Digest, number>(), new Map<Digest, number>()]
  const baseline = counting(resources.use(await openSource(`oci:${dir.join('a-one')}`)), ofBaseline)
  const target = counting(resources.use(await openSource(`oci:${dir.join('a-two')}`)), ofTarget)
  const pairs = [{ name: 'a', baselines: [baseline], target }]
  const layersOf = async (source: ImageSource): Promise<readonly Digest[]> =>
    (await readImageTree(source)).blobs.flatMap(({ role, descriptor }) => (role === 'layer' ? [descriptor.digest] : []))
  const [baselineLayers, targetLayers] = [await layersOf(baseline), await layersOf(target)]

  await planBundle(pairs, { tool: 'tare/test' })
  for (const digest of baselineLayers) assert.ok(!ofBaseline.has(digest))
  for (const digest of targetLayers) assert.ok(!ofTarget.has(digest))

  const file = resources.use(await openDestination(`oci-archive:${work.join('whole.tare')}`))
  await diffBundle(pairs, file, { kernels, tool: 'tare/test', patches: 'none' })
  for (const digest of baselineLayers) assert.ok(!ofBaseline.has(digest))
  assert.equal(targetLayers.filter((digest) => ofTarget.has(digest)).length, 2)
})

test('preflight() names everything that a baseline lacks, tells apart what for, and who has it', async () => {
  await using work = await temporaryDirectory()
  await using resources = new AsyncDisposableStack()
  const delta = resources.use(await openSource(`oci-archive:${dir.join('ab.tare')}`))
  await writeImage(`oci:${work.join('other')}`, { layers: [tarOf({ other: 'thing' })] })
  await writeImage(`oci:${work.join('half')}`, {
    layers: [SHARED_V1, tarOf({ 'app/a': pages('one', 10) })],
    compression: 'gzip',
  })
  const look = async (a: string): Promise<readonly [string, number, number, string | undefined]> => {
    const tasks = tasksOf([task('a', `oci:${work.join('out')}`, a), task('b', `oci:${work.join('out-b')}`)], resources)
    const [found] = await preflight(delta, tasks)
    assert.ok(found !== undefined)
    return [found.status, found.missingPatchSources.length, found.missingReuseLayers.length, found.error?.hint]
  }
  assert.deepEqual((await look(`oci:${work.join('other')}`)).slice(0, 3), ['missing-patch-source', 2, 1])
  const [status, sources, reused, hint] = await look(`oci:${work.join('half')}`)
  assert.deepEqual([status, sources, reused], ['missing-reuse-layer', 0, 1])
  assert.match(hint ?? '', /a-one.*baseline given for b/)
  assert.equal((await look(`oci:${work.join('absent')}`))[0], 'error')
  assert.deepEqual((await readdir(work.path)).toSorted(), ['half', 'other'])
})

test('preflight() tells a delta that is damaged itself from a baseline that will not do', async () => {
  await using work = await temporaryDirectory()
  await using resources = new AsyncDisposableStack()
  const set = await readDeltas(resources.use(await openSource(`oci-archive:${dir.join('ab.tare')}`)), {})
  const [a, b] = set.deltas
  assert.ok(a !== undefined && b !== undefined)
  const spoilt = { ...set, deltas: [{ ...a, openHeld: () => bytesSource(Buffer.from('{')) }, b] }
  const tasks = tasksOf([task('a', `oci:${work.join('a')}`), task('b', `oci:${work.join('b')}`)], resources)
  assert.deepEqual(
    (await preflight(spoilt, tasks)).map(({ status, error }) => [status, error?.category]),
    [
      ['schema-error', 'content'],
      ['ok', undefined],
    ],
  )
  const report = await applyBundle(spoilt, tasks, { kernels, mode: 'strict' })
  assert.deepEqual(
    report.images.map((image) => image.status),
    ['skipped-preflight', 'not-started'],
  )
  assert.deepEqual(await readdir(work.path), [])
})

test('preflight() notices layers that a manifest lists and its layout does not have', async () => {
  await using work = await temporaryDirectory()
  await bundle(['a'], work.join('a.tare'))
  {
    await using source = await openSource(`oci:${dir.join('a-one')}`)
    await using copy = await openDestination(`oci:${work.join('base')}`)
    await copyImage(source, copy)
  }
  await using resources = new AsyncDisposableStack()
  const delta = resources.use(await openSource(`oci-archive:${work.join('a.tare')}`))
  const [lost] = (await inspectDelta(delta)).images[0]?.needs ?? []
  assert.ok(lost !== undefined)
  await rm(work.join('base', 'blobs', 'sha256', lost.digest.slice(7)))
  const [found] = await preflight(
    delta,
    tasksOf([task('a', `oci:${work.join('out')}`, `oci:${work.join('base')}`)], resources),
  )
  assert.notEqual(found?.status, 'ok')
  assert.deepEqual([...(found?.missingPatchSources ?? []), ...(found?.missingReuseLayers ?? [])].length, 1)
})

test('applyBundle() that is strict writes nothing when one image cannot be done', async () => {
  await using work = await temporaryDirectory()
  await writeImage(`oci:${work.join('other')}`, { layers: [tarOf({ other: 'thing' })] })
  const tasks = [task('a', `oci:${work.join('a')}`), task('b', `oci:${work.join('b')}`, `oci:${work.join('other')}`)]
  const report = await unbundle(dir.join('ab.tare'), tasks, 'strict')
  assert.deepEqual(
    report.images.map((image) => image.status),
    ['not-started', 'skipped-preflight'],
  )
  assert.ok(hasErrorCode(report.images[1]?.error, 'BASELINE_LACKS_BLOB'))
  assert.deepEqual((await readdir(work.path)).toSorted(), ['other'])
})

test('applyBundle() that is partial does the images it can, in the order of the bundle', async () => {
  await using work = await temporaryDirectory()
  await writeImage(`oci:${work.join('other')}`, { layers: [tarOf({ other: 'thing' })] })
  const tasks = [task('m', `oci:${work.join('m')}`), task('a', `oci:${work.join('a')}`, `oci:${work.join('other')}`)]
  const report = await unbundle(dir.join('all.tare'), tasks, 'partial')
  assert.deepEqual(
    report.images.map((image) => [image.name, image.status, image.error?.code]),
    [
      ['a', 'skipped-preflight', 'BASELINE_LACKS_BLOB'],
      ['b', 'skipped-preflight', 'BASELINE_REQUIRED'],
      ['m', 'ok', undefined],
    ],
  )
  assert.equal(report.successful, 1)
  assert.equal(await rootDigest(`oci:${work.join('m')}`), wanted.m)
})

test('applyBundle() writes to a registry, an archive and a layout in one run, and reports in the order of the bundle', async () => {
  await using work = await temporaryDirectory()
  await using registry = await startRegistry()
  const context = { registry: { tlsVerify: false } }
  const outputs = {
    m: `oci:${work.join('m')}`,
    a: `docker://${registry.address}/site/a:two`,
    b: `oci-archive:${work.join('new/folder/b.tar')}`,
  }
  await using resources = new AsyncDisposableStack()
  const delta = resources.use(await openSource(`oci-archive:${dir.join('all.tare')}`))
  const tasks = (['m', 'a', 'b'] as const).map((name) => ({
    name,
    baselines: async () => [resources.use(await openSource(`oci:${dir.join(`${name}-one`)}`))],
    destination: async () => resources.use(await openDestination(outputs[name], context)),
  }))
  for (const concurrency of [1, 8]) {
    const report = await applyBundle(delta, tasks.toReversed(), { kernels, concurrency, workdir: work.path })
    assert.deepEqual(
      report.images.map((image) => [image.name, image.status, image.destination, image.copy?.digest]),
      (['a', 'b', 'm'] as const).map((name) => [name, 'ok', outputs[name], wanted[name]]),
    )
  }
  await using pushed = await openSource(outputs.a, context)
  assert.equal((await pushed.resolve()).descriptor.digest, wanted.a)
  assert.equal(await rootDigest(outputs.b), wanted.b)
})

test('applyBundle() does not let the baseline of one image stand for that of another', async () => {
  await using work = await temporaryDirectory()
  // What b lacks lies in the spool when its turn comes, because a needed it.
  await writeImage(`oci:${work.join('thin')}`, { layers: [tarOf({ 'app/b': pages('one', 10) })], compression: 'gzip' })
  const tasks = [task('a', `oci:${work.join('a')}`), task('b', `oci:${work.join('b')}`, `oci:${work.join('thin')}`)]
  const report = await unbundle(dir.join('ab.tare'), tasks, 'partial')
  assert.deepEqual(
    report.images.map((image) => image.status),
    ['ok', 'skipped-preflight'],
  )
})

test('applyBundle() tells of an output that exists, and of one that changes while it is written', async () => {
  await using work = await temporaryDirectory()
  await writeImage(`dir:${work.join('taken')}`, { layers: [tarOf({ other: 'thing' })] })
  const tasks = [task('a', `dir:${work.join('taken')}`), task('b', `oci:${work.join('b')}`)]
  const report = await unbundle(dir.join('ab.tare'), tasks, 'partial')
  assert.deepEqual(
    report.images.map((image) => [image.status, image.error?.code]),
    [
      ['skipped-preflight', 'DESTINATION_EXISTS'],
      ['ok', undefined],
    ],
  )

  await using delta = await openSource(`oci-archive:${dir.join('ab.tare')}`)
  await using baseline = await openSource(`oci:${dir.join('a-one')}`)
  await using destination = await openDestination(`dir:${work.join('changing')}`)
  const commit = destination.commit.bind(destination)
  destination.commit = async (root, options) => {
    const result = await commit(root, options)
    const other = JSON.stringify({ ...JSON.parse(Buffer.from(root.bytes).toString()), annotations: { changed: 'yes' } })
    await writeFile(work.join('changing', 'manifest.json'), other)
    return result
  }
  await assert.rejects(applyDelta(delta, [baseline], destination, { kernels, image: 'a' }), (error) =>
    hasErrorCode(error, 'VERIFY_FAILED'),
  )
})

test('bundles refuse names that repeat, that no file could have, and that nobody knows', async () => {
  await using work = await temporaryDirectory()
  await using source = await openSource(`oci:${dir.join('a-one')}`)
  await using file = await openDestination(`oci-archive:${work.join('x.tare')}`)
  const pair = (name: string): ImagePair => ({ name, baselines: [source], target: source })
  const make = (...names: readonly string[]): Promise<unknown> =>
    diffBundle(names.map(pair), file, { kernels, tool: 'tare/test' })
  await assert.rejects(make('a', 'a'), (error) => hasErrorCode(error, 'DUPLICATE_IMAGE_NAME'))
  await assert.rejects(make('../a'), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
  await assert.rejects(make(), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))

  const out = `oci:${work.join('out')}`
  await assert.rejects(unbundle(dir.join('ab.tare'), [task('a', out), { ...task('b', out), name: 'c' }]), (error) =>
    hasErrorCode(error, 'UNKNOWN_IMAGE_NAME'),
  )
  await assert.rejects(unbundle(dir.join('ab.tare'), [task('a', out), task('a', out)]), (error) =>
    hasErrorCode(error, 'DUPLICATE_IMAGE_NAME'),
  )
  await assert.rejects(unbundle(dir.join('ab.tare'), [task('a', out)]), (error) =>
    hasErrorCode(error, 'BASELINE_REQUIRED'),
  )
  await using delta = await openSource(`oci-archive:${dir.join('ab.tare')}`)
  await using destination = await openDestination(out)
  await assert.rejects(applyDelta(delta, [source], destination, { kernels }), (error) =>
    hasErrorCode(error, 'IMAGE_NAME_REQUIRED'),
  )
  assert.deepEqual(await readdir(work.path), [])
})

test('a bundle of one image, and one image of several, are applied as a delta is', async () => {
  await using work = await temporaryDirectory()
  await bundle(['a'], work.join('one.tare'))
  const report = await unbundle(work.join('one.tare'), [
    { ...task('a', `oci:${work.join('default')}`), name: 'default' },
  ])
  assert.equal(report.successful, 1)
  await using delta = await openSource(`oci-archive:${dir.join('ab.tare')}`)
  await using baseline = await openSource(`oci:${dir.join('b-one')}`)
  await using destination = await openDestination(`oci-archive:${work.join('b.tar')}`)
  const applied = await applyDelta(delta, [baseline], destination, { kernels, image: 'b' })
  assert.equal(applied.copy.digest, wanted.b)
})
