import { readFileSync } from 'node:fs'

/** The version of this package. */
export function tareVersion(): string {
  return textIn(manifest(), 'version')
}

/** The oldest Node that this package runs on. */
export function requiredNode(): string {
  const document = manifest()
  const engines = typeof document === 'object' && document !== null && 'engines' in document ? document.engines : {}
  return textIn(engines, 'node').replace(/^\D*/, '')
}

/** `package.json` lies two folders up from `src/cli` and `dist/cli`. */
function manifest(): unknown {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
}

function textIn(document: unknown, field: string): string {
  const value: unknown = Object.entries(document ?? {}).find(([name]) => name === field)?.[1]
  return typeof value === 'string' ? value : 'unknown'
}
