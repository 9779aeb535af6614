import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Command, CommanderError } from 'commander'
import { ctrWords } from './ctr-aliases.ts'
import { leavesOf } from './hidden-option.ts'
import { createProgram } from './program.ts'

/** Parses a command line without running anything. @returns the values of the verb and of the program */
async function parsed(...argv: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
  const program = await createProgram(async () => {}, { out() {}, err() {}, note() {} })
  await program.parseAsync([...ctrWords(argv)], { from: 'user' })
  const verb = leavesOf(program).find((leaf: Command) => leaf.args.length > 0)
  return new Map(Object.entries(verb?.optsWithGlobals() ?? {}))
}

suite('addCtrAliases()', () => {
  test('takes how ctr says where a registry is and who asks', async () => {
    const insecure = await parsed('images', 'pull', '-k', '--user', 'u:p', '--max-concurrent-downloads', '3', 'app')
    assert.deepEqual([insecure.get('tlsVerify'), insecure.get('creds'), insecure.get('jobs')], [false, 'u:p', 3])
    const plain = await parsed('push', '--plain-http', '--max-concurrent-uploaded-layers=2', 'app')
    assert.deepEqual([plain.get('tlsVerify'), plain.get('jobs')], [false, 2])
    assert.equal((await parsed('content', 'fetch', '--skip-verify', 'app')).get('tlsVerify'), false)
    await assert.rejects(parsed('pull', '--user', 'u:p', '--creds', 'u:q', 'app'), CommanderError)
    await assert.rejects(parsed('pull', '--max-concurrent-downloads', 'many', 'app'), CommanderError)
  })

  test('takes what means nothing here, where ctr has it, and nowhere else', async () => {
    for (const verb of ['import', 'pull', 'push']) await parsed('images', verb, '--all-platforms', 'x')
    await parsed('images', 'convert', '--all-platforms', 'a', 'b')
    await parsed(
      'images',
      'import',
      '--no-unpack',
      '--snapshotter',
      'native',
      '--discard-unpacked-layers',
      '--local',
      'x',
    )
    await parsed('images', 'check', '--snapshotter', 'native', 'name==x')
    await assert.rejects(parsed('image', 'tag', '--all-platforms', 'a', 'b'), CommanderError)
    await assert.rejects(parsed('copy', '-k', 'a', 'b'), CommanderError)
  })

  test('leaves -n to the namespace where a verb has one', async () => {
    const pruned = await parsed('image', 'prune', '-n', 'other', '--dry-run', 'name==x')
    assert.deepEqual([pruned.get('namespace'), pruned.get('dryRun')], ['other', true])
  })
})

test('ctrWords() puts Tare’s name for a group in front, and touches nothing else', () => {
  assert.deepEqual(ctrWords(['images', 'ls', 'images']), ['image', 'ls', 'images'])
  assert.deepEqual(ctrWords(['leases']), ['lease'])
  assert.deepEqual(ctrWords(['copy', 'images', 'leases']), ['copy', 'images', 'leases'])
  assert.deepEqual(ctrWords([]), [])
})
