import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'
import type { TestResult } from './test-results.ts'

/** Runs tests of a folder by their names, in a process that is no test itself. */
async function runIn(
  directory: TemporaryDirectory,
  tests: readonly Pick<TestResult, 'file' | 'name'>[],
): Promise<unknown> {
  const runner = new URL('run-named-tests.ts', import.meta.url).href
  const main = directory.join('main.ts')
  await writeFile(
    main,
    `import { runNamedTests } from ${JSON.stringify(runner)}
console.log(JSON.stringify(await runNamedTests(${JSON.stringify(tests)}, ${JSON.stringify(directory.path)})))`,
  )
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [main], { env })
  return JSON.parse(stdout)
}

test('runNamedTests() runs what is named and tells its suites, outcome and reason, and nothing of what is not there', async () => {
  await using directory = await temporaryDirectory()
  await writeFile(
    directory.join('shared.ts'),
    "import { test } from 'node:test'\nexport const shared = (): void => void test('from a shared file', () => {})\n",
  )
  await writeFile(
    directory.join('a.test.ts'),
    `import { describe, test } from 'node:test'
import { shared } from './shared.ts'
shared()
describe('outer', () => {
  describe('inner', () => {
    test('one (a|b)', () => {})
    test('not named', () => { throw new Error('it ran') })
  })
  test('skipped', { skip: 'why' }, () => {})
  test('later', { todo: true }, () => {})
})
describe('skipped whole', { skip: true }, () => { test('inside', () => {}) })
test('fails', () => { throw new Error('it fails') })
`,
  )
  await writeFile(directory.join('broken.test.ts'), "throw new Error('it cannot be loaded')\n")
  const file = 'a.test.ts'
  const names = ['from a shared file', 'outer › inner › one (a|b)', 'outer › skipped', 'outer › later', 'fails']
  const absent = ['outer › gone', 'skipped whole › inside'].map((name) => ({ file, name }))
  const results = await runIn(directory, [
    ...names.map((name) => ({ file, name })),
    ...absent,
    { file: 'broken.test.ts', name: 'x' },
    { file: 'gone.test.ts', name: 'x' },
  ])
  assert.deepEqual(results, [
    { file, name: 'from a shared file', outcome: 'passed' },
    { file, name: 'outer › inner › one (a|b)', outcome: 'passed' },
    { file, name: 'outer › skipped', outcome: 'skipped', reason: 'why' },
    { file, name: 'outer › later', outcome: 'skipped', reason: 'still to be done' },
    { file, name: 'fails', outcome: 'failed' },
    { file: 'broken.test.ts', name: directory.join('broken.test.ts'), outcome: 'failed' },
  ])
})
