import { type Command, CommanderError } from 'commander'
import { TareError } from '../errors/index.ts'

/** What commander throws for help and the version, which are no faults. */
const NO_FAULTS: ReadonlySet<string> = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version'])

/** Whether commander ended the run because it printed what was asked for. */
export function isHelpDisplayed(error: unknown): boolean {
  return error instanceof CommanderError && NO_FAULTS.has(error.code) && error.exitCode === 0
}

/** Faults whose cure is to see the arguments. */
const ARGUMENT_FAULTS: ReadonlySet<string> = new Set(['commander.missingArgument', 'commander.excessArguments'])

/**
 * Turns a fault in the command line, as commander tells it, into an error of ours; anything else is returned as it is.
 *
 * @param verb - the verb it happened in, as far as it was understood
 */
export function usageError(error: unknown, verb: Command | undefined): unknown {
  if (!(error instanceof CommanderError)) return error
  const help = `see ${verb === undefined ? 'tare' : fullName(verb)} --help`
  if (error.code === 'commander.help') {
    const missing = verb === undefined ? 'tare needs a verb' : `${fullName(verb)} needs an action`
    return new TareError('INVALID_COMMAND_LINE', missing, { hint: capitalised(help) })
  }
  const [text = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  // Commander suggests as `(Did you mean --force?)`.
  const didYouMean = suggestion === undefined ? undefined : suggestion.replace(/^\(|\)$/g, '')
  const isValue = error.code === 'commander.invalidArgument'
  const usage = verb !== undefined && ARGUMENT_FAULTS.has(error.code) ? usageAndExample(verb) : ''
  return new TareError(isValue ? 'INVALID_ARGUMENT' : 'INVALID_COMMAND_LINE', text.replace(/\.$/, ''), {
    hint: didYouMean === undefined ? `${usage}${capitalised(help)}` : `${didYouMean} Otherwise ${help}`,
  })
}

function fullName(verb: Command): string {
  return verb.parent === null ? verb.name() : `${fullName(verb.parent)} ${verb.name()}`
}

/** The first lines of a verb's help, and the first of its examples. */
function usageAndExample(verb: Command): string {
  let help = ''
  verb.configureOutput({ writeOut: (part) => (help += part) }).outputHelp()
  const usage = /^Usage: (.+)$/m.exec(help)?.[1]
  const example = /^ {2}# .+\n {2}(.+)$/m.exec(help)?.[1]
  return [
    usage === undefined ? '' : `Write ${usage}`,
    example === undefined ? '' : `, for example ${example}`,
    usage === undefined ? '' : '. ',
  ].join('')
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
