import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { projectFile } from './project.ts'
import { NAME_SEPARATOR, type TestResult, testResults } from './test-results.ts'

/** A test by its file, from the root of the project, and its name. */
export type NamedTest = Pick<TestResult, 'file' | 'name'>

/**
 * Runs tests by their names, and of their files nothing else.
 *
 * @returns what came of those that exist
 */
export async function runNamedTests(
  tests: readonly NamedTest[],
  root: string = projectFile(''),
): Promise<readonly TestResult[]> {
  const files = [...new Set(tests.map(({ file }) => join(root, file)))].filter((file) => existsSync(file))
  if (files.length === 0) return []
  // The runner joins the names of suites and tests by blanks.
  const names = new Set(tests.map(({ name }) => name.split(NAME_SEPARATOR).join(' ')))
  const testNamePatterns = [...names].map((name) => new RegExp(`^${escaped(name)}$`))
  const results: TestResult[] = []
  const events = run({ cwd: root, files, testNamePatterns, concurrency: true })
  for await (const result of testResults(events, root)) results.push(result)
  return results
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
