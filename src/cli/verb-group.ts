import type { Command } from 'commander'

/** What a group of verbs says of itself. */
export interface VerbGroup {
  readonly name: string
  readonly summary: string
  readonly description: string
  /** At the end of its help. */
  readonly examples: string
}

/** Makes a verb that has actions: `tare image ls`. */
export function addVerbGroup(program: Command, { name, summary, description, examples }: VerbGroup): Command {
  const group = program
    .command(name)
    .summary(summary)
    .description(description)
    .usage('<action> [options]')
    .addHelpText('after', examples)
  group.helpCommand(false).commandsGroup('Actions:')
  return group
}
