import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { addRegistryOptions, type RegistrySettings, registrySettings } from './registry-options.ts'

function settingsOf(side: 'src' | 'dest' | undefined, ...argv: readonly string[]): RegistrySettings {
  const command = addRegistryOptions(new Command(), ['src', 'dest']).exitOverride()
  return registrySettings(command.parse([...argv], { from: 'user' }).opts(), side)
}

test('registrySettings() lets the options of a side win over the common ones', () => {
  const argv = ['--creds', 'both:1', '--src-creds', 'src:2', '--tls-verify=false', '--dest-tls-verify', 'true']
  assert.deepEqual(
    [settingsOf('src', ...argv), settingsOf('dest', ...argv)].map(({ credentials, tlsVerify }) => [
      credentials,
      tlsVerify,
    ]),
    [
      ['src:2', false],
      ['both:1', true],
    ],
  )
})

test('registrySettings() tells no credentials from none given', () => {
  assert.equal(settingsOf(undefined).credentials, undefined)
  assert.equal(settingsOf(undefined, '--no-creds').credentials, false)
  assert.equal(settingsOf('src', '--no-creds', '--src-creds', 'a:b').credentials, 'a:b')
  assert.equal(settingsOf('dest', '--creds', 'a:b', '--dest-no-creds').credentials, false)
})

test('registrySettings() forgets the common token where a side says who it is', () => {
  const { credentials, registryToken } = settingsOf('src', '--registry-token', 't', '--src-creds', 'a:b')
  assert.deepEqual([credentials, registryToken], ['a:b', undefined])
  const other = settingsOf('dest', '--creds', 'a:b', '--dest-registry-token', 't')
  assert.deepEqual([other.credentials, other.registryToken], [undefined, 't'])
})

test('registrySettings() reads counts and times', () => {
  const { retries, retryDelayMs } = settingsOf('src', '--retry-times=0', '--retry-delay=500ms')
  assert.deepEqual([retries, retryDelayMs], [0, 500])
})
