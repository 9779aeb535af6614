import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { applyDelta, type DiffReport, inspectDelta, planApply, planDiff } from '../../src/delta/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { bytesSource, digestOf, type ProgressEvent } from '../../src/stream/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { type KernelRunner, createInlineRunner, createThreadRunner } from '../../src/workers/index.ts'
import { type DeltaRuns, deltaRuns, readBack, rootDigest } from '../support/delta-runs.ts'
import { fixture } from '../support/fixtures.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const SAVE_V1 = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
const SAVE_V2 = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`
const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const DOCKER_V2 = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
const MULTI_V2 = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`

let kernels: KernelRunner
/** The delta between the two docker archives: most tests start from it. */
let saved: { readonly directory: TemporaryDirectory; readonly path: string; readonly report: DiffReport }

before(async () => {
  kernels = await createInlineRunner()
  const directory = await temporaryDirectory()
  const path = directory.join('save.tare')
  saved = { directory, path, report: await diff([SAVE_V1], SAVE_V2, path) }
})

after(() => saved.directory[Symbol.asyncDispose]())

const diff: DeltaRuns['diff'] = (...args) => deltaRuns(kernels).diff(...args)
const apply: DeltaRuns['apply'] = (...args) => deltaRuns(kernels).apply(...args)

test('diff and apply of two docker save archives: patches, digests identical, small', async () => {
  await using dir = await temporaryDirectory()
  assert.deepEqual(
    saved.report.blobs.map((blob) => blob.origin),
    ['archive', 'archive', 'patch', 'patch', 'patch'],
  )
  assert.ok((await stat(saved.path)).size <= 1_130_000)
  const wanted = await rootDigest(SAVE_V2)
  assert.equal(await apply(saved.path, [SAVE_V1], `oci:${dir.join('out')}:v2`), wanted)
  assert.equal(await readBack(`oci:${dir.join('out')}:v2`, dir.join('back')), wanted)
})

test('apply takes the same baseline compressed, as a registry would hold it', async () => {
  await using dir = await temporaryDirectory()
  const wanted = await rootDigest(SAVE_V2)
  // app-docker-v1 is the same image with gzip layers: other digests, the same diffIDs.
  assert.equal(await apply(saved.path, [DOCKER_V1], `oci:${dir.join('out')}`), wanted)
})

test('apply into a docker archive writes plain layers', async () => {
  await using dir = await temporaryDirectory()
  await diff([DOCKER_V1], DOCKER_V2, dir.join('docker.tare'))
  const digest = await apply(dir.join('docker.tare'), [DOCKER_V1], `docker-archive:${dir.join('v2.tar')}:app:v2`)
  assert.equal(digest, await rootDigest(SAVE_V2))
  assert.equal(await rootDigest(`docker-archive:${dir.join('v2.tar')}`), digest)
})

test('gzip layers are patched inside the compression, and their bytes made again', async () => {
  await using dir = await temporaryDirectory()
  const report = await diff([DOCKER_V1], DOCKER_V2, dir.join('docker.tare'))
  assert.deepEqual(
    report.blobs.map((blob) => blob.origin),
    ['archive', 'archive', 'patch', 'patch', 'patch'],
  )
  assert.ok(report.blobs.every((blob) => (blob.recipeBytes ?? 0) <= 64))
  assert.ok((await stat(dir.join('docker.tare'))).size <= 1_200_000)
  const wanted = await rootDigest(DOCKER_V2)
  assert.equal(wanted, 'sha256:834750955ad1862d96c3b32cb1f8cf05c83b57826fdb31c138ec7a6aab54641c')
  assert.equal(await apply(dir.join('docker.tare'), [DOCKER_V1], `oci:${dir.join('out')}:v2`), wanted)
  assert.equal(await readBack(`oci:${dir.join('out')}:v2`, dir.join('back')), wanted)
  // The same image as plain tars will do as a baseline: patches read nothing else.
  assert.equal(await apply(dir.join('docker.tare'), [SAVE_V1], `oci:${dir.join('plain')}:v2`), wanted)
})

test('a gzip layer whose tar the baseline has, differently compressed, costs its recipe alone', async () => {
  await using dir = await temporaryDirectory()
  const report = await diff([SAVE_V2], DOCKER_V2, dir.join('recompressed.tare'))
  assert.deepEqual(
    report.blobs.filter((blob) => blob.role === 'layer').map((blob) => blob.origin),
    ['baseline-tar', 'baseline-tar', 'baseline-tar'],
  )
  assert.ok((await stat(dir.join('recompressed.tare'))).size < 20_000)
  const wanted = await rootDigest(DOCKER_V2)
  assert.equal(await apply(dir.join('recompressed.tare'), [SAVE_V2], `oci:${dir.join('out')}:v2`), wanted)
})

test('a plain layer that the producer had compressed is taken from a baseline that has it plain', async () => {
  await using dir = await temporaryDirectory()
  const same = tarOf({ 'usr/data': 'same '.repeat(2000) })
  await writeImage(`oci:${dir.join('gzip')}`, { layers: [same], compression: 'gzip' })
  await writeImage(`oci:${dir.join('plain')}`, { layers: [same] })
  const wanted = await writeImage(`oci:${dir.join('target')}`, { layers: [same, tarOf({ 'etc/new': 'new' })] })
  const report = await diff([`oci:${dir.join('gzip')}`], `oci:${dir.join('target')}`, dir.join('d.tare'))
  assert.ok(report.blobs.some((blob) => blob.origin === 'baseline-tar'))
  for (const baseline of ['gzip', 'plain']) {
    const digest = await apply(dir.join('d.tare'), [`oci:${dir.join(baseline)}`], `oci:${dir.join(`out-${baseline}`)}`)
    assert.equal(digest, wanted.descriptor.digest)
  }
})

test('a delta between equal images ships documents and configs alone', async () => {
  await using dir = await temporaryDirectory()
  const report = await diff([MULTI_V2], MULTI_V2, dir.join('nothing.tare'))
  const shipped = report.blobs.filter((blob) => blob.shippedBytes > 0).map((blob) => blob.role)
  assert.deepEqual(shipped.toSorted(), ['config', 'config', 'index', 'manifest', 'manifest'])
  assert.equal(await apply(dir.join('nothing.tare'), [MULTI_V2], `oci:${dir.join('out')}`), await rootDigest(MULTI_V2))
})

test('an index is diffed whole, and narrowed on request', async () => {
  await using dir = await temporaryDirectory()
  const amd64 = { os: 'linux', architecture: 'amd64' }
  const arm64 = { os: 'linux', architecture: 'arm64' }
  const files = (release: string): Uint8Array => tarOf({ 'etc/release': release, 'usr/data': 'same '.repeat(2000) })
  await writeIndex(`oci:${dir.join('v1')}`, [
    { layers: [files('one amd64')], platform: amd64 },
    { layers: [files('one arm64')], platform: arm64 },
  ])
  const v2 = await writeIndex(`oci:${dir.join('v2')}`, [
    { layers: [files('two amd64')], platform: amd64 },
    { layers: [files('two arm64')], platform: arm64 },
  ])
  const [v1, target] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  await diff([v1], target, dir.join('whole.tare'))
  assert.equal(await apply(dir.join('whole.tare'), [v1], `oci:${dir.join('whole')}`), v2.descriptor.digest)

  const narrowed = await diff([v1], target, dir.join('arm.tare'), { platforms: [arm64] })
  assert.equal(narrowed.index.kind, 'dropped')
  const digest = await apply(dir.join('arm.tare'), [v1], `oci:${dir.join('arm')}`)
  assert.equal(digest, narrowed.target.digest)
  assert.equal(narrowed.blobs.filter((blob) => blob.role === 'config').length, 1)
})

test('several baselines help each other', async () => {
  await using dir = await temporaryDirectory()
  const noise = (seed: number): Uint8Array =>
    Uint8Array.from({ length: 200_000 }, (_, index) => Math.imul(index + seed, 2654435761) >>> 13)
  await writeImage(`oci:${dir.join('a')}`, { layers: [tarOf({ 'lib/a': noise(1) })] })
  await writeImage(`oci:${dir.join('b')}`, { layers: [tarOf({ 'lib/b': noise(77) })], compression: 'gzip' })
  const both = tarOf({ 'lib/a': noise(1), 'lib/b': noise(77) }, 9)
  const wanted = await writeImage(`oci:${dir.join('t')}`, { layers: [both] })
  const baselines = [`oci:${dir.join('a')}`, `oci:${dir.join('b')}`]
  const report = await diff(baselines, `oci:${dir.join('t')}`, dir.join('d.tare'))
  assert.equal(report.blobs.at(-1)?.sources.length, 2)
  assert.ok((report.blobs.at(-1)?.shippedBytes ?? Number.POSITIVE_INFINITY) < 1000)
  assert.equal(await apply(dir.join('d.tare'), baselines, `oci:${dir.join('out')}`), wanted.descriptor.digest)
})

test('a delta has the same bytes whatever the number of workers', async () => {
  await using dir = await temporaryDirectory()
  await using threads = createThreadRunner({ threads: 2 })
  await diff([SAVE_V1], SAVE_V2, dir.join('two.tare'), { kernels: threads })
  assert.equal(digestOf(await readFile(saved.path)), digestOf(await readFile(dir.join('two.tare'))))
})

test('planDiff() and planApply() tell what would happen and write nothing', async () => {
  await using dir = await temporaryDirectory()
  {
    await using baseline = await openSource(SAVE_V1)
    await using target = await openSource(SAVE_V2)
    const report = await planDiff([baseline], target, { tool: 'tare/test', workdir: dir.path })
    assert.equal(report.digest, undefined)
    assert.equal(report.blobs.filter((blob) => blob.origin === 'patch').length, 3)
    assert.ok(report.spoolBytes > 0)
  }
  await using baseline = await openSource(DOCKER_V1)
  await using delta = await openSource(`oci-archive:${saved.path}`)
  await using destination = await openDestination(`oci:${dir.join('out')}`)
  const plan = await planApply(delta, [baseline], destination)
  assert.equal(plan.target.digest, await rootDigest(SAVE_V2))
  assert.ok(plan.baselineBytes > 0)
  assert.deepEqual(await readdir(dir.path), [])
})

test('inspectDelta() tells of every blob, from the delta alone', async () => {
  await using delta = await openSource(`oci-archive:${saved.path}`)
  const summary = await inspectDelta(delta)
  const [image] = summary.images
  assert.equal(image?.name, 'default')
  assert.deepEqual(image?.blobs, saved.report.blobs)
  assert.equal(summary.shippedBytes, saved.report.shippedBytes)
  assert.equal(image?.target.digest, saved.report.target.digest)
  assert.deepEqual(
    image?.baselines.map((baseline) => baseline.name),
    ['app-docker-save-v1.tar.gz'],
  )
})

test('applyDelta() names every missing layer before anything is written', async () => {
  await using dir = await temporaryDirectory()
  await writeImage(`oci:${dir.join('other')}`, { layers: [tarOf({ other: 'thing' })] })
  await assert.rejects(apply(saved.path, [`oci:${dir.join('other')}`], `dir:${dir.join('out')}`), (error) => {
    assert.ok(hasErrorCode(error, 'BASELINE_LACKS_BLOB'), String(error))
    assert.equal(error.message.match(/sha256:/g)?.length, 3)
    return true
  })
  assert.deepEqual((await readdir(dir.path)).toSorted(), ['other'])
})

test('applyDelta() refuses an image, and a delta that was damaged, and leaves nothing behind', async () => {
  await using dir = await temporaryDirectory()
  await assert.rejects(apply(fixture('images/app-docker-v1.oci.tar'), [DOCKER_V1], `dir:${dir.join('out')}`), (error) =>
    hasErrorCode(error, 'NOT_A_DELTA'),
  )
  const bytes = await readFile(saved.path)
  // In the middle lies the largest patch.
  const middle = Math.floor(bytes.length / 2)
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  await writeFile(dir.join('damaged.tare'), bytes)
  await assert.rejects(apply(dir.join('damaged.tare'), [SAVE_V1], `oci-archive:${dir.join('out.tar')}`), (error) =>
    hasErrorCode(error, 'CORRUPT_PATCH', 'DIGEST_MISMATCH'),
  )
  await writeFile(dir.join('cut.tare'), bytes.subarray(0, middle))
  await assert.rejects(apply(dir.join('cut.tare'), [SAVE_V1], `oci-archive:${dir.join('out.tar')}`), (error) =>
    hasErrorCode(error, 'FILE_INCOMPLETE'),
  )
  assert.deepEqual((await readdir(dir.path)).toSorted(), ['cut.tare', 'damaged.tare'])
})

test('applyDelta() notices a baseline that is damaged, says which side it is, and leaves nothing', async () => {
  await using dir = await temporaryDirectory()
  const baseline = `oci:${dir.join('base')}`
  const kept = tarOf({ kept: 'kept '.repeat(500) })
  const files = (release: string): Uint8Array =>
    tarOf({ release, data: Array.from({ length: 900 }, (_, index) => Math.imul(index, 2654435761) >>> 9).join(' ') })
  await writeImage(baseline, { layers: [kept, files('one')] })
  await writeImage(`oci:${dir.join('next')}`, { layers: [kept, files('two')] })
  const report = await diff([baseline], `oci:${dir.join('next')}`, dir.join('d.tare'))
  assert.deepEqual(
    report.blobs.slice(-2).map((blob) => blob.origin),
    ['baseline', 'patch'],
  )
  for (const layer of [kept, files('one')]) {
    const path = dir.join('base', 'blobs', 'sha256', digestOf(layer).slice(7))
    await writeFile(path, Buffer.from(layer).fill(1, 600, 601))
    await assert.rejects(apply(dir.join('d.tare'), [baseline], `oci-archive:${dir.join('out.tar')}`), (error) => {
      assert.ok(hasErrorCode(error, 'DIGEST_MISMATCH'), String(error))
      assert.deepEqual([error.category, 'side' in error ? error.side : undefined], ['content', 'baseline'])
      return true
    })
    await writeFile(path, layer)
  }
  assert.deepEqual((await readdir(dir.path)).toSorted(), ['base', 'd.tare', 'next'])
})

test('diffImages() and applyDelta() tell a reporter of their own about every blob, from its start to its end', async () => {
  await using dir = await temporaryDirectory()
  const events: ProgressEvent[] = []
  const onProgress = (event: ProgressEvent): void => void events.push(event)
  const seen = (): ReadonlyMap<string, readonly string[]> => {
    const states = new Map<string, string[]>()
    for (const { id, state } of events.splice(0)) states.set(id, [...(states.get(id) ?? []), state])
    return states
  }
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  await writeImage(v1, { layers: [tarOf({ a: 'one '.repeat(500), b: 'b' })], compression: 'gzip' })
  await writeImage(v2, { layers: [tarOf({ a: 'one '.repeat(501), b: 'b' }), tarOf({ c: 'new' })] })
  const report = await diff([v1], v2, dir.join('d.tare'), { onProgress })
  const made = seen()
  const changed = report.blobs.filter((blob) => blob.role === 'layer')
  for (const { digest } of changed) assert.ok(made.has(digest), digest)

  await using baseline = await openSource(v1)
  await using delta = await openSource(`oci-archive:${dir.join('d.tare')}`)
  await using destination = await openDestination(`oci:${dir.join('out')}`)
  await applyDelta(delta, [baseline], destination, { kernels, onProgress })
  const applied = seen()
  for (const { digest } of changed) {
    const states = applied.get(digest) ?? []
    assert.deepEqual([states[0], states.at(-1)], ['started', 'done'], digest)
  }
})

test('diffImages() that is aborted leaves nothing behind', async () => {
  await using dir = await temporaryDirectory()
  const controller = new AbortController()
  const reason = new Error('enough')
  const onProgress = (): void => controller.abort(reason)
  await assert.rejects(
    diff([SAVE_V1], SAVE_V2, dir.join('save.tare'), {
      signal: controller.signal,
      onProgress,
      workdir: dir.join('work'),
    }),
    (error) => error === reason,
  )
  assert.deepEqual(await readdir(dir.join('work')), [])
  assert.deepEqual(await readdir(dir.path), ['work'])
})

test('layers that do not unpack are carried as they are, and help no one as a baseline', async () => {
  await using dir = await temporaryDirectory()
  const broken = (tar: Uint8Array): Uint8Array => {
    const blob = gzipSync(tar)
    blob.writeUInt8(blob.readUInt8(blob.length - 8) ^ 1, blob.length - 8)
    return blob
  }
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  await writeImage(v1, { layers: [tarOf({ a: 'one' }), tarOf({ b: 'two' })], compression: broken })
  const wanted = await writeImage(v2, { layers: [tarOf({ a: 'three' }), tarOf({ c: 'four' })], compression: broken })
  const warnings: string[] = []
  const logger = { warn: (message: string) => void warnings.push(message), debug() {} }
  const report = await diff([v1], v2, dir.join('d.tare'), { logger })
  assert.ok(report.blobs.every((blob) => blob.origin === 'archive'))
  assert.equal(warnings.length, 2)
  assert.equal(await apply(dir.join('d.tare'), [v1], `oci:${dir.join('out')}`), wanted.descriptor.digest)

  // A sound target is patched without the damaged baseline.
  const sound = await writeImage(`oci:${dir.join('v3')}`, { layers: [tarOf({ a: 'five' })] })
  await diff([v1], `oci:${dir.join('v3')}`, dir.join('sound.tare'), { logger })
  assert.equal(warnings.length, 4)
  assert.equal(await apply(dir.join('sound.tare'), [v1], `oci:${dir.join('third')}`), sound.descriptor.digest)
})

test('gzip layers whose diffIDs are sha512 are patched as well', async () => {
  await using dir = await temporaryDirectory()
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  const files = (release: string): Uint8Array =>
    tarOf({ release, data: Array.from({ length: 9000 }, (_, index) => Math.imul(index, 2654435761) >>> 9).join(' ') })
  await writeImage(v1, { layers: [files('one')], compression: 'gzip', algorithm: 'sha512' })
  const wanted = await writeImage(v2, { layers: [files('two')], compression: 'gzip', algorithm: 'sha512' })
  const report = await diff([v1], v2, dir.join('d.tare'))
  assert.equal(report.blobs.at(-1)?.origin, 'patch')
  assert.equal(await apply(dir.join('d.tare'), [v1], `oci:${dir.join('out')}`), wanted.descriptor.digest)
})

test('an image without layers is made a delta of and applied, with and without a baseline that has some', async () => {
  await using dir = await temporaryDirectory()
  await writeImage(`oci:${dir.join('some')}`, { layers: [tarOf({ a: 'one' })] })
  const { descriptor } = await writeImage(`oci:${dir.join('none')}`, { layers: [] })
  for (const [at, baselines] of [[`oci:${dir.join('some')}`], [`oci:${dir.join('none')}`], []].entries()) {
    const path = dir.join(`${at}.tare`)
    const report = await diff(baselines, `oci:${dir.join('none')}`, path)
    assert.deepEqual(
      report.blobs.map((blob) => blob.role),
      ['manifest', 'config'],
    )
    assert.equal(await apply(path, baselines, `oci:${dir.join(`out-${at}`)}`), descriptor.digest)
  }
})

test('a layer that is to be fetched from its URLs stays so, and nobody asks for it', async () => {
  await using dir = await temporaryDirectory()
  const layers = [tarOf({ a: 'one' }), tarOf({ b: 'from elsewhere' })]
  const { manifest, blobs } = buildImage({ layers })
  const [config, own, elsewhere] = blobs
  assert.ok(config !== undefined && own !== undefined && elsewhere !== undefined)
  const foreign = {
    ...elsewhere.descriptor,
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
    urls: ['https://layers.example/b.tar'],
  }
  const document = { ...JSON.parse(Buffer.from(manifest.bytes).toString()), layers: [own.descriptor, foreign] }
  const bytes = Buffer.from(JSON.stringify(document))
  const root = { descriptor: { ...manifest.descriptor, digest: digestOf(bytes), size: bytes.length }, bytes }
  {
    await using layout = await openDestination(`oci:${dir.join('target')}`)
    for (const blob of [config, own]) await layout.putBlob(blob.descriptor, async () => bytesSource(blob.bytes))
    await layout.putManifest(root)
    await layout.commit(root)
  }
  await writeImage(`oci:${dir.join('base')}`, { layers: [tarOf({ a: 'none' })] })
  const report = await diff([`oci:${dir.join('base')}`], `oci:${dir.join('target')}`, dir.join('d.tare'))
  assert.equal(report.blobs.at(-1)?.origin, 'foreign')
  const digest = await apply(dir.join('d.tare'), [`oci:${dir.join('base')}`], `oci:${dir.join('out')}`)
  assert.equal(digest, root.descriptor.digest)
})
