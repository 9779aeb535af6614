import type { Command, Option } from 'commander'

/**
 * Rewrites a command line as podman's users write it to what commander takes: flags without a value that were given one
 * (`--rm=true` is `--rm`, `--all=false` is `--no-all`, a flag that is off anyway goes), and `--format` of the verbs that
 * push a list, which would be taken for the one that chooses between text and JSON. What stands behind `--` stays.
 */
export function podmanWords(program: Command, argv: readonly string[]): readonly string[] {
  const separator = argv.indexOf('--')
  const end = separator === -1 ? argv.length : separator
  return [...plainFlags(program, listFormats(argv.slice(0, end))), ...argv.slice(end)]
}

/** Values of the `--format` that every verb has. */
const OUTPUT_FORMATS: ReadonlySet<string | undefined> = new Set(['text', 'json'])

function listFormats(words: readonly string[]): readonly string[] {
  const group = words.indexOf('manifest')
  const action = words[group + 1]
  if (group === -1 || (action !== 'push' && action !== 'from')) return words
  return words.map((word, at) => {
    const [, value = words[at + 1]] = /^--format(?:=(.*))?$/.exec(word) ?? [undefined, 'text']
    return OUTPUT_FORMATS.has(value) ? word : word.replace('--format', '--list-format')
  })
}

function plainFlags(program: Command, words: readonly string[]): readonly string[] {
  const options = optionsOf(program)
  return words.flatMap((word) => {
    const [, name, value] = /^(--[a-z][a-z-]*)=(true|false)$/.exec(word) ?? []
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
