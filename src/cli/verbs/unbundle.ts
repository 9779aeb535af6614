import { type Command, Option } from 'commander'
import type { BaselineSpec, ImageTask, OutputSpec } from '../../delta/index.ts'
import { TareError } from '../../errors/index.ts'
import type { OpenContext } from '../../transport/index.ts'
import { startCodecs } from '../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { ImageOpener } from '../image-opener.ts'
import { openContext } from '../open-context.ts'
import { openDeltas } from '../open-deltas.ts'
import { collect } from '../option-values.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import { addVerifyOptions, type VerifyOptionValues } from '../signature-options.ts'
import { wantedVerification } from '../verification-policy.ts'
import type { Execute, VerbResult } from '../run.ts'

interface UnbundleOptionValues extends RegistryOptionValues, VerifyOptionValues {
  readonly baseline?: readonly string[]
  readonly output?: readonly string[]
  readonly strict?: boolean
  readonly dryRun?: boolean
  readonly force?: boolean
}

/** `tare unbundle DELTA BASELINES OUTPUTS` */
export function defineUnbundle(program: Command, execute: Execute): void {
  const command = program
    .command('unbundle')
    .summary('rebuild several images from their baselines and a bundle')
    .description(
      'Rebuilds the images of a bundle. Each is checked against its baseline before anything is written. Images that ' +
        'lack something are left out and told of (exit code 6); with --strict nothing is written then. Baselines and ' +
        'outputs stand in files, YAML or JSON, or are given one by one with --baseline and --output.',
    )
    .argument('<delta>', 'bundle, or the delta of one image, in one piece or in volumes; - for standard input')
    .argument('[baselines]', 'file with the baseline, or several, of each image by name')
    .argument('[outputs]', 'file with the place of each image by name')
    .addOption(
      new Option('--baseline <name=image>', 'an image that is here for a name (repeatable)').argParser(collect),
    )
    .addOption(
      new Option('--output <name=image>', 'where to write the image of a name (repeatable)').argParser(collect),
    )
    .option('--strict', 'all images or none: write nothing unless every one can be rebuilt')
    .option('--dry-run', 'check that everything is there and write nothing')
    .option('--force', 'replace outputs that are not empty')
  addVerifyOptions(command)
  addRegistryOptions(command, ['src', 'dest'])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['As the files list them', 'tare unbundle release.tare baselines.yaml outputs.yaml'],
        [
          'Without files, one image of several',
          'tare unbundle release.tare --baseline web=oci:web:v1 --output web=oci:web:v2',
        ],
        ['Would all of it work?', 'tare unbundle --strict --dry-run release.tare baselines.yaml outputs.yaml'],
      ]),
    )
    .action((delta: string, baselines: string | undefined, outputs: string | undefined, values: UnbundleOptionValues) =>
      execute(async (run) => {
        const specs = await readSpecs(baselines, outputs, values)
        const [{ applyBundle, planUnbundle }, { unbundlePlanText, unbundleText }] = await Promise.all([
          import('../../delta/index.ts'),
          import('../render/unbundle-text.ts'),
        ])
        const { signal, logger, onProgress, settings } = run
        const mode = values.strict === true ? 'strict' : 'partial'
        const options = {
          mode,
          workdir: settings.workdir,
          concurrency: settings.jobs,
          memoryBytes: settings.memoryBytes,
          threads: settings.jobs ?? run.host.cpus,
          signal,
          logger,
          onProgress,
        } as const
        const context = await openContext(run, values, 'src')
        await using resources = new AsyncDisposableStack()
        const verification = await wantedVerification(run, values)
        const { set, signature } = await openDeltas(delta, context, resources, verification)
        const destinationContext = await openContext(run, values, 'dest')
        const opener = new ImageOpener(context, resources)
        const tasks = tasksOf(specs, opener, destinationContext, resources)
        if (values.dryRun === true) {
          const images = await planUnbundle(set, tasks, options)
          const report = { delta: { reference: set.reference, digest: set.descriptor.digest }, mode, signature, images }
          const errors = images.map((image) => image.preflight.error)
          return resultOf(report, unbundlePlanText(report), mode, errors)
        }
        const kernels = resources.use(await startCodecs(run))
        const report = { ...(await applyBundle(set, tasks, { ...options, kernels })), signature }
        const errors = report.images.map((image) => image.error)
        return resultOf(report, unbundleText(report), mode, errors)
      }),
    )
}

/**
 * Partial runs that did something, or would, end with a code of their own; everything else ends as its first failure says.
 *
 * @param errors - of each image
 */
function resultOf(
  report: unknown,
  text: string,
  mode: 'strict' | 'partial',
  errors: readonly (TareError | undefined)[],
): VerbResult {
  const failure = errors.find((error) => error !== undefined)
  const isPartial = mode === 'partial' && failure !== undefined && errors.includes(undefined)
  return isPartial ? { kind: 'summary', report, text, isPartial } : { kind: 'summary', report, text, failure }
}

interface UnbundleSpecs {
  readonly baselines: BaselineSpec['baselines']
  readonly outputs: OutputSpec['outputs']
}

async function readSpecs(
  baselines: string | undefined,
  outputs: string | undefined,
  values: UnbundleOptionValues,
): Promise<UnbundleSpecs> {
  const { baselineSpecOf, outputSpecOf, readBaselineSpec, readOutputSpec } = await import('../spec-file.ts')
  const { baseline, output } = values
  if ((baselines !== undefined && baseline !== undefined) || (outputs !== undefined && output !== undefined)) {
    throw new TareError('INVALID_COMMAND_LINE', 'unbundle got baselines or outputs both in files and as options', {
      hint: 'Give BASELINES and OUTPUTS, or --baseline and --output',
    })
  }
  if ((baselines ?? baseline) === undefined || (outputs ?? output) === undefined) {
    throw new TareError('INVALID_COMMAND_LINE', 'unbundle needs baselines and outputs', {
      hint: 'For example tare unbundle release.tare baselines.yaml outputs.yaml; see tare unbundle --help',
    })
  }
  return {
    baselines: (baselines === undefined ? baselineSpecOf(baseline ?? []) : await readBaselineSpec(baselines)).baselines,
    outputs: (outputs === undefined ? outputSpecOf(output ?? []) : await readOutputSpec(outputs)).outputs,
  }
}

/** Names that only one of the two lists has are tasks too, which fail for want of the other part. */
function tasksOf(
  { baselines, outputs }: UnbundleSpecs,
  opener: ImageOpener,
  context: OpenContext,
  resources: AsyncDisposableStack,
): readonly ImageTask[] {
  return [...new Set([...baselines.keys(), ...outputs.keys()])].map((name) => ({
    name,
    baselines: () => opener.openAll(baselines.get(name) ?? missing(name, 'baseline')),
    destination: async (mayHold) => {
      const { openDestination } = await import('../../transport/index.ts')
      return resources.use(await openDestination(outputs.get(name) ?? missing(name, 'output'), { ...context, mayHold }))
    },
  }))
}

function missing(name: string, what: 'baseline' | 'output'): never {
  throw new TareError('BASELINE_REQUIRED', `image ${name} has no ${what}`, {
    hint: `Name it among the ${what}s, or leave it out of both lists`,
  })
}
