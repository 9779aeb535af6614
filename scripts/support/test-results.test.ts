import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'

/** Runs test files of a folder in a process that is no test itself. */
async function runIn(directory: TemporaryDirectory, files: readonly string[]): Promise<unknown> {
  const runner = new URL('run-test-files.ts', import.meta.url).href
  const main = directory.join('main.ts')
  await writeFile(
    main,
    `import { runTestFiles } from ${JSON.stringify(runner)}
console.log(JSON.stringify(await runTestFiles(${JSON.stringify(files)}, ${JSON.stringify(directory.path)})))`,
  )
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [main], { env })
  return JSON.parse(stdout)
}

test('testResults() tells file, suites, outcome and reason of each test that runTestFiles() ran', async () => {
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
    test('one', () => {})
  })
  test('skipped', { skip: 'why' }, () => {})
  test('later', { todo: true }, () => {})
})
describe('skipped whole', { skip: true }, () => { test('inside', () => {}) })
test('fails', () => { throw new Error('it fails') })
`,
  )
  await writeFile(directory.join('broken.test.ts'), "throw new Error('it cannot be loaded')\n")
  const results = await runIn(directory, ['a.test.ts', 'broken.test.ts', 'gone.test.ts'])
  const file = 'a.test.ts'
  assert.deepEqual(results, [
    { file, name: 'from a shared file', outcome: 'passed' },
    { file, name: 'outer › inner › one', outcome: 'passed' },
    { file, name: 'outer › skipped', outcome: 'skipped', reason: 'why' },
    { file, name: 'outer › later', outcome: 'skipped', reason: 'still to be done' },
    { file, name: 'fails', outcome: 'failed' },
    { file: 'broken.test.ts', name: directory.join('broken.test.ts'), outcome: 'failed' },
  ])
})
