import { type Command, Option } from 'commander'
import type { BundleSpec, ImagePair } from '../../delta/index.ts'
import { TareError } from '../../errors/index.ts'
import { deltaFile } from '../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { ImageOpener } from '../image-opener.ts'
import { parsePlatforms, platformOption } from '../image-options.ts'
import { addMakeDeltaOptions, type MakeDeltaValues, makeDelta } from '../make-delta.ts'
import { openContext } from '../open-context.ts'
import { collect } from '../option-values.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface BundleOptionValues extends RegistryOptionValues, MakeDeltaValues {
  readonly pair?: readonly string[]
  readonly platform?: readonly string[]
}

/** `tare bundle SPEC DELTA` */
export function defineBundle(program: Command, execute: Execute): void {
  const command = program
    .command('bundle')
    .summary('write deltas of several images as one file')
    .description(
      'Writes a bundle: a delta of each pair of images, under its name, in one file. What the images have in common is ' +
        'stored once. The pairs stand in a file, YAML or JSON, or are given one by one with --pair.',
    )
    .argument('[spec]', 'file with the pairs; relative paths in it start from its folder')
    .argument(
      '[delta]',
      'file to write, or - for standard output; an existing one is replaced when the new one is complete',
    )
    .addOption(
      new Option(
        '--pair <name=baseline,target>',
        'an image: its name, the images that the receiver has, and the one it shall get (repeatable)',
      ).argParser(collect),
    )
    .addOption(platformOption('take only this member of an index'))
  addMakeDeltaOptions(command)
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['As bundle.yaml lists them', 'tare bundle bundle.yaml release.tare'],
        ['Without a file', 'tare bundle --pair web=oci:web:v1,oci:web:v2 --pair db=oci:db:v1,oci:db:v2 release.tare'],
      ]),
    )
    .action((first: string | undefined, second: string | undefined, values: BundleOptionValues) =>
      execute(async (run) => {
        const { spec, delta } = await readArguments(first, second, values)
        if (values.dryRun !== true) run.standard.claimOutput(delta, true)
        const platforms = parsePlatforms(values.platform)
        const output = await deltaFile(delta)
        const context = await openContext(run, values)
        await using resources = new AsyncDisposableStack()
        const opener = new ImageOpener(context, resources)
        const pairs: ImagePair[] = []
        for (const { name, baselines, target, platforms: own } of spec.pairs) {
          const opened = { baselines: await opener.openAll(baselines), target: await opener.open(target) }
          pairs.push({ name, ...opened, platforms: own.length === 0 ? platforms : own })
        }
        return await makeDelta({ pairs, isBundle: true, output }, values, run, context, resources)
      }),
    )
}

async function readArguments(
  first: string | undefined,
  second: string | undefined,
  { pair }: BundleOptionValues,
): Promise<{ readonly spec: BundleSpec; readonly delta: string }> {
  const { bundleSpecOf, readBundleSpec } = await import('../spec-file.ts')
  if (pair !== undefined && first !== undefined && second === undefined) {
    return { spec: bundleSpecOf(pair), delta: first }
  }
  if (pair === undefined && first !== undefined && second !== undefined) {
    return { spec: await readBundleSpec(first), delta: second }
  }
  throw new TareError(
    'INVALID_COMMAND_LINE',
    pair === undefined ? 'bundle needs a spec and a delta file' : 'bundle with --pair needs the delta file alone',
    { hint: 'For example tare bundle bundle.yaml release.tare; see tare bundle --help' },
  )
}
