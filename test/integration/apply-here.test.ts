import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { applyDelta, diffImages, openLocalBaselines, readDeltas } from '../../src/delta/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { IncrementalArchive, layersLeftOut } from '../../src/incremental/index.ts'
import { copyImage } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { type OpenContext, openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner, type KernelRunner } from '../../src/workers/index.ts'
import { startContainerd } from '../support/containerd-server.ts'
import { type DockerEngineServerOptions, startDockerEngine } from '../support/docker-engine-server.ts'
import { buildImage, type ImageRecipe, tarOf, writeImage } from '../support/image-builder.ts'
import { type RunPlace, runInProcess } from '../support/command-line.ts'
import { errorIn, resultIn } from '../support/run-tare.ts'
import { SCRATCH_CACHE } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const BASE = tarOf({ 'etc/base': 'base '.repeat(2000) })
const text = Array.from({ length: 400 }, (_, at) => `line ${at} ${(at * 7919) % 1009}`).join('\n')
const APP_V1 = tarOf({ 'usr/app': text })
const APP_V2 = tarOf({ 'usr/app': `${text}\nline more` })
const V1: ImageRecipe = { layers: [BASE, APP_V1], compression: 'gzip' }
const V2: ImageRecipe = { layers: [BASE, APP_V2], compression: 'gzip' }
const TARGET = buildImage(V2).manifest.descriptor.digest

let kernels: KernelRunner
/** v1 and v2 as layouts, and the delta between them. */
let made: TemporaryDirectory

before(async () => {
  kernels = await createInlineRunner()
  made = await temporaryDirectory()
  await writeImage(`oci:${made.join('v1')}:v1`, V1)
  await writeImage(`oci:${made.join('v2')}:v2`, V2)
  await using baseline = await openSource(`oci:${made.join('v1')}:v1`)
  await using target = await openSource(`oci:${made.join('v2')}:v2`)
  await using file = await openDestination(`oci-archive:${made.join('app.tare')}`)
  const { blobs } = await diffImages([baseline], target, file, { kernels, tool: 'tare/test' })
  assert.deepEqual(blobs.map(({ origin }) => origin).slice(2), ['baseline', 'patch'])
})

after(() => made[Symbol.asyncDispose]())

/** No store and no engine but those that a test starts. */
function nowhere(dir: TemporaryDirectory): OpenContext & { readonly storeDirectory: string } {
  return {
    storeDirectory: dir.join('store'),
    workdir: dir.path,
    containerd: { address: dir.join('no-containerd.sock') },
    docker: { host: `unix://${dir.join('no-docker.sock')}` },
  }
}

async function copy(from: string, to: string, context: OpenContext): Promise<void> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  await copyImage(source, destination)
}

/** Applies the delta to what is here. @returns the references that were picked, and what was written */
async function apply(
  context: OpenContext,
  to: string,
): Promise<{ readonly picked: readonly string[]; readonly digest: Digest }> {
  await using file = await openSource(`oci-archive:${made.join('app.tare')}`)
  const set = await readDeltas(file)
  const [delta] = set.deltas
  assert.ok(delta !== undefined)
  await using destination = await openDestination(to, context)
  await using here = await openLocalBaselines(delta, context, { layerForm: destination.layerForm })
  const report = await applyDelta(set, here.sources, destination, { kernels, workdir: context.workdir })
  return { picked: here.picked.map(({ reference }) => reference), digest: report.copy.digest }
}

describe('openLocalBaselines()', () => {
  test('finds the baseline in the store, whatever it is called there, and asks no engine', async () => {
    await using dir = await temporaryDirectory()
    const context = nowhere(dir)
    await copy(`oci:${made.join('v1')}:v1`, 'store:other/name:old', context)
    const { digest: v1 } = buildImage(V1).manifest.descriptor
    const applied = await apply(context, `oci:${dir.join('out')}`)
    assert.deepEqual(applied, { picked: [`store:docker.io/other/name:old@${v1}`], digest: TARGET })
  })

  test('takes layers of several images together', async () => {
    await using dir = await temporaryDirectory()
    const context = nowhere(dir)
    await writeImage('store:base', { layers: [BASE], compression: 'gzip' }, context)
    // Plain here, which does for a layer that a patch reads.
    await writeImage('store:part', { layers: [APP_V1] }, context)
    const { picked, digest } = await apply(context, `oci:${dir.join('out')}`)
    assert.equal(digest, TARGET)
    assert.deepEqual(picked.map((reference) => reference.replace(/@.*/, '')).toSorted(), [
      'store:docker.io/library/base:latest',
      'store:docker.io/library/part:latest',
    ])
  })

  test('takes what is already made of the target as it is', async () => {
    await using dir = await temporaryDirectory()
    const context = nowhere(dir)
    await copy(`oci:${made.join('v2')}:v2`, 'store:app:v2', context)
    const { picked, digest } = await apply(context, `oci:${dir.join('out')}`)
    assert.deepEqual([picked, digest], [[`store:docker.io/library/app:v2@${TARGET}`], TARGET])
  })

  test('goes on to containerd where the store lacks something', async () => {
    await using dir = await temporaryDirectory()
    await using containerd = await startContainerd()
    const context = { ...nowhere(dir), containerd: { address: containerd.address, namespace: 'mine' } }
    await writeImage('store:base', { layers: [BASE], compression: 'gzip' }, context)
    await copy(`oci:${made.join('v1')}:v1`, 'containerd:app:v1', context)
    const { picked, digest } = await apply(context, 'containerd:app:v2')
    assert.equal(digest, TARGET)
    assert.deepEqual(picked.map((reference) => reference.replace(/@.*/, '')).toSorted(), [
      'containerd:docker.io/library/app:v1',
      'store:docker.io/library/base:latest',
    ])
  })

  test('applies into docker with layers that docker has unpacked, which a registry could not be given', async () => {
    await using dir = await temporaryDirectory()
    await using docker = await startDockerEngine()
    const context = { ...nowhere(dir), docker: { host: docker.host } }
    await copy(`oci:${made.join('v1')}:v1`, 'docker-daemon:app:v1', context)
    const { picked } = await apply(context, 'docker-daemon:app:v2')
    assert.deepEqual(picked, ['docker-daemon:docker.io/library/app:v1'])
    // The base layer is taken compressed, and docker has it no more.
    await assert.rejects(apply(context, `oci:${dir.join('out')}`), (error) => {
      assert.ok(hasErrorCode(error, 'BASELINE_LACKS_BLOB'))
      assert.match(error.message, /of engine at tcp:/)
      return true
    })
  })

  test('trusts an engine that keeps blobs to have them as they came', async () => {
    await using dir = await temporaryDirectory()
    const options: DockerEngineServerOptions = { storage: 'blobs' }
    await using docker = await startDockerEngine(options)
    const context = { ...nowhere(dir), docker: { host: docker.host } }
    await copy(`oci:${made.join('v1')}:v1`, 'docker-daemon:app:v1', context)
    const { picked, digest } = await apply(context, `oci:${dir.join('out')}`)
    assert.deepEqual([picked, digest], [['docker-daemon:docker.io/library/app:v1'], TARGET])
  })

  test('names what no image has, where it looked, and what the delta was made against', async () => {
    await using dir = await temporaryDirectory()
    const context = nowhere(dir)
    await writeImage('store:base', { layers: [BASE], compression: 'gzip' }, context)
    await assert.rejects(apply(context, `oci:${dir.join('out')}`), (error) => {
      assert.ok(hasErrorCode(error, 'BASELINE_LACKS_BLOB'))
      assert.match(error.message, /has a layer .*looked at 1 image of store .*no-containerd\.sock.*no-docker\.sock/)
      assert.match(error.hint ?? '', /made against v1/)
      return true
    })
  })
})

describe('tare apply', () => {
  const place = (dir: TemporaryDirectory): RunPlace => ({
    homeDirectory: dir.join('home'),
    env: {
      XDG_CACHE_HOME: SCRATCH_CACHE,
      TARE_STORE: dir.join('store'),
      CONTAINERD_ADDRESS: dir.join('no-containerd.sock'),
      DOCKER_HOST: `unix://${dir.join('no-docker.sock')}`,
    },
  })

  test('without a baseline picks one that is here, and says which', async () => {
    await using dir = await temporaryDirectory()
    await copy(`oci:${made.join('v1')}:v1`, 'store:app:v1', nowhere(dir))
    const { digest } = buildImage(V1).manifest.descriptor
    const reference = `store:docker.io/library/app:v1@${digest}`
    const ended = await runInProcess(place(dir), 'apply', made.join('app.tare'), 'store:app:v2')
    assert.equal(ended.code, 0, ended.stderr)
    assert.ok(ended.stdout.includes(`${reference}, for 2 layers`), ended.stdout)
    assert.ok(ended.stdout.includes(TARGET), ended.stdout)
  })

  test('without a baseline completes an incremental archive too', async () => {
    await using dir = await temporaryDirectory()
    const [archive, v2] = [dir.join('app.tar'), `oci:${made.join('v2')}:v2`]
    const pull = ['incremental', 'pull', '--base', `oci:${made.join('v1')}:v1`, v2, archive]
    const pulled = await runInProcess(place(dir), ...pull)
    assert.equal(pulled.code, 0, pulled.stderr)
    const without = await runInProcess(place(dir), 'apply', '--json', archive, `oci:${dir.join('out')}`)
    assert.deepEqual([without.code, errorIn(without)['code']], [4, 'BASELINE_LACKS_BLOB'])
    await copy(`oci:${made.join('v1')}:v1`, 'store:app:v1', nowhere(dir))
    const ended = await runInProcess(place(dir), 'apply', '--json', archive, `oci:${dir.join('out')}`)
    assert.equal(ended.code, 0, ended.stderr)
    assert.equal((resultIn(ended)['target'] as { digest: string }).digest, TARGET)

    await using opened = await IncrementalArchive.open({ transport: 'oci-archive', path: archive })
    const [image] = opened.images
    assert.ok(image !== undefined)
    assert.equal((await layersLeftOut(opened, image, 'plain')).length, 1)
  })

  test('without any image is a mistake on the command line', async () => {
    await using dir = await temporaryDirectory()
    const ended = await runInProcess(place(dir), 'apply', '--json', made.join('app.tare'))
    assert.deepEqual([ended.code, errorIn(ended)['code']], [2, 'INVALID_COMMAND_LINE'])
  })
})
