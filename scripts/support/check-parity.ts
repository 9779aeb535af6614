import process from 'node:process'
import { projectFiles, readProjectFile } from './project.ts'
import { checkProofs, parseParityPage } from './proofs.ts'
import { runTestFiles } from './run-test-files.ts'
import { keepTestResults, readTestRecord, testRecordKey } from './test-record.ts'

/** What the pages of parity are worth. */
export interface ParityReport {
  readonly problems: readonly string[]
  readonly proofCount: number
  /** Proofs that need programs which are not here. */
  readonly notProvenHere: number
}

/**
 * Holds every test that a parity page names against what it gives. Of files whose named tests all passed before, with
 * everything as it is now, nothing is run again.
 */
export async function checkParity(): Promise<ParityReport> {
  const pages = projectFiles('docs/parity.md', 'docs/parity/*.md').map((page) =>
    parseParityPage(page, readProjectFile(page)),
  )
  const proofs = pages.flatMap((page) => page.proofs)
  const key = testRecordKey()
  const known = readTestRecord(key)
  const passed = new Set(
    known.filter(({ outcome }) => outcome === 'passed').map(({ file, name }) => `${file}\n${name}`),
  )
  const unknown = proofs.filter(({ file, name }) => !passed.has(`${file}\n${name}`))
  const files = [...new Set(unknown.map(({ file }) => file))]
  const ran = await runTestFiles(files)
  keepTestResults(key, ran)
  const results = [...known.filter(({ file }) => !files.includes(file)), ...ran]
  const { problems, notProvenHere } = checkProofs(proofs, results, process.env['REQUIRE_PEERS'] === '1')
  return {
    problems: [...pages.flatMap((page) => page.problems), ...problems],
    proofCount: proofs.length,
    notProvenHere: notProvenHere.length,
  }
}
