import process from 'node:process'
import { projectFile, projectFiles, readProjectFile } from './project.ts'
import { checkProofs, parseParityPage } from './proofs.ts'
import { runNamedTests } from './run-named-tests.ts'
import { keepTestResults, readTestRecord, testRecordKey } from './test-record.ts'

/** What the pages of parity are worth. */
export interface ParityReport {
  readonly problems: readonly string[]
  readonly proofCount: number
  /** Proofs that need programs which are not here. */
  readonly notProvenHere: number
}

/**
 * Holds every test that a parity page names against what it gives. Those that passed before, with everything as it is
 * now, are not run again.
 */
export async function checkParity(): Promise<ParityReport> {
  const pages = projectFiles('docs/parity.md', 'docs/parity/*.md').map((page) =>
    parseParityPage(page, readProjectFile(page)),
  )
  const proofs = pages.flatMap((page) => page.proofs)
  const key = testRecordKey()
  const passed = readTestRecord(key).filter(({ outcome }) => outcome === 'passed')
  const isKnown = new Set(passed.map(({ file, name }) => `${file}\n${name}`))
  const ran = await runNamedTests(
    proofs.filter(({ file, name }) => !isKnown.has(`${file}\n${name}`)),
    projectFile(''),
  )
  keepTestResults(key, ran)
  const { problems, notProvenHere } = checkProofs(proofs, [...passed, ...ran], process.env['REQUIRE_PEERS'] === '1')
  return {
    problems: [...pages.flatMap((page) => page.problems), ...problems],
    proofCount: proofs.length,
    notProvenHere: notProvenHere.length,
  }
}
