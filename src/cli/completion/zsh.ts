import { type CompletionFlag, type CompletionModel, type CompletionVerb, IMAGE_PREFIXES } from './model.ts'

/** A zsh completion on `_arguments`. */
export function zshScript(model: CompletionModel): string {
  return `#compdef tare
_tare() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C \\
${model.globalFlags.map(argumentSpec).join('')}    '1: :_tare_verbs' \\
    '*:: :->rest'
  [[ $state == rest ]] || return
  case $line[1] in
${model.verbs
  .map(
    (verb) => `    ${verb.name})
      _arguments \\
${verb.flags.map((flag) => `    ${argumentSpec(flag)}`).join('')}        ${argumentsOf(verb)}
      ;;
`,
  )
  .join('')}  esac
}
_tare_verbs() {
  local -a verbs=(
${model.verbs.map((verb) => `    ${quoted(`${verb.name}:${verb.description}`)}\n`).join('')}  )
  _describe verb verbs
}
_tare_images() {
  if compset -P '(oci|oci-archive|docker-archive|dir):'; then
    _files
  else
    compadd -S '' -- ${IMAGE_PREFIXES.join(' ')}
    _files
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _tare "$@"; else compdef _tare tare; fi
`
}

function argumentSpec(flag: CompletionFlag): string {
  const description = flag.description.replace(/[[\]:\\]/g, '\\$&')
  const value = flag.value === 'none' ? '' : `: :${actionOf(flag.value, flag.choices)}`
  // A long flag takes its value after a space or an equals sign.
  return flag.names
    .map((name) => (value !== '' && name.startsWith('--') ? `${name}=` : name))
    .map((name) => `    ${quoted(`*${name}[${description}]${value}`)} \\\n`)
    .join('')
}

function argumentsOf({ argument, choices, furtherArguments }: CompletionVerb): string {
  if (furtherArguments === argument) return quoted(`*: :${actionOf(argument, choices)}`)
  return [`1: :${actionOf(argument, choices)}`, `*: :${actionOf(furtherArguments, [])}`].map(quoted).join(' ')
}

function actionOf(value: CompletionFlag['value'], choices: readonly string[]): string {
  switch (value) {
    case 'choice':
      return `(${choices.join(' ')})`
    case 'file':
      return '_files'
    case 'directory':
      return '_files -/'
    case 'image':
      return '_tare_images'
    case 'text':
    case 'none':
      return ''
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
