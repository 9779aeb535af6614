import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type TemporaryDirectory, temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import type { Host } from '../host.ts'
import { addGlobalOptions } from '../global-options.ts'
import { collect } from '../option-values.ts'
import { createProgram } from '../program.ts'
import { applySettings } from './apply-settings.ts'
import { SETTINGS } from './setting-table.ts'

/** As much of a host as settings look at. */
function hostOf(dir: TemporaryDirectory, env: Host['env']): Host {
  return { env: { TARE_CONFIG: dir.join('c.yaml'), ...env }, homeDirectory: dir.path } as unknown as Host
}

/** A program with a verb that has all kinds of options, and what that verb is told. */
async function valuesFor(
  dir: TemporaryDirectory,
  words: readonly string[],
  env: Host['env'] = {},
): Promise<Readonly<Record<string, unknown>>> {
  let values: Readonly<Record<string, unknown>> = {}
  const program = new Command('tare')
  addGlobalOptions(program)
  const verb = new Command('verify')
    .addOption(new Option('--platform <p>').argParser(collect))
    .option('--tls-verify <bool>', '', (word) => word === 'true')
    .option('--retry-delay <time>', '', (word) => {
      if (word === '7h') throw new InvalidArgumentError('Not that long')
      return `parsed ${word}`
    })
    .option('--verify <key>', '')
    .option('--certificate-identity <name>', '')
    .option('--require-signature')
    .option('--no-require-signature')
    .action(() => {
      values = verb.optsWithGlobals()
    })
  program.addCommand(verb)
  program.hook('preAction', (_, running) => applySettings(running, hostOf(dir, env)))
  await program.parseAsync(['verify', ...words], { from: 'user' })
  return values
}

test('applySettings() gives each option what its own parser makes of the variable, else of the file', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(
    dir.join('c.yaml'),
    'platform: [linux/amd64, linux/arm64]\ntls-verify: false\nretry-delay: 2\njobs: 3\nmemory: 1MiB\ncolor: false\n',
  )
  const values = await valuesFor(dir, ['--jobs', '9'], { TARE_RETRY_DELAY: '5s', TARE_JOBS: '4' })
  const { platform, tlsVerify, retryDelay, jobs, memory, color } = values
  assert.deepEqual(
    { platform, tlsVerify, retryDelay, jobs, memory, color },
    {
      platform: ['linux/amd64', 'linux/arm64'],
      tlsVerify: false,
      retryDelay: 'parsed 5s',
      jobs: 9,
      memory: 1_048_576,
      color: false,
    },
  )
})

test('applySettings() takes the place of no option that is on the command line, nor of one that stands for the same', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(dir.join('c.yaml'), 'verify: key.pub\nplatform: linux/arm64\n')
  const key = await valuesFor(dir, ['--platform', 'linux/386'])
  assert.deepEqual([key['verify'], key['platform']], [dir.join('key.pub'), ['linux/386']])
  const identity = await valuesFor(dir, ['--certificate-identity', 'me'])
  assert.deepEqual([identity['verify'], identity['certificateIdentity']], [undefined, 'me'])
})

test('applySettings() holds to a policy until the command line itself gives it up', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(dir.join('c.yaml'), 'require-signature: true\n')
  const required = async (words: readonly string[], env?: Host['env']): Promise<unknown> =>
    (await valuesFor(dir, words, env))['requireSignature']
  assert.equal(await required([]), true)
  assert.equal(await required([], { TARE_REQUIRE_SIGNATURE: 'false' }), true)
  assert.equal(await required(['--no-require-signature']), false)
})

test('applySettings() stops at a broken file or variable', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(dir.join('c.yaml'), 'jobs: none\n')
  await assert.rejects(valuesFor(dir, []), { code: 'INVALID_CONFIG' })
  await writeFile(dir.join('c.yaml'), '')
  await assert.rejects(valuesFor(dir, [], { TARE_JOBS: 'none' }), { code: 'INVALID_ARGUMENT' })
  await writeFile(dir.join('c.yaml'), '\nretry-delay: 7h\n')
  await assert.rejects(valuesFor(dir, []), { code: 'INVALID_CONFIG', message: /c\.yaml:2:1: --retry-delay/ })
  await writeFile(dir.join('c.yaml'), '')
  // An option that the verb does not have is none of its business.
  await assert.doesNotReject(valuesFor(dir, [], { TARE_ZSTD_LEVEL: 'none' }))
})

test('every option that is a setting takes the settings’ values and refuses what they refuse', async () => {
  const program = await createProgram(async () => {}, { out() {}, err() {}, note() {} })
  const options = [program, ...program.commands].flatMap((command) => command.options)
  let checked = 0
  for (const { name, type } of SETTINGS) {
    for (const option of options.filter(({ long, required }) => long === `--${name}` && required)) {
      const takes = (word: string): boolean => {
        try {
          option.parseArg?.(word, undefined)
          return true
        } catch {
          return false
        }
      }
      checked++
      if (type.kind === 'choice') assert.deepEqual(option.argChoices, type.choices, name)
      if (type.kind !== 'count') continue
      assert.deepEqual(
        [type.least - 1, type.least, type.most, type.most + 1].map((count) => takes(String(count))),
        [false, true, true, false],
        name,
      )
    }
  }
  assert.ok(checked > 5)
})
