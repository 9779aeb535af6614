import process from 'node:process'
import type { Command } from 'commander'
import { formatFields } from '../format/table.ts'
import { examples } from '../help.ts'
import type { Execute } from '../run.ts'
import { tareVersion } from '../tare-version.ts'

/** `tare version` */
export function defineVersion(program: Command, execute: Execute): void {
  program
    .command('version')
    .summary('print the version and what Tare runs on')
    .description('Prints the version of Tare and what it runs on, as it belongs into a report of a fault.')
    .addHelpText('after', examples([['For a script', 'tare version --json']]))
    .action(() =>
      execute(async () => {
        const { versions, platform, arch } = process
        const report = { tare: tareVersion(), node: versions.node, zstd: versions.zstd, platform, arch }
        const text = formatFields(Object.entries(report).map(([name, value]) => [name, value]))
        return { kind: 'answer', report, text }
      }),
    )
}
