import { readFileSync } from 'node:fs'

/** The version of this package. Read from `package.json`, which lies two folders up from `src/cli` and `dist/cli`. */
export function tareVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const isOurs = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isOurs ? String(manifest.version) : 'unknown'
}
