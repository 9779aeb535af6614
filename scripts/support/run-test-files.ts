import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { projectFile } from './project.ts'
import { PEER_TESTS } from './proofs.ts'
import { type TestResult, testResults } from './test-results.ts'

/**
 * Runs test files, whole: a test may lean on what those before it did. Those against programs of others run one after
 * the other, as `npm run test:peers` has it.
 *
 * @param files - from the root of the project; those that are not there are left out
 */
export async function runTestFiles(
  files: readonly string[],
  root: string = projectFile(''),
): Promise<readonly TestResult[]> {
  const found = files.filter((file) => existsSync(join(root, file)))
  const { peers = [], own = [] } = Object.groupBy(found, (file) => (file.startsWith(PEER_TESTS) ? 'peers' : 'own'))
  const results: TestResult[] = []
  for (const [group, concurrency] of [
    [own, true],
    [peers, false],
  ] as const) {
    if (group.length === 0) continue
    const events = run({ cwd: root, files: group.map((file) => join(root, file)), concurrency })
    for await (const result of testResults(events, root)) results.push(result)
  }
  return results
}
