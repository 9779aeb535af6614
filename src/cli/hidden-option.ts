import { type Command, Option } from 'commander'

/**
 * Adds an option that help does not show.
 *
 * @param take - is given what the option's parser made of the value
 */
export function onHidden(command: Command, option: Option | string, take: (value: unknown) => void): void {
  const hidden = (typeof option === 'string' ? new Option(option) : option).hideHelp()
  command.addOption(hidden)
  command.on(`option:${hidden.name()}`, () => take(command.getOptionValue(hidden.attributeName())))
}

/** An option of a verb by its long name. */
export function findOption(command: Command, long: string): Option | undefined {
  return command.options.find((option) => option.long === long)
}

/** All verbs that do something, of all groups. */
export function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}
