import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { onCommandLine } from './apply-settings.ts'
import type { Config } from './config-file.ts'
import { findSetting, type SettingSource } from './effective.ts'
import { type Setting, SETTINGS } from './setting-table.ts'
import type { SettingValue } from './setting-value.ts'

/** What holds for one setting, and why. */
export type SettingReport = {
  readonly name: string
  /** As it was given; null where nothing is said. */
  readonly value: SettingValue | null
  /** What holds where nothing is said. */
  readonly otherwise: string
} & (SettingSource | { readonly source: 'flag' } | { readonly source: 'default' })

/**
 * Tells of every setting, in the order of the table.
 *
 * @param program - whose options may be on the command line
 * @throws {TareError} `INVALID_ARGUMENT` for a variable whose value is not allowed
 */
export function surveySettings(program: Command, host: Pick<Host, 'env'>, config: Config): readonly SettingReport[] {
  return SETTINGS.map((setting) => surveySetting(setting, program, host, config))
}

function surveySetting(setting: Setting, program: Command, { env }: Pick<Host, 'env'>, config: Config): SettingReport {
  const { name, otherwise } = setting
  const flag = onCommandLine(name, program)
  if (flag !== undefined) return { name, value: flagValue(flag.value), otherwise, source: 'flag' }
  return { name, value: null, otherwise, source: 'default', ...findSetting(setting, env, config) }
}

/** What an option of the program made of its word. */
function flagValue(value: unknown): SettingValue {
  return typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
}
