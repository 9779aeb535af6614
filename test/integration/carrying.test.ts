import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { copyFile, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startRegistry } from '../../src/registry/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { runInProcess } from '../support/command-line.ts'
import { fixture } from '../support/fixtures.ts'
import { SCRATCH_CACHE, SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const V1 = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
const V2 = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`
/** Its delta from itself is made at once. */
const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`

interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs the tool with `input` as its standard input; without one that is empty. */
async function tare(args: readonly string[], input?: Uint8Array): Promise<Ended> {
  const place = { env: SCRATCH_ENVIRONMENT, homeDirectory: SCRATCH_CACHE, input }
  const { code, output, stderr } = await runInProcess(place, ...args)
  return { code, stdout: output, stderr }
}

/** The error of a run with `--json`. */
function errorIn(text: string | Buffer): Readonly<Record<string, unknown>> {
  return (JSON.parse(text.toString()) as { readonly error: Record<string, unknown> }).error
}

function resultIn(text: string | Buffer): Readonly<Record<string, unknown>> {
  return (JSON.parse(text.toString()) as { readonly result: Record<string, unknown> }).result
}

const manifestOf = async (reference: string): Promise<string> =>
  (await tare(['inspect', reference, '--raw'])).stdout.toString()

/** A delta between the fixtures: in volumes `app.tare.001` …, and whole. */
let made: {
  readonly directory: TemporaryDirectory
  readonly report: Readonly<Record<string, unknown>>
  readonly whole: Buffer
}
let wanted: string

before(async () => {
  const directory = await temporaryDirectory()
  const ended = await tare(['diff', V1, V2, directory.join('app.tare'), '--split', '300kB', '--json'])
  assert.equal(ended.code, 0, ended.stderr)
  const volumes = []
  for (const name of (await readdir(directory.path)).toSorted()) {
    if (name !== 'app.tare.sha256') volumes.push(await readFile(directory.join(name)))
  }
  made = { directory, report: resultIn(ended.stdout), whole: Buffer.concat(volumes) }
  wanted = await manifestOf(V2)
})

after(() => made.directory[Symbol.asyncDispose]())

/** A directory of its own with the volumes in it. */
async function volumes(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory()
  for (const name of await readdir(made.directory.path)) await copyFile(made.directory.join(name), directory.join(name))
  return directory
}

suite('tare diff --split', () => {
  test('writes volumes of the size that was asked for, and reports them', async () => {
    const names = ['app.tare.001', 'app.tare.002', 'app.tare.003']
    assert.deepEqual((await readdir(made.directory.path)).toSorted(), [...names, 'app.tare.sha256'])
    assert.deepEqual([made.report['volumes'], made.report['fileBytes']], [names, made.whole.length])
    const sizes = await Promise.all(names.map(async (name) => (await stat(made.directory.join(name))).size))
    assert.deepEqual(sizes, [300_000, 300_000, made.whole.length - 600_000])
  })

  test('refuses a name at which a whole file lies, standard output, and sizes that make no sense', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('app.tare'), 'mine')
    const cases = [
      [['diff', MULTI, MULTI, directory.join('app.tare'), '--split', '10kB'], 'DESTINATION_EXISTS'],
      [['diff', MULTI, MULTI, directory.join('b.tare'), '--split', '1'], 'INVALID_ARGUMENT'],
      [['diff', MULTI, MULTI, directory.join('b.tare'), '--split', '0'], 'INVALID_ARGUMENT'],
      [['copy', MULTI, `oci:${directory.join('layout')}`, '--split', '1MB'], 'INVALID_ARGUMENT'],
    ] as const
    for (const [args, code] of cases) {
      const { code: exitCode, stdout } = await tare([...args, '--json'])
      assert.deepEqual([exitCode, errorIn(stdout)['code']], [2, code], args.join(' '))
    }
    const piped = await tare(['diff', MULTI, MULTI, '-', '--split', '10kB', '--json', '--quiet'])
    assert.deepEqual([piped.code, piped.stdout.length, errorIn(piped.stderr)['code']], [2, 0, 'INVALID_ARGUMENT'])
    assert.deepEqual(await readdir(directory.path), ['app.tare'])
  })

  test('warns where volumes of another run lie beside a whole file', async () => {
    await using directory = await volumes()
    const { code, stderr } = await tare(['diff', MULTI, MULTI, directory.join('app.tare')])
    assert.equal(code, 0)
    assert.match(stderr, /warning: .*app\.tare\.001/)
  })

  test('killed in the middle leaves nothing visible, and the next run clears up', async () => {
    await using directory = await temporaryDirectory()
    const args = ['copy', V1, `oci-archive:${directory.join('x')}`, '--split', '2kB']
    const watcher = watch(directory.path)
    const child = spawn(process.execPath, [MAIN, ...args], { env: SCRATCH_ENVIRONMENT, stdio: 'ignore' })
    await once(watcher, 'change')
    watcher.close()
    child.kill('SIGKILL')
    await once(child, 'close')
    const left = await readdir(directory.path)
    assert.ok(left.length > 0 && left.every((name) => /^\.x\.\d{3,4}\.[0-9a-f]{24}\.tmp$/.test(name)), left.join(' '))
    const again = await tare(['copy', V1, `oci-archive:${directory.join('x')}`, '--split', '3MB'])
    assert.equal(again.code, 0, again.stderr)
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['x.001', 'x.002', 'x.003', 'x.sha256'])
  })
})

suite('tare apply', () => {
  test('finds the volumes of a delta by its name or the first of them', async () => {
    await using directory = await volumes()
    for (const name of ['oci-archive:app.tare', 'app.tare.001']) {
      const delta = name.replace('app', directory.join('app'))
      const { code, stderr } = await tare(['apply', delta, V1, `oci:${directory.join('out')}:${name.length}`])
      assert.equal(code, 0, stderr)
      assert.match(stderr, /check volumes of app\.tare: done/)
      assert.equal(await manifestOf(`oci:${directory.join('out')}:${name.length}`), wanted)
    }
  })

  test('reads a delta from standard input', async () => {
    await using directory = await temporaryDirectory()
    const args = ['apply', '-', V1, `oci:${directory.join('out')}`, '--workdir', directory.join('work')]
    const { code, stderr } = await tare(args, made.whole)
    assert.equal(code, 0, stderr)
    assert.equal(await manifestOf(`oci:${directory.join('out')}`), wanted)
    assert.deepEqual(await readdir(directory.join('work')), [])
  })

  test('names volumes that are missing or damaged, and writes nothing', async () => {
    await using directory = await volumes()
    const apply = async (): Promise<Readonly<Record<string, unknown>>> => {
      const ended = await tare(['apply', directory.join('app.tare'), V1, `oci:${directory.join('out')}`, '--json'])
      assert.equal(ended.code, 4)
      const error = errorIn(ended.stdout)
      return { code: error['code'], volumes: error['volumes'] }
    }
    const second = directory.join('app.tare.002')
    await rename(second, directory.join('kept'))
    assert.deepEqual(await apply(), { code: 'VOLUME_MISSING', volumes: ['app.tare.002'] })
    const bytes = await readFile(directory.join('kept'))
    bytes.fill(0, 200_000)
    await writeFile(second, bytes)
    assert.deepEqual(await apply(), { code: 'VOLUME_DAMAGED', volumes: ['app.tare.002'] })
    await truncate(second, 200_000)
    assert.deepEqual(await apply(), { code: 'VOLUME_DAMAGED', volumes: ['app.tare.002'] })
    await rename(directory.join('kept'), second)
    // Nothing tells of the last one but what the archive itself says.
    await rm(directory.join('app.tare.sha256'))
    await rm(directory.join('app.tare.003'))
    assert.deepEqual(await apply(), { code: 'FILE_INCOMPLETE', volumes: undefined })
    assert.ok(!(await readdir(directory.path)).includes('out'))
  })

  test('tells a delta that was copied in part, from a file as from standard input', async () => {
    await using directory = await temporaryDirectory()
    const half = Math.floor(made.whole.length / 2)
    const holed = Buffer.concat([made.whole.subarray(0, half), Buffer.alloc(made.whole.length - half)])
    const cases = [
      [made.whole.subarray(0, half), { actualBytes: half }],
      [holed, { actualBytes: holed.length, zerosFromByte: half }],
      [Buffer.alloc(0), { actualBytes: 0 }],
    ] as const
    for (const [bytes, facts] of cases) {
      await writeFile(directory.join('app.tare'), bytes)
      for (const delta of [directory.join('app.tare'), '-']) {
        const ended = await tare(['apply', delta, V1, `oci:${directory.join('out')}`, '--json'], bytes)
        const error = errorIn(ended.stdout)
        assert.deepEqual([ended.code, error['code']], [4, 'FILE_INCOMPLETE'])
        for (const [name, value] of Object.entries(facts)) assert.equal(error[name], value)
      }
    }
  })
})

test('tare copy takes a delta into a registry and back: the same file, the same volumes', async () => {
  await using registry = await startRegistry()
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('app.tare'), made.whole)
  const place = `docker://${registry.address}/app:delta`
  for (const args of [
    [`oci-archive:${directory.join('app.tare')}`, place],
    [place, `oci-archive:${directory.join('back.tare')}`],
    ['--split', '300kB', place, `oci-archive:${directory.join('disc.tare')}`],
  ]) {
    const { code, stderr } = await tare(['copy', '--tls-verify', 'false', ...args])
    assert.equal(code, 0, stderr)
  }
  assert.ok(made.whole.equals(await readFile(directory.join('back.tare'))))
  const sums = await readFile(directory.join('disc.tare.sha256'), 'utf8')
  assert.equal(sums.replaceAll('disc.', 'app.'), await readFile(made.directory.join('app.tare.sha256'), 'utf8'))
})

suite('standard streams', () => {
  test('tare diff A B - writes the delta to standard output and nothing else', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('m.tare')
    const work = ['--workdir', directory.join('work')]
    assert.equal((await tare(['diff', MULTI, MULTI, path])).code, 0)
    const file = await readFile(path)
    const piped = await tare(['diff', MULTI, MULTI, '-', ...work])
    assert.ok(piped.stdout.equals(file))
    assert.match(piped.stderr, /^wrote: +-$/m)
    const quiet = await tare(['diff', MULTI, MULTI, 'oci-archive:-', '--quiet', ...work])
    assert.ok(quiet.stdout.equals(file))
    assert.equal(quiet.stderr, '')
    const json = await tare(['diff', MULTI, MULTI, '-', '--json', '--progress', 'off', ...work])
    assert.ok(json.stdout.equals(file))
    assert.deepEqual([resultIn(json.stderr)['path'], resultIn(json.stderr)['fileBytes']], ['-', file.length])
    assert.deepEqual(await readdir(directory.join('work')), [])

    const inspected = await tare(['inspect', '-', '--json'], file)
    assert.deepEqual(resultIn(inspected.stdout)['reference'], 'oci-archive:-')
    assert.equal(resultIn(inspected.stdout)['digest'], resultIn(json.stderr)['digest'])
    assert.equal(
      (await tare(['inspect', '-', '--raw'], file)).stdout.toString(),
      await manifestOf(`oci-archive:${path}`),
    )
  })

  test('an error goes to stderr too where an archive was to go to standard output', async () => {
    const absent = `oci:${fixture('images')}/none`
    const ended = await tare(['diff', MULTI, absent, '-', '--json'])
    assert.deepEqual([ended.code, ended.stdout.length, errorIn(ended.stderr)['code']], [3, 0, 'FILE_NOT_FOUND'])
    const dry = await tare(['diff', MULTI, MULTI, '-', '--json', '--dry-run'])
    assert.equal(typeof resultIn(dry.stdout)['targetBytes'], 'number')
  })

  test('tare copy takes archives through pipes, both kinds, both ways', async () => {
    await using directory = await temporaryDirectory()
    const piped = await tare(['copy', MULTI, 'oci-archive:-:app:v1', '--quiet'])
    assert.equal(piped.code, 0, piped.stderr)
    const layout = `oci:${directory.join('layout')}:v1`
    assert.equal((await tare(['copy', 'oci-archive:-:app:v1', layout, '--quiet'], piped.stdout)).code, 0)
    assert.equal(await manifestOf(layout), await manifestOf(MULTI))
    const docker = await tare(['copy', V1, 'docker-archive:-:app:v1', '--quiet'])
    const direct = directory.join('direct.tar')
    assert.equal((await tare(['copy', V1, `docker-archive:${direct}:app:v1`])).code, 0)
    assert.equal(digestOf(docker.stdout), digestOf(await readFile(direct)))
    const back = await tare(['inspect', 'docker-archive:-:app:v1', '--raw'], docker.stdout)
    assert.equal(back.stdout.toString(), await manifestOf(V1))
  })

  test('standard input serves once', async () => {
    await using directory = await temporaryDirectory()
    const args = ['apply', '-', 'oci-archive:-', `oci:${directory.join('out')}`, '--json']
    const ended = await tare(args, made.whole)
    assert.deepEqual([ended.code, errorIn(ended.stdout)['code']], [2, 'INVALID_ARGUMENT'])
  })

  test('a wait for standard input ends with a signal, and leaves nothing behind', async () => {
    await using directory = await temporaryDirectory()
    const args = ['apply', '-', V1, `oci:${directory.join('out')}`, '--workdir', directory.join('work')]
    const child = spawn(process.execPath, [MAIN, ...args, '--json', '--progress', 'json'], { env: SCRATCH_ENVIRONMENT })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stdin.write(made.whole.subarray(0, 1000))
    // The first event is that it reads.
    await once(child.stderr, 'data')
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number | null]
    assert.deepEqual([code, errorIn(stdout)['code']], [143, 'INTERRUPTED'])
    assert.deepEqual(await readdir(directory.path, { recursive: true }), ['work'])
  })
})
