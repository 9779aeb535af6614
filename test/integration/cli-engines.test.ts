import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startContainerd } from '../support/containerd-server.ts'
import { startDockerEngine } from '../support/docker-engine-server.ts'
import { fixture } from '../support/fixtures.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const CONFIG_V1 = 'sha256:e35eef4739c2d873e2726d47b667d6a9338d63aff577de4abe36c5425bd301dc'

interface Answer {
  readonly code: number | null
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: Readonly<Record<string, unknown>>
}

/** Runs the tool with `--json`. */
function tare(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, '--json', ...args],
      { env: { ...SCRATCH_ENVIRONMENT, ...env } },
      (_, stdout) => resolve({ code: child.exitCode, ...(JSON.parse(stdout) as object) }),
    )
  })
}

test('tare copy finds engines by options, and by the variables of their own tools', async () => {
  await using dir = await temporaryDirectory()
  await using docker = await startDockerEngine()
  await using containerd = await startContainerd()
  const toDocker = await tare({ DOCKER_HOST: docker.host }, 'copy', DOCKER_V1, 'docker-daemon:app:v1')
  assert.equal(toDocker.code, 0)
  assert.equal(toDocker.result?.['digest'], CONFIG_V1)
  const both = ['--docker-host', docker.host, '--containerd-address', containerd.address]
  const env = { DOCKER_HOST: 'unix:///nowhere', CONTAINERD_ADDRESS: '/nowhere', CONTAINERD_NAMESPACE: 'mine' }
  const across = await tare(env, 'copy', ...both, 'docker-daemon:app:v1', 'containerd:app:v1')
  assert.equal(across.code, 0)
  const { target } = await containerd.store.namespace('mine').images.get('docker.io/library/app:v1')
  assert.equal(across.result?.['digest'], target.digest)
  const back = await tare(
    { CONTAINERD_ADDRESS: containerd.address },
    'copy',
    'containerd:mine/docker.io/library/app:v1',
    `oci:${dir.join('out')}`,
  )
  assert.equal(back.result?.['digest'], target.digest)
})

test('tare says with exit code 3 that an engine is not there, and with 2 that its address is none', async () => {
  await using dir = await temporaryDirectory()
  const copy = ['copy', 'docker-daemon:app', `oci:${dir.join('out')}`]
  const absent = await tare({ DOCKER_HOST: `unix://${dir.join('none.sock')}` }, ...copy)
  assert.deepEqual([absent.code, absent.error?.['code']], [3, 'ENGINE_UNREACHABLE'])
  assert.ok(typeof absent.error?.['hint'] === 'string')
  const remote = await tare({ DOCKER_HOST: 'tcp://engine.example:2375' }, ...copy)
  assert.deepEqual([remote.code, remote.error?.['code']], [2, 'INVALID_ARGUMENT'])
  const none = await tare({ CONTAINERD_ADDRESS: dir.join('none.sock') }, 'inspect', 'containerd:app')
  assert.deepEqual([none.code, none.error?.['code']], [3, 'ENGINE_UNREACHABLE'])
})

test('tare takes DOCKER_TLS_VERIFY and DOCKER_CERT_PATH for TCP', async () => {
  await using dir = await temporaryDirectory()
  await mkdir(dir.join('certs'))
  await using docker = await startDockerEngine()
  const env = { DOCKER_HOST: docker.host, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: dir.join('certs') }
  // The engine speaks plain HTTP, so TLS fails: it was tried.
  const { code, error } = await tare(env, 'inspect', 'docker-daemon:app')
  assert.deepEqual([code, error?.['code']], [3, 'TLS'])
  const noCertificates = { ...env, DOCKER_CERT_PATH: dir.join('absent') }
  const absent = await tare(noCertificates, 'inspect', 'docker-daemon:app')
  assert.deepEqual([absent.code, absent.error?.['code']], [3, 'FILE_NOT_FOUND'])
})
