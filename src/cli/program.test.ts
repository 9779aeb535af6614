import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgram } from './program.ts'

async function verbsOf(...argv: readonly string[]): Promise<readonly string[]> {
  const program = await createProgram(async () => {}, { out() {}, err() {}, note() {} }, argv)
  const help = program.createHelp()
  return help
    .visibleCommands(program)
    .map((verb) => verb.name())
    .filter((name) => name !== 'help')
}

test('createProgram() has the verb that a command line begins with, and all of them for any other', async () => {
  const all = await verbsOf()
  assert.ok(all.length > 20)
  for (const name of all) assert.deepEqual(await verbsOf(name, '--help'), name === 'completion' ? all : [name])
  for (const argv of [['--json', 'copy'], ['help', 'copy'], ['cpoy'], ['toString'], ['']]) {
    assert.deepEqual(await verbsOf(...argv), all, argv.join(' '))
  }
})
