/**
 * `npm run check:docs`: examples in comments run against the build, pages that follow from the sources are up to date,
 * and links lead somewhere. `--write` renews such pages instead of complaining about them.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { promisify } from 'node:util'
import { MADE_PAGES } from './support/made-pages.ts'
import { conclude, projectFile, projectFiles, readProjectFile } from './support/project.ts'

const LONGEST_RUN_MS = 30_000

const problems: string[] = []
checkMadePages()
const linkCount = checkLinks()
const exampleCount = await runExamples()
conclude('check:docs', problems, `${exampleCount} examples run, ${linkCount} links lead somewhere`)

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

/** Runs every `@example` on its own, where `tare` is what was built and nothing else is. */
async function runExamples(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'tare-examples-'))
  try {
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(projectFile(''), join(directory, 'node_modules', 'tare'))
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    const examples = projectFiles('src/**/*.ts')
      .filter((file) => !file.endsWith('.test.ts'))
      .flatMap(examplesIn)
    for (const [at, { where, code }] of examples.entries()) {
      const file = join(directory, `example-${at}.ts`)
      writeFileSync(file, code)
      await promisify(execFile)(process.execPath, [file], { cwd: directory, timeout: LONGEST_RUN_MS }).catch(
        (error: Error & { readonly stderr?: string }) =>
          problems.push(`${where}: the example fails\n${error.stderr ?? error.message}`),
      )
    }
    return examples.length
  } finally {
    rmSync(directory, { recursive: true })
  }
}

interface Example {
  readonly where: string
  readonly code: string
}

function examplesIn(file: string): readonly Example[] {
  const text = readProjectFile(file)
  return [...text.matchAll(/@example[^\n]*\n\s*\*\s*```ts\n([\s\S]*?)\n\s*\*\s*```/g)].map((match) => ({
    where: `${file}:${text.slice(0, match.index).split('\n').length}`,
    code: (match[1] ?? '').replace(/^\s*\* ?/gm, ''),
  }))
}
