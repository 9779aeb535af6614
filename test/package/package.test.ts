import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fixture } from '../support/fixtures.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LAUNCHER = fileURLToPath(new URL('../../bin/tare.js', import.meta.url))
const run = promisify(execFile)

interface PackedFile {
  readonly path: string
}

test('npm pack, installed into an empty folder, gives a working tare and its entry points', async () => {
  await using directory = await temporaryDirectory()
  const packed = await run('npm', ['pack', '--json', '--pack-destination', directory.path], { cwd: ROOT })
  const [listing] = parseListing(packed.stdout)
  const paths = (listing?.files ?? []).map((file) => file.path)
  assert.ok(paths.includes('LICENSE') && paths.includes('dist/cli/main.js') && paths.includes('dist/oci/index.d.ts'))
  assert.deepEqual(
    paths.filter((path) => /\.test\.|^(?:src|test|fixtures|node_modules)\//.test(path)),
    [],
  )

  const [tarball = ''] = (await readdir(directory.path)).filter((name) => name.endsWith('.tgz'))
  await writeFile(directory.join('package.json'), '{ "private": true, "type": "module" }')
  await run('npm', ['install', `./${tarball}`, '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: directory.path })

  const { version } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')) as { readonly version: string }
  const inDirectory = (program: string, ...args: readonly string[]): Promise<{ readonly stdout: string }> =>
    run(program, [...args], { cwd: directory.path })
  assert.equal((await inDirectory('npx', '--no-install', 'tare', '--version')).stdout, `${version}\n`)
  assert.match((await inDirectory('npx', '--no-install', 'tare', 'diff', '--help')).stdout, /^Usage: tare diff /)
  await writeFile(
    directory.join('user.js'),
    `import { parseReference } from 'tare/oci'
     import { isTareError } from 'tare/errors'
     console.log(parseReference('debian:13').repository, isTareError(new Error()))`,
  )
  assert.equal((await inDirectory(process.execPath, 'user.js')).stdout, 'library/debian false\n')

  // Patches need the kernels and the worker threads, which are found by their place in the package.
  const [v1, v2] = [fixture('images/app-docker-save-v1.tar.gz'), fixture('images/app-docker-save-v2.tar.zst')]
  const made = await inDirectory(
    'npx',
    '--no-install',
    'tare',
    'diff',
    '--json',
    `docker-archive:${v1}`,
    `docker-archive:${v2}`,
    'app.tare',
  )
  const { result } = JSON.parse(made.stdout) as {
    readonly result: { readonly shippedBytes: number; readonly targetBytes: number }
  }
  assert.ok(result.shippedBytes < result.targetBytes / 5)
  await inDirectory('npx', '--no-install', 'tare', 'apply', 'app.tare', `docker-archive:${v1}`, 'oci:layout:v2')
  const [rebuilt, target] = await Promise.all([
    inDirectory('npx', '--no-install', 'tare', 'inspect', '--raw', 'oci:layout:v2'),
    inDirectory('npx', '--no-install', 'tare', 'inspect', '--raw', `docker-archive:${v2}`),
  ])
  assert.equal(rebuilt.stdout, target.stdout)
})

/** `prepack` may print before the listing. */
function parseListing(stdout: string): readonly { readonly files: readonly PackedFile[] }[] {
  return JSON.parse(stdout.slice(stdout.search(/^\[/m))) as readonly { readonly files: readonly PackedFile[] }[]
}

test('bin/tare.js refuses an old Node with one line and exit code 2', async () => {
  await using directory = await temporaryDirectory()
  for (const version of ['0.12.18', '18.20.0', '22.22.2', '24.14.9']) {
    const pretend = directory.join(`node-${version}.cjs`)
    await writeFile(
      pretend,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
    )
    const ended = await launch('--require', pretend)
    assert.equal(ended.code, 2, version)
    assert.equal(ended.stdout, '')
    assert.equal(ended.stderr, `tare: needs Node.js 24.15.0 or newer, this is ${version}\n`)
  }
})

test('bin/tare.js refuses the old Node of this machine, where there is one', async (t) => {
  const { stdout } = await run('sh', [
    '-c',
    'for node in /usr/bin/node /usr/local/bin/node; do [ -x $node ] && echo $node; done; :',
  ])
  const versions = await Promise.all(
    stdout
      .split('\n')
      .filter((path) => path !== '')
      .map(async (path) => ({ path, version: (await run(path, ['--version'])).stdout })),
  )
  const old = versions.find(({ version }) => Number(/^v(\d+)/.exec(version)?.[1]) < 24)
  if (old === undefined) {
    t.skip('no Node older than 24 is installed')
    return
  }
  const ended = await launchWith(old.path)
  assert.equal(ended.code, 2)
  assert.match(ended.stderr, /^tare: needs Node\.js 24\.15\.0 or newer, this is \d+\.\d+\.\d+\n$/)
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function launch(...nodeOptions: readonly string[]): Promise<Ended> {
  return launchWith(process.execPath, ...nodeOptions)
}

function launchWith(node: string, ...nodeOptions: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(node, [...nodeOptions, LAUNCHER, '--version'], (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}
