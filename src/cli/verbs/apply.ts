import type { Command } from 'commander'
import { startCodecs } from '../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { ImageOpener } from '../image-opener.ts'
import { baselineOption } from '../image-options.ts'
import { openIfIncremental } from '../incremental-tools.ts'
import { openContext } from '../open-context.ts'
import { openDeltas } from '../open-deltas.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import { addVerifyOptions, type VerifyOptionValues } from '../signature-options.ts'
import { wantedVerification } from '../verification-policy.ts'
import type { ImageSource } from '../../transport/index.ts'
import type { Execute } from '../run.ts'

interface ApplyOptionValues extends RegistryOptionValues, VerifyOptionValues {
  readonly baseline?: readonly string[]
  readonly image?: string
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
    .option('--image <name>', 'which image of a bundle')
    .option('--dry-run', 'check that everything is there and write nothing')
    .option('--force', 'replace a target that is not empty')
  addVerifyOptions(command)
  addRegistryOptions(command, ['src', 'dest'])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Inside a registry', 'tare apply app.tare docker://mirror.example/app:v1 docker://mirror.example/app:v2'],
        ['Into what docker load reads', 'tare apply app.tare docker-archive:v1.tar docker-archive:v2.tar:app:v2'],
        [
          'Only if the right key signed it',
          'tare apply --verify cosign.pub app.tare docker://mirror.example/app:v1 docker://mirror.example/app:v2',
        ],
        ['As it arrives', 'cat /media/*/app.tare.[0-9]* | tare apply - oci:app:v1 oci:app:v2'],
        ['Would it work?', 'tare apply --dry-run app.tare oci:app:v1 oci:app:v2'],
      ]),
    )
    .action((delta: string, baseline: string, target: string, values: ApplyOptionValues) =>
      execute(async (run) => {
        run.standard.claimOutput(target)
        const [{ applyDelta, pickDelta, planApply }, { openDestination }, { applyText }] = await Promise.all([
          import('../../delta/index.ts'),
          import('../../transport/index.ts'),
          import('../render/delta-text.ts'),
        ])
        const { signal, logger, onProgress, settings, host } = run
        const options = {
          image: values.image,
          workdir: settings.workdir,
          concurrency: settings.jobs,
          memoryBytes: settings.memoryBytes,
          threads: settings.jobs ?? host.cpus,
          signal,
          logger,
          onProgress,
        }
        const context = await openContext(run, values, 'src')
        await using resources = new AsyncDisposableStack()
        const verification = await wantedVerification(run, values)
        const opener = new ImageOpener(context, resources)
        const openBaselines = (): Promise<readonly ImageSource[]> =>
          opener.openAll([baseline, ...(values.baseline ?? [])])
        const archive = verification === undefined ? await openIfIncremental(delta, context, resources) : undefined
        if (archive !== undefined) {
          const { applyIncremental } = await import('../apply-incremental.ts')
          const to = resources.use(await openDestination(target, await openContext(run, values, 'dest')))
          return await applyIncremental(archive, await openBaselines(), to, values, run)
        }
        const { set, signature } = await openDeltas(delta, context, resources, verification)
        const baselines = await openBaselines()
        const mayHold = pickDelta(set, values.image).plan.target.digest
        const destinationContext = { ...(await openContext(run, values, 'dest')), mayHold }
        const destination = resources.use(await openDestination(target, destinationContext))
        if (values.dryRun === true) {
          const report = { ...(await planApply(set, baselines, destination, options)), signature }
          return { kind: 'summary', report, text: applyText(report) }
        }
        const kernels = resources.use(await startCodecs(run))
        const report = { ...(await applyDelta(set, baselines, destination, { ...options, kernels })), signature }
        return { kind: 'summary', report, text: applyText(report) }
      }),
    )
}
