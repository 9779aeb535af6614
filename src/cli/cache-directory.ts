import { join } from 'node:path'
import type { Host } from './host.ts'

/** Where things are kept between runs, as the XDG base directory specification says. */
export function cacheDirectory({ env, homeDirectory }: Pick<Host, 'env' | 'homeDirectory'>): string {
  const cache = env['XDG_CACHE_HOME'] ?? ''
  return join(cache === '' ? join(homeDirectory, '.cache') : cache, 'tare')
}
