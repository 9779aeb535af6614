import type { Command } from 'commander'
import { examples, REFERENCE_HELP } from '../help.ts'
import { baselineOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface ApplyOptionValues extends RegistryOptionValues {
  readonly baseline?: readonly string[]
  readonly dryRun?: boolean
  readonly force?: boolean
}

/** `tare apply DELTA BASELINE TARGET` */
export function defineApply(program: Command, execute: Execute): void {
  const command = program
    .command('apply')
    .summary('rebuild an image from its baseline and a delta file')
    .description(
      'Rebuilds the target of a delta file from the baseline: manifest, config and layers have the digests they had ' +
        'where the delta was made. Nothing is visible at the target before everything is verified.',
    )
    .argument('<delta>', 'delta file, in one piece or in volumes; - for standard input')
    .argument('<baseline>', 'image that the delta builds on')
    .argument('<target>', 'where to write the image')
    .addOption(baselineOption())
    .option('--dry-run', 'check that everything is there and write nothing')
    .option('--force', 'replace a target that is not empty')
  addRegistryOptions(command, ['src', 'dest'])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Inside a registry', 'tare apply app.tare docker://mirror.example/app:v1 docker://mirror.example/app:v2'],
        ['Into what docker load reads', 'tare apply app.tare docker-archive:v1.tar docker-archive:v2.tar:app:v2'],
        ['As it arrives', 'cat /media/*/app.tare.[0-9]* | tare apply - oci:app:v1 oci:app:v2'],
        ['Would it work?', 'tare apply --dry-run app.tare oci:app:v1 oci:app:v2'],
      ]),
    )
    .action((delta: string, baseline: string, target: string, values: ApplyOptionValues) =>
      execute(async (run) => {
        run.standard.claimOutput(target)
        const [{ applyDelta, planApply }, { openDestination }, { openDelta, openSources, startCodecs }, { applyText }] =
          await Promise.all([
            import('../../delta/index.ts'),
            import('../../transport/index.ts'),
            import('../delta-tools.ts'),
            import('../render/delta-text.ts'),
          ])
        const { signal, logger, onProgress, settings } = run
        const options = { workdir: settings.workdir, concurrency: settings.jobs, signal, logger, onProgress }
        const context = await openContext(run, values, 'src')
        await using resources = new AsyncDisposableStack()
        const file = resources.use(await openDelta(delta, context))
        const baselines = await openSources([baseline, ...(values.baseline ?? [])], context, resources)
        const destination = resources.use(await openDestination(target, await openContext(run, values, 'dest')))
        if (values.dryRun === true) {
          const report = await planApply(file, baselines, destination.layerForm, options)
          return { kind: 'summary', report, text: applyText(report) }
        }
        const kernels = resources.use(await startCodecs(run))
        const report = await applyDelta(file, baselines, destination, { ...options, kernels })
        return { kind: 'summary', report, text: applyText(report) }
      }),
    )
}
