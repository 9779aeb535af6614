import { type CompletionFlag, type CompletionModel, type CompletionVerb, IMAGE_PREFIXES } from './model.ts'

/**
 * A bash completion. Bash breaks words at colons, so after `oci:` the current word is just the path, and file names
 * complete without further ado.
 */
export function bashScript(model: CompletionModel): string {
  const allFlags = [...model.globalFlags, ...model.verbs.flatMap((verb) => verb.flags)]
  const verbNames = model.verbs.map((verb) => verb.name)
  return `# bash completion for tare
_tare() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb= word
  local -i at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case $word in
      ${verbNames.join('|')}) verb=$word; break ;;
    esac
  done
  if [[ $cur == : ]]; then cur=; fi
  case $prev in
${valueCases(allFlags)}
  esac
  if [[ $cur == -* ]]; then
    local flags
    case $verb in
${model.verbs.map((verb) => `      ${verb.name}) flags='${longNames(verb.flags)}' ;;`).join('\n')}
      *) flags='${longNames(model.globalFlags)}' ;;
    esac
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  case $verb in
    '') COMPREPLY=($(compgen -W '${verbNames.join(' ')} help' -- "$cur")) ;;
${model.verbs.map((verb) => `    ${verb.name}) ${verbAction(verb)} ;;`).join('\n')}
  esac
}
_tare_files() {
  local IFS=$'\\n'
  compopt -o filenames
  COMPREPLY=($(compgen "$1" -- "$2"))
}
_tare_images() {
  if [[ $2 != : ]]; then
    COMPREPLY=($(compgen -W '${IMAGE_PREFIXES.join(' ')}' -- "$1"))
    if ((\${#COMPREPLY[@]})) && [[ -n $1 ]]; then compopt -o nospace; return; fi
  fi
  _tare_files -f "$1"
}
complete -F _tare tare
`
}

function longNames(flags: readonly CompletionFlag[]): string {
  return flags.map((flag) => flag.names.at(-1)).join(' ')
}

function valueCases(flags: readonly CompletionFlag[]): string {
  const seen = new Set<string>()
  const cases = flags.flatMap((flag) => {
    const names = flag.names.join('|')
    if (flag.value === 'none' || seen.has(names)) return []
    seen.add(names)
    return [`    ${names}) ${argumentAction(flag.value, flag.choices)}; return ;;`]
  })
  return cases.join('\n')
}

function verbAction({ argument, choices, furtherArguments }: CompletionVerb): string {
  const first = argumentAction(argument, choices)
  if (furtherArguments === argument) return first
  return `if ((COMP_CWORD == at + 1)); then ${first}; else ${argumentAction(furtherArguments, [])}; fi`
}

function argumentAction(value: CompletionFlag['value'], choices: readonly string[]): string {
  switch (value) {
    case 'choice':
      return `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur"))`
    case 'file':
      return '_tare_files -f "$cur"'
    case 'directory':
      return '_tare_files -d "$cur"'
    case 'image':
      return '_tare_images "$cur" "$prev"'
    case 'text':
    case 'none':
      return ':'
  }
}
