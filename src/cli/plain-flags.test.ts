import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { plainFlags } from './plain-flags.ts'

test('plainFlags() understands true and false of flags that take no value', () => {
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
    assert.deepEqual(plainFlags(program, ['push', given]), ['push', ...expected], given)
  }
  assert.deepEqual(plainFlags(program, ['push', '--', '--all=false']), ['push', '--', '--all=false'])
})
