import type { ErrorCategory } from '../errors/index.ts'
import { classifyError } from './classify-error.ts'
import { Interruption } from './interruption.ts'

/** The exit code for each category of errors. */
export const EXIT_CODES: Readonly<Record<ErrorCategory, number>> = {
  internal: 1,
  usage: 2,
  environment: 3,
  content: 4,
  trust: 5,
}

/** How a run ended. `partial` is a run over several images that did some and not others; `negative` answered no. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'negative' }
  | { readonly kind: 'partial' }
  /** It told what was asked for, and that is not well. */
  | { readonly kind: 'unwell'; readonly category: ErrorCategory }
  | { readonly kind: 'failed'; readonly error: unknown }

/** The exit code of a run: the only place where one is decided. `docs/cli.md` has the table. */
export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'done':
      return 0
    case 'negative':
      return 1
    case 'partial':
      return 6
    case 'unwell':
      return EXIT_CODES[outcome.category]
    case 'failed':
      if (outcome.error instanceof Interruption) return outcome.error.exitCode
      return EXIT_CODES[classifyError(outcome.error).category]
  }
}
