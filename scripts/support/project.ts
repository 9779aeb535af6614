import { globSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A path in the project, absolute. */
export function projectFile(path: string): string {
  return ROOT + path
}

/** The text of a file of the project. */
export function readProjectFile(path: string): string {
  return readFileSync(projectFile(path), 'utf8')
}

/** Files of the project that match, with `/`, sorted. */
export function projectFiles(...patterns: readonly string[]): readonly string[] {
  return globSync(patterns, { cwd: ROOT })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
}

/** Prints what is wrong, one line each, and ends the script with it; or says that all is well. */
export function conclude(check: string, problems: readonly string[], whatIsWell: string): void {
  if (problems.length === 0) {
    console.log(`${check}: ${whatIsWell}`)
    return
  }
  for (const problem of problems) console.error(`${check}: ${problem}`)
  console.error(`${check}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`)
  process.exitCode = 1
}
