import type { Command, Option } from 'commander'
import { hasErrorCode, TareError } from '../../errors/index.ts'
import type { Host } from '../host.ts'
import { readConfig } from './config-file.ts'
import { findSetting, type FoundSetting, sourceText } from './effective.ts'
import { type Setting, SETTINGS } from './setting-table.ts'
import { wordsOf } from './setting-value.ts'

/** Verbs that do their work whatever the settings are: they tell of them, or have no use for any. */
const WITHOUT_SETTINGS: ReadonlySet<string> = new Set(['config', 'version', 'completion'])
/** Verbs that go on without settings that are broken, and tell what is wrong. */
const IN_SPITE_OF_FAULTS: ReadonlySet<string> = new Set(['doctor'])

/**
 * Gives each option of a verb, and of those above it, what its variable or else the configuration file says, unless it
 * is on the command line.
 *
 * @throws {TareError} `INVALID_CONFIG`, `INVALID_ARGUMENT`; they name the line of the file, or the variable
 */
export async function applySettings(verb: Command, host: Host): Promise<void> {
  const chain = chainOf(verb)
  const name = chain.at(-2)?.name() ?? ''
  if (WITHOUT_SETTINGS.has(name)) return
  try {
    const config = await readConfig(host)
    for (const setting of SETTINGS) {
      if (setting.verbs?.includes(name) === false || isOverruled(setting, chain)) continue
      for (const command of chain) applySetting(setting, command, () => findSetting(setting, host.env, config))
    }
  } catch (error) {
    if (!IN_SPITE_OF_FAULTS.has(name) || !hasErrorCode(error, ...FAULTS)) throw error
  }
}

const FAULTS = ['INVALID_CONFIG', 'INVALID_ARGUMENT', 'FILE_NOT_FOUND', 'FILE_ACCESS'] as const

/** The verb and everything above it; the program comes last. */
function chainOf(verb: Command): readonly Command[] {
  return verb.parent === null ? [verb] : [verb, ...chainOf(verb.parent)]
}

function isOverruled({ name, yieldsTo = [] }: Setting, chain: readonly Command[]): boolean {
  return [name, ...yieldsTo].some((option) => chain.some((command) => onCommandLine(option, command) !== undefined))
}

/** The value that an option, or its opposite, was given on the command line, if it is there. */
export function onCommandLine(name: string, command: Command): { readonly value: unknown } | undefined {
  const key = optionFor(name, command)?.attributeName()
  if (key === undefined || command.getOptionValueSource(key) !== 'cli') return undefined
  return { value: command.getOptionValue(key) }
}

/** @param find - looked up only where there is something to set, so that a verb's faults are its own */
function applySetting(setting: Setting, command: Command, find: () => FoundSetting | undefined): void {
  const option = optionFor(setting.name, command)
  const found = option === undefined ? undefined : find()
  if (option === undefined || found === undefined) return
  const source = found.source === 'env' ? 'env' : 'config'
  command.setOptionValueWithSource(option.attributeName(), optionValue(option, found), source)
}

/** The option that a setting is for: `--color` or `--no-color`. The one that takes a value, if there are two. */
function optionFor(name: string, command: Command): Option | undefined {
  const options = command.options.filter(({ long }) => long === `--${name}` || long === `--no-${name}`)
  return options.find(({ negate }) => !negate) ?? options[0]
}

/** What the option makes of a value. */
function optionValue(option: Option, found: FoundSetting): unknown {
  // A flag has nothing to parse; it is on or off.
  if (!option.required && !option.optional) return found.value
  const { parseArg } = option
  if (parseArg === undefined) return wordsOf(found.value).at(-1)
  let value: unknown
  for (const word of wordsOf(found.value)) {
    try {
      value = parseArg(word, value)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : undefined
      const code = found.source === 'env' ? 'INVALID_ARGUMENT' : 'INVALID_CONFIG'
      throw new TareError(code, `${sourceText(found)}: ${option.long ?? option.flags} does not take ${word}`, {
        cause,
        hint: why,
      })
    }
  }
  return value
}
