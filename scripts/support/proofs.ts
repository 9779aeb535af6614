import { basename } from 'node:path'
import { NAME_SEPARATOR, type TestResult } from './test-results.ts'

/** A test that a page names as the proof of something. */
export interface Proof {
  /** `docs/parity/diffah.md:12` */
  readonly where: string
  readonly file: string
  readonly name: string
}

/** What a page of parity tables holds. */
export interface ParityPage {
  readonly proofs: readonly Proof[]
  /** Rows that say neither by which test they are proven, nor why by none. */
  readonly problems: readonly string[]
}

/** What was found out about proofs. */
export interface ProofReport {
  readonly problems: readonly string[]
  /** Tests against programs that are not on this machine. */
  readonly notProvenHere: readonly Proof[]
}

const PROOF = /^`((?:src|test|scripts)\/\S+\.test\.ts)` › (.+)$/
const NO_PROOF = /^none: \S/i
/** Where tests against programs of others lie. */
export const PEER_TESTS = 'test/peers/'

/**
 * Reads the tables of a page whose last column is headed `proof`. Such a cell names tests, separated by `<br>`, each as
 * `` `path/to/file.test.ts` › name of the test `` with the names of the suites around it in front; or it says why there
 * is none: `none: …`.
 */
export function parseParityPage(page: string, text: string): ParityPage {
  const proofs: Proof[] = []
  const problems: string[] = []
  const rows = new Map<string, string>()
  let columns = 0
  for (const [at, line] of withoutFences(text).split('\n').entries()) {
    const where = `${page}:${at + 1}`
    const cells = cellsOf(line)
    if (cells === undefined) columns = 0
    else if (cells.at(-1) === 'proof') columns = cells.length
    else if (columns > 0 && !cells.every((cell) => /^:?-+:?$/.test(cell))) {
      const [row = ''] = cells
      const twin = rows.get(row)
      if (twin !== undefined) problems.push(`${where}: row ${row} is there already, at ${twin}`)
      rows.set(row, where)
      if (cells.length !== columns) problems.push(`${where}: row ${row} has ${cells.length} cells, not ${columns}`)
      else problems.push(...readProofs(cells.at(-1) ?? '', where, row, proofs))
    }
  }
  return { proofs, problems: [...problems, ...gaps(page, [...rows.keys()])] }
}

function readProofs(cell: string, where: string, row: string, proofs: Proof[]): readonly string[] {
  if (NO_PROOF.test(cell)) return []
  return cell.split(/<br ?\/?>/).flatMap((part) => {
    const [, file, name] = PROOF.exec(part.trim()) ?? []
    if (file === undefined || name === undefined) {
      return [`${where}: row ${row} names no test: \`FILE\` › NAME, or says why there is none: none: …`]
    }
    proofs.push({ where, file, name })
    return []
  })
}

/** Rows that are numbered are all there. */
function gaps(page: string, rows: readonly string[]): readonly string[] {
  const numbers = new Set(rows.flatMap((row) => /^\d+\b/.exec(row)?.[0] ?? []).map(Number))
  const last = Math.max(0, ...numbers)
  const missing = Array.from({ length: last }, (_, at) => at + 1).filter((number) => !numbers.has(number))
  return missing.length === 0 ? [] : [`${page}: rows are missing: ${missing.join(', ')}`]
}

function cellsOf(line: string): readonly string[] | undefined {
  const inner = /^\|(.*)\|\s*$/.exec(line)?.[1]
  return inner?.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
}

/** Keeps the lines where they are. */
function withoutFences(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, (fence) => fence.replace(/[^\n]/g, ''))
}

/**
 * Holds proofs against what tests gave: each has to be there, to have run and to have passed. A test against programs of
 * others may be skipped where they are absent.
 *
 * @param requiresPeers - not even then
 */
export function checkProofs(
  proofs: readonly Proof[],
  results: readonly TestResult[],
  requiresPeers: boolean,
): ProofReport {
  const problems: string[] = []
  const notProvenHere: Proof[] = []
  for (const proof of proofs) {
    const found = results.filter(({ file, name }) => file === proof.file && name === proof.name)
    const skipped = found.find(({ outcome }) => outcome === 'skipped')
    const text = `${proof.where}: ${proof.file}${NAME_SEPARATOR}${proof.name}`
    if (found.length === 0) problems.push(`${text} ${absence(proof, results)}`)
    else if (found.some(({ outcome }) => outcome === 'failed')) problems.push(`${text} fails`)
    else if (skipped !== undefined && proof.file.startsWith(PEER_TESTS) && !requiresPeers) notProvenHere.push(proof)
    else if (skipped !== undefined) {
      problems.push(`${text} was skipped${skipped.reason === undefined ? '' : `: ${skipped.reason}`}`)
    }
  }
  return { problems, notProvenHere }
}

/** A test may have moved into or out of a suite. */
function absence({ file, name }: Proof, results: readonly TestResult[]): string {
  const last = (text: string): string | undefined => text.split(NAME_SEPARATOR).at(-1)
  const ofFile = results.filter((result) => result.file === file)
  const moved = ofFile.find((result) => last(result.name) === last(name))
  if (moved !== undefined) return `did not run; is it ${moved.name}?`
  // A file that can't be loaded is told as a test with the name of the file.
  if (ofFile.some((result) => result.outcome === 'failed' && result.name.endsWith(basename(file)))) {
    return 'did not run: the file fails'
  }
  return 'did not run; is it gone, or renamed?'
}
