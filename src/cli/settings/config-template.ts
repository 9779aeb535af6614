import { SETTING_GROUPS, type Setting, SETTINGS, variableOf } from './setting-table.ts'
import { describeType } from './setting-value.ts'

/** What `tare config init` writes: every setting, each commented out. */
export function configTemplate(): string {
  const parts = SETTING_GROUPS.map((group) => {
    const settings = SETTINGS.filter((setting) => setting.group === group)
    return `## ${group}\n\n${settings.map(templateOf).join('\n')}`
  })
  return `# Configuration of Tare. What is on the command line comes first, then TARE_… variables, then this file.
# What holds, and where it comes from: tare config show. Is the file right? tare config validate.

${parts.join('\n')}`
}

function templateOf(setting: Setting): string {
  const { name, type, meaning, otherwise, example } = setting
  return `# ${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}: ${describeType(type)}.
# Otherwise: ${otherwise}. Variable: ${variableOf(setting)}.
#${name}: ${example}
`
}
