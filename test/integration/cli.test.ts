import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { fixture } from '../support/fixtures.ts'
import { skipWithout } from '../support/peers.ts'
import { type Ended, errorIn, resultIn, runTare, TARE_MAIN } from '../support/run-tare.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const VERBS = [
  'copy',
  'inspect',
  'diff',
  'apply',
  'bundle',
  'unbundle',
  'verify',
  'sign',
  'pull',
  'push',
  'image',
  'content',
  'lease',
  'gc',
  'layer',
  'manifest',
  'config',
  'doctor',
  'completion',
  'version',
]

function tare(...args: readonly string[]): Promise<Ended> {
  return runTare(args)
}

test('tare --help lists every verb on stdout and succeeds', async () => {
  const { code, stdout, stderr } = await tare('--help')
  assert.equal(code, 0)
  assert.equal(stderr, '')
  for (const verb of VERBS) assert.match(stdout, new RegExp(`^  ${verb} +\\S`, 'm'))
})

test('tare VERB --help has examples, its own options and the global ones', async () => {
  const helps = await Promise.all(VERBS.map((verb) => tare(verb, '--help')))
  for (const { code, stdout } of helps) {
    assert.equal(code, 0)
    assert.match(stdout, /^Examples:\n {2}# \S/m)
    assert.match(stdout, /^ +--workdir <dir>/m)
  }
  assert.match(helps[0]?.stdout ?? '', /--src-creds/)
})

test('tare --version prints the version of the package alone', async () => {
  const { code, stdout } = await tare('--version')
  assert.equal(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

test('tare takes global options before and after the verb', async () => {
  const [before, after] = await Promise.all([tare('--json', 'version'), tare('version', '--json')])
  assert.equal(before.code, 0)
  assert.equal(before.stdout, after.stdout)
  const envelope = JSON.parse(before.stdout) as { readonly result: Record<string, unknown> }
  assert.equal(envelope.result['node'], process.versions.node)
})

const WRONG: readonly (readonly [what: string, args: readonly string[], code: string])[] = [
  ['no verb', [], 'INVALID_COMMAND_LINE'],
  ['an unknown verb', ['copi', 'a', 'b'], 'INVALID_COMMAND_LINE'],
  ['an unknown flag', ['copy', 'oci:a', 'oci:b', '--forse'], 'INVALID_COMMAND_LINE'],
  ['a missing argument', ['copy', 'oci:a'], 'INVALID_COMMAND_LINE'],
  ['an argument too many', ['copy', 'oci:a', 'oci:b', 'oci:c'], 'INVALID_COMMAND_LINE'],
  ['a flag without its value', ['copy', 'oci:a', 'oci:b', '--authfile'], 'INVALID_COMMAND_LINE'],
  ['a size that is none', ['diff', 'oci:a', 'oci:b', 'c', '--memory', 'lots'], 'INVALID_ARGUMENT'],
  ['a choice that is none', ['version', '--progress', 'loud'], 'INVALID_ARGUMENT'],
  ['a delta that is no file', ['diff', 'oci:a', 'oci:b', 'docker://127.0.0.1:5000/delta:1'], 'INVALID_ARGUMENT'],
  ['flags that exclude each other', ['inspect', 'oci:a', '--raw', '--config'], 'INVALID_ARGUMENT'],
]

for (const [what, args, code] of WRONG) {
  test(`tare with ${what} exits 2, says what to do, and prints nothing to stdout`, async () => {
    const ended = await tare(...args)
    assert.equal(ended.code, 2)
    assert.equal(ended.stdout, '')
    assert.match(ended.stderr, /^tare: .+\nhint: .+\n$/m)
    assert.doesNotMatch(ended.stderr, /^\s+at /m)
  })

  test(`tare --json with ${what} prints one error envelope to stdout`, async () => {
    // `--raw --json` exclude each other too, so the envelope is asked for in front of the same words.
    const ended = await tare('--json', ...args)
    assert.equal(ended.code, 2)
    const error = errorIn(ended)
    assert.equal(error['code'], code)
    assert.equal(error['category'], 'usage')
    assert.equal(typeof error['hint'], 'string')
  })
}

test('tare suggests the verb or flag that was likely meant', async () => {
  const [verb, flag] = await Promise.all([tare('aply', '--json'), tare('version', '--qiet', '--json')])
  assert.match(String(errorIn(verb)['hint']), /apply/)
  assert.match(String(errorIn(flag)['hint']), /--quiet/)
})

test('tare --verbose shows where an error comes from', async () => {
  const { stderr } = await tare('copi', '--verbose')
  assert.match(stderr, /^\s+at /m)
})

test('tare --progress json tells errors as events', async () => {
  const { code, stdout, stderr } = await tare('copi', '--progress', 'json')
  assert.deepEqual([code, stdout], [2, ''])
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    events.map((event) => [event['event'], event['code']]),
    [['error', 'INVALID_COMMAND_LINE']],
  )
})

test('tare ends quietly when the reader of its output has gone', async () => {
  const child = spawn(process.execPath, [TARE_MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([code, stderr], [0, ''])
})

/** A registry that takes connections and never says a word. */
async function silentServer(): Promise<
  { readonly address: string; readonly connected: Promise<unknown> } & AsyncDisposable
> {
  const server = createServer()
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    address: `127.0.0.1:${address.port}`,
    connected: once(server, 'connection'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`tare stopped by ${signal} exits ${exitCode}, tells so as JSON and leaves nothing behind`, async () => {
    await using directory = await temporaryDirectory()
    await using server = await silentServer()
    await mkdir(directory.join('work'))
    const args = ['copy', `docker://${server.address}/app:v1`, 'oci:layout', '--tls-verify=false', '--workdir', 'work']
    const child = spawn(process.execPath, [TARE_MAIN, ...args, '--json'], {
      cwd: directory.path,
      env: { ...process.env, ...SCRATCH_ENVIRONMENT },
    })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    await server.connected
    child.kill(signal)
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, exitCode)
    assert.deepEqual([errorIn({ stdout })['code'], errorIn({ stdout })['signal']], ['INTERRUPTED', signal])
    assert.deepEqual(await readdir(directory.path, { recursive: true }), ['work'])
  })
}

test('tare copy, diff, inspect and apply keep the digest of a real image and report as JSON', async () => {
  await using directory = await temporaryDirectory()
  const [v1, v2] = [1, 2].map((version) => `oci-archive:${fixture(`images/app-docker-v${version}.oci.tar`)}`)
  assert.ok(v1 !== undefined && v2 !== undefined)
  const delta = directory.join('app.tare')
  const [, wanted] = await Promise.all([tare('diff', v1, v2, delta, '--json'), tare('inspect', v2, '--raw')])
  const copied = resultIn(await tare('copy', v1, `oci:${directory.join('layout')}:v1`, '--json'))
  const summary = resultIn(await tare('inspect', delta, '--json'))
  const applied = await tare('apply', delta, `oci:${directory.join('layout')}:v1`, `oci:${directory.join('layout')}:v2`)
  assert.equal(applied.code, 0, applied.stderr)
  const made = await tare('inspect', `oci:${directory.join('layout')}:v2`, '--raw')
  assert.equal(made.stdout, wanted.stdout)
  assert.equal(copied['writtenBytes'], 2_758_009)
  const [image] = summary['images'] as readonly { readonly target: { readonly digest: string } }[]
  assert.equal(image?.target.digest, `sha256:${createHash('sha256').update(wanted.stdout).digest('hex')}`)
})

test('tare diff --dry-run and apply --dry-run write nothing', async () => {
  await using directory = await temporaryDirectory()
  const [v1, v2] = [1, 2].map((version) => `oci-archive:${fixture(`images/app-docker-v${version}.oci.tar`)}`)
  assert.ok(v1 !== undefined && v2 !== undefined)
  const delta = directory.join('app.tare')
  assert.equal((await tare('diff', v1, v2, delta, '--dry-run')).code, 0)
  assert.deepEqual(await readdir(directory.path), [])
  assert.equal((await tare('diff', v1, v2, delta)).code, 0)
  assert.equal((await tare('apply', delta, v1, `oci:${directory.join('layout')}:v2`, '--dry-run')).code, 0)
  assert.deepEqual(await readdir(directory.path), ['app.tare'])
})

test('tare inspect of a bare path that is not there names the image that may be meant', async () => {
  const { code, stdout } = await tare('inspect', 'debian:13', '--json')
  assert.equal(code, 3)
  const error = errorIn({ stdout })
  assert.equal(error['code'], 'FILE_NOT_FOUND')
  assert.match(String(error['hint']), /docker:\/\/debian:13/)
})

test('tare --quiet prints no summary but what inspect was asked for', async () => {
  await using directory = await temporaryDirectory()
  const image = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
  const copied = await tare('copy', image, `oci:${directory.join('layout')}:v1`, '--quiet')
  assert.deepEqual([copied.code, copied.stdout, copied.stderr], [0, '', ''])
  const inspected = await tare('inspect', image, '--quiet')
  assert.match(inspected.stdout, /^digest: sha256:/m)
})

test('tare completion prints a script that names every verb, for each shell', async () => {
  for (const { code, stdout } of await Promise.all(['bash', 'zsh', 'fish'].map((shell) => tare('completion', shell)))) {
    assert.equal(code, 0)
    for (const verb of VERBS) assert.ok(stdout.includes(verb))
    assert.ok(stdout.includes('docker-archive:'))
  }
  assert.equal((await tare('completion', 'tcsh')).code, 2)
})

/** What bash would offer for the last of `words`, by the script that Tare prints. */
async function bashCompletes(directory: string, ...words: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await tare('completion', 'bash')
  const script = `${stdout}
compopt() { :; }
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_tare
printf '%s\\n' "\${COMPREPLY[@]}"`
  return new Promise((resolve, reject) => {
    execFile('bash', ['--norc', '-c', script], { cwd: directory }, (error, output) =>
      error ? reject(error) : resolve(output.split('\n').filter((line) => line !== '')),
    )
  })
}

test('tare completion bash completes verbs, flags, choices, prefixes and files', {
  skip: skipWithout('bash'),
}, async () => {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('app.tare'), '')
  const completes = bashCompletes.bind(undefined, directory.path)
  assert.deepEqual(await completes('tare', 'co'), ['copy', 'content', 'config', 'completion'])
  assert.deepEqual(await completes('tare', 'copy', '--dest-t'), ['--dest-tls-verify'])
  assert.deepEqual(await completes('tare', 'diff', '--progress', 'l'), ['lines'])
  assert.deepEqual(await completes('tare', '--quiet', 'completion', 'z'), ['zsh'])
  assert.deepEqual(await completes('tare', 'copy', 'docker'), ['docker://', 'docker-archive:', 'docker-daemon:'])
  assert.deepEqual(await completes('tare', 'copy', 'oci-archive', ':', 'app'), ['app.tare'])
  assert.deepEqual(await completes('tare', 'apply', 'app'), ['app.tare'])
  assert.deepEqual(await completes('tare', 'layer', ''), ['explain'])
  assert.deepEqual(await completes('tare', 'layer', 'explain', 'app'), ['app.tare'])
})

test('tare inspect of a bare directory suggests the transport of what lies in it', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('image')
  assert.equal((await tare('copy', `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `dir:${path}`)).code, 0)
  const ended = await tare('inspect', path, '--json')
  assert.equal(errorIn(ended)['code'], 'INVALID_ARCHIVE')
  assert.match(String(errorIn(ended)['hint']), / dir:/)
})

test('tare exits 3 when the disk that stdout goes to is full', {
  skip: existsSync('/dev/full') ? false : 'no /dev/full',
}, async () => {
  const full = openSync('/dev/full', 'w')
  try {
    const child = spawn(process.execPath, [TARE_MAIN, 'version'], { stdio: ['ignore', full, 'ignore'] })
    const [code] = await once(child, 'exit')
    assert.equal(code, 3)
  } finally {
    closeSync(full)
  }
})
