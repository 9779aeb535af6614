import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COMPILE_CACHE } from '../../scripts/support/compile-cache.ts'

/** Where runs of the tool keep their cache in this test process, so that none touches the user's own; removed at its end. */
export const SCRATCH_CACHE: string = mkdtempSync(join(tmpdir(), 'tare-test-cache-'))

process.on('exit', () => rmSync(SCRATCH_CACHE, { recursive: true, force: true }))

/**
 * For runs of the tool: neither the user's cache nor the user's configuration. Node keeps the sources as it compiled
 * them, without which a run takes three times as long.
 */
export const SCRATCH_ENVIRONMENT: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: COMPILE_CACHE,
  XDG_CACHE_HOME: SCRATCH_CACHE,
  XDG_CONFIG_HOME: join(SCRATCH_CACHE, 'config'),
}
