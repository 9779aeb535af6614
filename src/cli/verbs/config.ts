import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { TareError } from '../../errors/index.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { examples } from '../help.ts'
import type { Execute, VerbResult } from '../run.ts'
import type { Config } from '../settings/config-file.ts'
import type { SettingReport } from '../settings/survey-settings.ts'

const EXAMPLES = examples([
  ['What holds, and where it comes from', 'tare config show'],
  ['A file to fill in', 'tare config init'],
  ['Is a file right?', 'tare config validate site.yaml'],
])

/** `tare config init|show|validate` */
export function defineConfig(program: Command, execute: Execute): void {
  const group = program
    .command('config')
    .summary('make, show or check the configuration')
    .description(
      'Makes, shows or checks the configuration: a YAML file of settings, $TARE_CONFIG or ' +
        '~/.config/tare/config.yaml. Options on the command line come before TARE_… variables, those before the file.',
    )
    .usage('<action> [options]')
    .addHelpText('after', EXAMPLES)
  group.helpCommand(false).commandsGroup('Actions:')
  group
    .command('init')
    .summary('write a file with every setting, each commented out')
    .description('Writes a configuration file with every setting, each commented out.')
    .argument('[file]', 'where to write it (default: where Tare looks for it)')
    .option('--force', 'replace a file that is there')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, values: { readonly force?: boolean }) =>
      execute(async ({ host }) => {
        const { configLocation } = await import('../settings/config-file.ts')
        return initialise(file ?? configLocation(host).path, values.force === true)
      }),
    )
  group
    .command('show')
    .summary('show what holds, and where it comes from')
    .description('Shows what holds for every setting: from the command line, a variable, the file, or by default.')
    .addHelpText('after', EXAMPLES)
    .action(() =>
      execute(async ({ host }) => {
        const [{ readConfig }, { surveySettings }] = await Promise.all([
          import('../settings/config-file.ts'),
          import('../settings/survey-settings.ts'),
        ])
        const config = await readConfig(host)
        const settings = surveySettings(program, host, config)
        const report = { file: config.path, isThere: config.isThere, settings }
        return { kind: 'answer', report, text: settingsText(config, settings) }
      }),
    )
  group
    .command('validate')
    .summary('check a configuration file')
    .description('Checks a configuration file, and tells every fault by line and column.')
    .argument('[file]', 'file to check (default: the one Tare uses)')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined) =>
      execute(async ({ host }) => {
        const { readConfig, readConfigAt } = await import('../settings/config-file.ts')
        const config = await (file === undefined ? readConfig(host) : readConfigAt(file, host))
        const report = { file: config.path, isThere: config.isThere, settings: config.values.size }
        return { kind: 'summary', report, text: validText(config) }
      }),
    )
}

async function initialise(path: string, force: boolean): Promise<VerbResult> {
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && !force) {
    throw new TareError('DESTINATION_EXISTS', `${path} is there already`, { hint: 'Replace it with --force' })
  }
  const [{ configTemplate }, { bytesSource, writeFileAtomically }] = await Promise.all([
    import('../settings/config-template.ts'),
    import('../../stream/index.ts'),
  ])
  await writeFileAtomically(path, bytesSource(new TextEncoder().encode(configTemplate())))
  return { kind: 'summary', report: { file: path }, text: formatFields([['wrote', path]]) }
}

function settingsText({ path, isThere }: Config, settings: readonly SettingReport[]): string {
  const rows = settings.map((setting) => [setting.name, valueText(setting), originText(setting)])
  const table = formatTable([{ title: 'setting' }, { title: 'value' }, { title: 'from' }], rows)
  return `${formatFields([['file', isThere ? path : `${path}, which is not there`]])}\n${table}`
}

function valueText({ value, otherwise }: SettingReport): string {
  if (value === null) return otherwise
  return typeof value === 'object' ? value.join(', ') : String(value)
}

function originText(setting: SettingReport): string {
  switch (setting.source) {
    case 'flag':
      return 'command line'
    case 'env':
      return setting.variable
    case 'file':
      return `${setting.file}:${setting.line}`
    case 'default':
      return 'default'
  }
}

function validText({ path, isThere, values }: Config): string {
  if (!isThere) return formatFields([['ok', `${path} is not there; everything holds by default`]])
  return formatFields([['ok', `${path}, ${values.size} ${values.size === 1 ? 'setting' : 'settings'}`]])
}
