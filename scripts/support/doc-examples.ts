import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { projectFile, projectFiles, readProjectFile } from './project.ts'

/** A whole program in a comment or on a page. */
export interface DocExample {
  readonly where: string
  readonly code: string
}

/** Pages whose programs are complete. */
const PAGES = ['docs/library.md']

const LONGEST_RUN_MS = 60_000

/** Examples that belong together: each finds what those before it have left. */
export function docExamples(): readonly (readonly DocExample[])[] {
  const sources = projectFiles('src/**/*.ts').filter((file) => !file.endsWith('.test.ts'))
  const inComments = sources.flatMap((file) => commentExamples(file, readProjectFile(file)))
  return [...inComments.map((example) => [example]), ...PAGES.map((page) => pageExamples(page, readProjectFile(page)))]
}

/** Every `@example` of a source. */
export function commentExamples(file: string, text: string): readonly DocExample[] {
  return [...text.matchAll(/@example[^\n]*\n\s*\*\s*```ts\n([\s\S]*?)\n\s*\*\s*```/g)].map((match) => ({
    where: `${file}:${lineAt(text, match.index)}`,
    code: (match[1] ?? '').replace(/^\s*\* ?/gm, ''),
  }))
}

/** Every program of a page, that is every block fenced as `ts`. */
export function pageExamples(page: string, text: string): readonly DocExample[] {
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => ({
    where: `${page}:${lineAt(text, match.index)}`,
    code: match[1] ?? '',
  }))
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/**
 * Runs examples in their order, each group in a folder of its own, where `tare` is what was built and nothing else is.
 *
 * @returns what is wrong with them
 */
export async function runDocExamples(groups: readonly (readonly DocExample[])[]): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'tare-examples-'))
  const problems: string[] = []
  try {
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(projectFile(''), join(directory, 'node_modules', 'tare'))
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    for (const [at, examples] of groups.entries()) {
      const folder = join(directory, String(at))
      mkdirSync(folder)
      for (const [position, { where, code }] of examples.entries()) {
        const file = join(folder, `example-${position}.ts`)
        writeFileSync(file, code)
        const options = { cwd: folder, timeout: LONGEST_RUN_MS }
        await promisify(execFile)(process.execPath, [file], options).catch(
          (error: Error & { readonly stderr?: string }) =>
            problems.push(`${where}: the example fails\n${error.stderr ?? error.message}`),
        )
      }
    }
    return problems
  } finally {
    rmSync(directory, { recursive: true })
  }
}
