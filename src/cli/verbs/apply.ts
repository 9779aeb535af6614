import type { Command } from 'commander'
import type { OpenedBaselines } from '../../delta/index.ts'
import { TareError } from '../../errors/index.ts'
import type { ChosenBaselines } from '../apply-incremental.ts'
import { startCodecs } from '../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { ImageOpener } from '../image-opener.ts'
import { baselineOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { openAppliable } from '../open-deltas.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import { addVerifyOptions, type VerifyOptionValues } from '../signature-options.ts'
import { wantedVerification } from '../verification-policy.ts'
import type { Execute } from '../run.ts'

interface ApplyOptionValues extends RegistryOptionValues, VerifyOptionValues {
  readonly baseline?: readonly string[]
  readonly image?: string
  readonly dryRun?: boolean
  readonly force?: boolean
}

/** `tare apply DELTA [BASELINE] TARGET` */
export function defineApply(program: Command, execute: Execute): void {
  const command = program
    .command('apply')
    .usage('[options] <delta> [baseline] <target>')
    .summary('rebuild an image from its baseline and a delta file')
    .description(
      'Rebuilds the target of a delta file from the baseline: manifest, config and layers have the digests they had ' +
        'where the delta was made. Nothing is visible at the target before everything is verified. A baseline that is ' +
        'not named is looked for among the images of the local store, and of containerd and docker on this machine.',
    )
    .argument('<delta>', 'delta file, in one piece or in volumes; - for standard input')
    .argument('[baseline]', 'image that the delta builds on; left out, one that is here')
    .argument('[target]', 'where to write the image')
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
        ['Whatever is here lends its layers', 'tare apply app.tare docker-daemon:app:v2'],
        ['As it arrives', 'cat /media/*/app.tare.[0-9]* | tare apply - oci:app:v1 oci:app:v2'],
        ['Would it work?', 'tare apply --dry-run app.tare oci:app:v1 oci:app:v2'],
      ]),
    )
    .action((delta: string, first: string | undefined, second: string | undefined, values: ApplyOptionValues) =>
      execute(async (run) => {
        const { baseline, target } = imagesOf(first, second)
        run.standard.claimOutput(target)
        const [{ applyDelta, openLocalBaselines, pickDelta, planApply }, { openDestination }, { applyText }] =
          await Promise.all([
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
        const named = [...(baseline === undefined ? [] : [baseline]), ...(values.baseline ?? [])]
        const openBaselines = async (find: () => Promise<OpenedBaselines>): Promise<ChosenBaselines> => {
          if (named.length > 0) return { sources: await opener.openAll(named) }
          return resources.use(await find())
        }
        const opened = await openAppliable(delta, context, resources, verification)
        if (opened.kind === 'incremental') {
          const { applyIncremental } = await import('../apply-incremental.ts')
          const to = resources.use(await openDestination(target, await openContext(run, values, 'dest')))
          return await applyIncremental(opened.archive, openBaselines, to, values, context, run)
        }
        const { set, signature } = opened
        const wanted = pickDelta(set, values.image)
        const mayHold = wanted.plan.target.digest
        const destinationContext = { ...(await openContext(run, values, 'dest')), mayHold }
        const destination = resources.use(await openDestination(target, destinationContext))
        const { layerForm } = destination
        const { sources, picked } = await openBaselines(() => openLocalBaselines(wanted, context, { layerForm }))
        if (values.dryRun === true) {
          const report = { ...(await planApply(set, sources, destination, options)), signature, picked }
          return { kind: 'summary', report, text: applyText(report) }
        }
        const kernels = resources.use(await startCodecs(run))
        const applied = await applyDelta(set, sources, destination, { ...options, kernels })
        const report = { ...applied, signature, picked }
        return { kind: 'summary', report, text: applyText(report) }
      }),
    )
}

/** One image is the target, two are baseline and target. */
function imagesOf(
  first: string | undefined,
  second: string | undefined,
): { readonly baseline: string | undefined; readonly target: string } {
  const target = second ?? first
  if (target === undefined) {
    throw new TareError('INVALID_COMMAND_LINE', 'apply needs a target', {
      hint: 'For example tare apply app.tare store:app:v2; see tare apply --help',
    })
  }
  return { baseline: second === undefined ? undefined : first, target }
}
