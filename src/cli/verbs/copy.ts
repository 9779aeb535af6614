import type { Command } from 'commander'
import type { CopyReport } from '../../image/index.ts'
import { formatFields } from '../format/table.ts'
import { formatSize } from '../format/size.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { parsePlatforms, platformOption, splitOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface CopyOptionValues extends RegistryOptionValues {
  readonly platform?: readonly string[]
  readonly force?: boolean
  readonly split?: number
}

/** `tare copy SOURCE DESTINATION` */
export function defineCopy(program: Command, execute: Execute): void {
  const command = program
    .command('copy')
    .summary('copy an image, every digest kept')
    .description(
      'Copies an image between registries, layouts, archives and directories. An index is copied whole, every blob is ' +
        'verified, and what the destination has is not sent again.',
    )
    .argument('<source>', 'image to copy')
    .argument('<destination>', 'where to copy it')
    .addOption(platformOption('copy only this member of an index'))
    .option('--force', 'replace a destination that is not empty')
    .addOption(splitOption())
  addRegistryOptions(command, ['src', 'dest'])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['From a registry into a layout', 'tare copy docker://debian:13 oci:layout:debian'],
        [
          'One platform into what docker load reads',
          'tare copy --platform linux/arm64 docker://app:v2 docker-archive:app.tar:app:v2',
        ],
        ['Straight into docker load', 'tare copy docker://app:v2 docker-archive:-:app:v2 | docker load'],
        [
          'Between registries, each with its own credentials',
          'tare copy --src-creds a:secret --dest-creds b:secret docker://one.example/app:v1 docker://two.example/app:v1',
        ],
      ]),
    )
    .action((source: string, destination: string, values: CopyOptionValues) =>
      execute(async (run) => {
        run.standard.claimOutput(destination)
        const platforms = parsePlatforms(values.platform)
        const [{ copyImage }, { openDestination, openSource }] = await Promise.all([
          import('../../image/index.ts'),
          import('../../transport/index.ts'),
        ])
        await using from = await openSource(source, await openContext(run, values, 'src'))
        const context = await openContext(run, values, 'dest')
        await using to = await openDestination(destination, { ...context, volumeBytes: values.split })
        const { signal, logger, onProgress, settings } = run
        const report = await copyImage(from, to, { platforms, concurrency: settings.jobs, signal, logger, onProgress })
        return { kind: 'summary', report, text: copyText(report) }
      }),
    )
}

function copyText(report: CopyReport): string {
  const written = report.blobs.filter((blob) => blob.outcome === 'written').length
  return formatFields([
    ['copied', report.source],
    ['to', report.destination],
    ['digest', report.digest],
    ['index', indexText(report)],
    ['written', `${written} of ${report.blobs.length} blobs, ${formatSize(report.writtenBytes)}`],
    ['there already', report.savedBytes === 0 ? undefined : formatSize(report.savedBytes)],
  ])
}

function indexText({ index, manifestCount }: CopyReport): string | undefined {
  switch (index.kind) {
    case 'single':
      return undefined
    case 'whole':
      return `kept whole, ${manifestCount} manifests`
    case 'dropped':
      return `left out: one member of ${index.from} stands for itself`
    case 'rewritten':
      return `made anew, because members of ${index.from} were left out`
  }
}
