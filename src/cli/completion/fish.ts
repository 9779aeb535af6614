import { type CompletionFlag, type CompletionModel, type CompletionVerb, IMAGE_PREFIXES } from './model.ts'

/** A fish completion. */
export function fishScript(model: CompletionModel): string {
  const names = model.verbs.map((verb) => verb.name)
  const lines = [
    '# fish completion for tare',
    'function __tare_images',
    "    set -l prefix (string match -r '^(?:oci|oci-archive|docker-archive|dir):' -- (commandline -ct))",
    '    if test -n "$prefix"',
    '        set -l path (string sub -s (math (string length -- $prefix) + 1) -- (commandline -ct))',
    '        for file in (__fish_complete_path $path)',
    '            echo $prefix$file',
    '        end',
    '    else',
    `        printf '%s\\n' ${IMAGE_PREFIXES.join(' ')}`,
    '        __fish_complete_path (commandline -ct)',
    '    end',
    'end',
    'complete -c tare -f',
    ...model.globalFlags.map((flag) => flagLine('__fish_use_subcommand', flag)),
    ...model.verbs.map(
      (verb) => `complete -c tare -n __fish_use_subcommand -a ${verb.name} -d ${quoted(verb.description)}`,
    ),
    ...model.verbs.flatMap((verb) => {
      const condition = quoted(`__fish_seen_subcommand_from ${verb.name}`)
      return [...verb.flags.map((flag) => flagLine(condition, flag)), ...argumentLines(verb, condition)]
    }),
    `complete -c tare -n '__fish_seen_subcommand_from help' -a '${names.join(' ')}'`,
  ]
  return `${lines.join('\n')}\n`
}

function argumentLines(verb: CompletionVerb, condition: string): readonly string[] {
  const { argument, choices, furtherArguments } = verb
  const line = (when: string, words: string): readonly string[] =>
    words === '' ? [] : [`complete -c tare -n ${when}${words}`]
  if (furtherArguments === argument) return line(condition, valueWords(argument, choices))
  const hasFirst = `__fish_seen_subcommand_from ${choices.join(' ')}`
  return [
    ...line(quoted(`__fish_seen_subcommand_from ${verb.name}; and not ${hasFirst}`), valueWords(argument, choices)),
    ...line(quoted(hasFirst), valueWords(furtherArguments, [])),
  ]
}

function flagLine(condition: string, flag: CompletionFlag): string {
  const names = flag.names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const takesValue = flag.value === 'none' ? '' : ` -r${valueWords(flag.value, flag.choices)}`
  return `complete -c tare -n ${condition} ${names.join(' ')}${takesValue} -d ${quoted(flag.description)}`
}

function valueWords(value: CompletionFlag['value'], choices: readonly string[]): string {
  switch (value) {
    case 'choice':
      return ` -f -a ${quoted(choices.join(' '))}`
    case 'file':
      return ' -F'
    case 'directory':
      return " -f -a '(__fish_complete_directories)'"
    case 'image':
      return " -f -a '(__tare_images)'"
    case 'text':
      return ' -f'
    case 'none':
      return ''
  }
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}
