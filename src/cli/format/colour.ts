import { styleText } from 'node:util'
import type { HostStream } from '../host.ts'

/** Looks that text can have. */
export type Look = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Gives text a look, or leaves it alone where colour is not wanted. */
export type Paint = (look: Look, text: string) => string

/** Text as it is. */
export const PLAIN: Paint = (_, text) => text

/**
 * The paint for a stream. `--no-color` and `NO_COLOR` turn it off, `FORCE_COLOR` on; otherwise terminals have it.
 *
 * @param flag - what `--color` or `--no-color` said
 * @see https://no-color.org
 */
export function paintFor(stream: HostStream, env: Readonly<Record<string, string | undefined>>, flag: boolean): Paint {
  if (!flag || (env['NO_COLOR'] ?? '') !== '') return PLAIN
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0'
  if (!forced && (stream.isTTY !== true || env['TERM'] === 'dumb')) return PLAIN
  return (look, text) => styleText(look, text, { validateStream: false })
}
