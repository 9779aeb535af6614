import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkProofs, parseParityPage, type Proof } from './proofs.ts'
import type { TestResult } from './test-results.ts'

const page = (...rows: readonly string[]): string =>
  ['| row | in Tare | proof |', '| --- | --- | --- |', ...rows].join('\n')
const proofOf = (file: string, name: string): Proof => ({ where: 'p.md:3', file, name })
const passed = (file: string, name: string): TestResult => ({ file, name, outcome: 'passed' })
const problemsOf = (proof: Proof, ...results: readonly TestResult[]): readonly string[] =>
  checkProofs([proof], results, false).problems

test('parseParityPage() reads tests by file and name, several in a cell, and reasons for none', () => {
  const text = page(
    '| 1 `diff` | `tare diff` | `test/a.test.ts` › diff() makes a\\|b |',
    '| 2 | `x` | `src/b.test.ts` › Suite › one<br>`src/b.test.ts` › two |',
    '| 3 | nothing | none: there is no need |',
  )
  const { proofs, problems } = parseParityPage('p.md', text)
  assert.deepEqual(problems, [])
  assert.deepEqual(proofs, [
    { where: 'p.md:3', file: 'test/a.test.ts', name: 'diff() makes a|b' },
    { where: 'p.md:4', file: 'src/b.test.ts', name: 'Suite › one' },
    { where: 'p.md:4', file: 'src/b.test.ts', name: 'two' },
  ])
})

test('parseParityPage() refuses rows that name no test and give no reason, and rows of another width', () => {
  const { proofs, problems } = parseParityPage(
    'p.md',
    page(
      '| 1 | x | |',
      '| 2 | x | test/a.test.ts › no ticks |',
      '| 3 | x | `test/a.test.ts` |',
      '| 4 | x | none: |',
      '| 5 | x |',
    ),
  )
  assert.deepEqual(proofs, [])
  assert.deepEqual(
    problems.map((problem) => problem.split(': ')[0]),
    ['p.md:3', 'p.md:4', 'p.md:5', 'p.md:6', 'p.md:7'],
  )
})

test('parseParityPage() misses rows in a numbered list, and finds those that are there twice', () => {
  const { problems } = parseParityPage(
    'p.md',
    page('| 1 | x | none: a |', '| 4 | x | none: b |', '| 4 | x | none: c |'),
  )
  assert.equal(problems.length, 2)
  assert.match(problems[0] ?? '', /p\.md:5: row 4 is there already, at p\.md:4/)
  assert.match(problems[1] ?? '', /missing: 2, 3$/)
})

test('parseParityPage() leaves other tables and what is fenced alone', () => {
  const text = `| a | b |\n| --- | --- |\n| 1 | 2 |\n\n\`\`\`md\n${page('| 1 | x | wrong |')}\n\`\`\`\n`
  assert.deepEqual(parseParityPage('p.md', text), { proofs: [], problems: [] })
})

test('checkProofs() is content with a test that passed', () => {
  assert.deepEqual(problemsOf(proofOf('test/a.test.ts', 'S › one'), passed('test/a.test.ts', 'S › one')), [])
})

test('checkProofs() reports a test that is gone, and one in a file that did not run', () => {
  const proof = proofOf('test/a.test.ts', 'one')
  assert.match(problemsOf(proof)[0] ?? '', /^p\.md:3: test\/a\.test\.ts › one did not run; is it gone/)
  assert.equal(problemsOf(proof, passed('test/b.test.ts', 'one')).length, 1)
  const broken = { file: 'test/a.test.ts', name: '/somewhere/test/a.test.ts', outcome: 'failed' } as const
  assert.match(problemsOf(proof, broken)[0] ?? '', /did not run: the file fails$/)
})

test('checkProofs() reports a test that was renamed or moved into a suite, and names the suite', () => {
  assert.equal(problemsOf(proofOf('test/a.test.ts', 'one'), passed('test/a.test.ts', 'One')).length, 1)
  const moved = problemsOf(proofOf('test/a.test.ts', 'one'), passed('test/a.test.ts', 'S › one'))
  assert.match(moved[0] ?? '', /is it S › one\?$/)
})

test('checkProofs() reports a test that failed, also when another of its name passed', () => {
  const proof = proofOf('test/a.test.ts', 'one')
  const failed: TestResult = { ...proof, outcome: 'failed' }
  assert.match(problemsOf(proof, passed('test/a.test.ts', 'one'), failed)[0] ?? '', / fails$/)
})

test('checkProofs() reports a test that was skipped, with the reason', () => {
  const proof = proofOf('test/a.test.ts', 'one')
  const skipped: TestResult = { ...proof, outcome: 'skipped', reason: 'not today' }
  assert.match(problemsOf(proof, skipped)[0] ?? '', / was skipped: not today$/)
})

test('checkProofs() lets tests against peers be skipped, but not with REQUIRE_PEERS', () => {
  const proof = proofOf('test/peers/a.test.ts', 'one')
  const results: readonly TestResult[] = [{ ...proof, outcome: 'skipped', reason: 'skopeo not installed' }]
  assert.deepEqual(checkProofs([proof], results, false), { problems: [], notProvenHere: [proof] })
  assert.equal(checkProofs([proof], results, true).problems.length, 1)
  assert.equal(checkProofs([proof], [], false).problems.length, 1)
})
