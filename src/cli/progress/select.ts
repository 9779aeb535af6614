import { paintFor } from '../format/colour.ts'
import type { Host } from '../host.ts'
import { BarsRenderer } from './bars.ts'
import { EventsRenderer } from './events.ts'
import { LinesRenderer } from './lines.ts'
import type { ProgressMode, ProgressRenderer } from './renderer.ts'
import { messageLine } from './message.ts'

/** What `--progress auto` means here: bars where a person watches, lines where a log is written. */
export function automaticMode({ stderr, env }: Pick<Host, 'stderr' | 'env'>): ProgressMode {
  const isWatched = stderr.isTTY === true && env['TERM'] !== 'dumb' && (env['CI'] ?? '') === ''
  return isWatched ? 'bars' : 'lines'
}

/** Makes the renderer for a mode. `off` still passes on what is said. */
export function createRenderer(mode: ProgressMode, host: Host, isColourWanted: boolean): ProgressRenderer {
  const { stderr, clock } = host
  const paint = paintFor(stderr, host.env, isColourWanted)
  switch (mode) {
    case 'bars':
      return new BarsRenderer(stderr, clock, paint)
    case 'lines':
      return new LinesRenderer(stderr, clock)
    case 'json':
      return new EventsRenderer(stderr, clock)
    case 'off':
      return { update() {}, close() {}, say: (kind, text) => stderr.write(messageLine(kind, text, paint)) }
  }
}
