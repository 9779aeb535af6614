import { TareError } from '../../errors/index.ts'
import type { Host } from '../host.ts'
import type { Config } from './config-file.ts'
import { type Setting, variableOf } from './setting-table.ts'
import { checkValue, type SettingValue, splitVariable } from './setting-value.ts'

/** Where a value comes from; flags are known to the command line alone. */
export type SettingSource =
  | { readonly source: 'env'; readonly variable: string }
  | { readonly source: 'file'; readonly file: string; readonly line: number; readonly column: number }

/** A value with its source. */
export type FoundSetting = SettingSource & { readonly value: SettingValue }

/**
 * What holds for a setting beneath the command line: its variable, else the file. An empty variable counts as unset.
 * A policy that is on in the file stays on.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a variable whose value is not allowed
 */
export function findSetting(setting: Setting, env: Host['env'], config: Config): FoundSetting | undefined {
  const entry = config.values.get(setting.name)
  const inFile: FoundSetting | undefined =
    entry === undefined ? undefined : { source: 'file', file: config.path, ...entry }
  if (setting.isPolicy === true && inFile?.value === true) return inFile
  return inVariable(setting, env) ?? inFile
}

function inVariable(setting: Setting, env: Host['env']): FoundSetting | undefined {
  const variable = variableOf(setting)
  const text = env[variable] ?? ''
  if (text === '') return undefined
  const { value, problem } = checkValue(setting, splitVariable(setting, text))
  if (problem === undefined) return { source: 'env', variable, value }
  throw new TareError('INVALID_ARGUMENT', `${variable} ${problem}`, { hint: 'Set it to another value, or unset it' })
}

/** A source as errors name it: `TARE_JOBS`, `/etc/tare.yaml:3:1`. */
export function sourceText(found: SettingSource): string {
  return found.source === 'env' ? found.variable : `${found.file}:${found.line}:${found.column}`
}
