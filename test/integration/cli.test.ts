import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipWithout } from '../support/peers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const VERBS = ['copy', 'inspect', 'diff', 'apply', 'completion', 'version']

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function tare(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env: {} }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

function errorIn(stdout: string): Readonly<Record<string, unknown>> {
  const envelope = JSON.parse(stdout) as { readonly schemaVersion: number; readonly error: Record<string, unknown> }
  assert.equal(envelope.schemaVersion, 1)
  return envelope.error
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
    const error = errorIn(ended.stdout)
    assert.equal(error['code'], code)
    assert.equal(error['category'], 'usage')
    assert.equal(typeof error['hint'], 'string')
  })
}

test('tare suggests the verb or flag that was likely meant', async () => {
  const [verb, flag] = await Promise.all([tare('aply', '--json'), tare('version', '--qiet', '--json')])
  assert.match(String(errorIn(verb.stdout)['hint']), /apply/)
  assert.match(String(errorIn(flag.stdout)['hint']), /--quiet/)
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
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([code, stderr], [0, ''])
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
  assert.deepEqual(await completes('tare', 'co'), ['copy', 'completion'])
  assert.deepEqual(await completes('tare', 'copy', '--dest-t'), ['--dest-tls-verify'])
  assert.deepEqual(await completes('tare', 'diff', '--progress', 'l'), ['lines'])
  assert.deepEqual(await completes('tare', '--quiet', 'completion', 'z'), ['zsh'])
  assert.deepEqual(await completes('tare', 'copy', 'docker'), ['docker://', 'docker-archive:'])
  assert.deepEqual(await completes('tare', 'copy', 'oci-archive', ':', 'app'), ['app.tare'])
  assert.deepEqual(await completes('tare', 'apply', 'app'), ['app.tare'])
})
