import { SETTING_GROUPS, SETTINGS, variableOf } from '../../src/cli/settings/setting-table.ts'
import { describeType } from '../../src/cli/settings/setting-value.ts'

/** The tables of `docs/configuration.md`, one for each group of settings. */
export function settingsTables(): string {
  return SETTING_GROUPS.map((group) => {
    const rows = SETTINGS.filter((setting) => setting.group === group).map((setting) => {
      const { name, type, meaning, otherwise } = setting
      return `| \`${name}\` | \`${variableOf(setting)}\` | ${describeType(type)} | ${otherwise} | ${meaning} |\n`
    })
    return `### ${group}\n\n| setting | variable | value | otherwise | meaning |\n| --- | --- | --- | --- | --- |\n${rows.join('')}`
  }).join('\n')
}
