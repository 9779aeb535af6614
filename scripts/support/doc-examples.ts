import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

const LONGEST_RUN_MS = 120_000

/** How the types of examples are checked: as in a project of somebody who uses Tare. */
const TYPE_RULES = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [projectFile('node_modules/@types')],
  },
}

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
 * Runs examples in their order and checks their types, each group in a folder of its own, where `tare` is what was built and nothing else is.
 *
 * @returns what is wrong with them
 */
export async function runDocExamples(groups: readonly (readonly DocExample[])[]): Promise<readonly string[]> {
  if (!existsSync(projectFile('dist/index.js'))) return ['examples run against the build: npm run build makes it']
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
        const failure = await failureOf(process.execPath, [file], folder)
        if (failure !== undefined) problems.push(`${where}: the example fails\n${failure}`)
      }
    }
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(TYPE_RULES))
    const faults = await failureOf(projectFile('node_modules/.bin/tsc'), ['-p', directory], directory)
    // Files are named by the group and the position of their example.
    if (faults !== undefined) problems.push(`types of examples are wrong\n${faults}`)
    return problems
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Runs a program. @returns what it said when it failed */
async function failureOf(program: string, args: readonly string[], cwd: string): Promise<string | undefined> {
  try {
    await promisify(execFile)(program, [...args], { cwd, timeout: LONGEST_RUN_MS })
    return undefined
  } catch (error) {
    const said = error as Error & { readonly stdout?: string; readonly stderr?: string }
    return [said.stderr, said.stdout, said.message].find((text) => text !== undefined && text !== '')
  }
}
