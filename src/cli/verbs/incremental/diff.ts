import type { Command } from 'commander'
import { examples } from '../../help.ts'
import { archivePath, archiveReference } from '../../incremental-tools.ts'
import { splitOption } from '../../image-options.ts'
import { openContext } from '../../open-context.ts'
import type { Execute } from '../../run.ts'

interface DiffOptionValues {
  readonly resume?: boolean
  readonly split?: number
}

/** `tare incremental diff OLD NEW ARCHIVE` */
export function defineIncrementalDiff(group: Command, execute: Execute): void {
  group
    .command('diff')
    .summary('write what one archive has beyond another')
    .description(
      'Writes an overlay: what the new archive has beyond the old one. Pushing the old archive with the overlay is the same ' +
        'as pushing the new one.',
    )
    .argument('<old>', 'OCI archive that the receiver has')
    .argument('<new>', 'OCI archive that the receiver shall have')
    .argument('<archive>', 'file to write; an existing one is replaced when the new one is complete')
    .option('--resume', 'leave what an interrupted run has, and go on from it the next time')
    .addOption(splitOption())
    .addHelpText(
      'after',
      examples([
        ['The difference', 'tare incremental diff v1.tar v2.tar v1-to-v2.tar'],
        ['Push it', 'tare incremental push --overlay v1-to-v2.tar v1.tar docker://mirror.example/app:v2'],
      ]),
    )
    .action((before: string, after: string, output: string, values: DiffOptionValues) =>
      execute(async (run) => {
        run.standard.claimOutput(output, true)
        const [{ diffArchives }, { overlayText }] = await Promise.all([
          import('../../../incremental/index.ts'),
          import('../../render/incremental-text.ts'),
        ])
        const context = await openContext(run, {})
        const [from, to] = [await archiveReference(before, context), await archiveReference(after, context)]
        const { signal, logger, onProgress, settings } = run
        const { workdir, jobs: concurrency } = settings
        const { standardInput, standardOutput } = context
        const { resume, split: volumeBytes } = values
        const streams = { standardInput, standardOutput, volumeBytes }
        const options = { ...streams, workdir, concurrency, resume, signal, logger, onProgress }
        const report = await diffArchives(from, to, await archivePath(output), options)
        return { kind: 'summary', report, text: overlayText(report) }
      }),
    )
}
