import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where runs of the tool keep their cache in this test process, so that none touches the user's own; removed at its end. */
export const SCRATCH_CACHE: string = mkdtempSync(join(tmpdir(), 'tare-test-cache-'))

process.on('exit', () => rmSync(SCRATCH_CACHE, { recursive: true, force: true }))

/** For runs of the tool: neither the user's cache nor the user's configuration. */
export const SCRATCH_ENVIRONMENT: Readonly<Record<string, string>> = {
  XDG_CACHE_HOME: SCRATCH_CACHE,
  XDG_CONFIG_HOME: join(SCRATCH_CACHE, 'config'),
}
