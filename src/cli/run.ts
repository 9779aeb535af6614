import type { ErrorCategory } from '../errors/index.ts'
import type { Logger, OperationOptions } from '../stream/index.ts'
import type { Settings } from './global-options.ts'
import type { Host } from './host.ts'
import type { ProgressRenderer } from './progress/renderer.ts'
import type { StandardStreams } from './standard-streams.ts'

/** What a verb gets for its work: the settings, and the options that every operation below understands. */
export interface Run {
  readonly settings: Settings
  readonly host: Host
  /** What `-` stands for. */
  readonly standard: StandardStreams
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onProgress: NonNullable<OperationOptions['onProgress']>
}

/** What a verb made; the frame prints it. */
export type VerbResult =
  /** Something done, with a summary that `--quiet` leaves out. `--json` prints `report` instead of the text. */
  | {
      readonly kind: 'summary'
      readonly report: unknown
      readonly text: string
      /** Some of several images were not done: exit code 6. */
      readonly isPartial?: boolean | undefined
      /** Nothing of it came out as wanted: told after the summary, and the exit code is its. */
      readonly failure?: unknown
    }
  /** What the user asked to see. `--json` prints `report` instead of the text. */
  | {
      readonly kind: 'answer'
      readonly report: unknown
      readonly text: string
      /** The answer tells of something that is not well: the exit code of this category. */
      readonly unwell?: ErrorCategory | undefined
      /** The answer to a question is no: exit code 1. */
      readonly isNegative?: boolean | undefined
    }
  /** Exact bytes, and nothing else. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** Runs the work of a verb with all that goes around it; commander's actions call it. */
export type Execute = (work: (run: Run) => Promise<VerbResult>) => Promise<void>

/** The run that goes with settings, a renderer and a signal. */
export function createRun(
  host: Host,
  settings: Settings,
  renderer: ProgressRenderer,
  standard: StandardStreams,
  signal: AbortSignal,
): Run {
  return {
    standard,
    settings,
    host,
    signal,
    onProgress: (event) => renderer.update(event),
    logger: {
      warn(message) {
        if (!settings.quiet) renderer.say('warning', message)
      },
      debug(message) {
        if (settings.verbose) renderer.say('debug', message)
      },
    },
  }
}
