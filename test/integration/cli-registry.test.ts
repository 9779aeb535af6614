import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { basicAuthorization, type RunningRegistry, startRegistry } from '../../src/registry/index.ts'
import { fixture } from '../support/fixtures.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { scriptedServer } from '../support/scripted-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const IMAGE = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const SECRET = 'correct:horse'

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
      { env: { ...SCRATCH_ENVIRONMENT, ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

function lockedRegistry(): Promise<RunningRegistry> {
  const authorize = basicAuthorization('test', (user, password) => `${user}:${password}` === `carol:${SECRET}`)
  return startRegistry({ authorize })
}

let manifest = ''
before(async () => {
  manifest = (await tare({}, 'inspect', IMAGE, '--raw')).stdout
})

test('tare copy gets into a registry with --dest-creds, and inspect reads the same bytes with --creds', async () => {
  await using registry = await lockedRegistry()
  const image = `docker://${registry.address}/app:v1`
  const copied = await tare(
    {},
    'copy',
    IMAGE,
    image,
    '--dest-creds',
    `carol:${SECRET}`,
    '--dest-tls-verify=false',
    '-v',
  )
  assert.equal(copied.code, 0, copied.stderr)
  assert.doesNotMatch(copied.stdout + copied.stderr, /horse/)
  const inspected = await tare({}, 'inspect', image, '--raw', '--creds', `carol:${SECRET}`, '--tls-verify=false')
  assert.equal(inspected.stdout, manifest)
})

test('tare inspect describes an image in a registry', async () => {
  await using registry = await startRegistry()
  const image = `docker://${registry.address}/app:v1`
  await tare({}, 'copy', IMAGE, image, '--dest-tls-verify=false')
  const inspected = await tare({}, 'inspect', image, '--tls-verify=false', '--json')
  assert.equal(inspected.code, 0, inspected.stdout)
  assert.equal(
    JSON.parse(inspected.stdout).result.digest,
    `sha256:${createHash('sha256').update(manifest).digest('hex')}`,
  )
})

test('tare finds credentials in --authfile, REGISTRY_AUTH_FILE and DOCKER_CONFIG', async () => {
  await using directory = await temporaryDirectory()
  await using registry = await lockedRegistry()
  const auth = Buffer.from(`carol:${SECRET}`).toString('base64')
  const authfile = directory.join('auth.json')
  await writeFile(authfile, JSON.stringify({ auths: { [registry.address]: { auth } } }))
  await writeFile(directory.join('config.json'), await readFile(authfile))
  const args = ['copy', IMAGE, `docker://${registry.address}/app:v1`, '--tls-verify=false']
  const runs = await Promise.all([
    tare({}, ...args, '--authfile', authfile),
    tare({ REGISTRY_AUTH_FILE: authfile }, ...args),
    tare({ DOCKER_CONFIG: directory.path }, ...args),
    tare({ REGISTRY_AUTH_FILE: authfile }, ...args, '--no-creds'),
  ])
  assert.deepEqual(
    runs.map((run) => run.code),
    [0, 0, 0, 3],
  )
})

test('tare without, or with wrong, credentials exits 3 with AUTH_REQUIRED and repeats no secret', async () => {
  await using registry = await lockedRegistry()
  const args = ['copy', IMAGE, `docker://${registry.address}/app:v1`, '--tls-verify=false', '--json', '--verbose']
  for (const extra of [[], ['--creds', 'carol:battery-staple']]) {
    const { code, stdout, stderr } = await tare({}, ...args, ...extra)
    assert.equal(code, 3)
    const { error } = JSON.parse(stdout) as { readonly error: Readonly<Record<string, unknown>> }
    assert.deepEqual([error['code'], error['side']], ['AUTH_REQUIRED', 'destination'])
    assert.doesNotMatch(stdout + stderr, /battery/)
  }
})

test('tare refuses malformed --creds before any work and does not repeat them', async () => {
  const { code, stdout, stderr } = await tare(
    {},
    'copy',
    IMAGE,
    'docker://127.0.0.1:9/app',
    '--creds',
    'battery',
    '--json',
  )
  assert.equal(code, 2)
  assert.doesNotMatch(stdout + stderr, /battery/)
})

test('tare gives up on plain HTTP unless told that it is meant', async () => {
  await using registry = await startRegistry()
  const args = ['copy', IMAGE, `docker://${registry.address}/app:v1`, '--json', '--retry-times=0']
  const { code, stdout } = await tare({}, ...args)
  const { error } = JSON.parse(stdout) as { readonly error: Readonly<Record<string, unknown>> }
  assert.equal(code, 3)
  assert.ok(error['code'] === 'TLS' || error['code'] === 'NETWORK', String(error['code']))
})

test('tare applies a delta from one registry to another place in it', async () => {
  await using directory = await temporaryDirectory()
  await using registry = await startRegistry()
  const at = (name: string): string => `docker://${registry.address}/${name}`
  const target = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
  const delta = directory.join('app.tare')
  const insecure = '--tls-verify=false'
  assert.equal((await tare({}, 'copy', IMAGE, at('app:v1'), insecure)).code, 0)
  assert.equal((await tare({}, 'diff', at('app:v1'), target, delta, insecure)).code, 0)
  assert.equal((await tare({}, 'copy', `oci-archive:${delta}`, at('delta:1'), insecure)).code, 0)
  const applied = await tare({}, 'apply', at('delta:1'), at('app:v1'), at('app:v2'), insecure)
  assert.equal(applied.code, 0, applied.stderr)
  const [made, wanted] = await Promise.all([
    tare({}, 'inspect', at('app:v2'), '--raw', insecure),
    tare({}, 'inspect', target, '--raw'),
  ])
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  assert.equal(digest(made.stdout), digest(wanted.stdout))
})

test('tare tells apart a registry that refuses, is not there, lacks the image, or has no image of it', async () => {
  await using locked = await lockedRegistry()
  await using open = await startRegistry()
  await using odd = await scriptedServer((_, response) => {
    response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json').end('{"schemaVersion": 2}')
  })
  const inspect = async (host: string): Promise<readonly unknown[]> => {
    const args = ['inspect', `docker://${host}/app:v1`, '--tls-verify=false', '--retry-times=0', '--json']
    const { code, stdout } = await tare({}, ...args)
    const { error } = JSON.parse(stdout) as { readonly error: Readonly<Record<string, unknown>> }
    return [code, error['category'], error['code']]
  }
  assert.deepEqual(await Promise.all([locked.address, '127.0.0.1:1', open.address, odd.host].map(inspect)), [
    [3, 'environment', 'AUTH_REQUIRED'],
    [3, 'environment', 'NETWORK'],
    [4, 'content', 'NOT_FOUND'],
    [4, 'content', 'INVALID_DOCUMENT'],
  ])
})

test('tare sends --registry-token as it is, and --no-creds nothing', async () => {
  await using registry = await scriptedServer((_, response) => void response.writeHead(404).end('{}'))
  const image = `docker://${registry.host}/app:v1`
  for (const flags of [['--registry-token', 'abc'], ['--no-creds']]) {
    await tare({}, 'inspect', image, '--tls-verify=false', ...flags)
  }
  const sent = registry.seen
    .filter(({ target }) => target.includes('/manifests/'))
    .map(({ headers }) => headers.authorization)
  assert.deepEqual(sent, ['Bearer abc', undefined])
})
