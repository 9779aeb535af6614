import { type Command, Option } from 'commander'
import { TareError } from '../errors/index.ts'
import { findOption, leavesOf, onHidden } from './hidden-option.ts'

/** Options that have another name here, and mean the same. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['workers', 'jobs'],
  ['memory-budget', 'memory'],
])

/** Settings of diffah's configuration file that have another name here. */
export const DIFFAH_SETTING_NAMES: ReadonlyMap<string, string> = OTHER_NAMES

/** Verbs that diffah had long ago, and what does their work. */
const REMOVED_VERBS: Readonly<Record<string, string>> = {
  export: 'tare diff for one image, tare bundle for several',
  import: 'tare apply for one image, tare unbundle for several',
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error']
const LOG_FORMATS = ['auto', 'text', 'json']

/**
 * Lets scripts that were written for diffah go on: its flags are taken where they mean something here. Help does not
 * show them, but for `-n`; `docs/migrating-from-diffah.md` does.
 *
 * | diffah | here |
 * | --- | --- |
 * | `-n` | `--dry-run` |
 * | `-o json`, `--format json` | `--json` |
 * | `--workers N` | `--jobs N` |
 * | `--memory-budget SIZE` | `--memory SIZE` |
 * | `--log-level debug`, `--log-level warn` or `error` | `--verbose`, `--quiet` |
 * | `--log-format json` | `--progress json`, unless `--progress` is given |
 * | `--username U --password P` | `--creds U:P` |
 * | `--compress X` | nothing: it never did anything |
 * | `--allow-convert` | nothing: nothing is ever converted |
 *
 * @param program - with all its verbs
 * @param note - is told what was ignored
 */
export function addDiffahAliases(program: Command, note: (text: string) => void): void {
  addFormats(program)
  for (const [theirs, ours] of OTHER_NAMES) addOtherName(program, theirs, ours)
  for (const verb of leavesOf(program)) {
    const dryRun = findOption(verb, '--dry-run')
    const isTaken = verb.options.some((option) => option.short === '-n')
    if (dryRun !== undefined && dryRun.short === undefined && !isTaken) {
      dryRun.short = '-n'
      dryRun.flags = `-n, ${dryRun.flags}`
    }
    if (findOption(verb, '--creds') !== undefined) addUserAndPassword(verb)
    for (const { flags, verbs, why } of IGNORED) {
      if (verbs.includes(verb.name())) onHidden(verb, flags, () => note(why))
    }
  }
  for (const [name, replacement] of Object.entries(REMOVED_VERBS)) addRemovedVerb(program, name, replacement)
}

const FORMATS: ReadonlySet<unknown> = new Set(['text', 'json'])

/** Flags that mean nothing here. */
const IGNORED: readonly { readonly flags: string; readonly verbs: readonly string[]; readonly why: string }[] = [
  {
    flags: '--compress <algorithm>',
    verbs: ['diff', 'bundle'],
    why: '--compress is ignored: what a delta holds is compressed',
  },
  {
    flags: '--allow-convert',
    verbs: ['apply', 'unbundle'],
    why: '--allow-convert is ignored: images keep their manifests, whatever they are written to',
  },
]

function addFormats(program: Command): void {
  let isJsonAsked = false
  let format: unknown
  program.on('option:json', () => {
    isJsonAsked = true
  })
  onHidden(program, '-o, --format <format>', (value) => {
    format = value
    if (FORMATS.has(value)) program.setOptionValueWithSource('json', value === 'json', 'cli')
  })
  program.hook('preAction', (_, verb) => {
    if (isJsonAsked && format === 'text') contradiction(verb, '--json', '--format text')
    if (format === undefined || FORMATS.has(format)) return
    // Verbs that write a file which is no image have -o for it, as everybody expects.
    if (findOption(verb, '--output')?.short === '-o') verb.setOptionValueWithSource('output', format, 'cli')
    else {
      verb.error(
        `error: option '-o, --format <format>' argument '${typeof format === 'string' ? format : ''}' is invalid. Allowed choices are text, json.`,
        {
          code: 'commander.invalidArgument',
        },
      )
    }
  })
  onHidden(program, new Option('--log-level <level>').choices(LOG_LEVELS), (value) => {
    if (value === 'debug') program.setOptionValueWithSource('verbose', true, 'cli')
    if (value === 'warn' || value === 'error') program.setOptionValueWithSource('quiet', true, 'cli')
  })
  onHidden(program, new Option('--log-format <format>').choices(LOG_FORMATS), () => {})
  program.hook('preAction', () => {
    const isWanted = program.getOptionValue('logFormat') === 'json'
    if (isWanted && program.getOptionValueSource('progress') !== 'cli') {
      program.setOptionValueWithSource('progress', 'json', 'cli')
    }
  })
}

/** Whether the words ask for JSON in diffah's way; for reporting faults that end the parsing before it got there. */
export function asksForFormatJson(words: readonly string[]): boolean {
  return words.some(
    (word, at) =>
      word === '-ojson' ||
      word === '--format=json' ||
      ((word === '-o' || word === '--format') && words[at + 1] === 'json'),
  )
}

/** Parsed by what parses the option itself, so that a fault is told by the name that was written. */
function addOtherName(program: Command, theirs: string, ours: string): void {
  const target = findOption(program, `--${ours}`)
  if (target === undefined) return
  const option = new Option(`--${theirs} <value>`)
  if (target.parseArg !== undefined) option.argParser(target.parseArg)
  onHidden(program, option, (value) => program.setOptionValueWithSource(target.attributeName(), value, 'cli'))
}

function addUserAndPassword(verb: Command): void {
  onHidden(verb, '--username <name>', () => {})
  onHidden(verb, '--password <password>', () => {})
  verb.hook('preAction', () => {
    const username: unknown = verb.getOptionValue('username')
    const password: unknown = verb.getOptionValue('password')
    if (username === undefined && password === undefined) return
    if (typeof username !== 'string' || typeof password !== 'string') {
      throw new TareError('INVALID_COMMAND_LINE', '--username and --password go together', {
        hint: 'Give both, or --creds USER:PASSWORD, or better a file with --authfile',
      })
    }
    if (username === '' || username.includes(':')) {
      throw new TareError('INVALID_ARGUMENT', '--username is empty or holds a colon, which no registry takes')
    }
    verb.setOptionValueWithSource('creds', `${username}:${password}`, 'cli')
  })
}

function addRemovedVerb(program: Command, name: string, replacement: string): void {
  program
    .command(name, { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(() => {
      throw new TareError('INVALID_COMMAND_LINE', `${name} is no verb of Tare, nor of diffah any more`, {
        hint: `Use ${replacement}`,
      })
    })
}

function contradiction(verb: Command, one: string, other: string): never {
  return verb.error(`error: option '${one}' cannot be used with option '${other}'`, {
    code: 'commander.conflictingOption',
  })
}
