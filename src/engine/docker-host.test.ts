import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { parseDockerHost } from './docker-host.ts'

suite('parseDockerHost()', () => {
  for (const [text, isTls, expected] of [
    ['unix:///var/run/docker.sock', false, '/var/run/docker.sock'],
    ['/run/podman/podman.sock', false, '/run/podman/podman.sock'],
    ['unix:///var/run/docker.sock', true, '/var/run/docker.sock'],
    ['tcp://127.0.0.1:2375', false, 'http://127.0.0.1:2375'],
    ['tcp://localhost', false, 'http://localhost:2375'],
    ['tcp://[::1]:80', false, 'http://[::1]'],
    ['tcp://engine.example', true, 'https://engine.example:2376'],
    ['tcp://engine.example:443', true, 'https://engine.example'],
    ['https://engine.example:2376/', false, 'https://engine.example:2376'],
  ] as const) {
    test(`reads ${text}${isTls ? ' with TLS' : ''}`, () => {
      const address = parseDockerHost(text, { isTls })
      assert.equal(address.kind === 'unix' ? address.path : address.url.origin, expected)
    })
  }

  for (const text of [
    '',
    'unix://',
    'unix://relative.sock',
    'docker.sock',
    'tcp://',
    'tcp://engine.example:2375',
    'tcp://10.0.0.1',
    'tcp://127.0.0.1.example:2375',
    'tcp://127.0.0.1/path',
    'tcp://user:secret@127.0.0.1',
    'tcp://127.0.0.1:99999',
    'ssh://user@host',
    'npipe:////./pipe/docker_engine',
    'ftp://127.0.0.1',
  ]) {
    test(`refuses ${JSON.stringify(text)} without TLS`, () => {
      assert.throws(
        () => parseDockerHost(text, { isTls: false }),
        (error) => {
          assert.ok(hasErrorCode(error, 'INVALID_ARGUMENT'))
          assert.ok(error.hint !== undefined)
          assert.ok(!error.message.includes('secret'))
          return true
        },
      )
    })
  }
})
