import { CommanderError } from 'commander'
import { TareError } from '../errors/index.ts'

/** What commander throws for help and the version, which are no faults. */
const NO_FAULTS: ReadonlySet<string> = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version'])

/** Whether commander ended the run because it printed what was asked for. */
export function isHelpDisplayed(error: unknown): boolean {
  return error instanceof CommanderError && NO_FAULTS.has(error.code) && error.exitCode === 0
}

/**
 * Turns a fault in the command line, as commander tells it, into an error of ours; anything else is returned as it is.
 *
 * @param verb - the verb it happened in, as far as it was understood
 */
export function usageError(error: unknown, verb: string | undefined): unknown {
  if (!(error instanceof CommanderError)) return error
  const help = `see tare ${verb === undefined ? '' : `${verb} `}--help`
  if (error.code === 'commander.help') {
    return new TareError('INVALID_COMMAND_LINE', 'tare needs a verb', { hint: capitalised(help) })
  }
  const [text = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  // Commander suggests as `(Did you mean --force?)`.
  const didYouMean = suggestion === undefined ? undefined : suggestion.replace(/^\(|\)$/g, '')
  const isValue = error.code === 'commander.invalidArgument'
  return new TareError(isValue ? 'INVALID_ARGUMENT' : 'INVALID_COMMAND_LINE', text.replace(/\.$/, ''), {
    hint: didYouMean === undefined ? capitalised(help) : `${didYouMean} Otherwise ${help}`,
  })
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
