import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import { projectFile, projectFiles } from './project.ts'
import type { TestResult } from './test-results.ts'

/** Where it is kept; it may be removed at any time. */
const PATH = projectFile('node_modules/.cache/tare/test-results.json')

/** Everything that a test may depend on. */
const SOURCES = [
  'src/**',
  'bin/**',
  'scripts/**',
  'test/**',
  'fixtures/**',
  'wasm/build/**',
  'docs/schemas/**',
  'package.json',
  'package-lock.json',
]

/** What tests gave, and for which state of the project that holds. */
export interface TestRecord {
  readonly key: string
  readonly results: readonly TestResult[]
}

/** Stands for the project as it is: sources, tests, fixtures, Node. */
export function testRecordKey(): string {
  const hash = createHash('sha256').update(`${process.version} ${existsSync(projectFile('../shared/fixtures'))}\n`)
  for (const file of projectFiles(...SOURCES)) {
    if (!statSync(projectFile(file)).isFile()) continue
    const bytes = readFileSync(projectFile(file))
    hash.update(`${file} ${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}

/** What is known of the project as it is now; nothing when it has changed. */
export function readTestRecord(key: string): readonly TestResult[] {
  try {
    const record = JSON.parse(readFileSync(PATH, 'utf8')) as TestRecord
    return record.key === key ? record.results : []
  } catch {
    return []
  }
}

/** Keeps results, in place of older ones of the same tests. */
export function keepTestResults(key: string, results: readonly TestResult[]): void {
  const known = readTestRecord(key)
  const isNew = new Set(results.map(({ file, name }) => `${file}\n${name}`))
  const kept = known.filter(({ file, name }) => !isNew.has(`${file}\n${name}`))
  const record: TestRecord = { key, results: [...kept, ...results] }
  mkdirSync(dirname(PATH), { recursive: true })
  const temporary = `${PATH}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(record))
  renameSync(temporary, PATH)
}
