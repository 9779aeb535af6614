import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { podmanWords } from './podman-words.ts'

test('podmanWords() understands true and false of flags that take no value', () => {
  const program = new Command().option('--quiet', '')
  program.command('push').option('--all', '').option('--no-all', '').option('--tls-verify <bool>', '')
  for (const [given, expected] of [
    ['--quiet=true', ['--quiet']],
    ['--quiet=false', []],
    ['--all=false', ['--no-all']],
    ['--no-all=false', ['--all']],
    ['--tls-verify=false', ['--tls-verify=false']],
    ['--unknown=false', ['--unknown=false']],
    ['--all=maybe', ['--all=maybe']],
    ['image', ['image']],
  ] as const) {
    assert.deepEqual(podmanWords(program, ['push', given]), ['push', ...expected], given)
  }
  assert.deepEqual(podmanWords(program, ['push', '--', '--all=false']), ['push', '--', '--all=false'])
})

test('podmanWords() tells the format of a list from that of the output', () => {
  const program = new Command()
  for (const [given, expected] of [
    ['manifest push --format v2s2 app', 'manifest push --list-format v2s2 app'],
    ['--quiet manifest push --format=oci app', '--quiet manifest push --list-format=oci app'],
    ['manifest from --format docker a b', 'manifest from --list-format docker a b'],
    ['manifest push --format json app', 'manifest push --format json app'],
    ['manifest push --format=text app', 'manifest push --format=text app'],
    ['manifest push app -- --format oci', 'manifest push app -- --format oci'],
    ['manifest ls --format oci', 'manifest ls --format oci'],
    ['inspect --format oci app', 'inspect --format oci app'],
  ] as const) {
    assert.equal(podmanWords(program, given.split(' ')).join(' '), expected)
  }
})
