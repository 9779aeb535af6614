import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { verifyImage } from '../../src/image/index.ts'
import { openSource } from '../../src/transport/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type Ended, errorIn, resultIn, runTare, TARE_MAIN } from '../support/run-tare.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const NAMES = ['one', 'two', 'three']
let dir: TemporaryDirectory

function tare(...args: readonly string[]): Promise<Ended> {
  return runTare(args, { cwd: dir.path })
}

before(async () => {
  dir = await temporaryDirectory()
  const shared = tarOf({ noise: randomBytes(2_000_000) })
  for (const name of NAMES) {
    const own = (release: string): Uint8Array =>
      tarOf({
        [name]: Array.from({ length: 500 }, (_, line) => `${line} ${name} ${line % 50 ? '' : release}`).join('\n'),
      })
    for (const release of ['v1', 'v2']) {
      const layers = [shared, own(release), tarOf({ new: randomBytes(release === 'v1' ? 10 : 300_000) })]
      await writeImage(`oci:${dir.join('images', name)}:${release}`, { layers, compression: 'gzip' })
    }
  }
  const pairs = NAMES.flatMap((name) => ['--pair', `${name}=oci:images/${name}:v1,oci:images/${name}:v2`])
  const made = await tare('bundle', ...pairs, 'all.tare')
  assert.equal(made.code, 0, made.stderr)
})

after(() => dir[Symbol.asyncDispose]())

function unbundleArguments(out: string, place: (name: string) => string): readonly string[] {
  const baselines = NAMES.flatMap((name) => ['--baseline', `${name}=oci:images/${name}:v1`])
  const outputs = NAMES.flatMap((name) => ['--output', `${name}=${place(`${out}/${name}`)}`])
  return ['unbundle', 'all.tare', ...baselines, ...outputs, '--workdir', `${out}-work`, '--json']
}

test('an unbundle that is killed at any point is taken up by the same command, and ends right', async () => {
  const places = [
    (path: string) => `oci:${path}:v2`,
    (path: string) => `dir:${path}`,
    (path: string) => `oci-archive:${path}`,
  ]
  // How long a run takes on this machine decides when it is killed.
  const begun = performance.now()
  assert.equal((await tare(...unbundleArguments('whole', (path) => `dir:${path}`))).code, 0)
  const wholeMs = performance.now() - begun
  for (const [at, share] of [0.6, 0.75, 0.9].entries()) {
    const out = `killed-${at}`
    const args = unbundleArguments(out, places[at % places.length] ?? ((path) => `dir:${path}`))
    const child = spawn(process.execPath, [TARE_MAIN, ...args], {
      cwd: dir.path,
      env: SCRATCH_ENVIRONMENT,
      stdio: 'ignore',
    })
    const exited = once(child, 'exit')
    await sleep(wholeMs * share)
    child.kill('SIGKILL')
    await exited
    const again = await tare(...args)
    assert.equal(again.code, 0, `${again.stdout}${again.stderr}`)
    assert.equal(resultIn(again)['successful'], NAMES.length)
    for (const name of NAMES) {
      const place = (places[at % places.length] ?? String)(dir.join(out, name))
      assert.deepEqual(await problemsOf(place), [])
    }
    // The dead run's scratch files went with the next run.
    assert.deepEqual(await readdir(dir.join(`${out}-work`)).catch(() => []), [])
    const strays = (await readdir(dir.join(out), { recursive: true })).filter((name) => name.endsWith('.tmp'))
    assert.deepEqual(strays, [])
  }
})

test('an unbundle that finds everything done clears up after a killed run all the same', async () => {
  const args = unbundleArguments('done', (path) => `oci:${path}:v2`)
  assert.equal((await tare(...args)).code, 0)
  const { href } = new URL('../../src/stream/index.ts', import.meta.url)
  const script = `import { SpoolDirectory } from '${href}'; await SpoolDirectory.create('done-work')`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: dir.path })
  assert.equal((await readdir(dir.join('done-work'))).length, 1)
  assert.equal((await tare(...args)).code, 0)
  assert.deepEqual(await readdir(dir.join('done-work')), [])
})

async function problemsOf(reference: string): Promise<readonly unknown[]> {
  await using source = await openSource(reference)
  return (await verifyImage(source)).problems
}

/** A file system that is full soon; only root may make one. */
async function smallDisk(path: string, sizeBytes: number): Promise<AsyncDisposable> {
  await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path])
  return {
    async [Symbol.asyncDispose]() {
      await promisify(execFile)('umount', [path])
      await rm(path, { recursive: true })
    },
  }
}

const CANNOT_MOUNT = process.getuid?.() === 0 ? false : 'only root can make a small disk'

test('a disk that fills up in the middle ends a run clearly, and nothing half-written is visible', {
  skip: CANNOT_MOUNT,
}, async () => {
  await using small = await smallDisk(dir.join('small'), 250_000)
  void small
  const archive = await tare(
    'apply',
    'all.tare',
    'oci:images/one:v1',
    'oci-archive:small/one.tar',
    '--image',
    'one',
    '--json',
  )
  assert.deepEqual([archive.code, errorIn(archive)['code']], [3, 'DISK_FULL'])
  assert.deepEqual(await readdir(dir.join('small')), [])
  const delta = await tare('bundle', '--pair', 'a=oci:images/one:v1,oci:images/two:v2', 'small/d.tare', '--json')
  assert.deepEqual([delta.code, errorIn(delta)['code']], [3, 'DISK_FULL'])
  assert.deepEqual(await readdir(dir.join('small')), [])

  // Images that fit elsewhere are done all the same.
  const baselines = NAMES.flatMap((name) => ['--baseline', `${name}=oci:images/${name}:v1`])
  const outputs = [
    '--output',
    'one=dir:small/one',
    '--output',
    'two=dir:roomy/two',
    '--output',
    'three=dir:roomy/three',
  ]
  const partial = await tare('unbundle', 'all.tare', ...baselines, ...outputs, '--json')
  assert.equal(partial.code, 6)
  const images = resultIn(partial)['images'] as readonly {
    readonly status: string
    readonly error?: { readonly code: string }
  }[]
  assert.deepEqual(
    images.map((image) => [image.status, image.error?.code]),
    [
      ['failed-compose', 'DISK_FULL'],
      ['ok', undefined],
      ['ok', undefined],
    ],
  )
  assert.ok(
    !(await readdir(dir.join('small'))).includes('one') ||
      !(await readdir(dir.join('small', 'one'))).includes('manifest.json'),
  )
})
