import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { scriptedServer } from '../../../test/support/scripted-server.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { SILENT_LOGGER } from '../../stream/index.ts'
import { parseTransportReference } from '../../transport/index.ts'
import type { Host } from '../host.ts'
import { doctorText } from '../render/doctor-text.ts'
import type { Check } from './check.ts'
import { checkCredentials } from './configuration.ts'
import { checkCache, checkWorkdir, isOlder } from './machine.ts'
import { checkClock, probeImage } from './registry.ts'

const NOON = Date.UTC(2027, 0, 1, 12)

/** As much of a host as the checks look at. */
function hostOf(changes: Partial<Host> = {}): Host {
  const stdout = { write: () => true }
  const clock = { now: () => 0, schedule: () => () => {} }
  return { env: {}, homeDirectory: '/nonexistent', stdout, stderr: stdout, clock, ...changes } as unknown as Host
}

test('isOlder() compares versions by their numbers', () => {
  assert.equal(isOlder('24.9.0', '24.15.0'), true)
  assert.equal(isOlder('9.99.99', '24.15.0'), true)
  assert.equal(isOlder('24.15.0', '24.15.0'), false)
  assert.equal(isOlder('25.0.0', '24.15.0'), false)
})

test('checkClock() doubts a clock from before Tare was made, and one that the registry contradicts', () => {
  const status = (now: number, theirs?: number): string =>
    checkClock(now, theirs === undefined ? undefined : { theirs, ours: now }).status
  assert.equal(status(NOON), 'ok')
  assert.equal(status(0), 'fail')
  assert.equal(status(NOON, NOON + 2000), 'ok')
  assert.equal(status(NOON, NOON + 6 * 60_000), 'warn')
  assert.equal(status(NOON, NOON - 86_400_000), 'warn')
})

test('checkWorkdir() and checkCache() try to write where the directory is or would be, and leave nothing', async () => {
  await using dir = await temporaryDirectory()
  assert.notEqual((await checkWorkdir(dir.join('not', 'yet'))).status, 'fail')
  assert.equal((await checkCache(dir.path)).status, 'ok')
  assert.deepEqual(await readdir(dir.path), [])
  await writeFile(dir.join('file'), '')
  const onFile = await checkWorkdir(dir.join('file'))
  assert.equal(onFile.status, 'fail')
  assert.match(onFile.hint ?? '', /--workdir/)
  assert.equal((await checkCache(dir.join('file', 'below'))).status, 'fail')
})

test('checkCredentials() tells what is given, found, missing and broken', async () => {
  await using dir = await temporaryDirectory()
  const host = hostOf({ homeDirectory: dir.path })
  const status = async (values: Parameters<typeof checkCredentials>[0] = {}): Promise<string> =>
    (await checkCredentials(values, host)).status
  assert.equal(await status(), 'warn')
  assert.equal(await status({ creds: 'me:secret' }), 'ok')
  assert.equal(await status({ creds: false }), 'ok')
  await mkdir(dir.join('.docker'))
  await writeFile(dir.join('.docker', 'config.json'), '{"auths": {"r.example": {"auth": "bWU6c2VjcmV0"}}}')
  const found = await checkCredentials({}, host)
  assert.deepEqual([found.status, /r\.example/.test(found.detail), /secret/.test(found.detail)], ['ok', true, false])
  await writeFile(dir.join('.docker', 'config.json'), '{"credsStore": "gone"}')
  assert.equal(await status(), 'warn')
  await writeFile(dir.join('.docker', 'config.json'), '{')
  assert.equal(await status(), 'fail')
  assert.equal(await status({ authfile: dir.join('absent.json') }), 'fail')
  await chmod(dir.join('.docker', 'config.json'), 0o600)
})

test('probeImage() gives up on a registry that does not answer, and has its time from one that refuses', async () => {
  const run = { host: hostOf(), signal: new AbortController().signal, logger: SILENT_LOGGER }
  const probe = async (address: string, mostMs: number): ReturnType<typeof probeImage> => {
    const context = { registry: { tlsVerify: false, retries: 0 } }
    const image = parseTransportReference(`docker://${address}/app:v1`)
    return probeImage(image, context, run, { now: () => NOON, mostMs })
  }
  await using silent = await scriptedServer(() => {})
  const late = await probe(silent.host, 200)
  assert.deepEqual([late.check.status, late.check.code, late.times], ['fail', 'NETWORK', undefined])

  await using refusing = await scriptedServer((_, response) => {
    response.writeHead(403, { date: new Date(NOON + 3_600_000).toUTCString() }).end()
  })
  const refused = await probe(refusing.host, 10_000)
  assert.deepEqual([refused.check.status, refused.check.code], ['fail', 'AUTH_REQUIRED'])
  assert.equal(checkClock(NOON, refused.times).status, 'warn')
})

test('doctorText() says what to do below what is not well, and sums up', () => {
  const checks: readonly Check[] = [
    { name: 'node', status: 'ok', detail: 'new', hint: 'not shown' },
    { name: 'workdir', status: 'fail', detail: 'two\nlines\u001b[2J', hint: 'do this' },
  ]
  const text = doctorText(checks, { host: hostOf(), settings: { color: false } } as Parameters<typeof doctorText>[1])
  assert.equal(
    text,
    'ok    node     new\nfail  workdir  two\n               lines\ufffd[2J\n               hint: do this\n\n1 check fails.\n',
  )
})
