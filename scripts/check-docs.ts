/**
 * `npm run check:docs`: pages that follow from the sources are up to date, links lead somewhere, examples run against
 * the build, and the tests that parity pages name as proofs pass. `--write` renews pages instead of complaining about
 * them.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { posix } from 'node:path'
import process from 'node:process'
import { checkParity } from './support/check-parity.ts'
import { docExamples, runDocExamples } from './support/doc-examples.ts'
import { MADE_PAGES } from './support/made-pages.ts'
import { conclude, projectFile, projectFiles, readProjectFile } from './support/project.ts'

const problems: string[] = []
checkMadePages()
const linkCount = checkLinks()
const examples = docExamples()
problems.push(...(await runDocExamples(examples)))
const parity = await checkParity()
problems.push(...parity.problems)
conclude(
  'check:docs',
  problems,
  [
    `${examples.flat().length} examples run`,
    `${linkCount} links lead somewhere`,
    `${parity.proofCount - parity.notProvenHere} of ${parity.proofCount} proofs hold`,
    ...(parity.notProvenHere === 0 ? [] : ['the others need programs that are not here']),
  ].join(', '),
)

function checkMadePages(): void {
  for (const { path, text } of MADE_PAGES) {
    const page = text()
    if (process.argv.includes('--write')) writeFileSync(projectFile(path), page)
    else if (!existsSync(projectFile(path)) || readProjectFile(path) !== page) {
      problems.push(`${path} is out of date; run node scripts/check-docs.ts --write`)
    }
  }
}

function checkLinks(): number {
  let count = 0
  for (const page of projectFiles('*.md', 'docs/**/*.md', 'fixtures/*.md', 'wasm/*.md')) {
    const text = readProjectFile(page).replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      count++
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : posix.join(posix.dirname(page), path)
      if (!existsSync(projectFile(target))) problems.push(`${page}: ${link} leads nowhere`)
      else if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)) {
        problems.push(`${page}: ${link} names a heading that is not there`)
      }
    }
  }
  return count
}

/** Headings as they are linked to: lower case, punctuation gone, blanks as dashes. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = readProjectFile(page).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
