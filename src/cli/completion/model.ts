import type { Command, Option } from 'commander'

/** What follows a flag or stands as an argument. */
export type ValueKind = 'none' | 'choice' | 'file' | 'directory' | 'image' | 'text'

/** A flag as a completion script sees it. */
export interface CompletionFlag {
  /** `--quiet`, `-q` */
  readonly names: readonly string[]
  readonly description: string
  readonly value: ValueKind
  readonly choices: readonly string[]
}

/** A verb with its own flags and the global ones. */
export interface CompletionVerb {
  readonly name: string
  readonly description: string
  readonly flags: readonly CompletionFlag[]
  readonly argument: ValueKind
  readonly choices: readonly string[]
  /** What follows the first argument. */
  readonly furtherArguments: ValueKind
}

/** All that can be completed. */
export interface CompletionModel {
  readonly verbs: readonly CompletionVerb[]
  readonly globalFlags: readonly CompletionFlag[]
}

/** Prefixes of images, as they are offered. */
export const IMAGE_PREFIXES: readonly string[] = [
  'docker://',
  'oci:',
  'oci-archive:',
  'docker-archive:',
  'dir:',
  'store:',
  'docker-daemon:',
  'containerd:',
]

const VALUE_KINDS: Readonly<Record<string, ValueKind>> = { file: 'file', dir: 'directory', image: 'image' }

/** Reads what can be completed off the program itself, so that scripts never lag behind. */
export function completionModel(program: Command): CompletionModel {
  const globalFlags = flagsOf(program)
  const help: CompletionFlag = {
    names: ['-h', '--help'],
    description: 'print help for a verb',
    value: 'none',
    choices: [],
  }
  const verbs = visibleVerbs(program).map((verb): CompletionVerb => {
    const actions = verb.commands
    const argument = argumentOf(verb)
    return {
      name: verb.name(),
      description: verb.summary(),
      flags: [...flagsOf(verb), ...actions.flatMap(flagsOf), ...globalFlags, help],
      argument: actions.length > 0 ? 'choice' : argument,
      choices: actions.length > 0 ? actions.map((action) => action.name()) : choicesOf(verb),
      furtherArguments: actions[0] === undefined ? argument : argumentOf(actions[0]),
    }
  })
  return { verbs, globalFlags: [...globalFlags, help] }
}

/** Aliases for other tools' verbs and flags are hidden; nobody wants them offered. */
function visibleVerbs(program: Command): readonly Command[] {
  const visible = program.createHelp().visibleCommands(program)
  return program.commands.filter((verb) => visible.includes(verb))
}

function argumentOf({ registeredArguments: [argument] }: Command): ValueKind {
  if (argument === undefined) return 'none'
  return argument.argChoices === undefined ? (VALUE_KINDS[argument.name()] ?? 'image') : 'choice'
}

function choicesOf({ registeredArguments: [argument] }: Command): readonly string[] {
  return argument?.argChoices ?? []
}

function flagsOf(command: Command): readonly CompletionFlag[] {
  return command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => ({
      names: [option.short, option.long].filter((name) => name !== undefined),
      description: option.description,
      value: valueOf(option),
      choices: option.argChoices ?? [],
    }))
}

function valueOf(option: Option): ValueKind {
  if (option.argChoices !== undefined) return 'choice'
  const name = /<([^>]+)>/.exec(option.flags)?.[1]
  return name === undefined ? 'none' : (VALUE_KINDS[name] ?? 'text')
}
