import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from './program.ts'

interface Parsed {
  readonly values: Readonly<Record<string, unknown>>
  readonly notes: readonly string[]
}

async function parse(...words: readonly string[]): Promise<Parsed> {
  const notes: string[] = []
  let ran: Command | undefined
  const program = await createProgram(async () => {}, { out() {}, err() {}, note: (text) => notes.push(text) })
  // The last hook: what the verb would see.
  program.hook('preAction', (_, verb) => {
    ran = verb
  })
  await program.parseAsync([...words], { from: 'user' })
  return { values: ran?.optsWithGlobals() ?? {}, notes }
}

const DIFF = ['diff', 'oci:a', 'oci:b', 'c']

test('diffah’s flags mean their counterparts, before and after the verb', async () => {
  const { values, notes } = await parse('--workers', '3', ...DIFF, '-n', '-o', 'json', '--memory-budget=8GiB')
  const { jobs, dryRun, json, memory } = values
  assert.deepEqual({ jobs, dryRun, json, memory }, { jobs: 3, dryRun: true, json: true, memory: 8 * 2 ** 30 })
  assert.deepEqual(notes, [])
  assert.equal((await parse(...DIFF, '--memory-budget', '0')).values['memory'], 0)
})

test('diffah’s log flags choose what is said on stderr', async () => {
  const said = async (...flags: readonly string[]): Promise<readonly unknown[]> => {
    const { values } = await parse(...DIFF, ...flags)
    return [values['quiet'] ?? false, values['verbose'] ?? false, values['progress']]
  }
  assert.deepEqual(await said('--log-level', 'debug'), [false, true, 'auto'])
  assert.deepEqual(await said('--log-level', 'info'), [false, false, 'auto'])
  assert.deepEqual(await said('--log-level', 'error'), [true, false, 'auto'])
  assert.deepEqual(await said('--log-format', 'json'), [false, false, 'json'])
  assert.deepEqual(await said('--log-format', 'json', '--progress', 'off'), [false, false, 'off'])
  assert.deepEqual(await said('--log-format', 'text'), [false, false, 'auto'])
})

test('--username and --password are --creds, and come in pairs', async () => {
  assert.equal((await parse(...DIFF, '--username', 'u', '--password', 'p:w')).values['creds'], 'u:p:w')
  await assert.rejects(parse(...DIFF, '--username', 'u'), { code: 'INVALID_COMMAND_LINE' })
  await assert.rejects(parse(...DIFF, '--password', 'p'), { code: 'INVALID_COMMAND_LINE' })
  await assert.rejects(parse(...DIFF, '--username', 'u:v', '--password', 'p'), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(parse('version', '--username', 'u', '--password', 'p'), { code: 'commander.unknownOption' })
})

test('one way to say who somebody is excludes the others', async () => {
  const ways = [['--creds', 'a:b'], ['--no-creds'], ['--registry-token', 't'], ['--username', 'a', '--password', 'b']]
  for (const [at, way] of ways.entries()) {
    for (const other of ways.toSpliced(at, 1)) {
      await assert.rejects(parse(...DIFF, ...way, ...other), { code: 'commander.conflictingOption' })
    }
    await assert.doesNotReject(parse(...DIFF, ...way, '--authfile', 'f'))
  }
  const copy = ['copy', 'oci:a', 'oci:b']
  await assert.rejects(parse(...copy, '--src-creds', 'a:b', '--src-no-creds'), { code: 'commander.conflictingOption' })
  await assert.doesNotReject(parse(...copy, '--src-creds', 'a:b', '--dest-no-creds', '--registry-token', 't'))
})

test('--format may say what --json says, and not the opposite', async () => {
  assert.equal((await parse(...DIFF, '--format', 'json', '--json')).values['json'], true)
  assert.equal((await parse(...DIFF, '-o', 'text')).values['json'], false)
  await assert.rejects(parse(...DIFF, '--json', '-o', 'text'), { code: 'commander.conflictingOption' })
  await assert.rejects(parse(...DIFF, '-o', 'text', '--json'), { code: 'commander.conflictingOption' })
  await assert.rejects(parse(...DIFF, '-o', 'yaml'), { code: 'commander.invalidArgument' })
})

test('--compress and --allow-convert are ignored, with a note', async () => {
  assert.equal((await parse(...DIFF, '--compress', 'zstd')).notes.length, 1)
  assert.equal((await parse('apply', 'a', 'oci:b', 'oci:c', '--allow-convert')).notes.length, 1)
  assert.equal((await parse('unbundle', 'a', 'b', 'c', '--allow-convert')).notes.length, 1)
})

test('export and import say what does their work now, whatever follows them', async () => {
  await assert.rejects(parse('export', '--pair', 'x', '--help'), { code: 'INVALID_COMMAND_LINE' })
  await assert.rejects(parse('import'), { code: 'INVALID_COMMAND_LINE' })
})
