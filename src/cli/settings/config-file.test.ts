import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { schemaCheck } from '../../../test/support/json-schema.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { FileFaultError } from '../file-fault.ts'
import { type Config, configLocation, readConfig, readConfigAt } from './config-file.ts'
import { configTemplate } from './config-template.ts'
import { findSetting } from './effective.ts'
import { type Setting, SETTINGS } from './setting-table.ts'

const HOME = { env: {}, homeDirectory: '/home/u' }

async function configOf(dir: TemporaryDirectory, text: string): Promise<Config> {
  await writeFile(dir.join('config.yaml'), text)
  return readConfigAt(dir.join('config.yaml'), HOME)
}

function settingOf(name: string): Setting {
  const setting = SETTINGS.find((known) => known.name === name)
  assert.ok(setting !== undefined)
  return setting
}

test('configLocation() follows TARE_CONFIG, else XDG_CONFIG_HOME, else the home directory', () => {
  const homeDirectory = '/home/u'
  assert.deepEqual(configLocation({ env: {}, homeDirectory }), {
    path: '/home/u/.config/tare/config.yaml',
    isNamed: false,
  })
  assert.equal(configLocation({ env: { XDG_CONFIG_HOME: '/x' }, homeDirectory }).path, '/x/tare/config.yaml')
  const env = { XDG_CONFIG_HOME: '/x', TARE_CONFIG: 'site.yaml' }
  assert.deepEqual(configLocation({ env, homeDirectory }), { path: 'site.yaml', isNamed: true })
})

test('readConfig() takes an absent file for an empty one, but not one that TARE_CONFIG names', async () => {
  await using dir = await temporaryDirectory()
  const config = await readConfig({ env: {}, homeDirectory: dir.path })
  assert.deepEqual([config.isThere, config.values.size], [false, 0])
  const env = { TARE_CONFIG: dir.join('absent.yaml') }
  await assert.rejects(readConfig({ env, homeDirectory: dir.path }), { code: 'FILE_NOT_FOUND' })
})

test('readConfigAt() gives values with their places, and paths that mean the same everywhere', async () => {
  await using dir = await temporaryDirectory()
  const config = await configOf(
    dir,
    'jobs: 4\nretry-delay: 500ms\nauthfile: auth.json\ncert-dir: ~/certs\nworkdir: /tmp\nplatform: [linux/amd64]\n',
  )
  assert.deepEqual(Object.fromEntries(config.values), {
    jobs: { value: 4, line: 1, column: 1 },
    'retry-delay': { value: '500ms', line: 2, column: 1 },
    authfile: { value: dir.join('auth.json'), line: 3, column: 1 },
    'cert-dir': { value: '/home/u/certs', line: 4, column: 1 },
    workdir: { value: '/tmp', line: 5, column: 1 },
    platform: { value: ['linux/amd64'], line: 6, column: 1 },
  })
  assert.equal((await configOf(dir, '')).values.size, 0)
  assert.equal((await configOf(dir, '{"$schema": "x", "jobs": 4}')).values.size, 1)
})

test('readConfigAt() tells every fault at once', async () => {
  await using dir = await temporaryDirectory()
  const text = 'jobs: 0\nworkers: 2\nauthfiel: x\nmemory:\n  - 1\ncolor:\n__proto__: 1\n'
  const fault: unknown = await configOf(dir, text).catch((error: unknown) => error)
  assert.ok(fault instanceof FileFaultError)
  assert.deepEqual([fault.code, fault.category], ['INVALID_CONFIG', 'usage'])
  assert.deepEqual(
    fault.problems.map(({ line, column }) => `${line}:${column}`),
    ['1:1', '2:1', '3:1', '4:1', '6:1', '7:1'],
  )
  assert.match(fault.problems[1]?.message ?? '', /jobs/)
  assert.match(fault.problems[2]?.message ?? '', /authfile/)
  await assert.rejects(configOf(dir, '- jobs\n'), { code: 'INVALID_CONFIG' })
  await assert.rejects(configOf(dir, 'jobs: 1\njobs: 2\n'), { code: 'INVALID_CONFIG' })
})

test('the template of tare config init is a valid file, also with every setting filled in', async () => {
  await using dir = await temporaryDirectory()
  assert.equal((await configOf(dir, configTemplate())).values.size, 0)
  const filled = configTemplate().replace(/^#(?=[a-z])/gm, '')
  assert.equal((await configOf(dir, filled)).values.size, SETTINGS.length)
})

/** A value for every kind of setting that is allowed, and one that is not. */
const SAMPLES: readonly (readonly [name: string, good: readonly unknown[], bad: readonly unknown[]])[] = [
  ['certificate-identity', ['a@example.com'], ['', 1, ['a']]],
  ['workdir', ['/tmp', 'x', '~/x'], ['', true]],
  ['rekor-url', ['https://rekor.example.com', 'http://127.0.0.1:3000/'], ['rekor', 'ftp://x', 1]],
  ['tls-verify', [true, false], ['yes', 'maybe', 2]],
  ['memory', ['512MiB', '2G', 1_048_576, 0, '0'], ['lots', -1, '-1', '1 mile']],
  ['retry-delay', ['500ms', '2s', 2, 0.5, 0], ['soon', -1, true]],
  ['progress', ['auto', 'off'], ['loud', true]],
  ['jobs', [1, 256], [0, 257, 1.5, 'many']],
  ['zstd-window-log', ['auto', 10, 31], ['off', 9, 32]],
  ['platform', ['linux/amd64', ['linux/amd64', 'linux/arm/v7']], ['linux', [], [1], ['linux/amd64', 'x']]],
]

test('the reader of settings and their schema take the same values', async () => {
  await using dir = await temporaryDirectory()
  const isValid = schemaCheck('config.schema.json')
  for (const [name, good, bad] of SAMPLES) {
    for (const value of good) {
      const document = { [name]: value }
      await assert.doesNotReject(configOf(dir, JSON.stringify(document)), JSON.stringify(document))
      assert.equal(isValid(document), true, JSON.stringify(document))
    }
    for (const value of bad) {
      const document = { [name]: value }
      await assert.rejects(
        configOf(dir, JSON.stringify(document)),
        { code: 'INVALID_CONFIG' },
        JSON.stringify(document),
      )
      assert.equal(isValid(document), false, JSON.stringify(document))
    }
  }
  assert.equal(isValid({ workers: 1 }), false)
})

test('findSetting() puts a variable before the file, and takes an empty one for unset', async () => {
  await using dir = await temporaryDirectory()
  const config = await configOf(dir, 'jobs: 4\n')
  const jobs = settingOf('jobs')
  assert.equal(findSetting(jobs, {}, config)?.value, 4)
  assert.deepEqual(findSetting(jobs, { TARE_JOBS: '7' }, config), { source: 'env', variable: 'TARE_JOBS', value: 7 })
  assert.equal(findSetting(jobs, { TARE_JOBS: '' }, config)?.value, 4)
  assert.throws(() => findSetting(jobs, { TARE_JOBS: 'x' }, config), { code: 'INVALID_ARGUMENT' })
  const platforms = findSetting(settingOf('platform'), { TARE_PLATFORM: 'linux/amd64, linux/arm64' }, config)
  assert.deepEqual(platforms?.value, ['linux/amd64', 'linux/arm64'])
  assert.equal(findSetting(settingOf('authfile'), {}, config), undefined)
})

test('findSetting() lets no variable turn off a policy of the file', async () => {
  await using dir = await temporaryDirectory()
  const policy = settingOf('require-signature')
  const found = async (text: string, variable: string): Promise<unknown> =>
    findSetting(policy, { TARE_REQUIRE_SIGNATURE: variable }, await configOf(dir, text))?.value
  assert.equal(await found('require-signature: true\n', 'false'), true)
  assert.equal(await found('require-signature: true\n', 'nonsense'), true)
  assert.equal(await found('require-signature: false\n', 'true'), true)
  assert.equal(await found('require-signature: false\n', ''), false)
  assert.equal(await found('', 'true'), true)
})
