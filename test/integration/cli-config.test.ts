import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { basicAuthorization, startRegistry } from '../../src/registry/index.ts'
import { fixture } from '../support/fixtures.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const IMAGE = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function tare(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...SCRATCH_ENVIRONMENT, HOME: '/nonexistent', ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

type Fields = Readonly<Record<string, unknown>>

function resultIn({ stdout }: Ended): Fields {
  return (JSON.parse(stdout) as { readonly result: Fields }).result
}

function errorIn({ stdout }: Ended): Fields {
  return (JSON.parse(stdout) as { readonly error: Fields }).error
}

test('tare config init writes a file that validate takes, and replaces one only when told to', async () => {
  await using dir = await temporaryDirectory()
  const env = { TARE_CONFIG: dir.join('sub', 'config.yaml') }
  const first = await tare(env, 'config', 'init')
  assert.equal(first.code, 0, first.stderr)
  assert.equal((await tare(env, 'config', 'validate')).code, 0)
  await writeFile(env.TARE_CONFIG, 'jobs: 2\n')
  const again = await tare(env, 'config', 'init', '--json')
  assert.deepEqual([again.code, errorIn(again)['code']], [2, 'DESTINATION_EXISTS'])
  assert.equal(await readFile(env.TARE_CONFIG, 'utf8'), 'jobs: 2\n')
  assert.equal((await tare(env, 'config', 'init', '--force')).code, 0)
  const elsewhere = await tare({}, 'config', 'init', dir.join('other.yaml'))
  assert.equal(elsewhere.code, 0)
  assert.equal(await readFile(dir.join('other.yaml'), 'utf8'), await readFile(env.TARE_CONFIG, 'utf8'))
})

test('tare config show tells where each value comes from: flag, variable, file, default', async () => {
  await using dir = await temporaryDirectory()
  const env = { TARE_CONFIG: dir.join('c.yaml'), TARE_MEMORY: '2G' }
  await writeFile(env.TARE_CONFIG, 'jobs: 3\n\nauthfile: auth.json\nmemory: 1G\n')
  const shown = await tare(env, 'config', 'show', '--workdir', '/w', '--json')
  const settings = resultIn(shown)['settings'] as readonly Fields[]
  const of = (name: string): Fields => {
    const { otherwise, ...setting } = settings.find((candidate) => candidate['name'] === name) ?? {}
    assert.equal(typeof otherwise, 'string')
    return setting
  }
  const file = env.TARE_CONFIG
  assert.deepEqual(of('workdir'), { name: 'workdir', value: '/w', source: 'flag' })
  assert.deepEqual(of('memory'), { name: 'memory', value: '2G', source: 'env', variable: 'TARE_MEMORY' })
  assert.deepEqual(of('jobs'), { name: 'jobs', value: 3, source: 'file', file, line: 1, column: 1 })
  assert.deepEqual(of('authfile'), {
    name: 'authfile',
    value: dir.join('auth.json'),
    source: 'file',
    file,
    line: 3,
    column: 1,
  })
  assert.deepEqual(of('retry-times'), { name: 'retry-times', value: null, source: 'default' })
  const text = await tare(env, 'config', 'show')
  assert.match(text.stdout, /^jobs +3 +\S+c\.yaml:1$/m)
})

test('a broken configuration stops verbs with line and column, and leaves those alone that help to mend it', async () => {
  await using dir = await temporaryDirectory()
  const env = { TARE_CONFIG: dir.join('c.yaml') }
  await writeFile(env.TARE_CONFIG, 'jobs: 3\n  memory: x\n')
  const [copy, validate, doctor, version, completion, help] = await Promise.all([
    tare(env, 'copy', IMAGE, `oci:${dir.join('out')}`, '--json'),
    tare(env, 'config', 'validate', '--json'),
    tare(env, 'doctor', '--json'),
    tare(env, 'version'),
    tare(env, 'completion', 'bash'),
    tare(env, 'copy', '--help'),
  ])
  for (const ended of [copy, validate]) {
    assert.equal(ended.code, 2)
    const { code, problems } = errorIn(ended)
    assert.equal(code, 'INVALID_CONFIG')
    assert.equal((problems as readonly Fields[])[0]?.['line'], 1)
  }
  assert.equal(doctor.code, 3)
  const checks = resultIn(doctor)['checks'] as readonly Fields[]
  assert.deepEqual(
    checks.filter((check) => check['status'] === 'fail').map((check) => [check['name'], check['code']]),
    [['config', 'INVALID_CONFIG']],
  )
  assert.deepEqual([version.code, completion.code, help.code], [0, 0, 0])
})

test('settings reach the verb: from the file, overruled by a variable, overruled by a flag', async () => {
  await using dir = await temporaryDirectory()
  const authorize = basicAuthorization('test', (user, password) => `${user}:${password}` === 'carol:pw')
  await using registry = await startRegistry({ authorize })
  const auth = Buffer.from('carol:pw').toString('base64')
  await writeFile(dir.join('auth.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }))
  await writeFile(dir.join('none.json'), '{"auths": {}}')
  const env = { TARE_CONFIG: dir.join('c.yaml') }
  await writeFile(env.TARE_CONFIG, 'authfile: auth.json\ntls-verify: false\nprogress: json\nretry-times: 0\n')
  const image = `docker://${registry.address}/app:v1`
  const copied = await tare(env, 'copy', IMAGE, image)
  assert.equal(copied.code, 0, copied.stderr)
  assert.equal(JSON.parse(copied.stderr.split('\n', 1)[0] ?? '').event, 'progress')
  const byVariable = { ...env, TARE_AUTHFILE: dir.join('none.json') }
  assert.equal((await tare(byVariable, 'inspect', image)).code, 3)
  assert.equal((await tare(byVariable, 'inspect', image, '--authfile', dir.join('auth.json'))).code, 0)
  // An error is told in the form that the file asks for, too.
  const failed = await tare(env, 'inspect', `docker://${registry.address}/gone:v1`)
  assert.equal(JSON.parse(failed.stderr.trimEnd().split('\n').at(-1) ?? '').event, 'error')
})

test('a variable with a value that is not allowed is named', async () => {
  const ended = await tare({ TARE_RETRY_TIMES: 'often' }, 'inspect', IMAGE, '--json')
  assert.equal(ended.code, 2)
  assert.equal(errorIn(ended)['code'], 'INVALID_ARGUMENT')
  assert.match(String(errorIn(ended)['message']), /TARE_RETRY_TIMES/)
})

test('tare doctor finds a sound machine well', async () => {
  const ended = await tare({}, 'doctor', '--json')
  const checks = resultIn(ended)['checks'] as readonly Fields[]
  assert.deepEqual(
    checks.map((check) => check['name']),
    ['node', 'kernels', 'threads', 'workdir', 'cache', 'config', 'credentials', 'clock', 'registry', 'signing'],
  )
  assert.deepEqual(
    checks.filter((check) => check['status'] === 'fail'),
    [],
  )
  assert.equal(ended.code, 0)
})

test('tare doctor --probe tells apart what is wrong with a registry', async () => {
  await using dir = await temporaryDirectory()
  const authorize = basicAuthorization('test', (user, password) => `${user}:${password}` === 'carol:pw')
  await using registry = await startRegistry({ authorize })
  const image = `docker://${registry.address}/app:v1`
  const creds = ['--creds', 'carol:pw']
  const plain = '--tls-verify=false'
  await tare({}, 'copy', IMAGE, image, '--dest-creds', 'carol:pw', plain)
  const probe = async (...args: readonly string[]): Promise<readonly unknown[]> => {
    const ended = await tare({ HOME: dir.path }, 'doctor', '--json', '--retry-times=0', '--probe', ...args)
    const checks = resultIn(ended)['checks'] as readonly Fields[]
    const check = checks.find(({ name }) => name === 'registry')
    if (check?.['status'] === 'fail') assert.equal(typeof check['hint'], 'string')
    return [ended.code, check?.['status'], check?.['code']]
  }
  const outcomes = await Promise.all([
    probe(image, plain, ...creds),
    probe(image, plain),
    probe(image, ...creds),
    probe(`docker://${registry.address}/app:gone`, plain, ...creds),
    probe('docker://127.0.0.1:1/app:v1', plain),
    probe(IMAGE),
  ])
  assert.deepEqual(outcomes, [
    [0, 'ok', undefined],
    [3, 'fail', 'AUTH_REQUIRED'],
    [3, 'fail', 'TLS'],
    [3, 'fail', 'NOT_FOUND'],
    [3, 'fail', 'NETWORK'],
    [0, 'ok', undefined],
  ])
  const bare = await tare({}, 'doctor', '--probe', 'app.tar')
  assert.equal(bare.code, 2)
})

test('faults in arguments show the usage and an example', async () => {
  const ended = await tare({}, 'layer', 'explain', '--json')
  assert.equal(ended.code, 2)
  assert.match(String(errorIn(ended)['hint']), /tare layer explain \[options\] <blob\|image>, for example tare layer/)
})

test('flags of diffah work on the command line, and -o json holds for errors too', async () => {
  const [version, wrong, gone] = await Promise.all([
    tare({}, 'version', '-o', 'json', '--log-level', 'warn', '--memory-budget', '8GiB', '--workers=2'),
    tare({}, 'copi', '-o', 'json'),
    tare({}, 'export', 'a', '--help', '--unknown', '-ojson'),
  ])
  assert.equal(version.code, 0, version.stderr)
  assert.equal(typeof resultIn(version)['tare'], 'string')
  assert.equal(errorIn(wrong)['code'], 'INVALID_COMMAND_LINE')
  assert.equal(gone.code, 2)
  assert.match(String(errorIn(gone)['hint']), /tare bundle/)
})
