import { join } from 'node:path'
import type { Host } from './host.ts'

/**
 * Where Tare keeps things between runs, as the XDG base directory specification says; all of it may be removed.
 *
 * @param name - what is kept: `recipes`
 */
export function cacheDirectory({ env, homeDirectory }: Pick<Host, 'env' | 'homeDirectory'>, name: string): string {
  const cache = env['XDG_CACHE_HOME']
  return join(cache === undefined || cache === '' ? join(homeDirectory, '.cache') : cache, 'tare', name)
}
