import type { Command, Option } from 'commander'

/**
 * Rewrites flags that have no value but were given one, as podman's may be: `--rm=true` is `--rm`, `--all=false` is
 * `--no-all`, and a flag that is off anyway goes. What stands behind `--`, and anything else, stays.
 */
export function plainFlags(program: Command, argv: readonly string[]): readonly string[] {
  const options = optionsOf(program)
  const end = argv.indexOf('--')
  return argv.flatMap((word, at) => {
    const [, name, value] = (end === -1 || at < end ? /^(--[a-z][a-z-]*)=(true|false)$/.exec(word) : null) ?? []
    const named = options.filter((option) => option.long === name)
    if (name === undefined || named.length === 0 || !named.every(isFlag)) return [word]
    if (value === 'true') return [name]
    const opposite = name.startsWith('--no-') ? `--${name.slice(5)}` : `--no-${name.slice(2)}`
    return options.some((option) => option.long === opposite && isFlag(option)) ? [opposite] : []
  })
}

function isFlag(option: Option): boolean {
  return !option.required && !option.optional
}

function optionsOf(command: Command): readonly Option[] {
  return [...command.options, ...command.commands.flatMap(optionsOf)]
}
